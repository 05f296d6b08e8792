"""What snapshots cost: CPU seconds of training with and without them, in turn.

    python benchmarks/snapshots.py

Populations of several sizes train for as many epochs as each run has, none of them converging, with
no snapshots, with 12 log-spaced ones and with one after every epoch; the first run of each
compiles and does not count. Writes benchmarks/results/snapshots.json: CPU seconds (user and system,
all threads), medians over the repeats, and what each costs relative to none: the median over the
repeats of the ratio within one.
"""

import argparse
import datetime
import json
import statistics
import time
from pathlib import Path

import jax
from workers.machine import describe

import rnnensemble as rnne
from rnnensemble._core import runtime

RESULTS = Path(__file__).parent / "results" / "snapshots.json"
SHAPES = ((50, 64), (8, 128))
"""Networks and units."""

EPOCHS, STEPS, BATCH, REPEATS = 24, 4, 16, 5
"""Epochs of fewer and smaller steps than the default's, so that what lies between them shows."""

NAMED = {"none": (), "log_spaced": rnne.log_spaced(EPOCHS, 12), "every": tuple(range(EPOCHS + 1))}


def seconds(size: int, width: int, snapshots: tuple[int, ...]) -> float:
    """CPU seconds of one training."""
    training = rnne.Training(
        batch=BATCH, epoch_steps=STEPS, max_epochs=EPOCHS, threshold=1e-9, snapshots=snapshots
    )
    task, network = rnne.tasks.FlipFlop(n_bits=3, n_steps=20), rnne.VanillaRNN(width=width)
    started = time.process_time()
    found = rnne.train_population(task, network=network, training=training, size=size)
    ended = time.process_time()
    assert int(found.stop_epoch.min()) == EPOCHS
    return ended - started


def measured(size: int, width: int, repeats: int) -> dict[str, float]:
    """What each way takes, and more than none."""
    runs = [
        {name: seconds(size, width, epochs) for name, epochs in NAMED.items()}
        for _ in range(repeats + 1)
    ][1:]
    found = {
        f"cpu_seconds_{name}": round(statistics.median(each[name] for each in runs), 3)
        for name in NAMED
    }
    for name in ("log_spaced", "every"):
        ratio = statistics.median(each[name] / each["none"] for each in runs)
        found[f"cost_{name}"] = round(ratio - 1, 4)
    return found


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    runtime.use_all_cores()
    rows = [
        {"size": size, "width": width, **measured(size, width, repeats)} for size, width in SHAPES
    ]
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": describe(),
        "jax": jax.__version__,
        "epochs": EPOCHS,
        "epoch_steps": STEPS,
        "batch": BATCH,
        "repeats": repeats,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
