"""Figures of a study: measures along factors, networks by level, trends by DSA setting."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from rnnensemble.analysis.measures import Measure
from rnnensemble.analysis.measures.standard import STANDARD
from rnnensemble.figures.panels import COLORS, mds
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.study.factors import Factor, Outcome
from rnnensemble.study.findings import SIGNIFICANT, Findings
from rnnensemble.study.readings import (
    Gap,
    Reading,
    is_scaled,
    measure_of,
    positions,
    read,
    usable,
)

PANEL = 2.15
"""Width and height of a panel, inches."""

PANELS_MOST = 6
"""Values that have a panel of networks."""

SHOWN_DECADE = 8.0
"""Highest over lowest value from which on an axis is logarithmic."""

OTHERS = "#4C4C4C"
"""Color of measures that others add."""

MEASURE_COLORS = dict(
    zip(
        (each.name for each in STANDARD),
        (*COLORS, "#000000", "#7A4B2A", "#5B5B9E"),
        strict=True,
    )
)


@ours()
def factor_figure(
    factors: Sequence[Factor], outcomes: Mapping[str, Outcome], names: Sequence[str]
) -> Figure:
    """Measures along one factor: a row for each measure, a column for each task; of one task a row.

    Bars are 95% intervals over networks, dotted lines the null (the same networks on other
    trials). Axes start at 0, or are logarithmic where values differ by more than a factor of 8 or
    stand far below their null or the end of an interval.

    Args:
        factors: The same factor in all its tasks.
        outcomes: What is measured so far, by the condition's digest.
        names: Of the measures.
    """
    alone = len(factors) == 1
    shape = (1, len(names)) if alone else (len(names), len(factors))
    size = (PANEL * shape[1] + 1.0, 1.75 * shape[0] + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(*shape, squeeze=False, sharex="col")
    panels = panels.T if alone else panels
    for row, name in zip(panels, names, strict=True):
        for axes, factor in zip(row, factors, strict=True):
            readings = usable(read(factor, measure_of(name), outcomes))
            _draw_measure(axes, factor, measure_of(name), readings)
        row[0].set_ylabel(_label(measure_of(name), factors[0]), fontsize=8)
    for axes, factor in zip(panels[0], factors, strict=True):
        axes.set_title(plain(_words(factor.task)), fontsize=9)
    for row in panels if alone else panels[-1:]:
        for axes, factor in zip(row, factors, strict=True):
            axes.set_xlabel(axis_name(factor), fontsize=8)
    figure.align_ylabels()
    if any(name in ("dynamics", "behavior") for name in names):
        line = Line2D([], [], color="0.35", ls=":", lw=1.2, label="null: other trials alone")
        figure.legend(handles=[line], loc="outside lower center", fontsize=7.5, frameon=False)
    return figure


def axis_name(factor: Factor) -> str:
    """A factor's title with its unit."""
    return plain(f"{factor.title} ({factor.unit})" if factor.unit else factor.title)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _label(measure: Measure, factor: Factor) -> str:
    scaled = " / N²" if is_scaled(factor.name, measure.name) else ""
    return measure.symbol.replace("sigma_OOD", r"$\sigma_{OOD}$") + scaled


def _draw_measure(
    axes: Axes, factor: Factor, measure: Measure, readings: Sequence[Reading]
) -> None:
    """Draws one measure along one factor in one task."""
    axes.tick_params(labelsize=7)
    axes.grid(axis="y", color="0.92", lw=0.6)
    axes.set_axisbelow(True)
    _mark_values(axes, factor)
    if not readings:
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, "too little measured", transform=axes.transAxes, ha="center", fontsize=8
        )
        return
    x = positions(factor, [each.level.value for each in readings])
    values = np.array([each.estimate for each in readings])
    reach = np.abs(values[:, 1:] - values[:, :1]).T
    color = MEASURE_COLORS.get(measure.name, OTHERS)
    axes.errorbar(
        x, values[:, 0], reach, color=color, marker="o", ms=4, lw=1.3, elinewidth=1, capsize=2
    )
    nulls = np.array([each.null.mean() for each in readings if each.null is not None])
    if len(nulls) == len(readings):
        axes.plot(x, nulls, color="0.35", ls=":", lw=1.2)
    _scale(axes, np.append(values.ravel(), nulls), values[:, 0])


