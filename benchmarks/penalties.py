"""What penalties on weights cost in a training step.

    python benchmarks/penalties.py

Trains populations that never stop, without penalty, with the nuclear norm and with L1, in turn
over three rounds, and takes medians of the ratios within rounds. Writes
benchmarks/results/penalties.json and docs/regularization.md.
"""

from functools import partial

import numpy as np
import step_costs

import rnnensemble as rnne

STRENGTHS = {"none": {}, "nuclear_norm": {"nuclear_norm": 1e-3}, "l1": {"l1": 1e-5}}
SHAPES = ((64, 64, 50), (128, 64, 50))
"""Width, batch and steps of a trial."""
EPOCHS, SIZE = 6, 4


def net_steps_per_second(width: int, batch: int, steps: int, strengths: dict) -> float:
    """Median over the epochs after the first, which compiles."""
    speeds: list[float] = []
    rnne.train_population(
        rnne.tasks.FlipFlop(n_steps=steps),
        network=rnne.VanillaRNN(width=width),
        training=rnne.Training(batch=batch, threshold=1e-9, max_epochs=EPOCHS, **strengths),
        size=SIZE,
        progress=lambda progress: speeds.append(progress.net_steps_per_second),
    )
    return float(np.median(speeds[1:]))


def speeds_at(shape: step_costs.Shape) -> step_costs.Speeds:
    """Net-steps a second without and with penalties."""
    return {
        name: partial(net_steps_per_second, *shape, strengths)
        for name, strengths in STRENGTHS.items()
    }


HEAD = ["time of a step relative to one without penalty", "nuclear norm", "L1"]


if __name__ == "__main__":
    step_costs.write("penalties", "regularization.md", HEAD, SHAPES, speeds_at)
