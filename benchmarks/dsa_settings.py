"""Which rank and delays predict held-out trials best, on trained networks of every task.

    python benchmarks/dsa_settings.py

Writes benchmarks/results/dsa_settings.json and docs/figures/dsa_settings.png; 2 minutes on 2 cores.
The defaults of `DSA` are chosen by these errors, never by the trend that they yield.
"""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from documents import replace_part, table

import rnnensemble as rnne
from rnnensemble import conditions, plotting, prediction, runtime
from rnnensemble.levels import evaluation_key

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "dsa_settings.json"
TASKS = ("flipflop", "delayed_discrimination", "sine", "path_integration")
SIZE, WIDTH, TRIALS, SEED = 8, 64, 64, 3
GRID = rnne.DSAGrid(ranks=(2, 3, 5, 10, 20, 40), delays=(1, 2, 3, 5, 10))


def measure(name: str) -> prediction.Prediction:
    """Held-out errors of the networks of one preset."""
    condition = conditions.from_toml((ROOT / "experiments" / f"{name}.toml").read_text())
    population = rnne.train_population(
        condition.task,
        network=dataclasses.replace(condition.network, width=WIDTH),
        training=condition.training,
        size=SIZE,
        seed=SEED,
    )
    print(name, population.summary(), flush=True)
    inputs = condition.task.sample(evaluation_key(SEED, 0), TRIALS).inputs
    respond = jax.jit(population.network.respond)
    networks = np.flatnonzero(population.converged)
    each = [jax.tree.map(lambda x, k=k: x[k], population.params) for k in networks]
    return rnne.prediction_errors(np.array([respond(p, inputs)[0] for p in each]), grid=GRID)


def document(report: dict) -> str:
    """The errors as a table."""
    ranks, delays = report["settings"]["ranks"], report["settings"]["delays"]
    head = ["task", "delays", *(f"rank {rank}" for rank in ranks), "nothing changes", "recommended"]
    rows = []
    for name, found in report["tasks"].items():
        for j in (0, len(delays) - 1):
            errors = [f"{row[j]:.3g}" for row in found["errors"]]
            rank, count = found["recommended"]
            last = [f"{found['persistence']:.3g}", f"rank {rank}, delays {count}"]
            rows.append(
                [name.replace("_", " "), delays[j], *errors, *(last if j == 0 else ["", ""])]
            )
    return table(head, rows)


def main() -> None:
    """Measures all tasks, writes the numbers and the figure."""
    runtime.use_all_cores()
    found = {name: measure(name) for name in TASKS}
    report = {
        "settings": {"width": WIDTH, "size": SIZE, "trials": TRIALS, "seed": SEED}
        | dataclasses.asdict(GRID),
        "versions": {name: version(name) for name in ("rnnensemble", "jax", "numpy")},
        "machine": runtime.describe(),
        "tasks": {
            name: {
                "networks": len(each.errors),
                "errors": each.errors.mean(axis=0).round(5).tolist(),
                "persistence": round(float(each.persistence.mean()), 5),
                "recommended": each.recommended(),
            }
            for name, each in found.items()
        },
    }
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    replace_part(ROOT / "docs" / "metrics" / "dsa.md", "settings", document(report))
    figure = plotting.predictions_figure(found)
    figure.savefig(ROOT / "docs" / "figures" / "dsa_settings.png", dpi=150)
    for name, each in report["tasks"].items():
        print(name, each["recommended"], each["persistence"])
        print(np.array(each["errors"]))


if __name__ == "__main__":
    main()
