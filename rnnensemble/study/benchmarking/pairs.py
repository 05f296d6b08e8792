"""Pairs of networks that DSA and PIF compare a second."""

import math
import time
from typing import Any

import numpy as np
from jax.sharding import Mesh

from rnnensemble.metrics.pairwise import distance_matrix
from rnnensemble.study.benchmarking.rows import Clock, Row, Step

WIDTH, TRIALS, STEPS = 64, 20, 50
"""Of the networks that are compared: random walks for DSA, random weights for PIF."""
FEW = 6
"""Networks of the first two calls, of which one compiles and one says how many more to compare."""
MOST_GROWTH = 6.0
"""Of the number of networks from call to call: a few do not show how fast many are compared."""
MOST = {"cpu": 128}
START_SECONDS = {"cpu": 12.0}


def drawn(metric: str, count: int, width: int) -> np.ndarray:
    """What a metric compares, of some networks: rates `[K, B, T, N]` or weights `[K, N, N]`."""
    rng = np.random.default_rng(0)
    if metric == "pif":
        return rng.standard_normal((count, width, width), dtype=np.float32) / width**0.5
    walks = rng.standard_normal((count, TRIALS, STEPS, width), dtype=np.float32)
    return walks.cumsum(axis=2)


def pairs_step(
    metric: str,
    mesh: Mesh,
    clock: Clock,
    *,
    seconds: float = 3.0,
    most: int | None = None,
) -> Step:
    """A row of kind `pairs`, from data to matrix, all in default settings, by `dsa` or `pif`.

    `seconds` are what the timed call should take, `most` the networks that are compared at most,
    128 on a CPU and 512 elsewhere.
    """
    platform = mesh.devices.flat[0].platform
    most = most or MOST.get(platform, 512)

    def timed(count: int) -> float:
        data = drawn(metric, count, WIDTH)
        started = time.perf_counter()
        distance_matrix(metric, data, devices=mesh.size, progress=clock.check)
        return time.perf_counter() - started

    def measure() -> dict[str, Any]:
        first = timed(FEW)
        count, took = FEW, timed(FEW)
        while took < seconds / 2 and count < most:
            growth = min(math.sqrt(seconds / took), MOST_GROWTH)
            count = min(most, max(count + 1, int(count * growth)))
            took = timed(count)
        pairs = count * (count - 1) // 2
        found = {"pairs": pairs, "first_call_seconds": round(first, 2)}
        return {"speed": pairs / took, "size": count, "details": found}

    shape: Any = {} if metric == "pif" else {"batch": TRIALS, "steps": STEPS}
    row = Row(kind="pairs", name=metric.upper(), width=WIDTH, size=most, **shape)
    known = START_SECONDS.get(platform, 40.0) + 2 * seconds
    return Step(row, lambda: known, measure, lambda: timed(FEW))
