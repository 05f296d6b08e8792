"""Which rank and delays measure solutions, and predict held-out trials best, in every task.

    python benchmarks/dsa_settings.py

Writes benchmarks/results/dsa_settings.json and two figures in docs/figures; 7 minutes on 2 cores.
The default of `DSA` is chosen by one rule, never by the trend that it yields: of the settings that
are measurable in all tasks (`reliability.measurable`) the one of least held-out error, by the mean
of its logarithm over tasks.
"""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from documents import replace_part, table
from matplotlib.figure import Figure
from presets import trained

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.analysis import dsa_prediction
from rnnensemble.figures import dsa
from rnnensemble.figures.panels import COLORS
from rnnensemble.stats import reliability
from rnnensemble.training.evaluation import evaluation_key

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "dsa_settings.json"
TASKS = ("flipflop", "delayed_discrimination", "sine", "path_integration")
SIZE, WIDTH, TRIALS, SEED = 8, 64, 64, 3
GRID = rnne.DSAGrid(ranks=(2, 3, 5, 10, 20, 40), delays=(1, 2, 3, 5, 10))
ANALYSIS = rnne.Analysis(
    grid=rnne.DSAGrid(ranks=(3, 5, 10, 20), delays=(1, 3, 10)),
    dynamics_trials=1024,
    fixed_trials=True,
    seed=SEED,
)


def measure(name: str) -> tuple[dsa_prediction.Prediction, rnne.Degeneracy]:
    """Held-out errors and distances of the networks of one preset."""
    population = trained(name, width=WIDTH, size=SIZE, seed=SEED)
    inputs = population.task.sample(evaluation_key(SEED, 0), TRIALS).inputs
    respond = jax.jit(population.network.respond)
    networks = np.flatnonzero(population.converged)
    each = [jax.tree.map(lambda x, k=k: x[k], population.params) for k in networks]
    errors = rnne.prediction_errors(np.array([respond(p, inputs)[0] for p in each]), grid=GRID)
    return errors, rnne.measure_degeneracy(population, analysis=ANALYSIS)


def reliability_of(found: rnne.Degeneracy) -> dict:
    """Shares of nulls and reliabilities of every setting, and of the distance without a rank."""
    grid, second = found.grid, found.autocovariance
    return {
        "shares": (1 / grid.null_ratios).round(3).tolist(),
        "reliabilities": grid.reliabilities.round(3).tolist(),
        "measurable": grid.measurable.tolist(),
        "autocovariance": [round(second.null_share, 3), round(second.reliability, 3)],
    }


def default_by(tasks: dict) -> tuple[int, int]:
    """Rank and delays by the rule above."""
    grid, errors = ANALYSIS.grid, {}
    for i, rank in enumerate(grid.ranks):
        for j, delays in enumerate(grid.delays):
            if all(each["measurable"][i][j] for each in tasks.values()):
                place = GRID.ranks.index(rank), GRID.delays.index(delays)
                logs = [np.log(np.array(each["errors"])[place]) for each in tasks.values()]
                errors[rank, delays] = np.mean(logs)
    return min(errors, key=errors.__getitem__)


def measured_document(report: dict) -> str:
    """Null over mean distance, and reliability, of every setting of every task."""
    grid = ANALYSIS.grid
    head = ["task", "delays", *(f"rank {rank}" for rank in grid.ranks), "autocovariance"]
    rows = []
    for name, found in report["tasks"].items():
        for j, delays in enumerate(grid.delays):
            cells = [
                f"{found['shares'][i][j]:.2f}, {found['reliabilities'][i][j]:.2f}"
                + ("" if found["measurable"][i][j] else " (no)")
                for i in range(len(grid.ranks))
            ]
            share, agreement = found["autocovariance"]
            second = f"{share:.2f}, {agreement:.2f}" if j == 0 else ""
            if j == 0 and not reliability.measurable(share, agreement):
                second += " (no)"
            rows.append([name.replace("_", " "), delays, *cells, second])
    rank, delays = report["default"]
    chosen = f"\n\nBy the rule: rank {rank}, delays {delays}."
    return table(head, rows) + chosen


def measured_figure(report: dict) -> Figure:
    """Reliability against the null's share, one panel a task, a point a setting."""
    figure = Figure(figsize=(11.6, 2.8), layout="constrained")
    panels = figure.subplots(1, len(report["tasks"]), sharex=True, sharey=True)
    for axes, (name, found) in zip(panels, report["tasks"].items(), strict=True):
        for i, rank in enumerate(ANALYSIS.grid.ranks):
            style = {"color": COLORS[i], "lw": 0.8, "ms": 5}
            axes.plot(found["shares"][i], found["reliabilities"][i], "-", **style)
            for j, marker in enumerate("os^"):
                at = found["shares"][i][j], found["reliabilities"][i][j]
                axes.plot(*at, marker, label=f"rank {rank}" if j == 0 else None, **style)
        axes.plot(*found["autocovariance"], "k*", ms=9, label="autocovariance")
        axes.axvspan(0.3, 10, color="0.9", lw=0)
        axes.axhspan(-1, 0.75, color="0.9", lw=0)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("null / mean distance")
    panels[0].set(ylabel="reliability (ICC)", xscale="log", xlim=(0.005, 1.5), ylim=(-0.4, 1.05))
    for marker, delays in zip("os^", ANALYSIS.grid.delays, strict=True):
        panels[0].plot([], [], marker, color="0.4", label=f"delays {delays}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=7, frameon=False)
    return figure


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
            | reliability_of(degeneracy)
            for name, (each, degeneracy) in found.items()
        },
    }
    report["default"] = default_by(report["tasks"])
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    replace_part(ROOT / "docs" / "metrics" / "dsa.md", "settings", document(report))
    replace_part(ROOT / "docs" / "metrics" / "dsa.md", "reliability", measured_document(report))
    figures = {
        "dsa_settings": dsa.predictions_figure({name: each for name, (each, _) in found.items()}),
        "dsa_reliability": measured_figure(report),
    }
    for name, figure in figures.items():
        figure.savefig(ROOT / "docs" / "figures" / f"{name}.png", dpi=150)
    print(document(report), measured_document(report), sep="\n\n")


if __name__ == "__main__":
    main()
