"""Context-dependent integration: which of several noisy streams counts, and on which side is it?"""

import dataclasses
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks import choices, draws
from rnnensemble.tasks.base import Task, Trials, require_range


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContextIntegration(Task):
    """Context-dependent integration: the sign of the evidence in the stream that the context names.

    Each of M streams carries a constant coherence plus white noise while the stimulus is on; a
    one-hot context, on throughout, names the stream that counts. After a delay of random length a
    go input comes on, and the target is the sign of that stream's coherence until the trial's end;
    before, it is 0. The loss does not count in the first step of the response. Coherences have
    evenly spaced absolute values and random signs, in every stream independently.
    Expected dynamics: a line attractor for each context.

    Source: Mante, Sussillo, Shenoy & Newsome (2013), as used by Qian & Pehlevan (arXiv 2509.21504),
    whose settings we could not read. Chosen here: all numbers, the go input, the delay, and noise
    low enough that an integrator makes hardly any errors, so that the threshold can be reached.

    Attributes:
        n_modalities: Number of streams M, at least 2.
        coherence: Smallest and largest absolute coherence, in input units.
        n_coherences: Number of absolute coherences.
        evidence_noise: Standard deviation of the streams' white noise, in input units.
        fixation_steps: Steps before the stimulus.
        stimulus_steps: Length of the stimulus, in steps.
        delay: Shortest and longest delay, in steps, drawn uniformly.
        response_steps: Shortest response, in steps, that a trial must leave room for.
        gain: Factor on all coherences: below 1, evidence that is harder than ever trained on.
    """

    name: ClassVar[str] = "context_integration"
    threshold: ClassVar[float] = 0.01
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_steps: int = 40
    n_modalities: int = 2
    coherence: tuple[float, float] = (0.1, 0.5)
    n_coherences: int = 3
    evidence_noise: float = 0.1
    fixation_steps: int = 3
    stimulus_steps: int = 20
    delay: tuple[int, int] = (0, 8)
    response_steps: int = 5
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, n_modalities=2, n_coherences=1, evidence_noise=0.0, gain=0.0)
        require_least(self, fixation_steps=0, stimulus_steps=1, response_steps=2)
        require_range("coherence", self.coherence, 0.0)
        require_range("delay", self.delay, 0)
        needed = self.fixation_steps + self.stimulus_steps + self.delay[1] + self.response_steps
        if needed > self.n_steps:
            raise ValueError(
                f"`stimulus_steps` of {self.stimulus_steps} does not fit the trial: with fixation, "
                f"the longest delay and a response of {self.response_steps} it takes {needed} "
                f"steps, `n_steps` is {self.n_steps}; raise `n_steps` to {needed}."
            )

    @property
    def n_inputs(self) -> int:
        return 2 * self.n_modalities + 1

    @property
    def n_outputs(self) -> int:
        return 1

    def clean_trials(self, key: Key, batch: int) -> Trials:
        size_key, sign_key, context_key, delay_key, noise_key = jax.random.split(key, 5)
        shape, steps = (batch, self.n_modalities), jnp.arange(self.n_steps)[None]
        sizes = jnp.linspace(*self.coherence, self.n_coherences)
        index = jax.random.randint(size_key, shape, 0, self.n_coherences)
        coherence = sizes[index] * (2.0 * jax.random.randint(sign_key, shape, 0, 2) - 1)
        context = jax.random.randint(context_key, (batch,), 0, self.n_modalities)
        delay = jax.random.randint(delay_key, (batch, 1), self.delay[0], self.delay[1] + 1)
        onset = self.fixation_steps + self.stimulus_steps + delay  # of the response
        shown = self._is_stimulus(steps)[..., None]
        noise = self.evidence_noise * draws.normal(noise_key, (batch, self.n_steps, shape[1]))
        evidence = shown * (self.gain * coherence[:, None] + noise)
        cue = jnp.broadcast_to(jax.nn.one_hot(context, self.n_modalities)[:, None], evidence.shape)
        go = (steps >= onset)[..., None]
        answer = jnp.sign(jnp.take_along_axis(coherence, context[:, None], axis=1))
        inputs = jnp.concatenate([evidence, cue, go], axis=-1)
        return Trials(inputs, go * answer[:, None], 1.0 - (steps == onset))

    def _is_stimulus(self, steps: Array) -> Array:
        end = self.fixation_steps + self.stimulus_steps
        return (steps >= self.fixation_steps) & (steps < end)

    def choice(self, outputs: Array, trials: Trials) -> Array:
        """1 where the mean output of the response is above 0, `[B, 1]`."""
        return choices.positive(outputs, trials)

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """1 where the choice is right, else 0, `[B]`."""
        return choices.all_right(self, outputs, trials)

    def evidence(self, trials: Trials) -> Array:
        """The mean evidence, noise included, of the stream that the context names, `[B, 1]`."""
        found = self.variables(trials)
        streams = jnp.stack([found[f"evidence_{i}"] for i in range(self.n_modalities)], axis=-1)
        return jnp.take_along_axis(streams, found["context"][:, None], axis=1)

    def lengthened(self, factor: int) -> Self:
        """The task with the stimulus (not delay, not response) `factor` times as long."""
        added = (factor - 1) * self.stimulus_steps
        return dataclasses.replace(
            self, stimulus_steps=factor * self.stimulus_steps, n_steps=self.n_steps + added
        )

    def out_of_distribution(self) -> dict[str, Task]:
        """`temporal` (the stimulus doubled), `noise`, and `weak`: half the coherence."""
        weak = dataclasses.replace(self, gain=0.5 * self.gain)
        return super().out_of_distribution() | {"weak": weak}

    def variables(self, trials: Trials) -> dict[str, Array]:
        """`context`, the mean evidence of each stream, and the `decision`, each `[B]`."""
        count, shown = self.n_modalities, self._is_stimulus(jnp.arange(self.n_steps))
        evidence = jnp.sum(trials.inputs[..., :count] * shown[:, None], axis=1) / jnp.sum(shown)
        context = jnp.argmax(trials.inputs[:, 0, count : 2 * count], axis=1)
        streams = {f"evidence_{i}": evidence[:, i] for i in range(count)}
        decision = (trials.targets[:, -1, 0] > 0).astype(int)
        return {"context": context, **streams, "decision": decision}
