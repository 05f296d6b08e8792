"""What the precision of the products does to final losses and to the three degeneracies.

    python benchmarks/precision.py

Trains one condition, the flip-flop preset, once in every precision: same seeds, same trials. A CPU
rounds operands as a GPU would. Writes benchmarks/results/precision.json and docs/performance.md.
"""

import dataclasses
import datetime
import json
from pathlib import Path

import documents
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.networks.cell import PRODUCTS
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study import conditions

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "precision.json"
SIZE = 24


def shown(estimate: Estimate) -> list[float]:
    """Value, low and high end."""
    return [float(estimate.value), float(estimate.low), float(estimate.high)]


def measure(precision: str) -> dict:
    """Trains and compares the networks of one precision."""
    text = (ROOT / "experiments" / "flipflop.toml").read_text()
    condition = conditions.from_toml(text)
    speeds: list[float] = []
    network = dataclasses.replace(condition.network, precision=precision)
    (population,) = rnne.train_populations(
        [dataclasses.replace(condition.recipe, network=network, size=SIZE)],
        progress=lambda progress: speeds.append(progress.net_steps_per_second),
    )
    last = population.history.loss[np.arange(SIZE), population.stop_epoch - 1]
    found = rnne.measure_degeneracy(population, analysis=condition.analysis)
    return {
        "net_steps_per_second": float(np.median(speeds[1:])),
        "converged": int(population.converged.sum()),
        "epochs": [int(x) for x in population.stop_epoch],
        "final_loss": [float(x) for x in last],
        "sigma_ood": shown(found.behavior.sigmas["temporal"]),
        "dsa": shown(found.dynamics.mean),
        "dsa_null": float(np.mean(found.dynamics.null)),
        "pif": shown(found.weights.mean),
    }


def report(results: dict) -> str:
    """The results as a Markdown table."""
    rows = []
    for precision, found in results["precisions"].items():
        low, middle, high = np.percentile(found["final_loss"], [5, 50, 95])
        levels = ["{:.3g} [{:.3g}, {:.3g}]".format(*found[x]) for x in ("sigma_ood", "dsa", "pif")]
        converged = f"{found['converged']}/{SIZE}"
        loss = f"{middle:.2e} [{low:.2e}, {high:.2e}]"
        rows.append([f"`{precision}`", converged, np.median(found["epochs"]), loss, *levels])
        rows[-1].append(f"{found['net_steps_per_second']:.0f}")
    head = ["precision", "converged", "epochs", "final loss [5%, 95%]"]
    return documents.table([*head, "sigma_OOD", "DSA", "PIF", "net-steps/s, CPU"], rows)


def main() -> None:
    """Measures and writes."""
    runtime.use_all_cores()
    results = {
        "condition": "experiments/flipflop.toml",
        "size": SIZE,
        "precisions": {precision: measure(precision) for precision in PRODUCTS},
        "date": datetime.date.today().isoformat(),
        "machine": runtime.describe(),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(report(results))
    documents.replace_part(ROOT / "docs" / "performance.md", "precision", report(results))


if __name__ == "__main__":
    main()
