"""What an engine's worker does: one task, which is one group of a sweep's conditions."""

import importlib.metadata
import platform
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from rnnensemble._core import process, runtime
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.groups import Work, run_group
from rnnensemble.files import sweep_folder
from rnnensemble.study.costs import Budget, expected_costs
from rnnensemble.study.factors import groups_of
from rnnensemble.study.selection import select

PACKAGES = ("rnnensemble", "jax", "jaxlib", "numpy")
"""Whose versions decide what comes out."""


class Task(NamedTuple):
    """What a worker is told.

    Attributes:
        folder: The sweep's folder, absolute.
        probe: What the driver has written there, which a worker must see.
        versions: Of the driver's packages.
        only: The factors that are asked for.
        group: The group's name.
        devices: How many devices to use, None for all.
        tile: Networks that a device trains at once, None for what fits.
        checkpoint_seconds: Seconds between checkpoints.
        quiet: Prints nothing, as where no log takes it.
    """

    folder: str
    probe: str
    versions: dict[str, str]
    only: tuple[str, ...]
    group: str
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
        `host`, `seconds`, and `left`, how many of the group's conditions are unfinished. Otherwise,
        in words, since not every engine hands exceptions back as they are: `unfit`, if the worker
        has other versions than the driver or does not see its folder, or `stopped`, if it was asked
        to stop and has saved.
    """
    if words := _unfit(task):
        return {"unfit": words}
    if "" not in sys.path:
        sys.path.append("")  # modules of one's own in the current folder
    runtime.use_all_cores()
    runtime.use_compilation_cache()
    folder, started = Path(task.folder), time.monotonic()
    with process.stopped_by_signals(), Reporter(quiet=task.quiet) as reporter:
        sweep = select(sweep_folder.stored_sweep(folder), task.only)
        (group,) = (each for each in groups_of(sweep) if each.name == task.group)
        how = task.devices, task.tile, task.checkpoint_seconds
        todo = [c for c in group.conditions if not sweep_folder.is_finished(folder, c.digest)]
        costs = expected_costs(sweep, todo, sweep_folder.trained_by(folder))
        work = Work(folder, sweep, *how, reporter, Budget(costs))
        try:
            run_group(work, group, "task", lambda: None)
        except KeyboardInterrupt as stop:
            return {"stopped": str(stop) or "interrupted"}
        left = len(work.unfinished(group))
    return {"host": platform.node(), "seconds": time.monotonic() - started, "left": left}


def _unfit(task: Task) -> str:
    """Why this worker must not work on the driver's sweep; nothing if it may."""
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
