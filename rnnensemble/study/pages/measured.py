"""What was measured of one population, as parts of a page: of a run, of a sweep's condition."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble.analysis import measures
from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.stats import reliability
from rnnensemble.stats.digits import number, with_interval
from rnnensemble.study.pages import charts
from rnnensemble.study.pages.charts import Between, Cell
from rnnensemble.study.pages.document import Chart, Picture, Sheet
from rnnensemble.study.tables import Table
from rnnensemble.tasks import Trials
from rnnensemble.training.population import Population

LEGEND = {
    "level": "What is compared: behavior, dynamics or weights.",
    "95% interval": "Over networks: the networks are resampled, not their pairs.",
    "null": "What the measure gives without any difference between networks: the same networks on "
    "other trials, or, for weights, with their units renumbered.",
    "times its null": "The value over its null; near 1, all of it is trials.",
    "corrected": "The value without what a finite number of trials adds to it.",
    "reliability": "Agreement of pairs that were measured twice, on different trials "
    "(intraclass correlation).",
    "about solutions": "Yes, where the null is at most 0.3 of the value and the reliability at "
    "least 0.75; else the number is more about trials than about solutions.",
    "no alignment comes below": "A bound: the search for the best alignment cannot have missed "
    "more than the difference.",
}
"""Columns of the table of numbers, in words."""


class Example(NamedTuple):
    """Trials, and the outputs of one network on them, `[B, T, O]`."""

    trials: Trials
    outputs: np.ndarray
    network: int


Pictures = Mapping[str, Picture]
"""Figures as images, by the name of their file."""


def named(pictures: Pictures, *names: str) -> list[Picture]:
    """The figures of these names that are there."""
    return [pictures[name] for name in names if name in pictures]


def as_number(text: Any) -> float:
    """A cell of a table as a number; NaN if it is empty or no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def is_measurable(row: Mapping[str, Any]) -> bool | None:
    """Whether a row of `Degeneracy.table` is about solutions, not trials; None if unknown."""
    if row["value"] is None or row["null"] is None or row["measure"] == "pif":
        return None
    agreement = math.nan if row["reliability"] is None else row["reliability"]
    share = np.asarray(reliability.share(row["null"], row["value"]))
    return bool(reliability.measurable(share, np.asarray(agreement)))


def numbers_sheet(degeneracy: Degeneracy, *, legend: bool = True) -> Sheet:
    """The numbers, a row a measure."""
    head = ("level", "measure", "value", "95% interval", "null", "times its null", "corrected")
    head += ("reliability", "no alignment comes below", "about solutions", "trials")
    rows = [_numbers(row) for row in degeneracy.table()]
    count = len(degeneracy.networks)
    caption = f"Degeneracy of the {count} converged of {degeneracy.size} networks. "
    caption += "Larger means more different solutions. Compare only numbers of equal settings."
    return Sheet(Table(head, rows), caption, legend=LEGEND if legend else {})


def value_text(row: Mapping[str, Any]) -> str:
    """A row's value, with its interval where it has one."""
    if row["low"] is None:
        return number(row["value"])
    high = math.inf if row["high"] is None else row["high"]
    return with_interval((row["value"], row["low"], high))


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    def shown(name: str) -> str:
        return "" if row[name] is None else number(row[name])

    if row["value"] is None:
        return (row["level"], row["title"], "not measured", *[""] * 8)
    parts = value_text(row).partition(" [")
    known = {True: "yes", False: "no", None: ""}[is_measurable(row)]
    return (
        row["level"],
        row["title"],
        parts[0],
        "[" + parts[2] if parts[2] else "",
        shown("null"),
        shown("null_ratio"),
        shown("corrected"),
        shown("reliability"),
        shown("lower_bound"),
        known,
        "" if not row["trials"] else f"{row['trials']:,}",
    )


def between(degeneracy: Degeneracy) -> list[Between]:
    """The distances between networks that were measured, each with its null."""
    found = []
    for name, distances in degeneracy.distances.items():
        each = measures.find(name)
        null = math.nan if name == "weights" else float(np.mean(distances.null))
        found.append(Between(each.title, each.symbol, distances.matrix, null))
    behavior = degeneracy.behavior
    if behavior.main is not None:
        matrix = behavior.disagreements[behavior.main]
        found.append(Between("behavior: outputs", "output units", matrix, math.nan))
    if degeneracy.topology is not None:
        found.append(Between("fixed points", "OSPA", degeneracy.topology.matrix, math.nan))
    return found


def network_rows(
    degeneracy: Degeneracy, population: Population | None, features: FeatureLearning | None
) -> list[dict[str, Any]]:
    """What is known of each converged network."""
    rows: list[dict[str, Any]] = [{} for _ in degeneracy.networks]
    columns: dict[str, Any] = {}
    if population is not None:
        kept = degeneracy.networks
        stops = population.stop_epoch[kept]
        losses = population.history.loss[kept]
        columns["epochs"] = stops
        last = np.clip(stops, 1, losses.shape[1]) - 1
        columns["training loss at the end"] = losses[np.arange(len(kept)), last]
    for name, values in degeneracy.behavior.losses.items():
        columns[f"loss, {name.replace('_', ' ')}"] = values
    for rule, values in degeneracy.behavior.by_task.items():
        columns[f"loss, task {rule}"] = values
    count = max(len(rows) - 1, 1)
    for name, found in degeneracy.distances.items():
        title = f"mean {measures.find(name).symbol} to the others"
        columns[title] = np.nansum(found.matrix, axis=1) / count
    if degeneracy.topology is not None:
        columns["stable fixed points"] = degeneracy.topology.counts[:, 0]
        columns["other fixed points"] = degeneracy.topology.counts[:, 1:].sum(axis=1)
    if features is not None and np.array_equal(features.networks, degeneracy.networks):
        columns["weight change"] = features.weight_change
        columns["kernel alignment"] = features.kernel_alignment
    for name, values in columns.items():
        for row, value in zip(rows, np.asarray(values).tolist(), strict=True):
            row[name] = value
    return rows


