"""Go, anti, delay and decision: six tasks of one form, which differ by a rule."""

import dataclasses
import math
from typing import ClassVar, Literal, Self, get_args

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks import draws
from rnnensemble.tasks.base import Task, Trials, require_range

Rule = Literal["go", "delay_go", "anti", "decision", "context_decision", "delay_decision"]
RULES: tuple[Rule, ...] = get_args(Rule)
"""The six tasks, as Yang et al. (2019) have them: Go, Dly Go, Anti, DM 1, Ctx DM 1, Dly DM 1."""
CONTRASTS = (0.08, 0.16, 0.32)
"""By how much the two stimuli of a decision differ in strength."""
NEAR = 0.2 * math.pi
"""How far from the answer a direction is still right, 36 degrees, as in Yang et al. (2019)."""
LOW, PEAK = 0.05, 0.8
"""Targets at rest, and how far a bump rises above."""
FIXATING = 0.85
"""Target of the fixation output until it is time to answer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ring(Task):
    """One of six tasks that look or decide on a ring (Yang et al. 2019).

    Inputs are a fixation cue, 1 until it is time to answer and then 0, and two rings of `units`
    each, the two modalities. A stimulus of strength g in direction p drives unit i, which prefers
    direction p_i, by

        u_i = 0.8 g exp(-(8 |p - p_i| / pi)^2 / 2).

    Outputs are fixation, 0.85 until it is time to answer and then 0.05, and a ring whose targets
    are 0.05 until then and 0.05 + 0.8 exp(-(8 |q - p_i| / pi)^2 / 2) from then on. The answer q is

    - `go`: the direction of the stimulus, which stays until the end;
    - `delay_go`: the same, after a stimulus that goes and a delay;
    - `anti`: the opposite direction, as in `go`;
    - `decision`: that of the stronger of two stimuli at once in the first modality;
    - `context_decision`: the same, with two others in the second modality, in the same directions,
      to be ignored;
    - `delay_decision`: the same as `decision`, with the second stimulus after a delay.

    The single stimulus of `go`, `delay_go` and `anti` is in either modality. The two of a decision
    lie 90 to 270 degrees apart and differ in strength by 0.08, 0.16 or 0.32 around a mean in [0.8,
    1.2]. The loss does not count in the first `grace_steps` of the answer.

    Source: Yang et al. (2019, Methods). Open there or chosen here: steps instead of milliseconds,
    16 units instead of 32, no five times heavier weight of the answer and no double weight of
    fixation in the loss, no noise unless `input_noise` asks for it, the contrasts and the
    threshold.

    Attributes:
        rule: Which of the six tasks.
        units: Units of each ring.
        fixation_steps: Shortest and longest time before the stimulus, in steps, drawn uniformly.
        stimulus_steps: Length of a stimulus, in steps; the time to answer begins after it, or after
            the delay.
        delay: Shortest and longest delay, in steps, drawn uniformly.
        answer_steps: Shortest time to answer, in steps, that a trial must leave room for.
        grace_steps: Steps of it that the loss leaves out.
    """

    name: ClassVar[str] = "ring"
    threshold: ClassVar[float] = 0.005
    output_range: ClassVar[tuple[float, float]] = (LOW, LOW + PEAK)

    n_steps: int = 40
    rule: Rule = "go"
    units: int = 16
    fixation_steps: tuple[int, int] = (2, 6)
    stimulus_steps: int = 6
    delay: tuple[int, int] = (4, 12)
    answer_steps: int = 8
    grace_steps: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule not in RULES:
            raise ValueError(f"`rule` must be one of {list(RULES)}; got {self.rule!r}.")
        require_least(self, units=2, stimulus_steps=1, grace_steps=0)
        require_least(self, answer_steps=self.grace_steps + 1)
        require_range("fixation_steps", self.fixation_steps, 0)
        require_range("delay", self.delay, 0)
        shown = 2 if self.rule == "delay_decision" else 1
        delay = self.delay[1] if self._waits else 0
        needed = self.fixation_steps[1] + shown * self.stimulus_steps + delay + self.answer_steps
        if needed > self.n_steps:
            raise ValueError(
                f"`n_steps` must be at least {needed} for {self.rule!r}: fixation, stimuli, delay "
                f"and answer take as many; got {self.n_steps}."
            )

    @property
    def label(self) -> str:
        return self.rule

    @property
    def _waits(self) -> bool:
        """Whether there is a delay."""
        return self.rule.startswith("delay")

    @property
    def n_inputs(self) -> int:
        return 1 + 2 * self.units

    @property
    def n_outputs(self) -> int:
        return 1 + self.units

    def bump(self, direction: Array) -> Array:
        """exp(-(8 |p - p_i| / pi)^2 / 2) of directions `[B]`, in radians: `[B, units]`."""
        preferred = 2 * jnp.pi * jnp.arange(self.units) / self.units
        apart = jnp.abs(direction[:, None] - preferred) % (2 * jnp.pi)
        apart = jnp.minimum(apart, 2 * jnp.pi - apart)
        return jnp.exp(-((8 * apart / jnp.pi) ** 2) / 2)

    def clean_trials(self, key: Key, batch: int) -> Trials:
        time_key, stimulus_key = jax.random.split(key)
        times = jax.random.split(time_key)
        onset, delay = (
            jax.random.randint(each, (batch, 1), low, high + 1)
            for each, (low, high) in zip(times, (self.fixation_steps, self.delay), strict=True)
        )
        step = jnp.arange(self.n_steps)[None]
        off = onset + self.stimulus_steps
        second = off + delay if self._waits else off
        if self.rule == "delay_decision":
            first, after = second, second + self.stimulus_steps
            shown = [(step >= onset) & (step < off), (step >= first) & (step < after)]
            answering = step >= after
        else:
            stays = self.rule in ("go", "anti")
            shown = [(step >= onset) & ((step < off) | stays)] * 2
            answering = step >= second
        stimuli, direction = self._stimuli(stimulus_key, batch)
        rings = sum(x[..., None] * y[:, None] for x, y in zip(shown, stimuli, strict=True))
        fixation = 1.0 - answering[..., None]
        ring = LOW + PEAK * answering[..., None] * self.bump(direction)[:, None]
        targets = jnp.concatenate([LOW + (FIXATING - LOW) * fixation, ring], axis=-1)
        began = jnp.sum(~answering, axis=1, keepdims=True)
        mask = 1.0 - ((step >= began) & (step < began + self.grace_steps))
        return Trials(jnp.concatenate([fixation, rings], axis=-1), targets, mask)

    def _stimuli(self, key: Key, batch: int) -> tuple[list[Array], Array]:
        """What the two stimuli add to both rings, `[B, 2 units]`, and the answer, `[B]`."""
        keys = jax.random.split(key, 8)
        direction = draws.uniform(keys[0], (batch,), maxval=2 * jnp.pi)
        if "decision" not in self.rule:
            side = jax.random.bernoulli(keys[1], shape=(batch, 1))
            bump = PEAK * self.bump(direction)
            both = jnp.concatenate([side * bump, ~side * bump], axis=-1)
            answer = direction + jnp.pi * (self.rule == "anti")
            return [both, jnp.zeros_like(both)], answer % (2 * jnp.pi)
        apart = draws.uniform(keys[2], (batch,), minval=jnp.pi / 2, maxval=3 * jnp.pi / 2)
        other = (direction + apart) % (2 * jnp.pi)
        counted, ignored = self._strengths(keys[3:5], batch), self._strengths(keys[5:7], batch)
        heard = 1.0 * (self.rule == "context_decision")
        stimuli = [
            PEAK
            * jnp.concatenate(
                [g[:, None] * self.bump(where), heard * h[:, None] * self.bump(where)], axis=-1
            )
            for g, h, where in zip(counted, ignored, (direction, other), strict=True)
        ]
        return stimuli, jnp.where(counted[0] > counted[1], direction, other)

    def _strengths(self, keys: Array, batch: int) -> tuple[Array, Array]:
        """Strengths of both stimuli, each `[B]`."""
        mean = draws.uniform(keys[0], (batch,), minval=0.8, maxval=1.2)
        signed = jnp.array([*CONTRASTS, *(-x for x in CONTRASTS)])
        contrast = signed[jax.random.randint(keys[1], (batch,), 0, len(signed))]
        return mean + contrast / 2, mean - contrast / 2

    def variables(self, trials: Trials) -> dict[str, Array]:
        """Cosine and sine of the answer, each `[B]`."""
        across, along = self._vector(trials.targets)
        length = jnp.hypot(across, along)
        return {"cos": across / length, "sin": along / length}

    def _vector(self, outputs: Array) -> tuple[Array, Array]:
        """The population vector of the ring at the last step, across and along, each `[B]`."""
        preferred = 2 * jnp.pi * jnp.arange(self.units) / self.units
        bump = outputs[:, -1, 1:] - LOW
        across, along = (bump @ f(preferred) for f in (jnp.cos, jnp.sin))
        return across, along

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """1 where fixation was kept until the answer was due, and this is right; else 0, `[B]`.

        It is right if the ring's population vector at the last step lies within 36 degrees of the
        answer and fixation has ended; fixation is an output above 0.5. The code of Yang et al.
        looks at the last step alone.
        """
        waiting = trials.targets[..., 0] > 0.5
        fixating = outputs[..., 0] > 0.5
        kept = jnp.all(fixating | ~waiting, axis=1) & ~fixating[:, -1]
        (x, y), (a, b) = self._vector(outputs), self._vector(trials.targets)
        near = jnp.abs(jnp.arctan2(y * a - x * b, x * a + y * b)) < NEAR
        return (kept & near).astype(float)

    def lengthened(self, factor: int) -> Self:
        """The task with its delay, or without one its stimulus, `factor` times as long."""
        if not self._waits:
            more = (factor - 1) * self.stimulus_steps
            return dataclasses.replace(
                self, stimulus_steps=self.stimulus_steps + more, n_steps=self.n_steps + more
            )
        delay = (factor * self.delay[0], factor * self.delay[1])
        added = delay[1] - self.delay[1]
        return dataclasses.replace(self, delay=delay, n_steps=self.n_steps + added)


def ring_tasks(**settings: object) -> tuple[Ring, ...]:
    """The six tasks with the same settings, for a `Mixture`.

    Args:
        **settings: Attributes of `Ring` but `rule`.

    Example:
        >>> from rnnensemble import tasks
        >>> tasks.Mixture(tasks=tasks.ring_tasks(units=8)).labels
        ('go', 'delay_go', 'anti', 'decision', 'context_decision', 'delay_decision')
    """
    return tuple(Ring(rule=rule, **settings) for rule in RULES)  # pyright: ignore[reportArgumentType]
