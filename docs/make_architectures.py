"""Compares GRU, LSTM and vanilla networks for docs/architectures.md: its figures, tables and CSV.

    python docs/make_architectures.py

Trains 12 networks of each architecture on each task into runs/architectures/ (what is there is not
trained again), measures them by SVCCA, DSA and their fixed points, and writes the table between the
markers of the page, docs/figures/architectures_TASK.png and docs/architectures.csv. The words
around the table are written by hand.
"""

import csv
import sys
from pathlib import Path

import numpy as np

import rnnensemble as rnne
from rnnensemble.analysis.fixed_points.topology import topology_of
from rnnensemble.figures import groups_figure
from rnnensemble.metrics.pairwise import Comparison

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from documents import replace_part, table  # noqa: E402

TASKS = {
    "flipflop": rnne.tasks.FlipFlop(n_steps=50),
    "context_integration": rnne.tasks.ContextIntegration(),
}
NETWORKS = {
    "vanilla": rnne.VanillaRNN(width=64, initialization="orthogonal"),
    "gru": rnne.GRU(width=64),
    "lstm": rnne.LSTM(width=64),
}
TRAINING = rnne.Training(learning_rate=2e-3, max_epochs=60)
SIZE = 12
METRICS = {
    "SVCCA": rnne.metrics.SVCCA(),
    "DSA": rnne.DSA(),
}
SEARCH = rnne.FixedPointSearch(starts=256)


def trained(task: str, network: str) -> rnne.Population:
    """The population, trained or loaded."""
    folder = ROOT / "runs" / "architectures" / f"{task}-{network}"
    if not folder.exists():
        population = rnne.train_population(
            TASKS[task], network=NETWORKS[network], training=TRAINING, size=SIZE
        )
        print(task, population, flush=True)
        rnne.save(folder, population)
    return rnne.load(folder).population


def topology(groups: dict[str, rnne.Population], found: rnne.Groups) -> rnne.Groups:
    """The same networks by their fixed points without input."""
    points = [
        one for each in groups.values() for one in rnne.find_fixed_points(each, search=SEARCH)
    ]
    low, high = next(iter(groups.values())).task.output_range
    matrix = topology_of(points, scale=high - low).matrix
    pairs = np.triu_indices(len(matrix), 1)
    stable = np.array([each.counts()[0] if each.counts() else 0 for each in points])
    for name in groups:
        own = stable[found.groups == name]
        print(f"{name}: stable fixed points {sorted(own.tolist())}", flush=True)
    return found._replace(comparison=Comparison(*pairs, matrix.shape, True, matrix[pairs]))


def rows_of(task: str, metric: str, found: rnne.Groups) -> list[dict[str, str]]:
    """What the page shows of one task and metric."""
    told = rnne.stats.separation(found.matrix, found.groups.tolist())
    rows = []
    for (first, second), mean in found.means().items():
        where = first if first == second else f"{first}, {second}"
        value = f"{mean.value:.3g} [{mean.low:.3g}, {mean.high:.3g}]"
        rows.append({"task": task, "metric": metric, "groups": where, "mean distance": value})
    share = f"{told.share:.2f} (chance {told.chance:.2f}, p = {told.p_value:.4f})"
    return [*rows, {"task": task, "metric": metric, "groups": "separation", "mean distance": share}]


def main() -> None:
    """Trains, compares, draws, writes."""
    rnne.use_all_cores()
    rows = []
    for task in TASKS:
        groups = {name: trained(task, name) for name in NETWORKS}
        for name, each in groups.items():
            print(task, name, each.summary(), np.median(each.stop_epoch), flush=True)
        found = {name: rnne.compare_groups(metric, groups) for name, metric in METRICS.items()}
        found["fixed points"] = topology(groups, found["SVCCA"])
        for name, each in found.items():
            rows += rows_of(task, name, each)
        figure = groups_figure(found, title=f"{TASKS[task].name}, {SIZE} networks a kind")
        figure.savefig(ROOT / "docs" / "figures" / f"architectures_{task}.png", dpi=160)
        print(*rows[-21:], sep="\n", flush=True)
    with (ROOT / "docs" / "architectures.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    page = ROOT / "docs" / "architectures.md"
    replace_part(page, "measured", table(list(rows[0]), [list(row.values()) for row in rows]))


if __name__ == "__main__":
    main()
