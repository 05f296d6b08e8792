"""A task of one's own: report whether the mean of a noisy input was above zero."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnensemble import Task, Trials, tasks


@tasks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence(Task):
    """Perceptual decision: the sign of a drift hidden in noise, asked for in the last steps."""

    name: ClassVar[str] = "evidence"
    threshold: ClassVar[float] = 0.05
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_steps: int = 20
    drift: float = 1.0

    n_inputs = 1
    n_outputs = 1

    def clean_trials(self, key: jax.Array, batch: int) -> Trials:
        sign_key, noise_key = jax.random.split(key)
        sign = jax.random.rademacher(sign_key, (batch, 1, 1), float)
        noise = jax.random.normal(noise_key, (batch, self.n_steps, 1))
        asked = jnp.arange(self.n_steps) >= self.n_steps - 5
        targets = jnp.broadcast_to(sign, noise.shape)
        return Trials(self.drift * sign + noise, targets, jnp.tile(asked * 1.0, (batch, 1)))
