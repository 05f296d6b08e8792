"""Sweeps: conditions in groups of one compiled program, trained, measured, and gone on with."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rnnensemble._core import programs, runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.analysis.degeneracy import Degeneracy, measure_degeneracy, require_analysis_room
from rnnensemble.analysis.feature_learning import (
    FeatureLearning,
    evaluation_trials,
    measure_feature_learning,
)
from rnnensemble.cli.console import Reporter, clock
from rnnensemble.cli.forecast import print_forecast
from rnnensemble.files import folders, locks, stages, storage, sweep_folder
from rnnensemble.networks import require_weights
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import Budget, expected_costs, tile_for
from rnnensemble.study.factors import Group, Sweep, groups_of, select, trained_once
from rnnensemble.study.sweep_file import read_sweep, to_toml
from rnnensemble.study.toml import unknown_key
from rnnensemble.training.population import Population
from rnnensemble.training.train import TrainingInterrupted, train_populations

GROUPS_OF_PROGRAMS = 8
"""After so many groups their compiled programs are forgotten: about 150 MiB each, on a CPU."""


def run_sweep(
    sweep: Path | str | Sweep,
    *,
    runs: Path | str = "runs",
    preset: str | None = None,
    only: Sequence[str] = (),
    group: str | None = None,
    dry_run: bool = False,
    update: bool = False,
    devices: int | None = None,
    tile: int | None = None,
    checkpoint_seconds: float = 60.0,
    quiet: bool = False,
) -> Path:
    """Runs what is asked for of a sweep, or goes on with it, as `rnnensemble sweep` does.

    Conditions that are finished are skipped, interrupted ones go on from their last checkpoint.
    Several processes may work on one folder: each group is in the hands of one of them.

    Args:
        sweep: Sweep file, or its text (anything with a line break), or a sweep made in Python.
        runs: Folder that holds the sweep's folder.
        preset: One of the file's presets; None for its first.
        only: Factors to run, each `FACTOR`, `FACTOR:TASK`, or either with `=VALUE,VALUE`; all
            unless given.
        group: The one group to run, by its name or number among those that `dry_run` prints.
        dry_run: Prints what would run and what it costs; starts nothing.
        update: Goes on in the folder of an earlier version of the file.
        devices: How many devices to use, None for all.
        tile: Networks that a device trains at once, None for what fits.
        checkpoint_seconds: Seconds between checkpoints of a group that trains.
        quiet: Prints nothing.

    Returns:
        The sweep's folder, for `load_sweep`.

    Raises:
        ValueError: Before anything is started: if a setting, factor, level, preset or group is
            unknown or does not fit, a device is too small, or the folder is another sweep's.
        TrainingInterrupted: On Ctrl-C while networks train, after a checkpoint; the same call goes
            on.
    """
    text = _text(sweep)
    whole = read_sweep(text, preset)
    asked = select(whole, only)
    mesh = runtime.network_mesh(devices)
    groups = _chosen(groups_of(asked), group)
    require_seconds(checkpoint_seconds)
    tiles = {each.name: tile_for(trained_once(each.conditions), mesh, tile) for each in groups}
    folder = folders.named_folder(Path(runs), whole.folder_name)
    sweep_folder.require_same(folder, whole, update=update)
    everything = [condition for each in groups for condition in each.conditions]
    left = [c for c in everything if not sweep_folder.is_finished(folder, c.digest)]
    trained = sweep_folder.trained_by(folder)
    if dry_run:
        print_forecast(groups, asked, tiles, left=left, trained=trained, mesh=mesh)
        return folder
    _require_measurable(left)
    sweep_folder.open_folder(folder, whole, text, update=update)
    with Reporter(quiet=quiet) as reporter:
        budget = Budget(expected_costs(asked, left, trained))
        work = _Work(folder, asked, devices, tile, checkpoint_seconds, reporter, budget)
        _run_groups(work, groups)
    return folder


def _text(sweep: Path | str | Sweep) -> str:
    """The text of a sweep file, or of what stands for one."""
    if isinstance(sweep, Sweep):
        return to_toml(sweep)
    if isinstance(sweep, str) and "\n" in sweep:
        return sweep
    return sweep_folder.read_file(sweep)


def _require_measurable(conditions: list[Condition]) -> None:
    """Raises ValueError unless conditions can be measured, weights and features too.

    Compiles programs that the measurement needs later.
    """
    for condition in conditions:
        names = {*condition.analysis.pif_weights, "recurrent_weights"}
        require_weights(condition.network, condition.task, names, "a sweep")
        evaluation_trials(condition.features, condition.task)
        require_analysis_room(condition, condition.analysis)


def _chosen(groups: list[Group], name: str | None) -> list[Group]:
    """The groups to run: all, or the one of a name or number."""
    if name is None:
        return groups
    name = str(name)
    if name.isdecimal() and 1 <= int(name) <= len(groups):
        return [groups[int(name) - 1]]
    found = [group for group in groups if group.name == name]
    if not found:
        message = unknown_key(name, [group.name for group in groups])
        raise ValueError(
            "`group` " + message.replace("a setting", f"one of this sweep's {len(groups)} groups")
        )
    return found


class _Work(NamedTuple):
    """What all groups share."""

    folder: Path
    sweep: Sweep
    devices: int | None
    tile: int | None
    checkpoint_seconds: float
    reporter: Reporter
    budget: Budget

    def path(self, condition: Condition) -> Path:
        return sweep_folder.condition_folder(self.folder, condition.digest)

    def stage(self, condition: Condition) -> str:
        return sweep_folder.stage(self.folder, condition.digest)[0]

    def time_left(self) -> str:
        return f"about {clock(self.budget.seconds_left())} left"

    def unfinished(self, group: Group) -> list[Condition]:
        return [c for c in group.conditions if self.stage(c) != stages.ANALYSED]


def _run_groups(work: _Work, groups: list[Group]) -> None:
    """Works on every group that no other process has, until none is left."""
    reporter, total = work.reporter, sum(len(group.conditions) for group in groups)
    todo, before = groups, None
    while todo and todo != before:  # others may have ended, finished or not, in the meantime
        before = todo
        for number, group in enumerate(todo, 1):
            if work.unfinished(group):
                _run_group(work, group, f"group {number} of {len(todo)}")
            if number % GROUPS_OF_PROGRAMS == 0:
                programs.forget_programs()  # other groups need others
        todo = [group for group in todo if work.unfinished(group)]
    sweep_folder.write_summary(work.folder)
    left = sum(len(work.unfinished(group)) for group in todo)
    reporter.line(f"{total - left} of {total} conditions finished: {work.folder}/summary.csv")
    if left:
        reporter.line(f"another process works on the other {left}; start again if it was killed")


def _run_group(work: _Work, group: Group, title: str) -> None:
    """Trains and measures a group unless another process does."""
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
        populations = _trained(work, unfinished)
        for condition, population in zip(unfinished, populations, strict=True):
            _measure(work, condition, population)
            sweep_folder.write_summary(work.folder)


def _trained(work: _Work, wanted: list[Condition]) -> list[Population]:
    """The populations of conditions, trained from where they are; each recipe once."""
    recipes = {condition.recipe_digest: condition.recipe for condition in wanted}
    trained = sweep_folder.trained_by(work.folder)
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


def _stored(work: _Work, same: list[Condition], trained: Path | None) -> storage.Run | None:
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


def _measure(work: _Work, condition: Condition, population: Population) -> None:
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
