"""What the groups of a sweep share: where they are, how far each is, how their recipes train."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rnnensemble.cli.console import Reporter
from rnnensemble.cli.notes import clock
from rnnensemble.files import shard_folders, stages, starts, storage, sweep_folder
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import Budget
from rnnensemble.study.factors import Group, Sweep
from rnnensemble.study.shards import Piece
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import Recipe
from rnnensemble.training.train import TrainingInterrupted, train_populations
from rnnensemble.training.warm_start import warm_started


class Work(NamedTuple):
    """What all groups share.

    Attributes:
        folder: The sweep's folder.
        sweep: What is asked for of it.
        devices: How many devices to use, None for all.
        tile: Networks that a device trains at once, None for what fits.
        checkpoint_seconds: Seconds between checkpoints.
        reporter: Says how far all have come.
        budget: How much is done.
        trained: Where networks of which recipe were at the start (`sweep_folder.trained_by`).
        shards: How many shards groups have that are trained in several, by name.
    """

    folder: Path
    sweep: Sweep
    devices: int | None
    tile: int | None
    checkpoint_seconds: float
    reporter: Reporter
    budget: Budget
    trained: Mapping[str, Path]
    shards: Mapping[str, int]

    def path(self, condition: Condition) -> Path:
        return sweep_folder.condition_folder(self.folder, condition.digest)

    def stage(self, condition: Condition) -> str:
        return sweep_folder.stage(self.folder, condition.digest)[0]

    def time_left(self) -> str:
        return f"about {clock(self.budget.seconds_left())} left"

    def unfinished(self, group: Group) -> list[Condition]:
        return [c for c in group.conditions if self.stage(c) != stages.ANALYSED]

    def of(self, group: Group) -> int:
        """How many shards a group is trained in."""
        return self.shards.get(group.name, 1)

    def sources(self, group: Group) -> dict[str, Path]:
        """Where networks whose training has ended lie, by recipe.

        Of those that come and go meanwhile only the group's own can matter: a recipe is of one.
        """
        found = dict(self.trained)
        for condition in group.conditions:
            if self.stage(condition) in (stages.TRAINED, stages.ANALYSED):
                found[condition.recipe_digest] = self.path(condition)
        return found

    def untrained(self, group: Group) -> list[Piece]:
        """The shards of a group that have still to be trained; none of one in one piece."""
        if self.of(group) == 1:
            return []
        left = group._replace(conditions=tuple(self.unfinished(group)))
        pieces = [Piece(left, part + 1, self.of(group)) for part in range(self.of(group))]
        trained = self.sources(group)
        return [each for each in pieces if not shard_folders.is_trained(self.folder, each, trained)]

    def left(self, piece: Piece) -> int:
        """How many conditions of a group are unfinished; of a shard, 1 if it is."""
        if not piece.part:
            return len(self.unfinished(piece.group))
        return sum(each.name == piece.name for each in self.untrained(piece.group))


def train(
    work: Work,
    recipes: list[Recipe],
    stored: Sequence[storage.Run | None],
    save: Callable[[Sequence[Population], Sequence[float]], None],
) -> list[Population]:
    """Trains recipes from what is stored; saves populations, with the seconds that each took."""
    started = time.monotonic()

    def keep(populations: Sequence[Population]) -> None:
        save(populations, _seconds(time.monotonic() - started, stored, populations))

    try:
        populations = train_populations(
            recipes,
            devices=work.devices,
            tile=work.tile,
            resume=[run.population if run else None for run in stored],
            progress=work.reporter.training,
            checkpoint=keep,
            checkpoint_seconds=work.checkpoint_seconds,
        )
    except TrainingInterrupted as stop:
        keep(stop.populations)
        stop.args = (f"interrupted, saved in {work.folder}; the same command or call goes on",)
        raise
    keep(populations)
    return populations


def stored_run(
    work: Work, same: list[Condition], trained: Path | None, of: int = 1
) -> storage.Run | None:
    """What conditions of one recipe go on from: whoever has trained it, its shards, the furthest of
    them, or the trained networks that they start from."""
    if of > 1 and not trained:
        return shard_folders.joined_run(work.folder, same[0], of)
    paths = [work.path(c) for c in same if work.stage(c) != sweep_folder.MISSING]
    runs = [storage.load_run(path) for path in ([trained] if trained else paths)]
    if not runs and same[0].start is not None:
        start = starts.population_of(work.folder, same[0].start)
        begun = warm_started(same[0].recipe, start)
        return storage.Run(same[0], begun, None, None, {})
    if not runs:
        return None
    run = max(runs, key=lambda each: (not each.population.unfinished, each.manifest["epochs"]))
    # what decides nothing but rounding (`fused`) may differ between equal digests
    return run._replace(population=dataclasses.replace(run.population, recipe=same[0].recipe))


def _seconds(
    spent: float, stored: Sequence[storage.Run | None], populations: Sequence[Population]
) -> list[float]:
    """The seconds that each population has trained: its share by epochs, and what came before."""
    epochs = [float(each.stop_epoch.sum()) for each in populations]
    epochs_before = [float(run.population.stop_epoch.sum()) if run else 0.0 for run in stored]
    before = [
        run.manifest.get("seconds", {}).get("training", 0.0) if run else 0.0 for run in stored
    ]
    added = [now - then for now, then in zip(epochs, epochs_before, strict=True)]
    return [
        then + spent * each / max(sum(added), 1.0) for then, each in zip(before, added, strict=True)
    ]
