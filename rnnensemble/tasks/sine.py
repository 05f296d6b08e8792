"""Sine generation: a static input names a frequency, the output oscillates at it."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks.base import Task, Trials, require_range


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sine(Task):
    """Sine generation: output sin(2 pi f t) for a frequency f that a static input codes.

    Each trial and channel draws f from `n_frequencies` values evenly spaced over `frequency`
    (the middle of the range if there is one). The input is constant in time,
    0.25 + (f - low) / (high - low), and t = step * time_step starts at 0.
    Expected dynamics: limit cycles.

    Source: Huang et al. (arXiv 2410.03972, section 2.2; frequencies in [1, 30], threshold 0.05);
    the input's code follows Sussillo & Barak (2013, "Opening the black box", sine task). Open in
    the paper, chosen here: the time step (0.01 s), the trial length, the default number of
    frequencies.

    Attributes:
        n_channels: Number of independent oscillations in one trial.
        n_frequencies: Number of frequencies.
        frequency: Lowest and highest frequency in Hz.
        time_step: Seconds a step.
    """

    name: ClassVar[str] = "sine"
    threshold: ClassVar[float] = 0.05
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_channels: int = 1
    n_frequencies: int = 3
    frequency: tuple[float, float] = (1.0, 30.0)
    time_step: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, n_channels=1, n_frequencies=1, time_step=1e-6)
        require_range("frequency", self.frequency, 0.0)
        if self.frequency[1] * self.time_step > 0.5:
            raise ValueError(
                f"`frequency` of up to {self.frequency[1]} Hz cannot be shown in steps of "
                f"{self.time_step} s: the highest that can is {0.5 / self.time_step:g} Hz; "
                "lower `frequency` or `time_step`."
            )

    @property
    def n_inputs(self) -> int:
        return self.n_channels

    @property
    def n_outputs(self) -> int:
        return self.n_channels

    @property
    def channels(self) -> list[tuple[list[int], list[int]]]:
        return [([c], [c]) for c in range(self.n_channels)]

    def clean_trials(self, key: Key, batch: int) -> Trials:
        low, high = self.frequency
        shape = (batch, 1, self.n_channels)
        if self.n_frequencies == 1:
            position = jnp.full(shape, 0.5)
        else:
            index = jax.random.randint(key, shape, 0, self.n_frequencies)
            position = index / (self.n_frequencies - 1)
        time = jnp.arange(self.n_steps)[:, None] * self.time_step  # s
        targets = jnp.sin(2 * jnp.pi * (low + position * (high - low)) * time)
        inputs = jnp.broadcast_to(0.25 + position, targets.shape)
        return Trials(inputs, targets, jnp.ones(targets.shape[:2]))

    def variables(self, trials: Trials) -> dict[str, Array]:
        """The frequency of each channel in Hz, `[B]`."""
        low, high = self.frequency
        found = low + (jnp.mean(trials.inputs, axis=1) - 0.25) * (high - low)
        return {f"frequency_{c}": found[:, c] for c in range(self.n_channels)}
