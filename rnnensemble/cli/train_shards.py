"""A population trained in shards, here or as tasks of an engine: joined, saved and measured.

While they train, the folder of a sweep of this one condition, NAME-shards, holds them beside the
run folder to come: its groups have shards already, which survive kills and are tasks of engines.
"""

from functools import partial
from pathlib import Path
from typing import Any

from rnnensemble._core import runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.cli import engines, train
from rnnensemble.cli.console import Reporter, population_line
from rnnensemble.cli.driver import CountedTasks, require_none_failed, watch
from rnnensemble.cli.group_shards import run_shard
from rnnensemble.cli.options import Train
from rnnensemble.cli.sweep import submit_piece
from rnnensemble.cli.work import Work
from rnnensemble.files import folders, shard_folders, stages, starts, storage, sweep_folder
from rnnensemble.study import shards
from rnnensemble.study.conditions import Condition, digest_of
from rnnensemble.study.costs import Budget, expected_costs, tile_for
from rnnensemble.study.factors import Factor, Group, Level, Sweep, groups_of
from rnnensemble.study.sweep_file import to_toml


def train_in_shards(options: Train, name: str, of: int, *, start: storage.Run | None) -> None:
    """Trains all shards that are not trained yet, from a run or drawn weights; joins, measures."""
    folder = folders.named_folder(options.runs, name)
    place, condition = folder.with_name(f"{name}-shards"), options.condition
    sweep = _sweep_of(condition)
    (group,) = groups_of(sweep)
    _require_possible(options, group, of)
    settings = engines.settings_for(options.engine, options.engine_setting, "")
    engine, at_once = engines.chosen(options.engine, settings, place)
    with folders.reserved(folder), Reporter(quiet=options.quiet) as reporter:
        _begin(folder, place, sweep, of)
        if start is not None:
            starts.keep(place, {digest_of(start.condition.recipe): start})
        how = options.devices, None, options.checkpoint_seconds
        budget = Budget(expected_costs(sweep, [condition], {}))
        work = Work(place, sweep, *how, reporter, budget, {}, {group.name: of})
        if engine is None:
            _train_here(work, group, name)
        else:
            _train_there(work, group, engine, at_once)
        population = shard_folders.joined_run(place, condition, of).population
        storage.save_run(folder, condition, population, replace=True)
        reporter.line(f"joined {of} shards, {population.size} networks, into {folder}")
        reporter.line(population_line(population))
        try:
            train.measure(folder, condition, population, reporter, options.devices)
        finally:  # they are joined and saved, whatever becomes of the analysis
            folders.remove_folder(place)


def _sweep_of(condition: Condition) -> Sweep:
    """A sweep of one condition."""
    level = Level(value=1, label="1", condition=condition)
    task = condition.task.name
    factor = Factor(name="networks", task=task, title="networks", unit="", levels=(level,))
    return Sweep(name="shards", preset="", factors=(factor,), grids=())


def _require_possible(options: Train, group: Group, of: int) -> None:
    """Raises ValueError, before anything is written, unless these shards can be trained."""
    condition = options.condition
    train.require_run(condition)
    if not 2 <= of <= condition.size:
        raise ValueError(
            f"`shards` must be a whole number from 2 to the {condition.size} networks of `size`; "
            f"got {of}."
        )
    if options.shard is not None:
        raise ValueError("`shard` trains one of them alone: leave out --shards.")
    if options.resume:
        raise ValueError(
            "`resume` is for runs in one piece: with --shards the same command goes on."
        )
    require_seconds(options.checkpoint_seconds)
    mesh = runtime.network_mesh(options.devices)
    shards.count_for(group, mesh, of)  # if the host can hold all networks
    tile_for(shards.largest(group, of), mesh, None)
    train.require_measurable(condition)


def _begin(folder: Path, place: Path, sweep: Sweep, of: int) -> None:
    """Makes the folder of the shards, or finds the one to go on with."""
    (condition,), (group,) = sweep.conditions.values(), groups_of(sweep)
    begun = (place / "manifest.json").exists()
    there = stages.read_manifest(place) if begun else {}
    if begun and there.get("sweep") != sweep.name:
        raise FileExistsError(
            f"`name` {folder.name!r} needs {place} for its shards, which is another run; choose "
            "another --name."
        )
    if begun and there["digest"] != sweep.digest:
        raise FileExistsError(
            f"`name` {folder.name!r} has unfinished shards of other settings in {place}; choose "
            "another --name, or remove that folder."
        )
    # what a driver has saved that was killed while it measured is saved again
    if not (begun and folder.exists() and _digest(folder) == condition.digest):
        stages.require_free(folder)
    if (before := shard_folders.begun(place, group.name)) not in (None, of):
        raise ValueError(f"`shards` must be {before}, in which {place} was begun; got {of}.")
    sweep_folder.open_folder(place, sweep, to_toml(sweep))
    shard_folders.begin(place, group.name, of)


def _digest(folder: Path) -> str:
    """The digest of a run folder's settings."""
    return stages.read_manifest(folder)["digest"]


def _train_here(work: Work, group: Group, name: str) -> None:
    """Trains shards one after another, but for those that another process has in hand."""
    before = None
    while (left := work.untrained(group)) and left != before:
        before = left
        for piece in left:
            run_shard(work, piece, name)
    if left:
        names = ", ".join(f"{piece.part}/{piece.of}" for piece in left)
        raise FileExistsError(
            f"`shards` {names} in {work.folder} are in the hands of other processes, such as tasks "
            "of an engine; start the same command again when they have ended."
        )


def _train_there(work: Work, group: Group, engine: Any, at_once: int) -> None:
    """Has an engine train all shards.

    Raises:
        ValueError: If the engine takes no task, a worker does not fit, or a shard failed again and
            again; the others are trained then.
        KeyboardInterrupt: On Ctrl-C; the tasks go on unless the user says otherwise.
    """
    left = {piece.name: piece for piece in work.untrained(group)}
    tasks = CountedTasks(
        left,
        list(left),
        partial(submit_piece, work, work.sweep, engine),
        of=(work.of(group), "shards"),
        at_once=at_once,
        reporter=work.reporter,
    )
    watch(tasks, lambda: None)
    work.reporter.line(tasks.line())
    require_none_failed(tasks, "train", "shards")
