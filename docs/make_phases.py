"""Draws the phase diagram of docs/phases.md from the sweep of experiments/phases.

    rnnensemble sweep experiments/phases/sweep.toml
    python docs/make_phases.py

Needs runs/phases, as the sweep fills it. Searches the fixed points and cycles of every converged
network, writes docs/phases.csv (a row a network), docs/figures/phases.png and the table between the
markers of docs/phases.md. The words around the table are written by hand.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import rnnensemble as rnne
from rnnensemble.analysis.fixed_points.points import FixedPoints
from rnnensemble.files.sweep_folder import condition_folder

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from documents import replace_part, table  # noqa: E402

FOLDER = ROOT / "runs" / "phases"
SEARCH = rnne.FixedPointSearch(starts=64)
LEARNED = 0.9
"""Accuracy from which on a network has learned to answer in time."""
BRIGHT = 0.6
"""Place on the scale of colors from which on numbers are black."""


def mechanism(found: FixedPoints) -> str:
    """What the network's own dynamics have, without input."""
    if found.cycle is not None:
        return "cycle"
    if found.stable > 1:
        return "several stable points"
    if found.lines or not found.fixed.all():
        return "one stable point and slow ones" if found.stable else "slow points"
    return "one stable point" if found.stable else "no stable point"


def accuracies(population: rnne.Population) -> np.ndarray:
    """Accuracy on fresh trials, without noise, `[K]`."""
    trials = population.task.sample(jax.random.key(2026), 256)
    outputs = population.respond(trials.inputs).outputs
    return np.array([np.mean(population.task.accuracy(each, trials)) for each in outputs])


def measured() -> list[dict[str, Any]]:
    """A row for each network of the sweep."""
    sweep, outcomes = rnne.load_sweep(FOLDER)
    (grid,) = sweep.grids
    rows = []
    for level in grid.levels:
        population = rnne.load(condition_folder(FOLDER, level.condition.digest)).population
        learned = accuracies(population)
        points = dict.fromkeys(range(population.size))
        if population.converged.any():
            found = rnne.find_fixed_points(population, search=SEARCH)
            points |= dict(zip(np.flatnonzero(population.converged).tolist(), found, strict=True))
        outcome = outcomes.get(level.condition.digest)
        dsa = outcome.degeneracy.dynamics.mean.value if outcome and outcome.degeneracy else None
        for k, each in points.items():
            rows.append(
                {
                    "delay": int(level.values[0]),
                    "learning_rate": level.values[1],
                    "network": k,
                    "converged": bool(population.converged[k]),
                    "epochs": int(population.stop_epoch[k]),
                    "accuracy": round(float(learned[k]), 4),
                    "mechanism": mechanism(each) if each else "",
                    "period": each.cycle.period if each and each.cycle else "",
                    "stable_points": each.stable if each else "",
                    "dsa": "" if dsa is None else f"{dsa:.4g}",
                }
            )
        print(level.values, population.summary(), flush=True)
    return rows


def maps(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """What is drawn, each `[delays, rates]`."""
    delays, rates = (sorted({row[name] for row in rows}) for name in ("delay", "learning_rate"))
    names = ("accuracy of at least 0.9", "converged", "with a cycle, of converged", "mean DSA")
    found = {name: np.full((len(delays), len(rates)), np.nan) for name in names}
    for i, delay in enumerate(delays):
        for j, rate in enumerate(rates):
            here = [r for r in rows if (r["delay"], r["learning_rate"]) == (delay, rate)]
            kept = [row for row in here if row["converged"]]
            found[names[0]][i, j] = np.mean([row["accuracy"] >= LEARNED for row in here])
            found[names[1]][i, j] = len(kept) / len(here)
            if kept:
                found[names[2]][i, j] = np.mean([row["mechanism"] == "cycle" for row in kept])
            if here[0]["dsa"]:
                found[names[3]][i, j] = float(here[0]["dsa"])
    return found


def critical_rates(rows: list[dict[str, Any]]) -> dict[int, tuple[float, float]]:
    """The smallest and the largest learning rate at which half of the networks learn, by delay."""
    found = {}
    for delay in sorted({row["delay"] for row in rows}):
        learned = []
        for rate in sorted({row["learning_rate"] for row in rows}):
            here = [r for r in rows if (r["delay"], r["learning_rate"]) == (delay, rate)]
            if np.median([row["accuracy"] for row in here]) >= LEARNED:
                learned.append(rate)
        if learned:
            found[delay] = (min(learned), max(learned))
    return found


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Four maps, delays down and learning rates to the right."""
    delays, rates = (sorted({row[name] for row in rows}) for name in ("delay", "learning_rate"))
    figure = Figure(figsize=(11, 6), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(2, 2).flat, maps(rows).items(), strict=True):
        share = name != "mean DSA"
        scale = {"vmin": 0, "vmax": 1} if share else {"norm": LogNorm()}
        axes.set_facecolor("0.85")
        image = axes.imshow(values, aspect="auto", cmap="viridis", origin="lower", **scale)
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                bright = float(np.asarray(image.norm(value))) > BRIGHT
                text = f"{value:.0%}" if share else f"{value:.2g}"
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color="kw"[not bright])
        axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], fontsize=8)
        axes.set_yticks(range(len(delays)), [str(delay) for delay in delays], fontsize=8)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("delay (steps)")
        axes.set_title(name, fontsize=10)
        figure.colorbar(image, ax=axes)
    return figure


def main() -> None:
    """Measures, writes, draws."""
    rnne.use_all_cores()
    path = ROOT / "docs" / "phases.csv"
    rows = measured()
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows).savefig(ROOT / "docs" / "figures" / "phases.png", dpi=150)
    kinds = sorted({row["mechanism"] for row in rows if row["mechanism"]})
    rates = critical_rates(rows)
    lines = []
    for delay in sorted({row["delay"] for row in rows}):
        here = [row for row in rows if row["delay"] == delay]
        learned = [f"{rate:g}" for rate in rates.get(delay, ())] or ["none", "none"]
        counts = [sum(row["mechanism"] == kind for row in here) for kind in kinds]
        lines.append([delay, *learned, *counts])
    head = ["delay", "lowest rate that learns", "highest rate that learns", *kinds]
    text = table(head, lines)
    logs = np.log(list(rates))
    for which, name in enumerate(("lowest", "highest")):
        slope = np.polyfit(logs, np.log([both[which] for both in rates.values()]), 1)[0]
        text += f"\n\nThe {name} rate goes with the delay to the power of {slope:.2f}."
    replace_part(ROOT / "docs" / "phases.md", "measured", text)


if __name__ == "__main__":
    main()
