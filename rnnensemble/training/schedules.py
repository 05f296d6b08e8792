"""How the learning rate changes with the step, whatever the network: schedules by name."""

import abc
import dataclasses
from typing import Any, ClassVar

import optax

from rnnensemble._core.axes import Array
from rnnensemble._core.config import Config, require_whole
from rnnensemble._core.registry import Registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule(Config, abc.ABC):
    """A factor f(s) on the learning rate in step s = 0, 1, ... of a network.

    The rate of a step is `learning_rate` * f(s) * the plateau factors so far. A subclass of your
    own is a frozen dataclass with a `kind` and the method `factor`, and `schedules.register`.
    """

    kind: ClassVar[str]
    """How presets call it."""

    @abc.abstractmethod
    def factor(self, step: Array) -> Any:
        """f at steps of any shape."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """f(s) = 1."""

    kind: ClassVar[str] = "constant"

    def factor(self, step: Array) -> Any:
        return optax.constant_schedule(1.0)(step)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Warmup(Schedule):
    """f(s) = min(s / W, 1): from 0, in equal steps, to 1 at step W.

    Attributes:
        steps: W.
    """

    kind: ClassVar[str] = "warmup"
    steps: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "steps")

    def factor(self, step: Array) -> Any:
        return optax.linear_schedule(0.0, 1.0, self.steps)(step)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Linear warm-up to 1, then half a cosine down to an end, which stays.

        f(s) = s / W for s < W;   e + (1 - e) (1 + cos(pi min((s - W) / (S - W), 1))) / 2 then

    Attributes:
        steps: S, all steps, those of the warm-up too.
        warmup: W; 0 for none.
        end: e, within 0 and 1.

    Source: Loshchilov & Hutter (arXiv 1608.03983), without restarts.

    Example:
        >>> import rnnensemble as rnne
        >>> schedule = rnne.schedules.Cosine(steps=300, warmup=100)
        >>> [round(float(schedule.factor(step)), 3) for step in (0, 50, 100, 200, 300)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    kind: ClassVar[str] = "cosine"
    steps: int = 25_600
    warmup: int = 0
    end: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "steps")
        require_whole(self, "warmup", least=0)
        if self.warmup >= self.steps:
            raise ValueError(
                f"`warmup` must be below `steps`, {self.steps}, which count it; got {self.warmup}."
            )
        if not 0 <= self.end <= 1:
            raise ValueError(f"`end` must lie between 0 and 1; got {self.end!r}.")

    def factor(self, step: Array) -> Any:
        if not self.warmup:
            return optax.cosine_decay_schedule(1.0, self.steps, alpha=self.end)(step)
        return optax.warmup_cosine_decay_schedule(
            0.0, 1.0, warmup_steps=self.warmup, decay_steps=self.steps, end_value=self.end
        )(step)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """f(s) = r^(s / S).

    Attributes:
        steps: S, steps in which the rate falls by the ratio.
        ratio: r, above 0 and at most 1.
    """

    kind: ClassVar[str] = "exponential"
    steps: int = 1000
    ratio: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "steps")
        if not 0 < self.ratio <= 1:
            raise ValueError(f"`ratio` must be above 0 and at most 1; got {self.ratio!r}.")

    def factor(self, step: Array) -> Any:
        return optax.exponential_decay(1.0, self.steps, self.ratio)(step)


REGISTRY: Registry[type[Schedule]] = Registry(
    "schedule", (Constant, Warmup, Cosine, Exponential), field="kind"
)
register = REGISTRY.register
"""Makes a schedule of your own known by its `kind`; a decorator."""
registered = REGISTRY.registered
"""All known schedules by name."""
find = REGISTRY.find
"""The schedule of a name; raises ValueError that suggests the nearest."""


def as_schedule(value: Any) -> Schedule:
    """A schedule, or the one of a name with its defaults; raises ValueError if there is none."""
    if isinstance(value, str):
        return find(value)()
    if not isinstance(value, Schedule):
        raise ValueError(f"`schedule` must be a name or a Schedule; got {value!r}.")
    return value
