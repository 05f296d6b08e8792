"""What something adds to the time of a training step, measured in turn with the plain step."""

import datetime
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import documents
import numpy as np

from rnnensemble._core import runtime

ROOT = Path(__file__).parent.parent
ROUNDS = 3
Shape = tuple[int, int, int]
"""Width, batch and steps of a trial."""
Speeds = dict[str, Callable[[], float]]
"""What trains for some epochs and tells the net-steps a second, by name; the plain step first."""


def measure(shape: Shape, speeds: Speeds) -> dict:
    """Net-steps a second of each round, by name."""
    found: dict[str, list[float]] = {name: [] for name in speeds}
    for _ in range(ROUNDS):
        for name, speed in speeds.items():
            found[name].append(speed())
    names = ("width", "batch", "steps")
    return {**dict(zip(names, shape, strict=True)), "net_steps_per_second": found}


def report(name: str, head: list[str], results: dict) -> str:
    """Medians of the ratios within rounds, as a Markdown table."""
    rows = []
    for row in results["shapes"]:
        plain, *others = (np.array(each) for each in row["net_steps_per_second"].values())
        shape = f"{row['width']} units, {row['batch']} trials of {row['steps']} steps"
        rows.append([shape, *(f"{np.median(plain / each):.2f}" for each in others)])
    machine = results["machine"]
    where = f"{machine['cores']} cores, jax {machine['jax']}, {results['date']}"
    return f"{documents.table(head, rows)}\n\n(`python benchmarks/{name}.py`; {where}.)"


def write(
    name: str,
    page: str,
    head: list[str],
    shapes: Sequence[Shape],
    speeds_at: Callable[[Shape], Speeds],
) -> None:
    """Measures and writes results/NAME.json and the part `cost` of a page of docs."""
    runtime.use_all_cores()
    started = time.perf_counter()
    results = {
        "date": datetime.date.today().isoformat(),
        "machine": runtime.describe(),
        "shapes": [measure(shape, speeds_at(shape)) for shape in shapes],
    }
    results["seconds"] = time.perf_counter() - started
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    documents.replace_part(ROOT / "docs" / page, "cost", report(name, head, results))
