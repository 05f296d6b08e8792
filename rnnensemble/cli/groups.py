"""Groups of a sweep's conditions, one compiled program each: trained, measured, gone on with."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rnnensemble._core import programs
from rnnensemble.analysis.degeneracy import Degeneracy, measure_degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning, measure_feature_learning
from rnnensemble.cli.group_shards import run_shard
from rnnensemble.cli.work import Work, stored_run, train
from rnnensemble.files import live, locks, shard_folders, stages, storage, sweep_folder
from rnnensemble.stats import digits
from rnnensemble.study.conditions import Condition
from rnnensemble.study.factors import Group, trained_once
from rnnensemble.training.population import Population

GROUPS_OF_PROGRAMS = 8
"""After so many groups their compiled programs are forgotten: about 150 MiB each, on a CPU."""

SHARE = 0.01
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


def run_groups(work: Work, groups: list[Group]) -> None:
    """Works on every group that no other process has, until none is left."""
    reporter, total = work.reporter, sum(len(group.conditions) for group in groups)
    summarize = Paced(partial(sweep_folder.write_summary, work.folder), SHARE)
    todo, before, worked = [(group, work.untrained(group)) for group in groups], None, 0
    while todo and todo != before:  # others may have ended, finished or not, in the meantime
        before = todo
        for number, (group, _) in enumerate(todo, 1):
            title, shards = f"group {number} of {len(todo)}", work.untrained(group)
            for piece in shards:
                run_shard(work, piece, title)
            whole = work.unfinished(group) and not work.untrained(group)
            if whole:
                run_group(work, group, title, summarize)
            worked += bool(shards or whole)
            if worked == GROUPS_OF_PROGRAMS:
                programs.forget_programs()  # other groups need others
                worked = 0
        unfinished = [group for group, _ in todo if work.unfinished(group)]
        todo = [(group, work.untrained(group)) for group in unfinished]
    sweep_folder.write_summary(work.folder)
    left = sum(len(work.unfinished(group)) for group, _ in todo)
    reporter.line(f"{total - left} of {total} conditions finished: {work.folder}/summary.csv")
    if left:
        reporter.line(f"another process works on the other {left}; start again if it was killed")


def run_group(work: Work, group: Group, title: str, summarize: Callable[[], object]) -> None:
    """Trains and measures a group unless another process does; sums up after each condition."""
    lock = work.folder / "groups" / f"{group.name}.lock"
    with locks.held(lock) as ours, contextlib.ExitStack() as stack:
        unfinished = work.unfinished(group) if ours else []
        if not unfinished:  # or another process has ended it in the meantime
            return
        stack.enter_context(work.reporter.watched_at(lock.with_suffix(live.SUFFIX)))
        for condition in set(group.conditions) - set(unfinished):
            work.budget.skip(condition)
        networks = sum(condition.size for condition in trained_once(unfinished))
        about = f"{len(unfinished)} conditions, {networks} networks"
        work.reporter.section(f"{title}, {group.name}: {about}")
        for condition in unfinished:
            if damage := sweep_folder.damage(work.folder, condition.digest):
                name = work.sweep.names[condition.digest]
                work.reporter.line(f"{name}: {damage} is damaged; it is measured again")
        populations = _trained(work, unfinished, work.sources(group), work.of(group))
        shard_folders.discard(work.folder, unfinished)
        for condition, population in zip(unfinished, populations, strict=True):
            _measure(work, condition, population)
            summarize()


def _trained(
    work: Work, wanted: list[Condition], trained: Mapping[str, Path], of: int
) -> list[Population]:
    """The populations of conditions, trained from where they are; each recipe once."""
    recipes = {condition.recipe_digest: condition.recipe for condition in wanted}
    stored = [
        stored_run(work, [c for c in wanted if c.recipe_digest == digest], trained.get(digest), of)
        for digest in recipes
    ]

    def save(populations: Sequence[Population], seconds: Sequence[float]) -> None:
        found = dict(zip(recipes, zip(populations, seconds, strict=True), strict=True))
        for condition in wanted:
            if work.stage(condition) != stages.TRAINED:
                population, spent = found[condition.recipe_digest]
                times, path = {"training": spent}, work.path(condition)
                storage.save_run(path, condition, population, seconds=times, replace=True)

    populations = train(work, list(recipes.values()), stored, save)
    for condition in wanted:
        work.budget.finish(condition, "training")
    found = dict(zip(recipes, populations, strict=True))
    return [found[condition.recipe_digest] for condition in wanted]


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
    pif = "not measured"
    if "weights" not in found.left_out:
        pif = digits.number(found.weights.mean.value)
    sigma, dsa = (digits.number(x.value) for x in (found.behavior.sigma, found.dynamics.mean))
    alignment = features.kernel_alignment.mean()
    return f"sigma {sigma}, DSA {dsa}, PIF {pif}, kernel alignment {alignment:.2f}"
