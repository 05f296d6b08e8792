"""Large matrices of distances: blocks of pairs as tasks, here or on an engine."""

import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnensemble._core import process
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.driver import CountedTasks, require_none_failed, watch
from rnnensemble.cli.worker import made_ready, versions
from rnnensemble.files import arrays, block_files, locks, sweep_folder
from rnnensemble.metrics import Metric
from rnnensemble.metrics.data import networks_of
from rnnensemble.metrics.pair_blocks import (
    PairBlock,
    compare_block,
    feature_shapes,
    joined_matrix,
    pair_blocks,
)


class BlockTask(NamedTuple):
    """What a worker is told of a block.

    Attributes:
        folder: Of the analysis, absolute.
        probe: As in `worker.Task`.
        versions: As in `worker.Task`.
        file: The networks' data, absolute.
        mask: Valid steps, None if all are.
        metric: Fitted to all networks.
        block: Which pairs.
        shapes: Of the features of all networks.
        seed: Of the searches.
        devices: How many to use, None for all.
        memory: Bytes that each may use, None for half of what it has.
        digest: Of data and settings.
    """

    folder: str
    probe: str
    versions: dict[str, str]
    file: str
    mask: np.ndarray | None
    metric: Metric
    block: PairBlock
    shapes: tuple[tuple[int, ...], ...]
    seed: int
    devices: int | None
    memory: float | None
    digest: str

    @property
    def name(self) -> str:
        """The metric and the networks of both sides."""
        return f"{self.metric.name} {self.block.name}"

    def found(self) -> np.ndarray | None:
        """The block's distances; None if they are not there."""
        return block_files.read_block(self.path, self.digest)

    @property
    def path(self) -> Path:
        """The block's file."""
        return block_files.block_file(Path(self.folder), self.metric.name, self.block.name)


def run_block(task: BlockTask) -> dict[str, Any]:
    """Compares a block on a worker, or goes on with it; returns as `worker.run_task` does."""
    if words := made_ready(task):
        return {"unfit": words}
    started = time.monotonic()
    with process.stopped_by_signals():
        try:
            made = make_block(task, arrays.read_arrays(task.file, name=task.metric.data))
        except KeyboardInterrupt as stop:
            return {"stopped": str(stop) or "the pairs done are kept"}
    return {"host": platform.node(), "seconds": time.monotonic() - started, "left": int(not made)}


def make_block(
    task: BlockTask, data: Any, progress: Callable[[int, int], None] | None = None
) -> bool:
    """Compares a block unless it is there; False if another process has it in hand."""
    with locks.held(task.path.with_suffix(".lock")) as ours:
        if not ours:
            return False
        if task.found() is None:
            chosen = [data[k] for k in task.block.networks]
            distances = compare_block(
                task.metric,
                networks_of(task.metric, chosen, task.metric.data, task.mask),
                task.block,
                shapes=task.shapes,
                seed=task.seed,
                devices=task.devices,
                memory=task.memory,
                checkpoint=block_files.unfinished_block(task.path),
                progress=progress,
            )
            block_files.write_block(task.path, task.digest, distances)
    return True


def block_tasks(
    metric: Metric, data: Any, mask: np.ndarray | None, edge: int, **told: Any
) -> list[BlockTask]:
    """The tasks of a metric's matrix; `told` is what all of them are told alike."""
    networks = networks_of(metric, data, metric.data, mask)
    shapes, folder = feature_shapes(metric, networks), told["folder"]
    told |= {"probe": sweep_folder.write_probe(Path(folder)), "versions": versions()}
    return [
        BlockTask(metric=metric, mask=mask, block=block, shapes=shapes, **told)
        for block in pair_blocks(metric, len(networks), edge)
    ]


def drive_blocks(tasks: Sequence[BlockTask], engine: Any, at_once: int, reporter: Reporter) -> None:
    """Has an engine compare all blocks.

    Raises:
        ValueError: If the engine takes no task, a worker does not fit, or a block failed again and
            again; the others are finished then.
        KeyboardInterrupt: On Ctrl-C; the tasks go on unless the user says otherwise.
    """
    named = {task.name: task for task in tasks}
    queue = CountedTasks(
        named,
        [name for name, task in named.items() if task.found() is None],
        partial(engine.submit, run_block),
        of=(len(named), "blocks of pairs"),
        at_once=at_once,
        reporter=reporter,
    )
    watch(queue, lambda: None)
    reporter.line(queue.line())
    require_none_failed(queue, "analyse", "blocks")


def make_blocks(
    tasks: Sequence[BlockTask],
    data: dict[str, Any],
    submitted: tuple[Any, int],
    reporter: Reporter,
) -> None:
    """Has all blocks compared by an engine, or, without one, by this process.

    Args:
        tasks: The blocks of one or several metrics.
        data: The networks' data, by kind, for this process.
        submitted: The engine, None for this process, and how many tasks may be at once.
        reporter: Says how far all have come.

    Raises:
        ValueError: As `drive_blocks`.
        KeyboardInterrupt: On Ctrl-C; the pairs done are kept.
    """
    engine, at_once = submitted
    if engine is not None:
        drive_blocks(tasks, engine, at_once, reporter)
        return
    for number, task in enumerate(tasks, 1):
        title = f"{task.metric.name}, block {number} of {len(tasks)}"
        make_block(task, data[task.metric.data], partial(reporter.analysis, title))


def matrix_of(tasks: Sequence[BlockTask], count: int) -> np.ndarray:
    """The matrix of all blocks of a metric.

    Raises:
        ValueError: If a block is not there, or damaged.
    """
    by_block = {task.block: task for task in tasks}

    def found(block: PairBlock) -> np.ndarray:
        distances = by_block[block].found()
        if distances is None:
            raise ValueError(
                f"`checkpoint` {by_block[block].path} is not there as it was written; the same "
                "command compares these pairs again."
            )
        return distances

    return joined_matrix(tasks[0].metric, count, found, list(by_block))
