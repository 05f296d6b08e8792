"""Delayed cue: say which cue was shown, a fixed time after it and without another signal."""

import dataclasses
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks.base import Task, Trials


@dataclasses.dataclass(frozen=True, kw_only=True)
class DelayedCue(Task):
    """Delayed cue discrimination: one of several cues, a silent delay, a response at its end.

    Input k is 1 for `cue_steps` if cue k is shown and 0 otherwise. Then there is nothing but the
    network's own time: `delay` steps later output k must be 1 for `response_steps`; all outputs are
    0 elsewhere. With one cue this is delayed activation. Expected dynamics: sequences along slow
    points, or cycles whose period fits the delay.

    Source: Kurtkaya et al. (arXiv 2502.17433), whose cue, response and post-response lengths we
    could not read. Chosen here: all numbers, and one linear output a cue instead of a sigmoid.

    Attributes:
        n_cues: Number of cues, all equally likely.
        cue_steps: Length of the cue, in steps.
        delay: Steps from the end of the cue to the response.
        response_steps: Length of the response, in steps.
    """

    name: ClassVar[str] = "delayed_cue"
    threshold: ClassVar[float] = 0.005
    output_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    n_steps: int = 30
    n_cues: int = 2
    cue_steps: int = 2
    delay: int = 15
    response_steps: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, n_cues=1, cue_steps=1, delay=0, response_steps=1)
        needed = self.cue_steps + self.delay + self.response_steps
        if needed > self.n_steps:
            raise ValueError(
                f"`delay` of {self.delay} steps does not fit the trial: with a cue of "
                f"{self.cue_steps} and a response of {self.response_steps} it takes {needed} "
                f"steps, `n_steps` is {self.n_steps}; raise `n_steps` to {needed}."
            )

    @property
    def n_inputs(self) -> int:
        return self.n_cues

    @property
    def n_outputs(self) -> int:
        return self.n_cues

    def clean_trials(self, key: Key, batch: int) -> Trials:
        cue = jax.nn.one_hot(jax.random.randint(key, (batch,), 0, self.n_cues), self.n_cues)
        steps = jnp.arange(self.n_steps)
        shown = (steps < self.cue_steps)[:, None]
        inputs, targets = (when * cue[:, None] for when in (shown, self._response[:, None]))
        return Trials(inputs, targets, jnp.ones((batch, self.n_steps)))

    @property
    def _response(self) -> Array:
        """Whether each step belongs to the response, `[T]`."""
        steps, start = jnp.arange(self.n_steps), self.cue_steps + self.delay
        return (steps >= start) & (steps < start + self.response_steps)

    def variables(self, trials: Trials) -> dict[str, Array]:
        """The cue's number, `[B]`."""
        return {"cue": jnp.argmax(trials.inputs[:, 0], axis=-1)}

    def choice(self, outputs: Array, trials: Trials) -> Array:
        """1 where an output's mean over the response is above 1/2, else 0, `[B, C]`."""
        del trials
        return (jnp.mean(outputs, axis=1, where=self._response[:, None]) > 0.5).astype(float)

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """1 where the means of all outputs, over the response and before it, are nearer to their
        targets than 1/2, else 0, `[B]`."""
        before = jnp.arange(self.n_steps) < self.cue_steps + self.delay
        silent = jnp.abs(jnp.mean(outputs, axis=1, where=before[:, None])) < 0.5
        right = self.choice(outputs, trials) == self.choice(trials.targets, trials)
        return jnp.all(right & silent, axis=-1).astype(float)

    def lengthened(self, factor: int) -> Self:
        """The task with the delay (not the cue, not the response) `factor` times as long.

        Networks that learned one delay are not expected to answer after another: this says what
        they do instead.
        """
        added = (factor - 1) * self.delay
        return dataclasses.replace(self, delay=self.delay + added, n_steps=self.n_steps + added)
