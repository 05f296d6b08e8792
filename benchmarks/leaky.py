"""Leaky RNNs: whether they train to threshold, and what a training step costs beside a vanilla one.

    python benchmarks/leaky.py convergence     8 networks of each form on two tasks
    python benchmarks/leaky.py cost            CPU time of an epoch, in turn with the vanilla one
    python benchmarks/leaky.py --table         rewrites the tables in docs/networks/leaky.md

Results go to benchmarks/results/leaky.json. The seed of the networks is held out: rate, tau and
strength of noise were chosen with seed 0.
"""

import datetime
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import documents
import jax
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.training.epoch import init_state, train_epoch
from rnnensemble.training.recipe import hyperparameters, shared

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "leaky.json"
DOCS = ROOT / "docs" / "networks" / "leaky.md"
SEED, ROUNDS = 1, 15

WIDTH = 32
FORMS = {
    "tanh": {},
    "tanh, noise": {"noise": 0.01, "initial_noise": 0.01},
    "relu, Dale's law": {"activation": "relu", "excitatory": 0.8},
}
TASKS = {
    "flipflop: n_steps = 30": rnne.tasks.FlipFlop(n_steps=30),
    "delayed_discrimination: defaults": rnne.tasks.DelayedDiscrimination(),
}
TRAINING = rnne.Training(learning_rate=5e-3, max_epochs=100)

MASK = (np.arange(64)[:, None] + np.arange(64)) % 4 != 0
COSTS = {
    "vanilla": rnne.VanillaRNN(width=64),
    "leaky": rnne.LeakyRNN(width=64),
    "leaky, mask": rnne.LeakyRNN(width=64, mask=MASK),
    "leaky, Dale's law": rnne.LeakyRNN(width=64, activation="relu", excitatory=0.8),
    "leaky, noise": rnne.LeakyRNN(width=64, noise=0.05),
    "leaky, noise and mask": rnne.LeakyRNN(width=64, noise=0.05, mask=MASK),
}
"""The network that others are compared with comes first."""


def convergence() -> dict:
    """How many networks of each form reach each task's threshold."""
    found: dict[str, dict] = {}
    for task_name, task in TASKS.items():
        for form, settings in FORMS.items():
            network = rnne.LeakyRNN(width=WIDTH, tau=40.0, **settings)
            population = rnne.train_population(
                task, network=network, training=TRAINING, size=8, seed=SEED
            )
            epochs = population.stop_epoch[population.converged]
            found.setdefault(task_name, {})[form] = {
                "converged": int(population.converged.sum()),
                "epochs": epochs.tolist(),
                "lowest_loss": np.nanmin(population.history.loss, axis=1).tolist(),
            }
            print(task_name, form, population.summary(), epochs, flush=True)
    return found


def epoch_of(network: rnne.Network) -> Callable[[], float]:
    """Trains a network for an epoch of 16 steps and tells the CPU seconds."""
    task, training = rnne.tasks.FlipFlop(), rnne.Training(epoch_steps=16)
    recipe = rnne.Recipe(task, network, training, 1)
    hyper = {name: value[0] for name, value in hyperparameters(recipe).items()}
    how = {"task": task, "network": shared(network)}
    state = jax.jit(partial(init_state, **how))(jax.random.key(0), hyper)
    epoch = jax.jit(partial(train_epoch, training=training, **how))
    jax.block_until_ready(epoch(jax.random.key(0), state, hyper))

    def seconds() -> float:
        started = time.process_time()
        jax.block_until_ready(epoch(jax.random.key(0), state, hyper))
        return time.process_time() - started

    return seconds


def cost() -> dict:
    """CPU seconds of each round, by network."""
    epochs = {name: epoch_of(network) for name, network in COSTS.items()}
    found: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(ROUNDS):
        for name, seconds in epochs.items():
            found[name].append(seconds())
    return found


def tables(results: dict) -> dict[str, str]:
    """The tables of the page, by the part that they are."""
    lines = [
        [task, form, f"{row['converged']}/8", f"{np.median(row['epochs']):.0f}"]
        for task, forms in results["convergence"]["found"].items()
        for form, row in forms.items()
    ]
    first = np.array(results["cost"]["found"]["vanilla"])
    ratios = [
        [name, f"{np.median(np.array(each) / first):.2f}"]
        for name, each in results["cost"]["found"].items()
    ]
    head = ["task", "network", "converged", "epochs (median)"]
    return {
        "convergence": documents.table(head, lines),
        "cost": documents.table(["network", "CPU time of a training step"], ratios),
    }


def main() -> None:
    """Measures what is named, then writes results or tables."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, measure in (("convergence", convergence), ("cost", cost)):
        if name in sys.argv:
            results[name] = {
                "date": datetime.date.today().isoformat(),
                "machine": runtime.describe(),
                "found": measure(),
            }
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    if "--table" in sys.argv:
        for part, text in tables(results).items():
            documents.replace_part(DOCS, part, text)


if __name__ == "__main__":
    main()
