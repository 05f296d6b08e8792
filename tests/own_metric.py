"""A metric of one's own: do two networks move at the same speeds?"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnensemble.metrics import Metric


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed(Metric):
    """Root mean squared difference of speeds |x(t + lag) - x(t)| / sqrt(N) over trials and time."""

    name: ClassVar[str] = "speed"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True

    lag: int = 1

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[1] <= self.lag:
            raise ValueError(f"`activity` must be [K, B, T, N] with T > {self.lag}; got {shape}.")

    def prepare(self, data: jax.Array) -> jax.Array:
        moved = data[:, self.lag :] - data[:, : -self.lag]
        return jnp.sqrt(jnp.mean(moved**2, axis=-1))

    def compare(self, key: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
        return jnp.sqrt(jnp.mean((first - second) ** 2))
