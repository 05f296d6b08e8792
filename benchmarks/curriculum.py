"""Does a curriculum of growing delays help? Delayed discrimination over 40 to 60 steps, trained at
once and after shorter delays, with the same networks: epochs and simulated steps to the threshold.

    python benchmarks/curriculum.py
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import rnnensemble as rnne

DELAYS = (5, 20), (20, 40), (40, 60)
"""The last is the task that counts."""
WIDTH, BATCH, EPOCH_STEPS = 32, 32, 64


def stages_of(delays: tuple[tuple[int, int], ...]) -> list[rnne.Task]:
    """The task with each range of delays, in trials that leave room for the answer."""
    make = rnne.tasks.DelayedDiscrimination
    return [make(delay=delay, n_steps=delay[1] + 20) for delay in delays]


def measured(delays: tuple[tuple[int, int], ...], size: int, max_epochs: int) -> dict:
    """What networks needed for each stage."""
    training = rnne.Training(batch=BATCH, epoch_steps=EPOCH_STEPS, max_epochs=max_epochs)
    network, started = rnne.VanillaRNN(width=WIDTH), time.process_time()
    found = rnne.train_sequence(stages_of(delays), network=network, training=training, size=size)
    print(found.summary(), flush=True)
    epochs = np.array([population.stop_epoch for population in found.populations])
    steps = np.array([population.task.n_steps for population in found.populations])
    return {
        "delays": delays,
        "converged": found.populations[-1].converged.tolist(),
        "epochs": epochs.tolist(),
        "simulated_steps": (steps @ epochs * training.batch * training.epoch_steps).tolist(),
        "cpu_seconds": time.process_time() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--max-epochs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/curriculum.json"))
    options = parser.parse_args()
    plans = {"at once": DELAYS[-1:], "curriculum": DELAYS}
    how = options.size, options.max_epochs
    rows = {name: measured(delays, *how) for name, delays in plans.items()}
    found = {"size": how[0], "max_epochs": how[1], **rnne.runtime.describe(), "plans": rows}
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
