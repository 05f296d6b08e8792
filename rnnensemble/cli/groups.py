"""Groups of a sweep's conditions, one compiled program each: trained, measured, gone on with."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rnnensemble._core import programs
from rnnensemble.analysis.degeneracy import Degeneracy, measure_degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning, measure_feature_learning
from rnnensemble.cli.console import Reporter, clock
from rnnensemble.files import locks, stages, storage, sweep_folder
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import Budget
from rnnensemble.study.factors import Group, Sweep, trained_once
from rnnensemble.training.population import Population
from rnnensemble.training.train import TrainingInterrupted, train_populations

GROUPS_OF_PROGRAMS = 8
"""After so many groups their compiled programs are forgotten: about 150 MiB each, on a CPU."""

SHARE = 0.02
"""Of a process's time goes at most so much into summary.csv, which is written anew each time."""


class Paced:
    """Does some work at once, and then as often as it takes no more than a share of the time."""

    def __init__(self, work: Callable[[], object], share: float) -> None:
        self.work, self.share, self.next = work, share, 0.0

    def __call__(self) -> None:
        """Does it, unless that would be too often."""
        began = time.monotonic()
        if began >= self.next:
            self.work()
            ended = time.monotonic()
            self.next = ended + (ended - began) / self.share


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
    """

    folder: Path
    sweep: Sweep
    devices: int | None
    tile: int | None
    checkpoint_seconds: float
    reporter: Reporter
    budget: Budget
    trained: Mapping[str, Path]

    def path(self, condition: Condition) -> Path:
        return sweep_folder.condition_folder(self.folder, condition.digest)

    def stage(self, condition: Condition) -> str:
        return sweep_folder.stage(self.folder, condition.digest)[0]

    def time_left(self) -> str:
        return f"about {clock(self.budget.seconds_left())} left"

    def unfinished(self, group: Group) -> list[Condition]:
        return [c for c in group.conditions if self.stage(c) != stages.ANALYSED]


def run_groups(work: Work, groups: list[Group]) -> None:
    """Works on every group that no other process has, until none is left."""
    reporter, total = work.reporter, sum(len(group.conditions) for group in groups)
    summarize = Paced(partial(sweep_folder.write_summary, work.folder), SHARE)
    todo, before = groups, None
    while todo and todo != before:  # others may have ended, finished or not, in the meantime
        before = todo
        for number, group in enumerate(todo, 1):
            if work.unfinished(group):
                run_group(work, group, f"group {number} of {len(todo)}", summarize)
            if number % GROUPS_OF_PROGRAMS == 0:
                programs.forget_programs()  # other groups need others
        todo = [group for group in todo if work.unfinished(group)]
    sweep_folder.write_summary(work.folder)
    left = sum(len(work.unfinished(group)) for group in todo)
    reporter.line(f"{total - left} of {total} conditions finished: {work.folder}/summary.csv")
    if left:
        reporter.line(f"another process works on the other {left}; start again if it was killed")


def run_group(work: Work, group: Group, title: str, summarize: Callable[[], object]) -> None:
    """Trains and measures a group unless another process does; sums up after each condition."""
    lock = work.folder / "groups" / f"{group.name}.lock"
    with locks.held(lock) as ours:
        unfinished = work.unfinished(group) if ours else []
        if not unfinished:  # or another process has ended it in the meantime
            return
        for condition in set(group.conditions) - set(unfinished):
            work.budget.skip(condition)
        networks = sum(condition.size for condition in trained_once(unfinished))
        about = f"{len(unfinished)} conditions, {networks} networks"
        work.reporter.section(f"{title}, {group.name}: {about}")
        for condition in unfinished:
            if damage := sweep_folder.damage(work.folder, condition.digest):
                name = work.sweep.names[condition.digest]
                work.reporter.line(f"{name}: {damage} is damaged; it is measured again")
        populations = _trained(work, unfinished, _sources(work, group))
        for condition, population in zip(unfinished, populations, strict=True):
            _measure(work, condition, population)
            summarize()


def _sources(work: Work, group: Group) -> dict[str, Path]:
    """Where networks whose training has ended lie, by recipe.

    Of those that come and go meanwhile only the group's own can matter: equal recipes are of one.
    """
    found = dict(work.trained)
    for condition in group.conditions:
        if work.stage(condition) in (stages.TRAINED, stages.ANALYSED):
            found[condition.recipe_digest] = work.path(condition)
    return found


def _trained(work: Work, wanted: list[Condition], trained: Mapping[str, Path]) -> list[Population]:
    """The populations of conditions, trained from where they are; each recipe once."""
    recipes = {condition.recipe_digest: condition.recipe for condition in wanted}
    stored = [
        _stored(work, [c for c in wanted if c.recipe_digest == digest], trained.get(digest))
        for digest in recipes
    ]
    started = time.monotonic()

    def save(populations: Sequence[Population]) -> None:
        shares = _seconds(time.monotonic() - started, stored, populations)
        found = dict(zip(recipes, zip(populations, shares, strict=True), strict=True))
        for condition in wanted:
            if work.stage(condition) != stages.TRAINED:
                population, seconds = found[condition.recipe_digest]
                times, path = {"training": seconds}, work.path(condition)
                storage.save_run(path, condition, population, seconds=times, replace=True)

    try:
        populations = train_populations(
            list(recipes.values()),
            devices=work.devices,
            tile=work.tile,
            resume=[run.population if run else None for run in stored],
            progress=work.reporter.training,
            checkpoint=save,
            checkpoint_seconds=work.checkpoint_seconds,
        )
    except TrainingInterrupted as stop:
        save(stop.populations)
        stop.args = (f"interrupted, saved in {work.folder}; the same command or call goes on",)
        raise
    save(populations)
    for condition in wanted:
        work.budget.finish(condition, "training")
    found = dict(zip(recipes, populations, strict=True))
    return [found[condition.recipe_digest] for condition in wanted]


def _stored(work: Work, same: list[Condition], trained: Path | None) -> storage.Run | None:
    """What conditions of one recipe go on from: whoever has trained it, or the furthest of them."""
    paths = [work.path(c) for c in same if work.stage(c) != sweep_folder.MISSING]
    runs = [storage.load_run(path) for path in ([trained] if trained else paths)]
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


def _measure(work: Work, condition: Condition, population: Population) -> None:
    """Measures a trained condition, which finishes it."""
    reporter, devices = work.reporter, work.devices
    line = f"{work.sweep.names[condition.digest]}: {population.summary()}"
    if population.converged.sum() < sweep_folder.LEAST_CONVERGED:
        work.budget.finish(condition, "analysis")
        reporter.line(f"{line}; too few to compare; {work.time_left()}")
        return
    started = time.monotonic()
    found = measure_degeneracy(
        population, analysis=condition.analysis, devices=devices, progress=reporter.analysis
    )
    features = measure_feature_learning(population, analysis=condition.features, devices=devices)
    seconds = sweep_folder.stage(work.folder, condition.digest)[1].get("seconds", {})
    storage.save_run(
        work.path(condition),
        condition,
        population,
        degeneracy=found,
        features=features,
        seconds=seconds | {"analysis": time.monotonic() - started},
        replace=True,
    )
    work.budget.finish(condition, "analysis")
    reporter.line(f"{line}; {_levels(found, features)}; {work.time_left()}")


def _levels(found: Degeneracy, features: FeatureLearning) -> str:
    """The levels of a condition in a few words."""
    return (
        f"sigma {found.behavior.sigma.value:.3g}, DSA {found.dynamics.mean.value:.3g}, "
        f"PIF {found.weights.mean.value:.3g}, "
        f"kernel alignment {features.kernel_alignment.mean():.2f}"
    )
