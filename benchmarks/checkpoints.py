"""What a checkpoint costs: CPU seconds of saving unfinished populations of several sizes.

    python benchmarks/checkpoints.py

Each population trains two epochs, and its state is saved five times as a sweep saves it, into the
folder that is there. Writes benchmarks/results/checkpoints.json: CPU seconds (user and system, all
threads) and seconds by the clock of one, megabytes of its folder, and the share that it takes of
60 s, which are between two.
"""

import datetime
import json
import statistics
import tempfile
import time
from pathlib import Path

import jax
from workers.machine import describe

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.files import storage
from rnnensemble.study.conditions import Condition

RESULTS = Path(__file__).parent / "results" / "checkpoints.json"
SIZES = ((50, 64), (200, 128))
"""Networks and units."""

SAVES = 5
INTERVAL = 60.0


def measured(size: int, width: int, folder: Path) -> dict[str, float]:
    """What one checkpoint of such a population costs: medians."""
    task, network = rnne.tasks.FlipFlop(), rnne.VanillaRNN(width=width)
    short = rnne.Training(batch=4, epoch_steps=1, max_epochs=3, patience=3)
    kept = []
    rnne.train_population(
        task,
        network=network,
        training=short,
        size=size,
        checkpoint=kept.append,
        checkpoint_seconds=0.0,
    )
    population, cpu, clock = kept[-1], [], []
    assert population.state is not None
    condition = Condition(task=task, network=network, training=short, size=size)
    for _ in range(SAVES):
        started = time.process_time(), time.monotonic()
        storage.save_run(folder, condition, population, replace=True)
        cpu.append(time.process_time() - started[0])
        clock.append(time.monotonic() - started[1])
    found = {"cpu_seconds": statistics.median(cpu), "seconds": statistics.median(clock)}
    bytes_ = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {name: round(each, 3) for name, each in found.items()} | {
        "megabytes": round(bytes_ / 1e6, 1),
        "share_of_interval": round(found["seconds"] / INTERVAL, 4),
    }


def main() -> None:
    """Measures and writes."""
    runtime.use_all_cores()
    with tempfile.TemporaryDirectory() as root:
        rows = [
            {"size": size, "width": width, **measured(size, width, Path(root, f"{size}-{width}"))}
            for size, width in SIZES
        ]
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": describe(),
        "jax": jax.__version__,
        "interval_seconds": INTERVAL,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
