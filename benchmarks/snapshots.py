"""What snapshots cost: CPU seconds of training with and without them, in turn.

    python benchmarks/snapshots.py

Populations of several sizes train for as many epochs as each run has, none of them converging, with
no snapshots, with 12 log-spaced ones and with one after every epoch; the first run of each
compiles and does not count. Writes benchmarks/results/snapshots.json: CPU seconds (user and system,
all threads), and which of them are spent within the functions that begin, keep and fill in
snapshots, relative to the others: medians over the repeats. (Whole runs differ by more than that
from one to the next.)
"""

import argparse
import datetime
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from workers.machine import describe

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.training import snapshots

RESULTS = Path(__file__).parent / "results" / "snapshots.json"
SHAPES = ((50, 64), (8, 128))
"""Networks and units."""

EPOCHS, STEPS, BATCH, REPEATS = 24, 4, 16, 5
"""Epochs of fewer and smaller steps than the default's, so that what lies between them shows."""

NAMED = {"none": (), "log_spaced": rnne.log_spaced(EPOCHS, 12), "every": tuple(range(EPOCHS + 1))}


class Timed:
    """Counts the CPU seconds within the functions that begin, keep and fill in snapshots."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for name in ("begun", "keep_due", "filled"):
            setattr(snapshots, name, self._counted(getattr(snapshots, name)))

    def _counted(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            started = time.process_time()
            found = work(*given, **named)
            self.seconds += time.process_time() - started
            return found

        return counted


def seconds(size: int, width: int, named: tuple[int, ...], timed: Timed) -> tuple[float, float]:
    """CPU seconds of one training, and of its snapshots."""
    training = rnne.Training(
        batch=BATCH, epoch_steps=STEPS, max_epochs=EPOCHS, threshold=1e-9, snapshots=named
    )
    task, network = rnne.tasks.FlipFlop(n_bits=3, n_steps=20), rnne.VanillaRNN(width=width)
    timed.seconds, started = 0.0, time.process_time()
    found = rnne.train_population(task, network=network, training=training, size=size)
    ended = time.process_time()
    assert int(found.stop_epoch.min()) == EPOCHS
    return ended - started, timed.seconds


def measured(size: int, width: int, repeats: int, timed: Timed) -> dict[str, float]:
    """What each way takes, and which share of it goes to snapshots."""
    runs = [
        {name: seconds(size, width, epochs, timed) for name, epochs in NAMED.items()}
        for _ in range(repeats + 1)
    ][1:]
    found = {}
    for name in NAMED:
        whole = [each[name][0] for each in runs]
        found[f"cpu_seconds_{name}"] = round(statistics.median(whole), 3)
        shares = [kept / (each - kept) for each, kept in (run[name] for run in runs)]
        found[f"cost_{name}"] = round(statistics.median(shares), 5)
    return found


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    runtime.use_all_cores()
    timed = Timed()
    rows = [
        {"size": size, "width": width, **measured(size, width, repeats, timed)}
        for size, width in SHAPES
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
