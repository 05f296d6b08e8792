"""What networks that change another one a little have in common: all else is the other's."""

import dataclasses
from typing import Any

from rnnensemble._core.axes import Array
from rnnensemble.networks.base import Network, Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wrapped(Network):
    """A network whose parameters hold those of another, `network`, which does what is not changed.

    Attributes:
        network: The network itself, without values that differ between networks.
    """

    network: Network

    @property
    def update_rule(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the network: those with and without the change are compared."""
        return self.network.update_rule

    @property
    def width(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.network.width

    @property
    def in_place(self) -> int:
        return self.network.in_place

    @property
    def n_rates(self) -> int:
        return self.network.n_rates

    @property
    def n_kept(self) -> int:
        return self.network.n_kept

    @property
    def n_cached(self) -> int:
        return self.network.n_cached

    def initial_state(self, params: Params) -> Array:
        """The network's own."""
        return self.network.initial_state(params.network)

    def step(self, params: Params, state: Array, inputs: Array) -> Array:
        """One step of the network."""
        return self.network.step(params.network, state, inputs)

    def rates(self, state: Array) -> Array:
        """The network's own."""
        return self.network.rates(state)

    def readout(self, params: Params, rates: Array) -> Array:
        """The network's own."""
        return self.network.readout(params.network, rates)

    def weights(self, params: Params) -> dict[str, Array]:
        """The network's own."""
        return self.network.weights(params.network)

    def plain(self) -> Any:
        return dataclasses.replace(self, network=self.network.plain())
