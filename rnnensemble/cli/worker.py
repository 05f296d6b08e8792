"""What an engine's worker does: one task, which is a group of a sweep's conditions, or a shard."""

import importlib.metadata
import platform
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from rnnensemble._core import process, runtime
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.group_shards import run_shard
from rnnensemble.cli.groups import run_group
from rnnensemble.cli.work import Work
from rnnensemble.files import sweep_folder
from rnnensemble.study.costs import Budget, expected_costs
from rnnensemble.study.factors import groups_of
from rnnensemble.study.shards import Piece
from rnnensemble.study.sweep_file import read_sweep

PACKAGES = ("rnnensemble", "jax", "jaxlib", "numpy")
"""Whose versions decide what comes out."""


class Task(NamedTuple):
    """What a worker is told.

    Attributes:
        folder: The sweep's folder, absolute.
        probe: What the driver has written there, which a worker must see.
        versions: Of the driver's packages.
        sweep: The group's levels, as a sweep file's text: the whole one would take every task as
            long to read as the sweep has levels.
        trained: Folders of networks that the group's recipes have already, by recipe.
        group: The group's name.
        part: Which shard of the group, from 1; 0 for the group itself.
        of: How many shards it has.
        devices: How many devices to use, None for all.
        tile: Networks that a device trains at once, None for what fits.
        checkpoint_seconds: Seconds between checkpoints.
        quiet: Prints nothing, as where no log takes it.
    """

    folder: str
    probe: str
    versions: dict[str, str]
    sweep: str
    trained: dict[str, str]
    group: str
    part: int
    of: int
    devices: int | None
    tile: int | None
    checkpoint_seconds: float
    quiet: bool


def versions() -> dict[str, str]:
    """Of this process's packages and Python."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return found | {"python": platform.python_version()}


def run_task(task: Task) -> dict[str, Any]:
    """Trains and measures a group, or goes on with it, unless another process does.

    Returns:
        `host`, `seconds`, and `left`, how many of the group's conditions are unfinished, or, of a
        shard, 1 if it is. Otherwise, in words, since not every engine hands exceptions back as they
        are: `unfit`, if the worker has other versions than the driver or does not see its folder,
        or `stopped`, if it was asked to stop and has saved.
    """
    if words := made_ready(task):
        return {"unfit": words}
    folder, started = Path(task.folder), time.monotonic()
    with process.stopped_by_signals(), Reporter(quiet=task.quiet) as reporter:
        sweep = read_sweep(task.sweep)
        (group,) = groups_of(sweep)
        how = task.devices, task.tile, task.checkpoint_seconds
        todo = [c for c in group.conditions if not sweep_folder.is_finished(folder, c.digest)]
        trained = {n: sweep_folder.condition_folder(folder, x) for n, x in task.trained.items()}
        budget = Budget(expected_costs(sweep, todo, trained))
        work = Work(folder, sweep, *how, reporter, budget, trained, {group.name: task.of})
        piece = Piece(group, task.part, task.of)
        try:
            if piece.part:
                run_shard(work, piece, "task")
            else:
                run_group(work, group, "task", lambda: None)
        except KeyboardInterrupt as stop:
            return {"stopped": str(stop) or "interrupted"}
        left = work.left(piece)
    return {"host": platform.node(), "seconds": time.monotonic() - started, "left": left}


def made_ready(task: Any) -> str:
    """Has this process use what there is for a task; says why it must not work on it, if so.

    A task has the driver's `versions`, a `folder`, and the `probe` that was written there.
    """
    if words := _unfit(task):
        return words
    if "" not in sys.path:
        sys.path.append("")  # modules of one's own in the current folder
    runtime.use_all_cores()
    runtime.use_compilation_cache()
    return ""


def _unfit(task: Any) -> str:
    """Why this worker must not work in the driver's folder; nothing if it may."""
    mine, where = versions(), f"worker on {platform.node()}"
    for name, version in task.versions.items():
        if mine[name] != version:
            return (
                f"`engine` has a {where} with {name} {mine[name]}, the driver has {version}; make "
                "them equal."
            )
    if not sweep_folder.sees(Path(task.folder), task.probe):
        return (
            f"`runs` must be a folder that all workers see; the {where} does not see what the "
            f"driver wrote to {task.folder}."
        )
    return ""
