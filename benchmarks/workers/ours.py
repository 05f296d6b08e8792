"""This package: `train_population` on all cores."""

import sys

import numpy as np

import rnnensemble as rnne


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
    rnne.use_all_cores()
    print(measure(*map(int, sys.argv[1:])))
