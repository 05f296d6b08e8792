"""Sweeps: what is asked for, checked, and worked on here or by an engine's tasks."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.analysis.degeneracy import require_analysis_room
from rnnensemble.analysis.feature_learning import evaluation_trials
from rnnensemble.cli import engines
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.driver import drive
from rnnensemble.cli.forecast import print_forecast
from rnnensemble.cli.groups import run_groups
from rnnensemble.cli.work import Work
from rnnensemble.cli.worker import Task, run_task, versions
from rnnensemble.files import folders, shard_folders, starts, sweep_folder
from rnnensemble.study import shards as division
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import Budget, expected_costs, tile_for
from rnnensemble.study.engines import LOCAL
from rnnensemble.study.factors import Group, Sweep, by_group, groups_of
from rnnensemble.study.selection import select
from rnnensemble.study.shards import Piece
from rnnensemble.study.sweep_file import read_sweep, to_toml
from rnnensemble.study.toml import unknown_key


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
    shards: int | None = None,
    checkpoint_seconds: float = 60.0,
    engine: "str | engines.Engine" = LOCAL,
    engine_setting: Sequence[str] = (),
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
        shards: In how many shards the networks of each group train, each a task of its own; at most
            as many as its largest condition has networks. None for as few as leave none more than
            4,096 networks, or more than half of a device's memory, or for as many as the group was
            begun with.
        checkpoint_seconds: Seconds between checkpoints of a group that trains.
        engine: What works on the groups: `local` for this process, `slurm`, `ray`, or anything with
            `submit(function, *arguments)` that returns a future, such as an executor of
            `concurrent.futures` or a `dask.distributed.Client`; see docs/clusters.md.
        engine_setting: Settings of an engine that is named, each `KEY=VALUE`; they change those of
            the file's table `engine.NAME`.
        quiet: Prints nothing.

    Returns:
        The sweep's folder, for `load_sweep`.

    Raises:
        ValueError: Before anything is started: if a setting, factor, level, preset or group is
            unknown or does not fit, a device is too small, the folder is another sweep's, or the
            engine is not there. Later: if an engine takes no task, a worker has other versions or
            does not see the folder, or a group failed three times.
        TrainingInterrupted: On Ctrl-C while networks train, after a checkpoint; the same call goes
            on. On an engine the tasks go on by themselves.
    """
    text, named = starts.resolved(_text(sweep))
    whole = read_sweep(text, preset)
    asked = select(whole, only)
    mesh = runtime.network_mesh(devices)
    groups = _chosen(groups_of(asked), group)
    require_seconds(checkpoint_seconds)
    folder = folders.named_folder(folders.as_path(runs, "runs"), whole.folder_name)
    counts = _divided(folder, groups, mesh, shards)
    tiles = {
        each.name: tile_for(division.largest(each, counts[each.name]), mesh, tile)
        for each in groups
    }
    settings = engines.settings_for(engine, engine_setting, text)
    sweep_folder.require_same(folder, whole, update=update)
    needed = starts.require_known(folder, whole.conditions.values(), named)
    everything = [condition for each in groups for condition in each.conditions]
    left = [c for c in everything if not sweep_folder.is_finished(folder, c.digest)]
    trained = sweep_folder.trained_by(folder)
    if dry_run:
        print_forecast(groups, asked, tiles, counts, left=left, trained=trained, mesh=mesh)
        return folder
    submitted, at_once = engines.chosen(engine, settings, folder)
    _require_measurable(left)
    sweep_folder.open_folder(folder, whole, text, update=update)
    starts.keep(folder, needed)
    counts = {name: shard_folders.begin(folder, name, count) for name, count in counts.items()}
    with Reporter(quiet=quiet) as reporter:
        budget = Budget(expected_costs(asked, left, trained))
        how = devices, tile, checkpoint_seconds
        work = Work(folder, asked, *how, reporter, budget, trained, counts)
        if submitted is None:
            run_groups(work, groups)
        else:
            parts = by_group(asked, groups)
            drive(work, groups, partial(_submit, work, parts, submitted), at_once)
    return folder


def _divided(folder: Path, groups: list[Group], mesh: Mesh, asked: int | None) -> dict[str, int]:
    """How many shards each group is trained in: as it was begun, or else as is asked for."""
    division.require_shards(
        asked, [condition for group in groups for condition in group.conditions]
    )
    counts = {}
    for group in groups:
        begun = shard_folders.begun(folder, group.name)
        counts[group.name] = begun or division.count_for(group, mesh, asked)
        if begun and asked not in (None, begun):
            raise ValueError(
                f"`shards` must be {begun}, in which {group.name} was begun in {folder}; got "
                f"{asked}."
            )
    return counts


def _submit(work: Work, parts: Mapping[str, Sweep], engine: "engines.Engine", piece: Piece) -> Any:
    """Submits a group or a shard of several."""
    return submit_piece(work, parts[piece.group.name], engine, piece)


def submit_piece(work: Work, sweep: Sweep, engine: "engines.Engine", piece: Piece) -> Any:
    """Submits a group or a shard as a task, whose levels alone are in the sweep."""
    recipes = [condition.recipe_digest for condition in piece.group.conditions]
    task = Task(
        folder=str(work.folder.absolute()),
        probe=sweep_folder.write_probe(work.folder),
        versions=versions(),
        sweep=to_toml(sweep),
        trained={each: work.trained[each].name for each in recipes if each in work.trained},
        group=piece.group.name,
        part=piece.part,
        of=piece.of,
        devices=work.devices,
        tile=work.tile,
        checkpoint_seconds=work.checkpoint_seconds,
        quiet=not isinstance(engine, engines.SlurmEngine),
    )
    return engine.submit(run_task, task)


def _text(sweep: Path | str | Sweep) -> str:
    """The text of a sweep file, or of what stands for one."""
    if isinstance(sweep, Sweep):
        return to_toml(sweep)
    if isinstance(sweep, str) and "\n" in sweep:
        return sweep
    return sweep_folder.read_file(sweep)


def _require_measurable(conditions: list[Condition]) -> None:
    """Raises ValueError unless conditions can be measured, features too.

    Compiles programs that the measurement needs later.
    """
    different = {(c.task, c.network, c.size, c.analysis, c.features): c for c in conditions}
    for condition in different.values():
        condition.analysis.left_out(condition.task, condition.network)
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
