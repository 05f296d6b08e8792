"""What deflation costs in a training step.

    python benchmarks/deflation.py

Trains populations that never stop, plain and deflated from 1, 3 and 10 references, in turn over
three rounds, and takes medians of the ratios within rounds. Writes
benchmarks/results/deflation.json and docs/deflation.md.
"""

from functools import partial

import numpy as np
import step_costs

import rnnensemble as rnne
from rnnensemble.training.deflate import Chosen, Deflation, deflate

COUNTS = (0, 1, 3, 10)
"""Numbers of references; 0 is a plain training step."""
SHAPES = ((64, 64, 50), (128, 64, 100))
"""Width, batch and steps of a trial."""
EPOCHS, SIZE, EPOCH_STEPS = 5, 2, 32


def recipe(shape: tuple[int, int, int], **training: float) -> dict:
    """Task, network and training of a shape."""
    width, batch, steps = shape
    how = {"batch": batch, "epoch_steps": EPOCH_STEPS, "max_epochs": EPOCHS} | training
    return {
        "task": rnne.tasks.FlipFlop(n_steps=steps),
        "network": rnne.VanillaRNN(width=width),
        "training": rnne.Training(**how),
    }


def net_steps_per_second(
    shape: tuple[int, int, int], count: int, references: rnne.Population
) -> float:
    """Median over the epochs after the first, which compiles."""
    speeds: list[float] = []
    how = recipe(shape, threshold=1e-9) | {"size": SIZE, "seed": 1}
    how["progress"] = lambda progress: speeds.append(progress.net_steps_per_second)
    if count:
        chosen = Chosen(references, range(count))
        deflate(how.pop("task"), chosen, deflation=Deflation(strength=0.1), **how)
    else:
        rnne.train_population(how.pop("task"), **how)
    return float(np.median(speeds[1:]))


def speeds_at(shape: step_costs.Shape) -> step_costs.Speeds:
    """Net-steps a second by number of references."""
    how = recipe(shape, threshold=1e9)  # all converge at once
    references = rnne.train_population(how.pop("task"), size=max(COUNTS), **how)
    return {str(count): partial(net_steps_per_second, shape, count, references) for count in COUNTS}


HEAD = ["time of a step relative to a plain one"]
HEAD += [f"{count} reference{'s' if count > 1 else ''}" for count in COUNTS[1:]]


if __name__ == "__main__":
    step_costs.write("deflation", "deflation.md", HEAD, SHAPES, speeds_at)
