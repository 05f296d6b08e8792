"""A network of which units are silent, or whose states are pushed at one step."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble.networks.base import Params
from rnnensemble.networks.wrapped import Wrapped


class PerturbedParams(NamedTuple):
    """Parameters of a network with what is done to it; None for what is not.

    Attributes:
        network: Those of the network itself.
        kept: 1 for units as they are, 0 for silent ones, `[N]`.
        kick: What is added to the state, `[S]`.
        when: After which step it is added, a scalar.
    """

    network: Params
    kept: Any = None
    kick: Any = None
    when: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Perturbed(Wrapped):
    """A network with what its `PerturbedParams` do to it; else as it is.

        s_t = k * F(s_{t-1}, x_t) + (1 - k) * s_silent + [t = when] kick

    with F its step, k 1 but for the states of silent units, and s_silent the state at which a rate
    is 0 (`Network.silent`): their rates are 0 for readout and recurrence at every step, from the
    initial state on. What a unit remembers besides its state of the first N, as c of an LSTM, goes
    on, and no other unit sees it. Silent units stay silent when states are kicked.

    Attributes:
        network: The network itself, without values that differ between networks.
    """

    kind: ClassVar[str] = "perturbed"

    @property
    def silent(self) -> None:
        """Units are silenced in the network itself."""
        return

    def init(self, key: Key, *, n_inputs: int, n_outputs: int, **own: Any) -> PerturbedParams:
        """The network's own initial parameters, not perturbed."""
        own = dict.fromkeys(self.network.per_network, jnp.ones(())) | own
        return PerturbedParams(
            self.network.init(key, n_inputs=n_inputs, n_outputs=n_outputs, **own)
        )

    def initial_state(self, params: PerturbedParams) -> Array:
        """The network's own, with silent units."""
        return self._silenced(params, self.network.initial_state(params.network))

    def step(self, params: PerturbedParams, state: Array, inputs: Array) -> Array:
        """One step of the network, with silent units and without a kick."""
        return self._silenced(params, self.network.step(params.network, state, inputs))

    def respond(self, params: PerturbedParams, inputs: Array) -> tuple[Array, Array]:
        """Rates `[B, T, R]` and outputs `[B, T, O]` for inputs `[B, T, I]`, kick included."""
        if params.kept is None and params.kick is None:
            return self.network.respond(params.network, inputs)

        def advance(states: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            step, inputs = now
            states = self.step(params, states, inputs)
            if params.kick is not None:
                kicked = states + jnp.where(step == params.when, params.kick, 0.0)
                states = self._silenced(params, kicked)
            return states, self.rates(states)

        start = self.initial_state(params)
        states = jnp.broadcast_to(start, (len(inputs), *start.shape))
        steps = jnp.arange(inputs.shape[1]), jnp.swapaxes(inputs, 0, 1)
        rates = jnp.swapaxes(jax.lax.scan(advance, states, steps)[1], 0, 1)
        return rates, self.readout(params, rates)

    def _silenced(self, params: PerturbedParams, state: Array) -> Array:
        if params.kept is None or self.network.silent is None:
            return state
        n, kept = self.width, jax.lax.stop_gradient(params.kept)
        silent = jnp.where(kept != 0, state[..., :n], self.network.silent)
        return jnp.concatenate([silent, state[..., n:]], axis=-1)
