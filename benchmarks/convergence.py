"""Trains the presets under experiments/ and writes how many networks converged.

    python benchmarks/convergence.py [PRESET ...]    train these, or all that have no result yet
    python benchmarks/convergence.py --table         rewrite the table in docs/tasks.md

Finished presets stay in benchmarks/results/convergence.json and are trained again only by name.
Seeds are held out: rates, initializations and plateau rules were searched with seed 0, those of
`multitask` with seeds 0 and 1. Of mixtures the accuracy by task is written too.
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
from rnnensemble.training.progress import Progress

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "convergence.json"
DOCS = ROOT / "docs" / "tasks.md"
SEED, SEEDS = 1, {"multitask": 2}
TRIALS = 1024
"""Fresh trials of each task of a mixture."""


def measure(path: Path) -> dict:
    """Trains one preset and says how it went."""
    condition = dataclasses.replace(
        conditions.from_toml(path.read_text()), seed=SEEDS.get(path.stem, SEED)
    )
    speeds: list[float] = []

    def note(progress: Progress) -> None:
        speeds.append(progress.net_steps_per_second)
        if progress.epoch % 10 == 0:
            print(f"{path.stem} {progress}", flush=True)

    started = time.perf_counter()
    (population,) = rnne.train_populations([condition.recipe], progress=note)
    epochs = population.stop_epoch[population.converged]
    seconds = time.perf_counter() - started
    return {
        "settings": conditions.as_table(condition),
        "digest": condition.digest,
        "converged": int(population.converged.sum()),
        "diverged": int(population.diverged.sum()),
        "threshold": float(population.thresholds[0]),
        "epochs": [int(epoch) for epoch in epochs],
        "lowest_loss": np.nanmin(population.history.loss, axis=1).tolist(),
        "net_steps_per_second": float(np.median(speeds[1:] or speeds)),
        "seconds": seconds,
        "date": datetime.date.today().isoformat(),
        "machine": runtime.describe(),
    } | by_task(population)


def by_task(population: rnne.Population) -> dict:
    """Accuracies and losses on each task of a mixture; of other tasks nothing."""
    if not isinstance(population.task, rnne.tasks.Mixture):
        return {}
    found = {
        "accuracy": rnne.accuracy_by_task(population, trials=TRIALS),
        "loss": rnne.loss_by_task(population, trials=TRIALS),
    }
    return {
        f"{name}_by_task": {rule: x.tolist() for rule, x in each.items()}
        for name, each in found.items()
    }


def knobs(task: rnne.Task, settings: dict) -> str:
    """What of a task is not the default; of a mixture what it is made of."""
    if isinstance(task, rnne.tasks.Mixture):
        return ", ".join(task.labels)
    default = conditions.as_table(type(task)())
    changed = {k: v for k, v in settings.items() if default[k] != v}
    return ", ".join(f"{k} = {v}" for k, v in changed.items()) or "defaults"


def table(results: dict) -> str:
    """The results as a Markdown table."""
    head = ["preset", "task and knobs", "width", "seeds", "converged"]
    head += ["epochs (median, range)", "net-steps/s"]
    lines = []
    for name, row in sorted(results.items()):
        settings = row["settings"]
        preset = conditions.from_toml((ROOT / "experiments" / f"{name}.toml").read_text())
        shown = knobs(preset.task, settings["task"])
        epochs = row["epochs"]
        span = f"{np.median(epochs):.0f} ({min(epochs)} to {max(epochs)})" if epochs else "none"
        network, size = settings["network"], settings["size"]
        lines.append(
            [
                f"`{name}`",
                f"{settings['task']['kind']}: {shown}",
                network["width"],
                size,
                f"{row['converged']}/{size}",
                span,
                f"{row['net_steps_per_second']:.0f}",
            ]
        )
    return documents.table(head, lines)


def main() -> None:
    """Trains what is missing or named, then prints the table."""
    runtime.use_all_cores()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    named = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    presets = sorted((ROOT / "experiments").glob("*.toml"))
    if "--table" in sys.argv:
        presets = []
    for path in presets:
        if path.stem in named or (not named and path.stem not in results):
            results[path.stem] = measure(path)
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    print(table(results))
    if "--table" in sys.argv:
        documents.replace_part(DOCS, "convergence", table(results))


if __name__ == "__main__":
    main()