def _mark_values(axes: Axes, factor: Factor) -> None:
    """Ticks at the factor's values, at most 7 with a number."""
    levels = sorted(factor.levels, key=lambda level: level.value)
    places = positions(factor, [level.value for level in levels])
    # of many values every other one, or third, from the highest down
    step = -(-len(levels) // 7)
    chosen = slice((len(levels) - 1) % step, None, step)
    labels = [plain(level.label) for level in levels][chosen]
    axes.xaxis.set_major_locator(FixedLocator(list(places[chosen])))
    axes.set_xticks(places[chosen], labels, fontsize=7)
    axes.set_xticks(places, minor=True)
    margin = 0.12 * max(np.ptp(places), 1e-9)
    axes.set_xlim(places.min() - margin, places.max() + margin)


def _scale(axes: Axes, shown: np.ndarray, values: np.ndarray) -> None:
    """From 0, or logarithmic where the values need it."""
    kept = shown[np.isfinite(shown) & (shown > 0)]
    within = values.max() <= SHOWN_DECADE * values.min() and kept.max() <= 5 * values.max()
    if within:
        axes.set_ylim(0, 1.12 * kept.max())
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        axes.yaxis.get_offset_text().set_fontsize(7)
        return
    axes.set_yscale("log")
    axes.set_ylim(kept.min() / 1.4, kept.max() * 1.4)


@ours()
def networks_figure(
    factors: Sequence[Factor], outcomes: Mapping[str, Outcome], name: str
) -> Figure:
    """Networks in two dimensions, a panel for each value, a row for each task.

    Classical MDS of the distances within each condition. The panels of a row have one scale, so
    that their extents compare; no distances across conditions are used, so that the places of
    networks in different panels do not.

    Args:
        factors: The same factor in all its tasks.
        outcomes: What is measured so far, by the condition's digest.
        name: Of the measure: "dynamics" or "weights".
    """
    measure = measure_of(name)
    chosen = [_few(read(factor, measure, outcomes)) for factor in factors]
    columns = max(len(row) for row in chosen)
    size = (max(1.25 * columns + 0.5, 4.0), 1.5 * len(factors) + 0.35)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(factors), columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for factor, readings, row in zip(factors, chosen, panels, strict=True):
        _draw_row(row, readings, color=MEASURE_COLORS[name])
        row[0].text(
            -0.12,
            0.5,
            plain(_words(factor.task)),
            transform=row[0].transAxes,
            rotation=90,
            va="center",
            ha="center",
            fontsize=7.5,
        )
    figure.suptitle(f"{measure.title} within each value of: {axis_name(factors[0])}", fontsize=9)
    return figure


def _few(readings: Sequence[Reading | Gap]) -> list[Reading | Gap]:
    """All readings, or some from the first to the last."""
    count = min(len(readings), PANELS_MOST)
    return [readings[i] for i in np.linspace(0, len(readings) - 1, count).round().astype(int)]


def _draw_row(row: np.ndarray, readings: Sequence[Reading | Gap], *, color: str) -> None:
    """Draws the panels of one task at one scale."""
    reach = 1.15 * max((np.abs(mds(x.data)).max() for x in usable(readings)), default=0.0) or 1.0
    for axes, reading in zip(row, readings, strict=False):
        axes.set_axis_on()
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_aspect("equal")
        for spine in axes.spines.values():
            spine.set_color("0.8")
        axes.set_title(plain(reading.level.label), fontsize=7.5, pad=2)
        if isinstance(reading, Gap):
            words = reading.problem.replace(", ", ",\n").replace(" yet", "\nyet")
            axes.text(0, 0, words, ha="center", va="center", fontsize=6, color="0.35")
        else:
            axes.scatter(*mds(reading.data).T, s=11, color=color, edgecolor="white", lw=0.3)


@ours()
def settings_figure(
    found: Findings, factors: Sequence[Factor], outcomes: Mapping[str, Outcome]
) -> Figure:
    """How much the mean distance of dynamics changes from the lowest to the highest value.

    A row for each factor and task, a column for each rank (or share of variance) and number of
    delays of DSA, and one for the distance of autocovariances. Colors show log2 of the fitted
    ratio, dots a trend with p at most 0.05, crosses what is not measurable.

    Args:
        found: Trends by factor and task, of DSA under every setting.
        factors: Their values, in the order of the rows.
        outcomes: What is measured so far, by the condition's digest.
    """
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
    size = (0.42 * len(columns) + 4.4, max(0.27 * len(rows) + 1.7, 2.8))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    limit = min(max(np.nanmax(np.abs(folds), initial=0.5), 0.5), 4.0)
    axes.set_facecolor("0.75")  # where a setting does not fit the task
    image = axes.imshow(folds, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    dots, crosses = certain & good, np.isfinite(folds) & ~good
    axes.scatter(*np.nonzero(dots)[::-1], s=16, color="k", edgecolor="white", lw=0.6)
    axes.scatter(*np.nonzero(crosses)[::-1], s=14, color="0.35", marker="x", lw=0.8)
    axes.axvline(len(columns) - 0.5, color="w", lw=3)
    names = [f"{rank}, {d}" if rank >= 1 else f"{100 * rank:g}%, {d}" for rank, d in columns]
    axes.set_xticks(range(len(columns) + 1), [*names, "autocov."], rotation=60, fontsize=7)
    axes.set_yticks(
        range(len(rows)),
        [plain(f"{each.title}, {_words(each.task)}") for each in rows],
        fontsize=7.5,
    )
    axes.set_xlabel("DSA: share of variance or rank, delays; autocovariances", fontsize=8)
    beyond = "both" if np.nanmax(np.abs(folds), initial=0) > limit else "neither"
    bar = figure.colorbar(image, ax=axes, extend=beyond, shrink=0.9)
    bar.set_label("log2 (distance at the highest\nvalue / at the lowest)", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    title = "mean distance along each factor (dot: p ≤ 0.05; cross: not measurable)"
    axes.set_title(title, fontsize=9)
    return figure
