"""A network of which some units are recorded neurons: their rates are outputs."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_positive, require_whole
from rnnensemble.networks.base import Network, Params
from rnnensemble.networks.wrapped import Wrapped


class ObservedParams(NamedTuple):
    """Parameters of a network with observed units.

    Attributes:
        network: Those of the network itself.
        log_scale: log c, `[R]`.
        offset: d, `[R]`.
    """

    network: Params
    log_scale: Array
    offset: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observed(Wrapped):
    """A network whose first R units are R recorded neurons; the others are free.

        y_t = [W_y h_t, c_1 h_t1 + d_1, ..., c_R h_tR + d_R]

    The last R of the task's outputs are the rates of units 1 to R, in this order, each with a
    scale c > 0 and an offset d of its own; those before them are read from all units as ever.
    `match_activity` makes the task of a recording of R units. Scales start at `scale` and offsets
    at 0, and both are trained unless they are frozen (`Training(frozen=("log_scale", "offset"))`):
    then rates must come to the recorded activity themselves, in its units over `scale`.

    Observed units have their places in every network (`Network.in_place`): `measure_degeneracy`
    lets PIF renumber the others alone.

    Attributes:
        network: The network itself, without values that differ between networks.
        units: R.
        scale: Where scales start, above 0.

    Example:
        >>> import rnnensemble as rnne
        >>> network = rnne.Observed(network=rnne.VanillaRNN(width=16), units=8)
        >>> network.width, network.in_place
        (16, 8)
    """

    kind: ClassVar[str] = "observed"

    units: int = 0
    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.network, Network) or isinstance(self.network, Wrapped):
            raise ValueError(
                "`network` must be a network such as VanillaRNN(width=64), neither observed nor "
                f"perturbed; got {self.network!r}."
            )
        several = [x for x in self.network.per_network if isinstance(self._own[x], tuple)]
        if several:
            raise ValueError(
                f"`network.{several[0]}` must be one number for all networks where units are "
                f"observed; got {self._own[several[0]]}."
            )
        if getattr(self.network, "fused", False) is True:
            raise ValueError("`network.fused` must be false, or auto, where units are observed.")
        require_whole(self, "units")
        if self.units > self.width:
            raise ValueError(
                f"`units` must be at most the {self.width} of the network; got {self.units}."
            )
        require_positive("scale", self.scale)

    @property
    def _own(self) -> dict[str, Any]:
        """What may differ between networks elsewhere, by name."""
        return {name: getattr(self.network, name) for name in self.network.per_network}

    @property
    def untrained(self) -> tuple[str, ...]:
        return tuple(f"network.{path}" for path in self.network.untrained)

    @property
    def in_place(self) -> int:
        return self.units

    @property
    def noisy(self) -> bool:
        return self.network.noisy

    @property
    def silent(self) -> float | None:
        return self.network.silent

    def init(self, key: Key, *, n_inputs: int, n_outputs: int, **own: Any) -> ObservedParams:
        """The network's own initial parameters, with a readout for the other outputs."""
        del own
        if n_outputs < self.units:
            raise ValueError(
                f"`units` must be at most the outputs of the task, {n_outputs}, of which the last "
                f"are observed units; got {self.units}."
            )
        own = {name: jnp.asarray(value) for name, value in self._own.items()}
        return ObservedParams(
            network=self.network.init(
                key, n_inputs=n_inputs, n_outputs=n_outputs - self.units, **own
            ),
            log_scale=jnp.full(self.units, jnp.log(self.scale)),
            offset=jnp.zeros(self.units),
        )

    def respond(self, params: ObservedParams, inputs: Array) -> tuple[Array, Array]:
        """Rates `[B, T, N]` and outputs `[B, T, O + R]` for inputs `[B, T, I]`."""
        return self._shown(params, *self.network.respond(params.network, inputs))

    def respond_noisily(
        self, params: ObservedParams, inputs: Array, key: Key, *, first: Any = 0
    ) -> tuple[Array, Array]:
        """As `respond`, with the network's noise."""
        found = self.network.respond_noisily(params.network, inputs, key, first=first)
        return self._shown(params, *found)

    def readout(self, params: ObservedParams, rates: Array) -> Array:
        """W_y h, then c h + d of the observed units."""
        return self._shown(params, rates, self.network.readout(params.network, rates))[1]

    def _shown(self, params: ObservedParams, rates: Array, outputs: Array) -> tuple[Array, Array]:
        """Rates, and outputs with those of the observed units."""
        seen = jnp.exp(params.log_scale) * rates[..., : self.units] + params.offset
        return rates, jnp.concatenate([outputs, seen], axis=-1)

    def weights(self, params: ObservedParams) -> dict[str, Array]:
        """The network's own; the readout has a row with one entry for each observed unit."""
        found = dict(self.network.weights(params.network))
        if "readout_weights" in found:
            rows = jnp.exp(params.log_scale)[..., None] * jnp.eye(self.units, self.width)
            found["readout_weights"] = jnp.concatenate([found["readout_weights"], rows], axis=-2)
        return found

    def jacobian(self, params: ObservedParams, state: Array, inputs: Array) -> Array:
        """The network's own."""
        return self.network.jacobian(params.network, state, inputs)

    def cut(self, params: ObservedParams, kept: Array) -> ObservedParams:
        """The network's own with fewer connections."""
        return params._replace(network=self.network.cut(params.network, kept))

    def scaled_gradient(self, gradient: ObservedParams, **own: Any) -> ObservedParams:
        """That of the network's own parameters in its units."""
        del own
        return gradient._replace(
            network=self.network.scaled_gradient(gradient.network, **self._own)
        )

    def rate_factor(self, **own: Any) -> Array | float:
        """The network's own."""
        del own
        return self.network.rate_factor(**self._own)
