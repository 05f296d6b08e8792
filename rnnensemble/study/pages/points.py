"""The rows of a sweep's summary as points of charts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnensemble.analysis.measures import Measure
from rnnensemble.stats import reliability
from rnnensemble.stats.digits import number, with_interval
from rnnensemble.study.factors import Factor, Grid
from rnnensemble.study.pages.charts import Cell, Drawn, Line, Point
from rnnensemble.study.pages.measured import as_number
from rnnensemble.study.readings import is_scaled, measure_of, positions
from rnnensemble.study.scales import DOUBLING, NEXT_LEVEL, scale_of
from rnnensemble.study.tables import words

Row = Mapping[str, Any]
"""A row of summary.csv, as it is written or read."""


def anchor(digest: str) -> str:
    """Where a condition is found in the page."""
    return f"condition-{digest}"


def value_of(row: Row, column: str) -> float:
    """A number of a row; NaN where there is none."""
    return as_number(row.get(column) or "")


def column_of(measure: Measure, row: Row) -> str:
    """The column that holds a measure; that of a level of behavior is its main variant's."""
    start = {"behavior": "sigma", "disagreement": "disagreement"}.get(measure.name)
    if start is None:
        return measure.column or measure.name
    variants = [x for x in row if x.startswith(f"{start}_") and x.count("_") == 1]
    return f"{start}_temporal" if f"{start}_temporal" in row else next(iter(variants), start)


def drawn(
    factors: Sequence[Factor], rows: Sequence[Row], names: Sequence[str], linked: bool
) -> list[Drawn]:
    """Every measure along one factor, a line for each task; measures without a value are left out.

    The points link to their conditions if the page has these (`linked`).
    """
    found = []
    for name in names:
        measure = measure_of(name)
        lines = [Line(words(each.task), _line(each, rows, measure, linked)) for each in factors]
        lines = [line for line in lines if any(math.isfinite(x.value) for x in line.points)]
        if lines:
            scaled = " / N²" if is_scaled(factors[0].name, name) else ""
            found.append(Drawn(measure.title, measure.symbol + scaled, lines))
    return found


def _line(factor: Factor, rows: Sequence[Row], measure: Measure, linked: bool) -> list[Point]:
    own = {
        row["digest"]: row
        for row in rows
        if (row["factor"], row["task"]) == (factor.name, factor.task)
    }
    levels = sorted(factor.levels, key=lambda level: level.value)
    places = positions(factor, [level.value for level in levels])
    points = []
    for level, place in zip(levels, places, strict=True):
        row = own.get(level.condition.digest)
        if row is not None:
            square = level.condition.network.width**2
            share = 1 / square if is_scaled(factor.name, measure.name) else 1.0
            link = anchor(level.condition.digest) if linked else ""
            points.append(point(row, measure, float(place), level.label, share=share, link=link))
    return points


def point(
    row: Row, measure: Measure, x: float, label: str, *, share: float = 1.0, link: str = ""
) -> Point:
    """One measure of a row, times `share`."""
    column = column_of(measure, row)
    ends = ("", "_low", "_high", "_null")
    value, low, high, null = (share * value_of(row, column + end) for end in ends)
    null = math.nan if measure.name in ("weights", "topology") else null
    agreement = value_of(row, f"{column}_reliability")
    notes = [f"{row['converged']} of {row['size']} networks converged"]
    notes += [f"null {number(null)}"] if math.isfinite(null) else []
    notes += [f"reliability {number(agreement)}"] if math.isfinite(agreement) else []
    for name, text in (("trials", "{:,.0f} trials"), ("rank", "rank {:.3g}")):
        known = value_of(row, f"{column}_{name}")
        notes += [text.format(known)] if math.isfinite(known) else []
    good = True
    if math.isfinite(null) and math.isfinite(value):
        part = np.asarray(reliability.share(null, value))
        good = bool(reliability.measurable(part, np.asarray(agreement)))
    notes += [] if good else ["more about trials than about solutions"]
    text = with_interval((value, low if math.isfinite(low) else math.nan, high))
    return Point(x, label, value, low, high, null, text, tuple(notes), good, link)


def scale_text(factor: Factor) -> str:
    """How a chart's axis is spaced, in words."""
    kinds = {DOUBLING: "by doublings", NEXT_LEVEL: "in order"}
    return kinds.get(scale_of(factor.values), "evenly")


def cells(
    grid: Grid, rows: Sequence[Row], names: Sequence[str], linked: bool
) -> dict[str, list[Cell]]:
    """Every measure at every combination of a grid, by its title."""
    own = {
        row["digest"]: row for row in rows if (row["factor"], row["task"]) == (grid.name, grid.task)
    }
    found: dict[str, list[Cell]] = {}
    scaled = any(axis.name == "width" for axis in grid.axes)
    for name in names:
        measure, made = measure_of(name), []
        for level in grid.levels:
            row = own.get(level.condition.digest)
            if row is None:
                continue
            square = level.condition.network.width**2
            share = 1 / square if scaled and name == "weights" else 1.0
            link = anchor(level.condition.digest) if linked else ""
            one = point(row, measure, 0.0, level.label, share=share, link=link)
            up, across = (
                axis.values.index(x) for axis, x in zip(grid.axes, level.values, strict=True)
            )
            made.append(Cell(across, up, one.value, one.text, one.notes, not one.measurable, link))
        if any(math.isfinite(cell.value) for cell in made):
            found[measure.title] = made
    return found
