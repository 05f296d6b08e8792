"""Trains the presets in the muP form with several gammas and widths: who converges, how richly.

    python benchmarks/richness.py [gamma|width PRESET]    measure one part, or all that are missing
    python benchmarks/richness.py --table                 rewrite the tables in docs/mup.md

Finished parts stay in benchmarks/results/richness.json. The seed is held out: settings were
searched with seed 0.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path

import documents
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "richness.json"
DOCS = ROOT / "docs" / "mup.md"
PRESETS = ("flipflop", "delayed_discrimination", "sine", "path_integration")
LEVELS = {"gamma": (0.25, 0.5, 1.0, 2.0, 4.0), "width": (32, 64, 128, 256)}
SEEDS = {"gamma": 4, "width": 3}
SEED = 1


def train(condition: Condition, **network: object) -> rnne.Population:
    """A population of a condition with a changed network."""
    changed = dataclasses.replace(condition.network, **network)
    recipe = dataclasses.replace(condition.recipe, network=changed, seed=SEED)
    return rnne.train_populations([recipe])[0]


def measure(factor: str, preset: str) -> dict:
    """Trains one preset at all levels of a factor: convergence, epochs, features by level."""
    text = (ROOT / "experiments" / f"mup_{preset}.toml").read_text()
    seeds, levels = SEEDS[factor], LEVELS[factor]
    condition = dataclasses.replace(conditions.from_toml(text), size=seeds)
    started = time.perf_counter()
    if factor == "gamma":  # one population, one program
        together = dataclasses.replace(condition, size=seeds * len(levels))
        trained = [train(together, gamma=tuple(np.repeat(levels, seeds).tolist()))]
    else:
        trained = [train(condition, width=width) for width in levels]
    rows = [row for population in trained for row in networks(population)]
    parts = [rows[k : k + seeds] for k in range(0, len(rows), seeds)]
    return {
        "settings": conditions.as_table(condition),
        "levels": dict(zip(map(str, levels), parts, strict=True)),
        "seconds": time.perf_counter() - started,
        "machine": runtime.describe(),
    }


def networks(population: rnne.Population) -> list[dict]:
    """What became of each network."""
    analysis = rnne.FeatureAnalysis(trials=16)
    found = rnne.measure_feature_learning(population, analysis=analysis)
    rows: list[dict] = [
        {"converged": bool(done), "epochs": int(epochs), "loss": float(np.nanmin(loss))}
        for done, epochs, loss in zip(
            population.converged, population.stop_epoch, population.history.loss, strict=True
        )
    ]
    names = ("weight_change", "kernel_alignment", "representation_alignment")
    for i, k in enumerate(found.networks):
        rows[k] |= {name: float(getattr(found, name)[i]) for name in names}
    return rows


def table(results: dict, factor: str) -> str:
    """A row for each preset and level, as Markdown."""
    head = ["task", factor, "converged", "epochs (median)"]
    head += ["weight change", "kernel alignment", "representation alignment"]
    lines = []
    for preset in PRESETS:
        for level, rows in sorted(results[factor][preset]["levels"].items(), key=_number):
            done = [row for row in rows if row["converged"]]
            line = [preset.replace("_", " "), level, f"{len(done)}/{len(rows)}"]
            line += [f"{np.median([row['epochs'] for row in done]):.0f}"]
            for name, digits in zip(
                ("weight_change", "kernel_alignment", "representation_alignment"),
                (2, 3, 3),
                strict=True,
            ):
                values = [row[name] for row in done]
                line.append(f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}")
            lines.append(line)
    return documents.table(head, lines)


def _number(item: tuple[str, object]) -> float:
    """The level of a row."""
    return float(item[0])


def main() -> None:
    """Trains what is missing or named, then prints the tables."""
    runtime.use_all_cores()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    named = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    wanted = [(factor, preset) for factor in LEVELS for preset in PRESETS]
    if named:
        wanted = [tuple(named)]
    elif "--table" in sys.argv:
        wanted = []
    for factor, preset in wanted:
        if named or preset not in results.get(factor, {}):
            results.setdefault(factor, {})[preset] = measure(factor, preset)
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    if "--table" in sys.argv:
        for factor in LEVELS:
            documents.replace_part(DOCS, factor, table(results, factor))


if __name__ == "__main__":
    main()
