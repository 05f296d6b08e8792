"""What large matrices of distances take: pairs, blocks, memory, files, time."""

import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.notes import clock
from rnnensemble.metrics import Metric
from rnnensemble.metrics.blocks import compare_pairs
from rnnensemble.metrics.pair_blocks import PAIR_BYTES, feature_shapes, pair_blocks
from rnnensemble.metrics.pairwise import all_pairs, place_for
from rnnensemble.metrics.preparation import prepare_networks

PROBED = 12, 64
"""Networks whose pairs are timed for a plan: the first where they take long, else the second."""

JOINED_BYTES = 4 + 3 * 8
"""Of each entry of a joined matrix: itself, and float64 copies for its mean and interval."""

PROCESS_BYTES = 0.4e9
"""What a process holds before there are data (JAX and compiled programs; measured on a CPU)."""


def print_plan(
    metrics: Sequence[tuple[Metric, list[Any]]],
    edge: int,
    *,
    devices: int | None,
    memory: float | None,
    reporter: Reporter,
) -> None:
    """Prints what the matrices of metrics and their networks take; nothing is started.

    The time is that of some pairs, compared now on all devices, times the number of pairs.
    """
    rows, whole = [], 0.0
    for metric, networks in metrics:
        count, blocks = len(networks), pair_blocks(metric, len(networks), edge)
        pairs = count * (count - 1) // 2 if metric.symmetric else count * count
        seconds = pairs * seconds_a_pair(metric, networks, devices=devices, memory=memory)
        held = PROCESS_BYTES + _block_bytes(metric, networks, min(edge, count))
        files = 4 * sum(len(each.first) * len(each.second) for each in blocks)
        whole += seconds
        cells = f"{count:,}", f"{pairs:,}", str(len(blocks)), f"{held / 1e9:.2f} GB"
        rows.append((metric.name, *cells, f"{files / 1e9:.3g} GB", clock(seconds)))
    columns = ("metric", "networks", "pairs", "blocks", "memory a task", "files", "time")
    reporter.table("blocks of pairs", columns, rows)
    joined = PROCESS_BYTES + JOINED_BYTES * max(len(networks) for _, networks in metrics) ** 2
    where = f"{runtime.network_mesh(devices).size} {runtime.describe()['device']} devices"
    reporter.line(
        f"joining holds up to {joined / 1e9:.2f} GB; expected time on {where}: {clock(whole)} "
        "(some pairs were timed now; compilation apart)"
    )


def _block_bytes(metric: Metric, networks: Sequence[Any], edge: int) -> float:
    """What a block of so many networks on each side holds: data, features twice, pairs."""
    data = sum(x.nbytes for x in jax.tree.leaves(networks[0]))
    features = sum(4 * int(np.prod(shape)) for shape in feature_shapes(metric, networks))
    return 2 * edge * (data + 2 * features) + PAIR_BYTES * edge**2


def seconds_a_pair(
    metric: Metric, networks: Sequence[Any], *, devices: int | None, memory: float | None
) -> float:
    """Seconds of a pair on all devices, compiled before."""
    mesh, seconds = runtime.network_mesh(devices), 0.0
    for most in PROBED:
        chosen = networks[:most]
        features = prepare_networks(metric, chosen, mesh=mesh)
        pairs, _ = all_pairs(metric, len(chosen))
        where = place_for(metric, features, mesh, memory=memory)
        compare_pairs(metric, features, pairs, where=where)  # compiles
        started = time.perf_counter()
        compare_pairs(metric, features, pairs, where=where)
        spent = time.perf_counter() - started
        seconds = spent / len(pairs[0])
        if spent > 0.1:
            break
    return seconds
