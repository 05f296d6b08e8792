"""Intrinsic dimension of the flip-flop by its channels, for docs/complexity.md.

    python benchmarks/intrinsic_dimension.py            measure, and rewrite the table
    python benchmarks/intrinsic_dimension.py --table    rewrite the table alone

Small networks and a loose threshold: it shows how the dimension grows, in a minute.
"""

import dataclasses
import datetime
import json
import sys
import time
from pathlib import Path

import documents
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study import conditions

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "intrinsic_dimension.json"
DOCS = ROOT / "docs" / "complexity.md"
CHANNELS = (1, 2, 3, 4)
DIMENSIONS = (40, 80, 120, 160, 240, 320, 480, 640)
NETWORK = rnne.VanillaRNN(width=32)
TRAINING = rnne.Training(
    learning_rate=4e-3,
    batch=32,
    epoch_steps=64,
    max_epochs=20,
    threshold=0.02,
    plateau_patience=4,
)


def measure(channels: int) -> dict:
    """The losses that networks reach in subspaces of growing dimension."""
    started = time.perf_counter()
    task = rnne.tasks.FlipFlop(n_bits=channels, n_steps=30)
    found = rnne.measure_intrinsic_dimension(
        task, network=NETWORK, training=TRAINING, dimensions=DIMENSIONS, size=4
    )
    return {
        "task": conditions.as_table(task),
        "network": dataclasses.asdict(NETWORK),
        "training": dataclasses.asdict(TRAINING),
        "n_parameters": found.n_parameters,
        "dimensions": found.dimensions.tolist(),
        "loss": found.loss.tolist(),
        "share": found.share.tolist(),
        "dimension": found.dimension,
        "seconds": time.perf_counter() - started,
        "date": datetime.date.today().isoformat(),
        "machine": runtime.describe(),
    }


def table(results: dict) -> str:
    """Median losses as a Markdown table."""
    head = ["channels", "parameters", *(f"d = {d}" for d in DIMENSIONS), "d_int"]
    rows = []
    for channels, row in results.items():
        losses = [f"{loss:.3f}" for loss in np.median(row["loss"], axis=1)]
        rows.append([channels, f"{row['n_parameters']:,}", *losses, row["dimension"] or "none"])
    return documents.table(head, rows)


def main() -> None:
    """Measures unless only the table is wanted."""
    if "--table" not in sys.argv:
        runtime.use_all_cores()
        results = {str(channels): measure(channels) for channels in CHANNELS}
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    documents.replace_part(DOCS, "dimensions", table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
