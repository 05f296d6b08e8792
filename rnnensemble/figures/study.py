"""Figures of a study: measures along factors, networks by level, trends by DSA setting."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from rnnensemble.figures.canvas import Given, canvas, line, nothing
from rnnensemble.figures.factor_panels import (
    MEASURE_COLORS,
    Panels,
    draw_measure,
    left_out,
    name_panel,
    panels_of,
)
from rnnensemble.figures.maps import draw_bar, frame, scatter
from rnnensemble.figures.panels import BELOW, NEUTRAL, null_of
from rnnensemble.figures.style import WIDTHS, Figure, ours, plain
from rnnensemble.stats.ordination import mds
from rnnensemble.study.factors import Factor, Outcome
from rnnensemble.study.findings import SIGNIFICANT, Findings
from rnnensemble.study.readings import Reading, measure_of, positions, read, usable
from rnnensemble.study.tables import axis_words, words

PANELS_MOST = 6
"""Values that have a panel of networks."""


@ours()
def factor_figure(
    factors: Sequence[Factor],
    outcomes: Mapping[str, Outcome],
    names: Sequence[str],
    *,
    axes: Given = None,
) -> Figure:
    """Measures along one factor: a row for each measure, a column for each task; of one task a row.

    Bars are 95% intervals over networks, dotted lines the null (the same networks on other
    trials), open markers values below it. Axes start at 0, or are logarithmic where values differ
    by more than a factor of 8 or stand far below their null or the end of an interval. What is not
    measured at any value has no panel; the caller's axes must be as many as there are panels.
    """
    panels = panels_of(factors, outcomes, names)
    missing = left_out(factors, outcomes, names)
    if not panels:
        told = f"Nothing to draw along {plain(axis_words(factors[0]))}: {missing}"
        return nothing("too little measured", told)
    columns = 1 + max(column for _, column in panels)
    made = canvas(axes, len(panels), columns=columns, cells=list(panels), aspect=0.74, extra=6.0)
    rows = []
    for panel, (cell, (factor, measure, readings)) in zip(made.axes, panels.items(), strict=True):
        rows += draw_measure(panel, factor, measure, readings)
        name_panel(panel, cell, panels, alone=len(factors) == 1)
    if any("null" in row for row in rows):
        made.legend([line("null: other trials alone", ls=":")])
    return made.told(_told_factor(factors, panels, rows, missing), rows)


def _told_factor(
    factors: Sequence[Factor], panels: Panels, rows: list[dict[str, Any]], missing: str
) -> list[str]:
    """Sentences of the caption."""
    measures = dict.fromkeys(measure.title for _, measure, _ in panels.values())
    tasks = dict.fromkeys(words(factor.task) for factor, _, _ in panels.values())
    counts = [row["networks"] for row in rows]
    networks = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    null = any("null" in row for row in rows)
    return [
        f"{', '.join(measures)} along {axis_words(factors[0])}, in: {', '.join(tasks)}.",
        f"A point is {networks} converged networks of one condition, its bar the 95% interval over "
        "networks.",
        "Dotted lines are nulls: the same networks on other trials, or what a finite number of "
        "trials alone adds." * null,
        BELOW if any(row.get("below_null") for row in rows) else "",
        missing,
    ]


@ours()
def networks_figure(
    factors: Sequence[Factor], outcomes: Mapping[str, Outcome], name: str, *, axes: Given = None
) -> Figure:
    """Networks in two dimensions, a panel for each value that is measured, a row for each task.

    Classical MDS of the distances within each condition, of the measure "dynamics" or "weights".
    The panels of a row have one scale, so that their extents compare; no distances across
    conditions are used, so that the places of networks in different panels do not.
    """
    measure = measure_of(name)
    found = [(factor, _few(usable(read(factor, measure, outcomes)))) for factor in factors]
    found = [each for each in found if each[1]]
    missing = left_out(factors, outcomes, [name])
    if not found:
        return nothing("too little measured", f"No networks to draw. {missing}")
    cells = [(row, column) for row, (_, each) in enumerate(found) for column in range(len(each))]
    columns = max(len(each) for _, each in found)
    width = "single" if columns <= 3 else "double"
    made = canvas(axes, len(cells), columns=columns, cells=cells, width=width, aspect=1.12)
    rows, panels = [], iter(made.axes)
    for factor, readings in found:
        row = [next(panels) for _ in readings]
        rows += [
            {"factor": factor.name, "task": factor.task} | each
            for each in _draw_row(row, readings, color=MEASURE_COLORS[name])
        ]
        row[0].set_ylabel(plain(words(factor.task)))
    title = f"{measure.title}\nby {axis_words(factors[0])}"
    made.title(title if width == "single" else title.replace("\n", " "))
    bars = any(null_of(each.null) for _, readings in found for each in readings)
    caption = [
        f"Networks by {measure.symbol} within each value of {axis_words(factors[0])}, in two "
        "dimensions (classical multidimensional scaling), a dot a network.",
        "The panels of a row have one scale: compare their extents, not the places of dots in "
        "different panels.",
        "Bars are as long as the mean null, the distance of a network to itself on other trials; "
        "open markers: networks whose mean distance to others is below their null." * bars,
        missing,
    ]
    return made.told(caption, rows)


def _few(readings: Sequence[Reading]) -> list[Reading]:
    """All readings, or some from the first to the last."""
    count = min(len(readings), PANELS_MOST)
    return [readings[i] for i in np.linspace(0, len(readings) - 1, count).round().astype(int)]


def _draw_row(
    row: Sequence[Axes], readings: Sequence[Reading], *, color: str
) -> list[dict[str, Any]]:
    """Draws the panels of one task at one scale; returns the numbers."""
    maps = [mds(each.data) for each in readings]
    nulls = [null_of(each.null) for each in readings]
    longest = max((null for null in nulls if null is not None), default=None)
    rows = []
    for axes, reading, places, null in zip(row, readings, maps, nulls, strict=True):
        count = len(places)
        means = reading.data.sum(axis=1) / max(count - 1, 1)
        below = np.zeros(count, bool) if null is None else means < np.asarray(reading.null)
        scatter(axes, places, below, color)
        reach = frame(axes, np.concatenate(maps), longest)
        if null is not None:
            draw_bar(axes, null, reach)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color="0.8")
        axes.set_title(plain(reading.level.label))
        rows += [
            {"value": reading.level.value, "label": reading.level.label, "network": network}
            | {"x": x, "y": y, "mean_distance": mean}
            | ({} if null is None else {"null": null})
            for network, (x, y), mean in zip(
                reading.degeneracy.networks, places, means, strict=True
            )
        ]
    return rows


class _Trends(NamedTuple):
    """log2 of fitted ratios, `[rows, columns]`, NaN where there is none, and whether trends count.

    Rows are the factors with a trend, columns rank or share of variance, and delays; the last
    column of the numbers is that of autocovariances.
    """

    rows: list[Factor]
    columns: list[tuple[float, int]]
    folds: np.ndarray
    certain: np.ndarray
    good: np.ndarray

    def names(self) -> list[str]:
        """Of the columns."""
        settings = [
            f"{rank}, {d}" if rank >= 1 else f"{100 * rank:g}%, {d}" for rank, d in self.columns
        ]
        return [*settings, "autocov."]


@ours()
def settings_figure(
    found: Findings,
    factors: Sequence[Factor],
    outcomes: Mapping[str, Outcome],
    *,
    axes: Given = None,
) -> Figure:
    """How much the mean distance of dynamics changes from the lowest to the highest value.

    A row for each factor and task, a column for each rank (or share of variance) and number of
    delays of DSA, and one for the distance of autocovariances. Colors show log2 of the fitted
    ratio, dots a trend with p at most 0.05, crosses what is not measurable.
    """
    trends = _trends(found, factors, outcomes)
    if not np.isfinite(trends.folds).any():
        return nothing("no trend of dynamics is measured", "No trend of dynamics is measured.")
    width = "single" if len(trends.columns) <= 4 else "double"
    height = max(5.5 * len(trends.rows) + 26, 48)
    made = canvas(axes, width=width, aspect=height / WIDTHS[width])
    _draw_trends(made.axes[0], trends)
    caption = [
        "Fitted change of the mean distance of dynamics from the lowest to the highest value of "
        f"{len(trends.rows)} factors, as log2 of the ratio, by rank (or share of variance) and "
        "delays of DSA, and in the last column of autocovariances.",
        "Dots: a trend with p at most 0.05. Crosses: not measurable beyond trials. Gray: a setting "
        "that does not fit the task.",
    ]
    return made.told(caption, _rows(trends))


def _trends(found: Findings, factors: Sequence[Factor], outcomes: Mapping[str, Outcome]) -> _Trends:
    """The numbers."""
    rows = [each for each in factors if (each.name, each.task) in found.settings]
    settings = [found.settings[each.name, each.task] for each in rows]
    columns = sorted({column for each in settings for column in each.trends})
    folds = np.full((len(rows), len(columns) + 1), np.nan)
    certain, good = np.zeros(folds.shape, bool), np.zeros(folds.shape, bool)
    others = {(c.factor, c.task): c for c in found.cells if c.level == "autocovariance"}
    for i, (factor, each) in enumerate(zip(rows, settings, strict=True)):
        used = usable(read(factor, measure_of("dynamics"), outcomes))
        reach = np.ptp(positions(factor, [reading.level.value for reading in used]))
        for setting, trend in each.trends.items():
            j = columns.index(setting)
            folds[i, j] = reach * np.log2(trend.change.value)
            certain[i, j] = trend.direction != "none"
            good[i, j] = setting in each.measurable
        other = others.get((factor.name, factor.task))
        if other is not None and other.p_value > 0:
            folds[i, -1] = reach * np.log2(other.change.value)
            certain[i, -1], good[i, -1] = other.p_value <= SIGNIFICANT, not other.unmeasurable
    return _Trends(rows, columns, folds, certain, good)


def _draw_trends(axes: Axes, trends: _Trends) -> None:
    folds, most = trends.folds, float(np.nanmax(np.abs(trends.folds)))
    limit = min(max(most, 0.5), 4.0)
    colors = matplotlib.colormaps["PuOr_r"].with_extremes(bad=NEUTRAL)
    image = axes.imshow(folds, cmap=colors, vmin=-limit, vmax=limit, aspect="auto")
    dots, crosses = trends.certain & trends.good, np.isfinite(folds) & ~trends.good
    axes.scatter(*np.nonzero(dots)[::-1], s=9, color="k", edgecolor="white", lw=0.4)
    for color, line_width in (("white", 1.8), ("k", 0.7)):
        form: Any = {"color": color, "marker": "x", "lw": line_width}
        axes.scatter(*np.nonzero(crosses)[::-1], s=9, **form)
    axes.axvline(len(trends.columns) - 0.5, color="w", lw=2)
    axes.set_xticks(range(folds.shape[1]), trends.names(), rotation=60)
    names = [plain(f"{each.title}, {words(each.task)}") for each in trends.rows]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("DSA: share of variance or rank, delays; autocovariances")
    beyond = "both" if most > limit else "neither"
    figure: Any = axes.get_figure(root=True)
    bar = figure.colorbar(image, ax=axes, extend=beyond)
    low, high = np.nanmin(folds), np.nanmax(folds)
    bar.set_label(f"log2 (highest / lowest value)\n{low:.2g} to {high:.2g}")
    axes.set_title("mean distance along each factor\ndot: p ≤ 0.05; cross: not measurable")


def _rows(trends: _Trends) -> list[dict[str, Any]]:
    """The drawn numbers."""
    return [
        {
            "factor": factor.name,
            "task": factor.task,
            "setting": name,
            "log2_ratio": trends.folds[i, j],
            "significant": bool(trends.certain[i, j]),
            "measurable": bool(trends.good[i, j]),
        }
        for i, factor in enumerate(trends.rows)
        for j, name in enumerate(trends.names())
        if np.isfinite(trends.folds[i, j])
    ]