def networks_sheet(
    group: str,
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    caption: str,
    legend: Mapping[str, str] | None = None,
) -> Sheet:
    """The networks, a row each; choosing a row marks the network in every chart."""
    columns = list(rows[0])
    cells = [
        (name, *(number(x) if isinstance(x, float) else str(x) for x in map(row.get, columns)))
        for name, row in zip(names, rows, strict=True)
    ]
    return Sheet(Table(("network", *columns), cells), caption, group=group, legend=legend or {})


def network_parts(
    group: str,
    degeneracy: Degeneracy,
    population: Population | None,
    features: FeatureLearning | None,
    pictures: Pictures,
) -> list[Any]:
    """Maps, matrix and table of the converged networks."""
    names = [str(k) for k in degeneracy.networks]
    rows, shown = network_rows(degeneracy, population, features), between(degeneracy)
    parts: list[Any] = []
    if shown and rows[0]:
        caption = (
            "Each dot is a network; the closer, the more alike under that measure (classical "
            "multidimensional scaling, so that plane distances are approximate). Directions have "
            "no meaning. The bar is as long as the distance of a network to itself on other "
            "trials. Click a dot, or draw around several, to mark the networks everywhere."
        )
        drawn = charts.maps(group, names, rows, shown)
        kept = named(pictures, "dynamics_mds", "weights_mds")
        parts.append(Chart("Maps of the networks", caption, drawn, kept))
        by = {name: [row[name] for row in rows] for name in list(rows[0])[:3]}
        caption = (
            "The distance of every pair; dark is close. Rows stand in the order of similarity, so "
            "that groups of alike networks show as dark squares along the diagonal, which is left "
            "out. Colors span the distances that occur, from the smallest to the largest: read the "
            "numbers beside the scale before you call something far apart."
        )
        drawn = charts.matrices(group, names, shown, by)
        kept = named(pictures, "dynamics_matrix", "weights_matrix")
        parts.append(Chart("Distances of all pairs", caption, drawn, kept))
    if rows and rows[0]:
        caption = "The converged networks, by their index in the population."
        parts.append(networks_sheet(group, names, rows, caption))
    return parts


def settings_chart(degeneracy: Degeneracy, pictures: Pictures) -> Chart:
    """DSA under its other settings."""
    grid = degeneracy.grid
    good, means, nulls = grid.measurable, grid.means, grid.nulls.mean(axis=-1)
    agreement = grid.reliabilities
    known = [
        Cell(
            j,
            i,
            float(means[i, j]),
            number(float(means[i, j])),
            (
                f"null {number(float(nulls[i, j]))}",
                f"reliability {number(float(agreement[i, j]))}",
                "about solutions" if good[i, j] else "more about trials than solutions",
            ),
            not good[i, j],
        )
        for i in range(means.shape[0])
        for j in range(means.shape[1])
    ]
    rows = [f"rank {row}" if row >= 1 else f"{row:.0%} of variance" for row in grid.grid.rows]
    caption = (
        "The mean DSA distance under each rank (or share of variance) and number of delays. It "
        "depends on both; a cross marks settings in which it is more about trials than about "
        "solutions."
    )
    delays = [str(each) for each in grid.grid.delays]
    drawn = charts.cells(
        "DSA under other settings", ("delays", delays), ("rank", rows), {"mean DSA distance": known}
    )
    return Chart("DSA under other settings", caption, drawn, named(pictures, "settings"))


def curves_chart(group: str, population: Population, pictures: Pictures) -> Chart:
    """Learning curves."""
    caption = (
        f"{population.summary()}. A line is a network: blue converged, gray stopped without, "
        "orange diverged."
    )
    drawn = charts.curves(group, population)
    return Chart("Learning", caption, drawn, named(pictures, "learning"))


def trials_chart(example: Example, pictures: Pictures) -> Chart:
    """Trials with the outputs of one network."""
    caption = (
        f"Fresh trials of the task, and what network {example.network} makes of them; targets are "
        "shown where the loss counts them."
    )
    drawn = charts.trials(example.trials, example.outputs, example.network)
    return Chart("Trials", caption, drawn, named(pictures, "trials"))


def topology_sheet(degeneracy: Degeneracy) -> Sheet | None:
    """How many networks have which fixed points; None where these were not searched."""
    if degeneracy.topology is None:
        return None
    counts, many = np.unique(degeneracy.topology.counts, axis=0, return_counts=True)
    rows = []
    for place in np.argsort(-many):
        found = np.trim_zeros(counts[place], "b").tolist() or [0]
        rows.append((" + ".join(map(str, found)), str(many[place])))
    head = ("fixed points: stable + with 1, 2, ... unstable directions", "networks")
    return Sheet(Table(head, rows), "How many networks have how many fixed points.")
