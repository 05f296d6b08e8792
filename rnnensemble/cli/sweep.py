"""Sweeps: what is asked for, checked, and worked on here or by an engine's tasks."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rnnensemble._core import runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.analysis.degeneracy import require_analysis_room
from rnnensemble.analysis.feature_learning import evaluation_trials
from rnnensemble.cli import engines
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.driver import drive
from rnnensemble.cli.forecast import print_forecast
from rnnensemble.cli.groups import Work, run_groups
from rnnensemble.cli.worker import Task, run_task, versions
from rnnensemble.files import folders, sweep_folder
from rnnensemble.networks import require_weights
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import Budget, expected_costs, tile_for
from rnnensemble.study.engines import LOCAL, EngineSettings, require_engine, settings_of
from rnnensemble.study.factors import Group, Sweep, groups_of, trained_once
from rnnensemble.study.selection import select
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
    text = _text(sweep)
    whole = read_sweep(text, preset)
    asked = select(whole, only)
    mesh = runtime.network_mesh(devices)
    groups = _chosen(groups_of(asked), group)
    require_seconds(checkpoint_seconds)
    tiles = {each.name: tile_for(trained_once(each.conditions), mesh, tile) for each in groups}
    folder = folders.named_folder(Path(runs), whole.folder_name)
    settings = _settings(engine, engine_setting, text)
    sweep_folder.require_same(folder, whole, update=update)
    everything = [condition for each in groups for condition in each.conditions]
    left = [c for c in everything if not sweep_folder.is_finished(folder, c.digest)]
    trained = sweep_folder.trained_by(folder)
    if dry_run:
        print_forecast(groups, asked, tiles, left=left, trained=trained, mesh=mesh)
        return folder
    submitted, at_once = _engine(engine, settings, folder)
    _require_measurable(left)
    sweep_folder.open_folder(folder, whole, text, update=update)
    with Reporter(quiet=quiet) as reporter:
        budget = Budget(expected_costs(asked, left, trained))
        work = Work(folder, asked, devices, tile, checkpoint_seconds, reporter, budget)
        if submitted is None:
            run_groups(work, groups)
        else:
            drive(work, groups, partial(_submit, work, tuple(only), submitted), at_once)
    return folder


def _settings(engine: Any, changes: Sequence[str], text: str) -> EngineSettings | None:
    """The settings of an engine that is named; None for this process, or an engine from Python."""
    if not isinstance(engine, str):
        if not callable(getattr(engine, "submit", None)):
            raise ValueError(f"`engine` must be a name or have `submit`; got {engine!r}.")
    else:
        require_engine(engine)
        if engine != LOCAL:
            return settings_of(text, engine, tuple(changes))
    if changes:
        raise ValueError("`engine_setting` must come with an engine that is named, as slurm.")
    return None


def _engine(
    engine: Any, settings: EngineSettings | None, folder: Path
) -> tuple["engines.Engine | None", int]:
    """What groups are submitted to, None for nothing, and how many may be at once."""
    if settings is not None:
        return engines.engine_of(settings, folder.absolute() / "logs"), settings.at_once
    return (None if engine == LOCAL else engine), sys.maxsize


def _submit(work: Work, only: tuple[str, ...], engine: "engines.Engine", group: Group) -> Any:
    """Submits a group as a task."""
    task = Task(
        folder=str(work.folder.absolute()),
        probe=sweep_folder.write_probe(work.folder),
        versions=versions(),
        only=only,
        group=group.name,
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
