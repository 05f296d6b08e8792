"""This package: `train_population` on all cores.

    python ours.py WIDTH BATCH STEPS NETWORKS EPOCH_STEPS [TILE [whole | together]]

`whole` takes every batch at once, whatever the cache; `together` uses all cores as one device.
"""

import sys

import numpy as np

import rnnensemble as rnne
from rnnensemble import runtime


def measure(
    width: int, batch: int, n_steps: int, size: int, epoch_steps: int, tile: int | None = None
) -> float:
    """Net-steps a second, the median of the epochs after the first."""
    speeds: list[float] = []
    rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=3, n_steps=n_steps),
        network=rnne.VanillaRNN(width=width),
        training=rnne.Training(
            batch=batch, epoch_steps=epoch_steps, max_epochs=4, threshold=1e-12, patience=1
        ),
        size=size,
        tile=tile,
        progress=lambda progress: speeds.append(progress.net_steps_per_second),
    )
    return float(np.median(speeds[1:]))


if __name__ == "__main__":
    if sys.argv[7:] != ["together"]:
        rnne.use_all_cores()
    if sys.argv[7:] == ["whole"]:
        runtime.cache_bytes = lambda mesh: float("inf")
    print(measure(*map(int, sys.argv[1:7])))
