"""How much of a distance is the trials that it was measured on, for metrics other than DSA.

    python benchmarks/metric_trials.py [--table]

Writes benchmarks/results/metric_trials.json and a table on each metric's page (with `--table` from
the numbers that are there). CKA, SVCCA, Procrustes, predictivity and RSA compare two networks
sample by sample: on the same trials a network has distance 0 to itself, and on others nothing
corresponds. So the same pairs are measured on several disjoint draws of trials, each shared by all
networks, and on all trials together. PIF sees no trials; its null is the renumbered network.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from documents import replace_part, table
from presets import trained

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.analysis.distances import renumbered
from rnnensemble.metrics import CKA, PIF, RSA, SVCCA, LinearPredictivity, Metric, Procrustes
from rnnensemble.metrics.weights import AXES
from rnnensemble.stats import reliability
from rnnensemble.training import evaluation

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "metric_trials.json"
PAGES = ROOT / "docs" / "metrics"
TASKS = ("flipflop", "delayed_discrimination", "sine", "path_integration")
SIZE, WIDTH, SEED = 8, 64, 3
TRIALS, MOST, DRAWS = (4, 16, 64, 256, 1024), 2048, 8
LARGEST_SHARE, LARGEST_BIAS = 0.1, 0.05
METRICS: dict[str, dict[str, Metric]] = {
    "svcca": {"": SVCCA(), "all variance kept": SVCCA(explained_variance=1.0)},
    "cka": {"": CKA()},
    "procrustes": {"": Procrustes()},
    "predictivity": {
        "": LinearPredictivity(),
        "held out": LinearPredictivity(held_out=True),
        "outside readouts": LinearPredictivity(null_space=True),
    },
    "rsa": {"": RSA(), "512 conditions": RSA(conditions=512)},
}
"""Metrics by page: the default first, then variants by what the page calls them."""
WEIGHTS = {
    "recurrent": PIF(),
    "all": PIF(parameters="all"),
    "all, signed": PIF(parameters="all", signed=True),
}


def draws(activity: np.ndarray, trials: int) -> Iterator[np.ndarray]:
    """Disjoint draws of so many trials, `[K, trials, T, N]`, of rates `[K, B, T, N]`."""
    for k in range(min(DRAWS, activity.shape[1] // trials)):
        yield activity[:, k * trials : (k + 1) * trials]


def of_pairs(metric: Metric, activity: np.ndarray, readouts: np.ndarray) -> np.ndarray:
    """Distances of all pairs, of ordered ones if the metric is asymmetric, `[pairs]`."""
    data: Any = activity
    if "readout_weights" in metric.needs:
        data = {"activity": activity, "readout_weights": readouts}
    matrix = rnne.distance_matrix(metric, data, devices=1)
    first, second = np.indices(matrix.shape)
    return matrix[first < second] if metric.symmetric else matrix[first != second]


def of_draws(found: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """What the trials do to distances measured on several draws of them.

    Args:
        found: Distances of pairs on each draw, `[draws, pairs]`.
        whole: Of the same pairs on all trials, `[pairs]`.

    Returns:
        mean: Mean distance.
        share: Standard deviation of a pair's distance over draws, root mean square over pairs,
            over the mean distance. Of two draws that is their difference, root mean square over
            pairs, over the root of 2 and the mean.
        bias: Mean distance over that on all trials, minus 1.
        reliability: Intraclass correlation of two draws, mean over draws two by two.
    """
    spread = np.sqrt(found.astype(float).var(axis=0, ddof=1).mean())
    both = zip(found[::2], found[1::2], strict=False)
    return {
        "mean": float(found.mean()),
        "share": float(spread / found.mean()),
        "bias": float(found.mean() / whole.mean() - 1),
        "reliability": float(np.mean([reliability.intraclass_correlation(*two) for two in both])),
    }


def needed(rows: dict[int, dict[str, float]]) -> int | None:
    """The least number of trials from which on share and bias are small; None if there is none."""
    least = None
    for trials, row in sorted(rows.items(), reverse=True):
        if row["share"] > LARGEST_SHARE or abs(row["bias"]) > LARGEST_BIAS:
            break
        least = trials
    return least


def on_trials(metric: Metric, activity: np.ndarray, readouts: np.ndarray) -> dict:
    """A metric's distances at all numbers of trials."""
    whole = of_pairs(metric, activity, readouts)
    rows = {
        trials: of_draws(
            np.array([of_pairs(metric, each, readouts) for each in draws(activity, trials)]), whole
        )
        for trials in TRIALS
    }
    rounded = {
        trials: {name: round(value, 4) for name, value in row.items()}
        for trials, row in rows.items()
    }
    return {"whole": round(float(whole.mean()), 4), "trials": rounded, "needed": needed(rows)}


