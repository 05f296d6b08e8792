"""Delayed discrimination: which of two pulses, a delay apart, was the larger?"""

import dataclasses
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks import choices
from rnnensemble.tasks.base import Task, Trials, require_range


@dataclasses.dataclass(frozen=True, kw_only=True)
class DelayedDiscrimination(Task):
    """Delayed discrimination: sign(f2 - f1) after the second of two pulses.

    A pulse of amplitude f1, a delay of random length, a pulse of amplitude f2; from the end of
    the second pulse to the end of the trial the target is sign(f2 - f1), before the second pulse
    it is 0. The loss does not count while the second pulse is on. All channels of a trial share
    its delay and draw amplitudes of their own. Expected dynamics: fixed points, or a line of
    them that holds f1.

    Source: Huang et al. (arXiv 2410.03972, section 2.2; amplitudes in [2, 10], delay 5..20
    steps, threshold 0.01). Open there, chosen here: pulse and response length, `n_amplitudes`
    evenly spaced amplitudes (f1 and f2 always differ), the target of 0 before the response, and
    the auxiliary output (f2 - f1) divided by the width of the amplitude range.

    Attributes:
        n_channels: Number of independent comparisons in one trial.
        delay: Shortest and longest delay, in steps, drawn uniformly.
        amplitude: Smallest and largest amplitude.
        n_amplitudes: Number of evenly spaced amplitudes.
        pulse_steps: Length of a pulse, in steps.
        response_steps: Shortest response, in steps, that a trial must leave room for.
        magnitude: Adds the auxiliary output (f2 - f1) / (high - low), one for each channel.
    """

    name: ClassVar[str] = "delayed_discrimination"
    threshold: ClassVar[float] = 0.01
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    ood_noise: ClassVar[float] = 0.1

    n_steps: int = 40
    n_channels: int = 1
    delay: tuple[int, int] = (5, 20)
    amplitude: tuple[float, float] = (2.0, 10.0)
    n_amplitudes: int = 9
    pulse_steps: int = 5
    response_steps: int = 5
    magnitude: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, n_channels=1, n_amplitudes=2, pulse_steps=1, response_steps=1)
        require_range("delay", self.delay, 0)
        require_range("amplitude", self.amplitude, 0.0)
        needed = 2 * self.pulse_steps + self.delay[1] + self.response_steps
        if needed > self.n_steps:
            raise ValueError(
                f"`delay` of up to {self.delay[1]} steps does not fit the trial: two pulses of "
                f"{self.pulse_steps}, the delay and a response of {self.response_steps} take "
                f"{needed} steps, `n_steps` is {self.n_steps}; raise `n_steps` to {needed}."
            )

    @property
    def n_inputs(self) -> int:
        return self.n_channels

    @property
    def n_outputs(self) -> int:
        return (2 if self.magnitude else 1) * self.n_channels

    @property
    def channels(self) -> list[tuple[list[int], list[int]]]:
        step = self.n_channels
        return [([c], list(range(c, self.n_outputs, step))) for c in range(step)]

    def clean_trials(self, key: Key, batch: int) -> Trials:
        amplitude_key, delay_key = jax.random.split(key)
        first, second = self.amplitude_pairs(amplitude_key, batch)
        low, high = self.delay
        delay = jax.random.randint(delay_key, (batch, 1), low, high + 1)
        onset = self.pulse_steps + delay  # of the second pulse
        step = jnp.arange(self.n_steps)[None]
        in_first = step < self.pulse_steps
        in_second = (step >= onset) & (step < onset + self.pulse_steps)
        response = step >= onset + self.pulse_steps
        inputs = in_first[..., None] * first[:, None] + in_second[..., None] * second[:, None]
        answer = jnp.sign(second - first)
        if self.magnitude:
            width = self.amplitude[1] - self.amplitude[0]
            answer = jnp.concatenate([answer, (second - first) / width], axis=-1)
        targets = response[..., None] * answer[:, None]
        return Trials(inputs, targets, 1.0 - in_second)

    def amplitude_pairs(self, key: Key, batch: int) -> tuple[Array, Array]:
        """Pairs of different amplitudes, each `[B, C]`."""
        first_key, offset_key = jax.random.split(key)
        shape = (batch, self.n_channels)
        first = jax.random.randint(first_key, shape, 0, self.n_amplitudes)
        offset = jax.random.randint(offset_key, shape, 1, self.n_amplitudes)
        amplitudes = jnp.linspace(*self.amplitude, self.n_amplitudes)
        return amplitudes[first], amplitudes[(first + offset) % self.n_amplitudes]

    def variables(self, trials: Trials) -> dict[str, Array]:
        """Both amplitudes and the decision (1 if the second is larger) of each channel, `[B]`."""
        second = 1 - trials.mask[..., None]
        found: dict[str, Array] = {}
        for c in range(self.n_channels):
            inputs = trials.inputs[..., c : c + 1]
            found[f"first_{c}"] = jnp.mean(inputs[:, : self.pulse_steps, 0], axis=1)
            found[f"second_{c}"] = (jnp.sum(inputs * second, 1) / jnp.sum(second, 1))[:, 0]
            found[f"decision_{c}"] = (trials.targets[:, -1, c] > 0).astype(int)
        return found

    def choice(self, outputs: Array, trials: Trials) -> Array:
        """1 where the mean output of a channel's response is above 0, `[B, C]`."""
        return choices.positive(outputs[..., : self.n_channels], trials)

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """1 where the choices of all channels are right, else 0, `[B]`."""
        return choices.all_right(self, outputs, trials)

    def evidence(self, trials: Trials) -> Array:
        """f2 - f1 of each channel, in input units, `[B, C]`."""
        found = self.variables(trials)
        count = range(self.n_channels)
        return jnp.stack([found[f"second_{c}"] - found[f"first_{c}"] for c in count], axis=-1)

    def lengthened(self, factor: int) -> Self:
        """The task with the delay (not the pulses, not the response) `factor` times as long."""
        delay = (factor * self.delay[0], factor * self.delay[1])
        added = delay[1] - self.delay[1]
        return dataclasses.replace(self, delay=delay, n_steps=self.n_steps + added)
