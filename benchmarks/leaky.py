"""Leaky RNNs: whether they train to threshold, and what a training step costs beside a vanilla one.

    python benchmarks/leaky.py convergence     8 networks of each form on two tasks, missing rows
    python benchmarks/leaky.py cost            CPU time of an epoch, in turn with the vanilla one
    python benchmarks/leaky.py --table         rewrites the tables in docs/networks/leaky.md

Results go to benchmarks/results/leaky.json, a row of `convergence` when it is finished. The seed of
the networks is held out, but for Dale's law, whose width and rate were chosen with it.
"""

import datetime
import itertools
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

FORMS = {
    "32 units, tanh": (5e-3, {"width": 32}),
    "32 units, tanh, noise": (5e-3, {"width": 32, "noise": 0.01, "initial_noise": 0.01}),
    "64 units, relu, Dale's law": (1e-2, {"width": 64, "activation": "relu", "excitatory": 0.8}),
}
"""Learning rate and settings."""
TASKS = {
    "flipflop: n_steps = 30": rnne.tasks.FlipFlop(n_steps=30),
    "delayed_discrimination: defaults": rnne.tasks.DelayedDiscrimination(),
}

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
    """How many networks of each form reach each task's threshold; rows that are missing."""
    for task_name, form in itertools.product(TASKS, FORMS):
        if form in recorded("convergence").get(task_name, {}):
            continue
        rate, settings = FORMS[form]
        training = rnne.Training(learning_rate=rate, max_epochs=100)
        population = rnne.train_population(
            TASKS[task_name],
            network=rnne.LeakyRNN(tau=40.0, **settings),
            training=training,
            size=8,
            seed=SEED,
        )
        epochs = population.stop_epoch[population.converged].tolist()
        print(task_name, form, population.summary(), epochs, flush=True)
        rows = recorded("convergence")  # what is there by now
        row = {"converged": len(epochs), "epochs": epochs}
        record("convergence", rows | {task_name: rows.get(task_name, {}) | {form: row}})
    return recorded("convergence")


def recorded(part: str) -> dict:
    """What of a part was measured."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return results.get(part, {}).get("found", {})


def record(part: str, found: dict) -> None:
    """Writes a part of the results, with day and machine."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    day = datetime.date.today().isoformat()
    results[part] = {"date": day, "machine": runtime.describe(), "found": found}
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


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


def tables() -> dict[str, str]:
    """The tables of the page, by the part that they are."""
    lines = [
        [task, form, f"{row['converged']}/8", f"{np.median(row['epochs']):.0f}"]
        for task, forms in recorded("convergence").items()
        for form, row in sorted(forms.items())
    ]
    seconds = {name: np.array(each) for name, each in recorded("cost").items()}
    ratios = [
        [name, f"{np.median(seconds[name] / seconds['vanilla']):.2f}"]
        for name in COSTS
        if name in seconds
    ]
    head = ["task", "network", "converged", "epochs (median)"]
    return {
        "convergence": documents.table(head, lines),
        "cost": documents.table(["network", "CPU time of a training step"], ratios),
    }


def main() -> None:
    """Measures what is named, then writes results or tables."""
    for name, measure in (("convergence", convergence), ("cost", cost)):
        if name in sys.argv:
            record(name, measure())
    if "--table" in sys.argv:
        for part, text in tables().items():
            documents.replace_part(DOCS, part, text)


if __name__ == "__main__":
    main()
