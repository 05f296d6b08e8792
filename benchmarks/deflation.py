"""What deflation costs in a training step.

    python benchmarks/deflation.py

Trains populations that never stop, plain and deflated from 1, 3 and 10 references, in turn over
three rounds, and takes medians of the ratios within rounds. Writes
benchmarks/results/deflation.json and docs/deflation.md.
"""

import datetime
import json
import time
from pathlib import Path

import documents
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.training.deflate import Chosen, Deflation, deflate

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "deflation.json"
COUNTS = (0, 1, 3, 10)
"""Numbers of references; 0 is a plain training step."""
SHAPES = ((64, 64, 50), (128, 64, 100))
"""Width, batch and steps of a trial."""
ROUNDS, EPOCHS, SIZE, EPOCH_STEPS = 3, 5, 2, 32


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


def measure(shape: tuple[int, int, int]) -> dict:
    """Net-steps a second of each round, by number of references."""
    how = recipe(shape, threshold=1e9)  # all converge at once
    references = rnne.train_population(how.pop("task"), size=max(COUNTS), **how)
    found: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(ROUNDS):
        for count in COUNTS:
            found[count].append(net_steps_per_second(shape, count, references))
    width, batch, steps = shape
    return {"width": width, "batch": batch, "steps": steps, "net_steps_per_second": found}


def report(results: dict) -> str:
    """The results as a Markdown table."""
    rows = []
    for row in results["shapes"]:
        speeds = {int(name): np.array(x) for name, x in row["net_steps_per_second"].items()}
        slower = [np.median(speeds[0] / speeds[count]) for count in COUNTS[1:]]
        shape = f"{row['width']} units, {row['batch']} trials of {row['steps']} steps"
        rows.append([shape, *(f"{ratio:.2f}" for ratio in slower)])
    machine = results["machine"]
    names = [f"{count} reference{'s' if count > 1 else ''}" for count in COUNTS[1:]]
    head = ["time of a step relative to a plain one", *names]
    where = f"{machine['cores']} cores, jax {machine['jax']}, {results['date']}"
    return f"{documents.table(head, rows)}\n\n(`python benchmarks/deflation.py`; {where}.)"


def main() -> None:
    """Measures and writes."""
    runtime.use_all_cores()
    started = time.perf_counter()
    results = {
        "date": datetime.date.today().isoformat(),
        "machine": runtime.describe(),
        "shapes": [measure(shape) for shape in SHAPES],
    }
    results["seconds"] = time.perf_counter() - started
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    documents.replace_part(
        ROOT / "docs" / "deflation.md", "cost", report(json.loads(RESULTS.read_text()))
    )


if __name__ == "__main__":
    main()
