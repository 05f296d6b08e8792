"""N-bit flip-flop: hold the last pulse of every channel."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_at_least
from rnnensemble._core.platforms import by_platform
from rnnensemble.tasks import draws
from rnnensemble.tasks.base import Task, Trials, require_within


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlipFlop(Task):
    """N-bit flip-flop: each output holds the last non-zero pulse of its channel.

    Inputs are pulses in {-1, 0, +1}, non-zero with probability `pulse_probability` at each step
    and channel, always at the first step, so that the target is never undefined.
    Expected dynamics: 2^n_bits stable fixed points.

    Source: Huang et al. (arXiv 2410.03972, section 2.2; threshold 0.001). Trial length, pulse
    probability and the first pulse are open there; ours follow a common public setting of the
    3-bit task (T = 100, probability 0.3).

    Attributes:
        n_bits: Number of channels.
        pulse_probability: Probability of a pulse at a step and channel.
    """

    name: ClassVar[str] = "flipflop"
    threshold: ClassVar[float] = 0.001
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_bits: int = 3
    pulse_probability: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least("n_bits", self.n_bits, 1)
        require_within("pulse_probability", self.pulse_probability, 0.0, 1.0)

    @property
    def n_inputs(self) -> int:
        return self.n_bits

    @property
    def n_outputs(self) -> int:
        return self.n_bits

    @property
    def channels(self) -> list[tuple[list[int], list[int]]]:
        return [([c], [c]) for c in range(self.n_bits)]

    def clean_trials(self, key: Key, batch: int) -> Trials:
        shape = (batch, self.n_steps, self.n_bits)
        uniform = draws.uniform(key, shape)  # one draw decides pulse and sign
        half = self.pulse_probability / 2
        pulses = jnp.where(uniform < half, -1.0, jnp.where(uniform < 2 * half, 1.0, 0.0))
        first = jnp.where(uniform[:, :1] * 2 % 1 < 0.5, -1.0, 1.0)
        pulses = jnp.concatenate([first, pulses[:, 1:]], axis=1)
        return Trials(pulses, last_nonzero(pulses), jnp.ones(shape[:2]))

    def variables(self, trials: Trials) -> dict[str, Array]:
        """The bits over time, 0 or 1, each `[B, T]`."""
        bits = (trials.targets > 0).astype(int)
        return {f"bit_{i}": bits[..., i] for i in range(self.n_bits)}

    def accuracy(self, outputs: Array, trials: Trials) -> Array:
        """1 where all bits have the right sign at all counted steps, else 0, `[B]`."""
        right = jnp.all(outputs * trials.targets > 0, axis=-1)
        return jnp.all(right | (trials.mask == 0), axis=-1).astype(float)


def last_nonzero(pulses: Array) -> Array:
    """The last pulse up to each step, 0 before the first: `[B, T, C]` of -1, 0 and 1 to the same.

    A loop over time takes half to a tenth as long as a running maximum on a CPU, and 100 times as
    many launches on a GPU (benchmarks/launches.py).
    """
    return by_platform(pulses, cpu=_held, default=_latest)


def _held(pulses: Array) -> Array:
    """Step by step."""

    def step(held: Array, now: Array) -> tuple[Array, Array]:
        held = jnp.where(now == 0, held, now)
        return held, held

    return jnp.swapaxes(jax.lax.scan(step, pulses[:, 0], jnp.swapaxes(pulses, 0, 1))[1], 0, 1)


def _latest(pulses: Array) -> Array:
    """All steps at once: of numbers that code step and sign, the greatest so far is the latest."""
    step = jax.lax.broadcasted_iota(jnp.int32, pulses.shape, 1)
    code = jnp.where(pulses == 0, -1, 2 * step + (pulses > 0))
    latest = jax.lax.cummax(code, axis=1)
    return jnp.where(latest < 0, 0.0, 2.0 * (latest & 1) - 1)
