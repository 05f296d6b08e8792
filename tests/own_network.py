"""A network of one's own: leaky rates that start where they learn to start."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnensemble import Network, networks


@networks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaky(Network):
    """r_t = r_{t-1} + tau (-r_{t-1} + tanh(W r_{t-1} + W_x x_t)), y_t = W_y r_t, r_0 learned."""

    kind: ClassVar[str] = "my-leaky"
    per_network: ClassVar[tuple[str, ...]] = ("spread",)

    width: int = 6
    tau: float = 0.5
    spread: float | tuple[float, ...] = 1.0  # factor on the initial W, one for each network

    def init(self, key, *, n_inputs, n_outputs, spread):
        first, second, third = jax.random.split(key, 3)
        n, scale = self.width, self.width**-0.5
        return {
            "recurrent_weights": spread * scale * jax.random.normal(first, (n, n)),
            "input_weights": scale * jax.random.normal(second, (n, n_inputs)),
            "readout_weights": scale * jax.random.normal(third, (n_outputs, n)),
            "initial_state": jnp.zeros(n),
        }

    def initial_state(self, params):
        return params["initial_state"]

    def step(self, params, state, inputs):
        drive = state @ params["recurrent_weights"].T + inputs @ params["input_weights"].T
        return state + self.tau * (jnp.tanh(drive) - state)

    def rates(self, state):
        return state

    def readout(self, params, rates):
        return rates @ params["readout_weights"].T

    def weights(self, params):
        return params
