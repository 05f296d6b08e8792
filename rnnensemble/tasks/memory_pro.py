"""MemoryPro: report the directions of stimuli after a delay."""

import dataclasses
from typing import ClassVar, Self

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_least
from rnnensemble.tasks import draws
from rnnensemble.tasks.base import Task, Trials, require_range


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryPro(Task):
    """MemoryPro: remember angles over a delay, report them when fixation goes off.

    Each of `load` items is an angle a in [0, 2 pi), shown as (cos a, sin a) for `stimulus_steps`. A
    fixation input is 1 until the end of a delay of random length and 0 from then on. Until then the
    fixation output is 1 and the others 0, afterwards the fixation output is 0 and each item's
    outputs are (cos a, sin a). The loss does not count in the first step of the response.
    Expected dynamics: a ring attractor for each item.

    Source: Yang et al. (2019) and Driscoll, Shenoy & Sussillo (2024), as used by Qian & Pehlevan
    (arXiv 2509.21504), whose settings we could not read. Chosen here: all numbers, two inputs and
    outputs instead of a ring of units, and the load.

    Attributes:
        load: Number of items, shown at once.
        n_angles: Number of evenly spaced angles; 0 for any angle.
        fixation_steps: Steps before the stimulus.
        stimulus_steps: Length of the stimulus, in steps.
        delay: Shortest and longest delay, in steps, drawn uniformly.
        response_steps: Shortest response, in steps, that a trial must leave room for.
        distractor: Length of the vector (cos, sin) of a random other angle that is shown for
            `stimulus_steps` in the middle of delays that have room for it.
    """

    name: ClassVar[str] = "memory_pro"
    threshold: ClassVar[float] = 0.005
    output_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    n_steps: int = 40
    load: int = 1
    n_angles: int = 0
    fixation_steps: int = 3
    stimulus_steps: int = 5
    delay: tuple[int, int] = (5, 20)
    response_steps: int = 5
    distractor: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least(self, load=1, n_angles=0, distractor=0.0)
        require_least(self, fixation_steps=0, stimulus_steps=1, response_steps=2)
        require_range("delay", self.delay, 0)
        needed = self.fixation_steps + self.stimulus_steps + self.delay[1] + self.response_steps
        if needed > self.n_steps:
            raise ValueError(
                f"`delay` of up to {self.delay[1]} steps does not fit the trial: with fixation, "
                f"stimulus and a response of {self.response_steps} it takes {needed} steps, "
                f"`n_steps` is {self.n_steps}; raise `n_steps` to {needed}."
            )

    @property
    def n_inputs(self) -> int:
        return 1 + 2 * self.load

    @property
    def n_outputs(self) -> int:
        return 1 + 2 * self.load

    def clean_trials(self, key: Key, batch: int) -> Trials:
        angle_key, delay_key, other_key = jax.random.split(key, 3)
        low, high = self.delay
        delay = jax.random.randint(delay_key, (batch, 1), low, high + 1)
        steps = jnp.arange(self.n_steps)[None]
        start = self.fixation_steps
        end = start + self.stimulus_steps
        shown = (steps >= start) & (steps < end)
        respond = steps >= end + delay
        items, others = self._items(angle_key, batch), self._items(other_key, batch)
        begin = end + (delay - self.stimulus_steps) // 2
        distracts = (steps >= begin) & (steps < begin + self.stimulus_steps)
        distracts = distracts & (delay >= self.stimulus_steps)
        stimulus = shown[..., None] * items[:, None]
        stimulus += self.distractor * distracts[..., None] * others[:, None]
        fixation = 1.0 - respond[..., None]
        targets = jnp.concatenate([fixation, respond[..., None] * items[:, None]], axis=-1)
        inputs = jnp.concatenate([fixation, stimulus], axis=-1)
        return Trials(inputs, targets, 1.0 - (steps == end + delay))

    def _items(self, key: Key, batch: int) -> Array:
        """The vectors (cos a, sin a) of all items, `[B, 2 load]`."""
        shape = batch, self.load
        if self.n_angles:
            angle = jax.random.randint(key, shape, 0, self.n_angles) * (2 * jnp.pi / self.n_angles)
        else:
            angle = draws.uniform(key, shape, maxval=2 * jnp.pi)
        return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1).reshape(batch, -1)

    def lengthened(self, factor: int) -> Self:
        """The task with the delay (not stimulus, not response) `factor` times as long."""
        delay = (factor * self.delay[0], factor * self.delay[1])
        added = delay[1] - self.delay[1]
        return dataclasses.replace(self, delay=delay, n_steps=self.n_steps + added)

    def out_of_distribution(self) -> dict[str, Task]:
        """`temporal` (the delay doubled), `noise`, and `distractor`, one of half length."""
        other = dataclasses.replace(self, distractor=self.distractor + 0.5)
        return super().out_of_distribution() | {"distractor": other}

    def variables(self, trials: Trials) -> dict[str, Array]:
        """Cosine and sine of each item's angle, each `[B]`."""
        parts = ((item, name) for item in range(self.load) for name in ("cos", "sin"))
        return {
            f"{name}_{item}": trials.targets[:, -1, index]
            for index, (item, name) in enumerate(parts, start=1)
        }
