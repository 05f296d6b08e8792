"""The distance matrix of many networks' activity, in a process of its own.

    python matrix.py METRIC NETWORKS

Activity is float32, 20 trials of 50 steps and 64 units, from a seed. Progress goes to stderr.
"""

import json
import sys
import time

import numpy as np

import rnnensemble as rnne


def measure(metric: str, count: int) -> dict:
    """Seconds from activity to matrix, compilation included, and what the matrix is like."""
    activity = np.random.default_rng(0).standard_normal((count, 20, 50, 64), dtype=np.float32)
    reports: list[int] = []

    def show(done: int, total: int) -> None:
        if reports and 20 * done // total > 20 * reports[-1] // total:
            print(f"{metric} {done} of {total} pairs", file=sys.stderr, flush=True)
        reports.append(done)

    started = time.perf_counter()
    matrix = rnne.distance_matrix(metric, activity, progress=show)
    return {
        "seconds": time.perf_counter() - started,
        "pairs": count * (count - 1) // 2,
        "progress_reports": len(reports),
        "finite": bool(np.isfinite(matrix).all()),
        "symmetric": bool(np.array_equal(matrix, matrix.T)),
        "zero_diagonal": not np.diag(matrix).any(),
    }


if __name__ == "__main__":
    rnne.use_all_cores()
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