def of_weights(metric: PIF, parameters: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean PIF distance, and its mean null, that of networks to themselves renumbered."""
    again = renumbered(parameters, seed=SEED, signed=metric.signed)
    alone = metric.parameters == "recurrent"
    once, twice = (x["recurrent_weights"] if alone else x for x in (parameters, again))
    matrix = rnne.distance_matrix(metric, once, seed=SEED, devices=1)
    null = np.diag(rnne.distance_matrix(metric, once, twice, seed=SEED, devices=1))
    mean = float(matrix[np.triu_indices(len(matrix), 1)].mean())
    return {"mean": round(mean, 4), "null_share": float(f"{null.mean() / mean:.2g}")}


def measure(name: str) -> dict:
    """All metrics of the networks of one preset."""
    population = trained(name, width=WIDTH, size=SIZE, seed=SEED)
    subject = evaluation.subject_of(population, np.flatnonzero(population.converged), 1, None)
    weights = population.network.weights(subject.params)
    parameters = {name: np.asarray(weights[name]) for name in AXES}
    key = evaluation.evaluation_key(SEED, 0)
    activity = evaluation.responses(subject, population.task, trials=MOST, key=key)["activity"]
    found: dict = {"networks": subject.size, "steps": activity.shape[2]}
    found["pif"] = {name: of_weights(metric, parameters) for name, metric in WEIGHTS.items()}
    for page, variants in METRICS.items():
        found[page] = {
            variant: on_trials(metric, activity, parameters["readout_weights"])
            for variant, metric in variants.items()
        }
        print(page, {each or "default": x["needed"] for each, x in found[page].items()}, flush=True)
    return found


def _trials_shown(trials: int | None) -> str:
    """A number of trials, or that none of those tried is enough."""
    return "none" if trials is None else f"{trials:,}"


def _percent(value: float) -> str:
    """A signed percentage, 0 without a sign."""
    return f"{value:+.0%}" if abs(value) >= 0.005 else "0%"


def document(report: dict, page: str) -> str:
    """Share and bias at each number of trials, and how many are needed, a row a task."""
    variants = list(METRICS[page])
    head = ["task", *(f"{trials:,} trials" for trials in TRIALS), f"mean at {MOST:,}"]
    head += ["trials needed", "reliability there", *(f"needed, {name}" for name in variants[1:])]
    rows = []
    for name, task in report["tasks"].items():
        found = task[page][""]
        cells = [f"{x['share']:.2f}, {_percent(x['bias'])}" for x in found["trials"].values()]
        there = found["trials"][str(found["needed"] or TRIALS[-1])]["reliability"]
        shown = [task[page][variant]["needed"] for variant in variants[1:]]
        rows.append(
            [
                name.replace("_", " "),
                *cells,
                f"{found['whole']:.3g}",
                _trials_shown(found["needed"]),
                f"{there:.2f}",
                *map(_trials_shown, shown),
            ]
        )
    return table(head, rows)


def weights_document(report: dict) -> str:
    """Mean PIF distance and the share of its null, a row a task."""
    head = ["task", *(f"{name}: mean, share of null" for name in WEIGHTS)]
    rows = [
        [name.replace("_", " ")]
        + [f"{x['mean']:.3g}, {x['null_share']:.2g}" for x in task["pif"].values()]
        for name, task in report["tasks"].items()
    ]
    return table(head, rows)


def main() -> None:
    """Measures all tasks, writes the numbers and the tables."""
    if "--table" not in sys.argv:
        runtime.use_all_cores()
        report: dict = {
            "settings": {"width": WIDTH, "size": SIZE, "seed": SEED}
            | {"trials": TRIALS, "most": MOST, "draws": DRAWS},
            "versions": {name: version(name) for name in ("rnnensemble", "jax", "numpy")},
            "machine": runtime.describe(),
            "tasks": {},
        }
        for name in TASKS:
            report["tasks"][name] = measure(name)
            RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    report = json.loads(RESULTS.read_text())
    replace_part(PAGES / "pif.md", "trials", weights_document(report))
    for page in METRICS:
        replace_part(PAGES / f"{page}.md", "trials", document(report, page))


if __name__ == "__main__":
    main()
