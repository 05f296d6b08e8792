"""How exact and how fast distances are, against dsa-metric, scipy and known answers.

    python benchmarks/distances.py                  measure, then write the report
    python benchmarks/distances.py --only PART ...  measure parts again
    python benchmarks/distances.py --report         write the report from the last results

dsa-metric runs beside ours where the extra `reference` is installed; otherwise ours is compared
with its stored distances and seconds (benchmarks/reference/), and the report says so. Results:
benchmarks/results/distances.json. Report: docs/distances.md between its markers.
"""

import argparse
import datetime
import importlib.metadata
import json

import distances_dsa
import distances_report
import distances_weights
import documents
import numpy as np
from throughput import ROOT, worker

from rnnensemble import distance_matrix
from rnnensemble._core import runtime

RESULTS = ROOT / "benchmarks" / "results" / "distances.json"
NETWORKS = 1000


def thousand_networks() -> dict[str, dict]:
    """Seconds and peak memory of whole matrices, each in a process of its own."""
    found = {}
    for metric in ("procrustes", "cka"):
        printed, peak = worker("matrix", metric, NETWORKS)
        found[metric] = {"networks": NETWORKS, "peak_bytes": peak, **json.loads(printed)}
    return found


def layouts() -> dict[str, dict]:
    """Symmetry, zero diagonal, and what tile and number of devices change."""
    rng = np.random.default_rng(0)
    activity, weights = rng.normal(size=(7, 6, 20, 24)), rng.normal(size=(7, 12, 12))
    inputs = rng.normal(size=(7, 6, 20, 2))
    data = dict.fromkeys(("dsa", "procrustes", "cka", "svcca", "rsa"), activity)
    data |= {"pif": weights, "input_dsa": {"activity": activity, "inputs": inputs}}
    return {metric: layouts_of(metric, each) for metric, each in data.items()}


def layouts_of(metric: str, data: np.ndarray | dict) -> dict:
    """One metric."""
    plain = distance_matrix(metric, data)
    others = [
        distance_matrix(metric, data, tile=tile, devices=devices)
        for tile, devices in ((1, 1), (3, 1), (3, None), (64, None))
    ]
    return {
        "symmetric": bool(np.array_equal(plain, plain.T)),
        "zero_diagonal": not np.diag(plain).any(),
        "largest_difference": max(difference(plain, other) for other in others),
    }


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """The largest; relative where distances are above 1, which float32 does not hold to 1e-6."""
    return float(np.max(np.abs(first - second) / np.maximum(first, 1)))


PARTS = {
    "alignments": distances_dsa.alignments,
    "equalities": distances_dsa.equalities,
    "exact": distances_dsa.exact_cases,
    "pif": distances_weights.against_scipy,
    "known_optima": distances_weights.known_optima,
    "layouts": layouts,
    "thousand": thousand_networks,
}


def conditions() -> dict:
    """When, where and with which versions a part was measured; dsa-metric's is null without it."""
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scipy")}
    present = distances_dsa.HAS_DSA_METRIC
    versions |= {
        name: importlib.metadata.version(name) if present else None
        for name in ("dsa-metric", "torch")
    }
    today = datetime.date.today().isoformat()
    return {"date": today, "machine": runtime.describe(), "versions": versions}


def main() -> None:
    """Measures, or only reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="measure these again")
    options = parser.parse_args()
    runtime.use_all_cores()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in () if options.report else options.only or PARTS:
        print(name, flush=True)
        found = PARTS[name]()
        if found is None:
            print(f"{name} needs dsa-metric, which is not installed; what is there stays")
            continue
        results[name] = {**conditions(), "found": found}
        results = {part: results[part] for part in PARTS if part in results}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    text = distances_report.report(results)
    documents.replace_part(ROOT / "docs" / "distances.md", "measured", text)
    print(text)


if __name__ == "__main__":
    main()
