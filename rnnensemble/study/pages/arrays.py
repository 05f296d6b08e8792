"""The report on networks made elsewhere: distances of their activity, weights or outputs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import metrics
from rnnensemble.stats.comparable import incomparable
from rnnensemble.stats.digits import with_interval
from rnnensemble.study.pages import charts, measured
from rnnensemble.study.pages.charts import Between
from rnnensemble.study.pages.document import Chart, Document, Files, Points, Section, Sheet, Text
from rnnensemble.study.pages.measured import Pictures
from rnnensemble.study.pages.run import CARE, FEW
from rnnensemble.study.tables import Table

GROUP = "arrays"


class Row(NamedTuple):
    """One metric's result, a line of `distances.csv`.

    Attributes:
        metric: Its name.
        data: What it compares: activity, weights or outputs.
        networks: How many the mean is of.
        mean: Mean distance over pairs.
        low: Lower end of its 95% interval, NaN for an asymmetric metric.
        high: Upper end.
        settings: The metric's settings as JSON.
        left_out: Networks that it cannot compare, which are no part of the mean, by number.
    """

    metric: str
    data: str
    networks: int
    mean: float
    low: float
    high: float
    settings: str
    left_out: str


def arrays_document(
    name: str,
    rows: Sequence[Row],
    matrices: Mapping[str, np.ndarray],
    *,
    manifest: Mapping[str, Any],
    pictures: Pictures,
    files: Mapping[str, str],
) -> Document:
    """The report on a comparison of arrays: a row and a matrix `[K, K]` for each metric."""
    cells = [
        (row.data, row.metric, str(row.networks), mean_text(row), row.settings) for row in rows
    ]
    head = ("data", "metric", "networks", "mean distance [95% interval over networks]", "settings")
    found = [Sheet(Table(head, cells), "Mean distances over all pairs of networks.")]
    lost = [row for row in rows if row.left_out]
    care = [Text(f"{x.metric} cannot compare network {x.left_out}.", careful=True) for x in lost]
    sections = [Section("How far apart they lie", [*found, *care])]
    symmetric = {x: y for x, y in matrices.items() if metrics.find(x).symmetric}
    if symmetric:
        sections.append(Section("Networks", _networks(symmetric, pictures)))
    sections.append(Section("What to keep in mind", [Points(CARE[:3])]))
    inputs = [
        (key, each["file"], ", ".join(each["shapes"]), each["sha256"][:12])
        for key, each in manifest.get("inputs", {}).items()
    ]
    table = Sheet(Table(("data", "file", "shapes", "SHA-256"), inputs), "What was compared.")
    sections.append(Section("What was run", [table, Files(files)]))
    return Document(f"Distances: {name}", summary(rows, manifest), sections)


def mean_text(row: Row) -> str:
    """The mean with its interval, where it has one."""
    return with_interval((row.mean, row.low, row.high))


def summary(rows: Sequence[Row], manifest: Mapping[str, Any]) -> list[str]:
    """What was compared, what was found, what to be careful about."""
    size = int(manifest.get("size", 0))
    shown = "; ".join(f"{row.metric} of {row.data} {mean_text(row)}" for row in rows)
    few = f"{size} networks are few, so that intervals are wide; " if size < FEW else ""
    return [
        f"{size} networks made elsewhere were compared, each with each.",
        f"Mean distances: {shown}.",
        f"Be careful: {few}without other trials of the same networks there is no null, so that "
        "part of a distance may be trials.",
    ]


def _networks(matrices: Mapping[str, np.ndarray], pictures: Pictures) -> list[Any]:
    """Maps, matrices and table; networks that a metric cannot compare have no place."""
    names = [str(k) for k in range(len(next(iter(matrices.values()))))]
    shown = [
        Between(type(metrics.find(name)()).__name__, name, each, math.nan)
        for name, each in matrices.items()
    ]
    count = max(len(names) - 1, 1)
    rows: list[dict[str, Any]] = [{} for _ in names]
    for name, each in matrices.items():
        sums = np.where(
            np.isin(np.arange(len(each)), incomparable(each)), np.nan, np.nansum(each, 1)
        )
        for row, value in zip(rows, (sums / count).tolist(), strict=True):
            row[f"mean {name} to the others"] = value
    kept = measured.named(pictures, *(f"{name}_mds" for name in matrices))
    caption = (
        "Each dot is a network; the closer, the more alike under that metric (classical "
        "multidimensional scaling). Directions have no meaning. Click a dot to mark it everywhere."
    )
    maps = Chart("Maps of the networks", caption, charts.maps(GROUP, names, rows, shown), kept)
    kept = measured.named(pictures, *(f"{name}_matrix" for name in matrices))
    caption = "The distance of every pair, rows in the order of similarity; dark is close."
    drawn = charts.matrices(GROUP, names, shown, {})
    return [
        maps,
        Chart("Distances of all pairs", caption, drawn, kept),
        measured.networks_sheet(GROUP, names, rows, "The networks, by their place in the data."),
    ]
