"""What penalties on weights cost in a training step.

    python benchmarks/penalties.py

Trains populations that never stop, without penalty, with the nuclear norm and with L1, in turn
over three rounds, and takes medians of the ratios within rounds. Writes
benchmarks/results/penalties.json and docs/regularization.md.
"""

import datetime
import json
import time
from pathlib import Path

import documents
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "penalties.json"
STRENGTHS = {"none": {}, "nuclear_norm": {"nuclear_norm": 1e-3}, "l1": {"l1": 1e-5}}
SHAPES = ((64, 64, 50), (128, 64, 50))
"""Width, batch and steps of a trial."""
ROUNDS, EPOCHS, SIZE = 3, 6, 4


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


def measure(shape: tuple[int, int, int]) -> dict:
    """Net-steps a second of each round."""
    found: dict[str, list[float]] = {name: [] for name in STRENGTHS}
    for _ in range(ROUNDS):
        for name, strengths in STRENGTHS.items():
            found[name].append(net_steps_per_second(*shape, strengths))
    width, batch, steps = shape
    return {"width": width, "batch": batch, "steps": steps, "net_steps_per_second": found}


def report(results: dict) -> str:
    """The results as a Markdown table."""
    rows = []
    for row in results["shapes"]:
        speeds = {name: np.array(each) for name, each in row["net_steps_per_second"].items()}
        slower = [np.median(speeds["none"] / speeds[name]) for name in ("nuclear_norm", "l1")]
        shape = f"{row['width']} units, {row['batch']} trials of {row['steps']} steps"
        rows.append([shape, *(f"{ratio:.2f}" for ratio in slower)])
    machine = results["machine"]
    head = ["time of a step relative to one without penalty", "nuclear norm", "L1"]
    where = f"{machine['cores']} cores, jax {machine['jax']}, {results['date']}"
    return f"{documents.table(head, rows)}\n\n(`python benchmarks/penalties.py`; {where}.)"


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
    documents.replace_part(ROOT / "docs" / "regularization.md", "cost", report(results))


if __name__ == "__main__":
    main()
