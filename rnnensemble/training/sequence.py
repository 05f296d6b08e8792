"""Tasks learned one after another: `train_sequence`, for curricula and continual learning."""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

import numpy as np

from rnnensemble._core import runtime
from rnnensemble.networks import Network, VanillaRNN
from rnnensemble.tasks import Task
from rnnensemble.training.interruption import TrainingInterrupted
from rnnensemble.training.memory import require_training_room
from rnnensemble.training.population import Population
from rnnensemble.training.progress import Progress
from rnnensemble.training.recipe import Recipe, part_of
from rnnensemble.training.settings import Training
from rnnensemble.training.train import train_populations
from rnnensemble.training.warm_start import require_ended, warm_started


class Stage(NamedTuple):
    """A task of a sequence.

    Attributes:
        task: What to learn, to the threshold of its training.
        training: Optimization; that of the sequence if None.
    """

    task: Task
    training: Training | None = None


class TrainedSequence(NamedTuple):
    """What became of networks that learned tasks one after another.

    Attributes:
        populations: The networks after each stage that was trained, in order. Each but the first
            started from those of the one before that went on, whose recipe is its `recipe.start`.
        networks: Which of the K networks trained in each of these stages, by their number.
    """

    populations: list[Population]
    networks: list[np.ndarray]

    def summary(self) -> str:
        """One line a stage: how many networks converged, and which did not."""
        lines = []
        for number, (population, rows) in enumerate(zip(*self, strict=True)):
            lines.append(f"stage {number}, {population.task.name}: {population.summary()}")
            failed = rows[~population.converged].tolist()
            if failed:
                lines[-1] += f"; not converged: networks {', '.join(map(str, failed))}"
        return "\n".join(lines)


def train_sequence(
    stages: Sequence[Stage | Task],
    *,
    network: Network | None = None,
    training: Training | None = None,
    size: int | None = None,
    seed: int = 0,
    start: Population | None = None,
    unconverged: Literal["go on", "stop"] = "go on",
    devices: int | None = None,
    tile: int | None = None,
    resume: Sequence[Population] = (),
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[list[Population]], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> TrainedSequence:
    """Trains networks on one task after another, each from where the last one left it.

    A stage is over for a network when it has met the stage's threshold, or after `max_epochs`; the
    next begins when it is over for all, with a new state of the optimizer. Network k draws the
    trials of stage s, and its first weights, from `fold_in(key(seed + s), k)`: stage s is what
    `train_population(task, start=population, seed=seed + s)` makes of the stage before.

    Args:
        stages: Tasks of the same numbers of inputs and outputs; a `Stage` has its own training.
        network: Architecture, that of `start` or `VanillaRNN()` unless given.
        training: Optimization of stages without their own, `Training()` unless given.
        size: Number of networks K: that of `start`, or 50 unless given.
        seed: Seed of the first stage.
        start: Trained networks that the first stage starts from.
        unconverged: Whether networks that have not converged in a stage `go on` to the next, or
            `stop`: later stages then have fewer networks. Those that diverged always stop.
        devices: As in `train_population`.
        tile: As in `train_population`.
        resume: Populations of the first stages, as an interruption or checkpoint left them; those
            that have ended are taken as they are.
        progress: Called after every epoch.
        checkpoint: Called with the populations so far every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The populations after each stage; fewer than there are stages if no network went on.

    Raises:
        ValueError: Before anything is trained, if there is no stage, tasks differ in their numbers
            of inputs or outputs, an argument is out of range, or `start` cannot be started from; or
            if `resume` is of other stages.
        TrainingInterrupted: On Ctrl-C or its like, after the running epoch; its `populations` are
            what `resume` takes.

    Example:
        >>> import rnnensemble as rnne
        >>> stages = [rnne.tasks.FlipFlop(n_bits=1, n_steps=steps) for steps in (6, 10)]
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> found = rnne.train_sequence(stages, network=network, training=short, size=2)
        >>> [population.task.n_steps for population in found.populations]
        [6, 10]
    """
    if unconverged not in ("go on", "stop"):
        raise ValueError(f"`unconverged` must be 'go on' or 'stop'; got {unconverged!r}.")
    recipes = _recipes(stages, network, training, size, seed, start)
    if len(resume) > len(recipes):
        raise ValueError(
            f"`resume` must hold at most one population for each of {len(recipes)} stages; got "
            f"{len(resume)}."
        )
    mesh = runtime.network_mesh(devices)
    for recipe in recipes:
        require_training_room([recipe], mesh)
    options: dict[str, Any] = {"devices": devices, "tile": tile, "progress": progress}
    options |= {"checkpoint": checkpoint, "checkpoint_seconds": checkpoint_seconds}
    rows, last = np.arange(recipes[0].size), start
    done, networks = list[Population](), list[np.ndarray]()
    for whole, given in zip_longest(recipes, resume):
        part = part_of(dataclasses.replace(whole, start=None), rows.tolist())
        population = _stage(part, last, given, done, **options)
        done, networks = [*done, population], [*networks, rows]
        on = population.converged if unconverged == "stop" else ~population.diverged
        if not on.any():
            break
        rows, last = rows[on], population[on]
    return TrainedSequence(done, networks)


def _stage(
    recipe: Recipe,
    last: Population | None,
    given: Population | None,
    done: list[Population],
    *,
    checkpoint: Callable[[list[Population]], None] | None,
    **options: Any,
) -> Population:
    """The networks of a recipe without a start after a stage that began from the last one's."""
    if last is not None:
        recipe = dataclasses.replace(recipe, start=last.recipe)
        given = warm_started(recipe, last) if given is None else given

    def save(now: list[Population]) -> None:
        if checkpoint is not None:
            checkpoint([*done, *now])

    try:
        return train_populations([recipe], resume=[given], checkpoint=save, **options)[0]
    except TrainingInterrupted as stop:
        how = "train_sequence(..., resume=populations)"
        raise TrainingInterrupted([*done, *stop.populations], how) from None


def _recipes(
    stages: Sequence[Stage | Task],
    network: Network | None,
    training: Training | None,
    size: int | None,
    seed: int,
    start: Population | None,
) -> list[Recipe]:
    """The recipe of each stage for all networks, each from the one before."""
    if start is not None:
        require_ended(start)
        network, size = network or start.network, start.size if size is None else size
    found, before = list[Recipe](), None if start is None else start.recipe
    for number, stage in enumerate(stages):
        own = stage if isinstance(stage, Stage) else Stage(stage)
        how = own.training or training or Training()
        count = 50 if size is None else size
        recipe = Recipe(own.task, network or VanillaRNN(), how, count, seed + number, start=before)
        found.append(recipe)
        before = recipe
    if not found:
        raise ValueError("`stages` must hold at least one task; got none.")
    return found
