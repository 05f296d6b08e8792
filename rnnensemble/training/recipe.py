"""What decides how networks train, as values: recipes, and what may differ between networks."""

import dataclasses
import math
from collections.abc import Hashable
from typing import Any, NamedTuple, Protocol

import numpy as np

from rnnensemble.networks import Network, fused
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import Hyperparameters, Training
from rnnensemble.training.penalties import PENALTIES
from rnnensemble.training.similarity import Deflation


class Recipe(Protocol):
    """What decides how networks train; a `Population` is one too."""

    @property
    def task(self) -> Task:
        """What they learn."""
        ...

    @property
    def network(self) -> Network:
        """Their architecture."""
        ...

    @property
    def training(self) -> Training:
        """Their optimization."""
        ...

    @property
    def size(self) -> int:
        """Number of networks K."""
        ...

    @property
    def seed(self) -> int:
        """Network k starts from `fold_in(key(seed), k)`."""
        ...

    @property
    def deflation(self) -> Deflation | None:
        """How they keep away from earlier solutions, if they do."""
        ...


class Settings(NamedTuple):
    """A recipe as a value."""

    task: Task
    network: Network
    training: Training
    size: int
    seed: int
    deflation: Deflation | None = None


MAY_BE_ZERO = (*PENALTIES, "strength", "ridge", "target")
"""Per-network values that may be 0; all others are above it."""


def require_trainable(settings: Settings) -> None:
    """Raises ValueError unless these describe a population that can be trained."""
    task, network, training, size, seed, deflation = settings
    if not isinstance(task, Task):
        raise ValueError(f"`task` must be a Task such as tasks.FlipFlop(); got {task!r}.")
    for name, value, least in (("size", size, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}; got {value!r}.")
    for config in (network, training, *([deflation] if deflation else [])):
        for name in config.per_network:
            require_per_network(name, getattr(config, name), size)


def require_per_network(name: str, value: Any, size: int) -> None:
    """Raises ValueError unless `value` is one number, or one for each network, and in range.

    Strengths and ridges are at least 0, all others above it.
    """
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple) and len(value) != size:
        raise ValueError(
            f"`{name}` must be one number or one for each of the {size} networks; "
            f"got {len(value)} numbers."
        )
    for each in values:
        if name == "threshold" and each is None:
            continue
        is_number = isinstance(each, (int, float)) and not isinstance(each, bool)
        infinite = name != "clip_norm" and is_number and math.isinf(each)
        may_be_zero = name in MAY_BE_ZERO and each == 0
        if not is_number or math.isnan(each) or infinite or not (each > 0 or may_be_zero):
            what = "a number of at least 0" if name in MAY_BE_ZERO else "a positive number"
            raise ValueError(f"`{name}` must be {what}; got {each!r}.")


def group_key(settings: Settings) -> tuple[Hashable, ...]:
    """Equal for recipes that one program trains: they differ in per-network values, size, seed."""
    rest = shared(settings.training), shared_deflation(settings.deflation)
    return settings.task, shared(settings.network), *rest


def hyperparameters(recipe: Recipe) -> Hyperparameters:
    """What may differ by network, each `[K]`."""
    training, deflation = recipe.training, recipe.deflation or Deflation(strength=0.0)
    threshold = recipe.task.threshold if training.threshold is None else training.threshold

    def each(value: float | tuple[float, ...]) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, np.float32), (recipe.size,))

    return Hyperparameters(
        learning_rate=each(training.learning_rate),
        clip_norm=each(training.clip_norm),
        threshold=each(threshold),
        nuclear_norm=each(training.nuclear_norm),
        l1=each(training.l1),
        **{name: each(getattr(deflation, name)) for name in Deflation.per_network},
        **{name: each(getattr(recipe.network, name, 1.0)) for name in ("gain", "gamma")},
    )


def shared(config: Any) -> Any:
    """The config without what may differ by network, so that such changes do not recompile.

    Such a value becomes 1, or 0 if it is that for all networks: what nobody uses costs nothing.
    Of a network, it is decided here whether its recurrence is a kernel.
    """
    used = {name: np.any(np.not_equal(getattr(config, name), 0)) for name in config.per_network}
    config = dataclasses.replace(config, **{name: float(each) for name, each in used.items()})
    return fused.resolved(config)


def shared_deflation(deflation: Deflation | None) -> Deflation | None:
    """A deflation without what may differ by network, and without the names of references."""
    return deflation and dataclasses.replace(shared(deflation), references=())


def require_group(recipes: list[Settings]) -> None:
    """Raises ValueError unless these recipes can train together."""
    if not recipes:
        raise ValueError("`recipes` must hold at least one recipe; got none.")
    for recipe in recipes:
        require_trainable(recipe)
    for number, recipe in enumerate(recipes):
        for name, mine, first in zip(
            ("task", "network", "training", "deflation"),
            group_key(recipe),
            group_key(recipes[0]),
            strict=True,
        ):
            if mine != first:
                raise ValueError(
                    f"`recipes` must share the {name} but for what may differ by network; "
                    f"recipe {number} has {mine}, recipe 0 {first}."
                )
