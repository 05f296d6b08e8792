"""The panels of a study's factor: one measure along it in one task."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from rnnensemble.analysis.measures import Measure
from rnnensemble.analysis.measures.standard import STANDARD
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORS, SHOWN_DECADE
from rnnensemble.figures.style import plain, small_size
from rnnensemble.study.factors import Factor, Outcome
from rnnensemble.study.readings import Gap, Reading, is_scaled, measure_of, positions, read, usable
from rnnensemble.study.tables import axis_words, words

ACROSS = 3
"""Panels side by side of a factor with one task."""

MARKS_MOST = 24
"""Values up to which each has a tick; more would touch, and each takes matplotlib a millisecond."""

OTHERS = "#4C4C4C"
"""Color of measures that others add."""

MEASURE_COLORS = dict(
    zip((each.name for each in STANDARD), (*COLORS, "#000000", "#7A4B2A", "#5B5B9E"), strict=True)
)

Panels = dict[tuple[int, int], tuple[Factor, Measure, list[Reading]]]
"""What stands in each row and column."""


def panels_of(
    factors: Sequence[Factor], outcomes: Mapping[str, Outcome], names: Sequence[str]
) -> Panels:
    """What has a panel: rows of measures and columns of tasks, without those that are empty."""
    found = {
        (i, j): (factor, measure_of(name), usable(read(factor, measure_of(name), outcomes)))
        for i, name in enumerate(names)
        for j, factor in enumerate(factors)
    }
    found = {cell: each for cell, each in found.items() if each[2]}
    if len(factors) == 1:
        columns = len(found) if len(found) <= ACROSS + 1 else ACROSS
        return {divmod(number, columns): each for number, each in enumerate(found.values())}
    rows = sorted({row for row, _ in found})
    columns = sorted({column for _, column in found})
    return {(rows.index(i), columns.index(j)): each for (i, j), each in found.items()}


def left_out(
    factors: Sequence[Factor], outcomes: Mapping[str, Outcome], names: Sequence[str]
) -> str:
    """A sentence on what is left out, and why; empty if nothing is."""
    gaps: dict[str, list[str]] = {}
    for factor in factors:
        for name in names:
            for each in read(factor, measure_of(name), outcomes):
                if isinstance(each, Gap):
                    where = f"{measure_of(name).symbol} at {each.level.label}, {each.problem}"
                    gaps.setdefault(words(factor.task), []).append(where)
    told = (f"{task} ({'; '.join(each)})" for task, each in gaps.items())
    return f"Left out: {', '.join(told)}." if gaps else ""


def name_panel(axes: Axes, cell: tuple[int, int], panels: Panels, *, alone: bool) -> None:
    """The names of a panel's axes, where no panel beside it has the same."""
    factor, measure, _ = panels[cell]
    row, column = cell
    first = alone or not any((row, other) in panels for other in range(column))
    top = not any((other, column) in panels for other in range(row))
    last = not any(r > row and c == column for r, c in panels)
    if first:
        scaled = " / N²" if is_scaled(factor.name, measure.name) else ""
        axes.set_ylabel(plain(measure.symbol) + scaled)
    if top:
        axes.set_title(plain(words(factor.task)))
    axes.tick_params(labelbottom=last)
    if last:
        axes.set_xlabel(plain(axis_words(factor)))


def draw_measure(
    axes: Axes, factor: Factor, measure: Measure, readings: Sequence[Reading]
) -> list[dict[str, Any]]:
    """Draws one measure along one factor in one task; returns the numbers."""
    axes.grid(axis="y", color="0.92", lw=0.5)
    axes.set_axisbelow(True)
    _mark_values(axes, factor)
    x = positions(factor, [each.level.value for each in readings])
    values = np.array([each.estimate for each in readings])
    reach = np.abs(values[:, 1:] - values[:, :1]).T
    color = MEASURE_COLORS.get(measure.name, OTHERS)
    form: Any = {"color": color, "elinewidth": 0.8, "capsize": 1.5, "capthick": 0.8}
    axes.errorbar(x, values[:, 0], reach, marker="o", ms=3, **form)
    nulls = np.array([each.null.mean() for each in readings if each.null is not None])
    below = np.zeros(len(x), bool)
    if len(nulls) == len(readings):
        axes.plot(x, nulls, color="0.35", ls=":")
        below = values[:, 0] < nulls
        if below.any():
            axes.plot(x[below], values[below, 0], "o", ms=3, mfc="white", mec=color, zorder=3)
    _scale(axes, np.append(values.ravel(), nulls), values[:, 0])
    rows = []
    for k, each in enumerate(readings):
        names = {"factor": factor.name, "task": factor.task, "measure": measure.name}
        names |= {"value": each.level.value, "label": each.level.label}
        value, low, high = each.estimate
        counted = {"networks": len(each.degeneracy.networks), "low": low, "high": high}
        rows.append(names | counted | {"estimate": value})
        if len(nulls) == len(readings):
            rows[-1] |= {"null": nulls[k], "below_null": bool(below[k])}
    return rows


def _mark_values(axes: Axes, factor: Factor) -> None:
    """Ticks at the factor's values, at most 7 with a number."""
    levels = sorted(factor.levels, key=lambda level: level.value)
    places = positions(factor, [level.value for level in levels])
    # of many values every other one, or third, from the highest down
    step = -(-len(levels) // 7)
    chosen = slice((len(levels) - 1) % step, None, step)
    labels = [plain(level.label) for level in levels][chosen]
    axes.xaxis.set_major_locator(FixedLocator(list(places[chosen])))
    axes.set_xticks(places[chosen], labels)
    if len(places) <= MARKS_MOST:
        axes.set_xticks(places, minor=True)
    thin(axes)
    margin = 0.12 * max(np.ptp(places), 1e-9)
    axes.set_xlim(places.min() - margin, places.max() + margin)


def _scale(axes: Axes, shown: np.ndarray, values: np.ndarray) -> None:
    """From 0, or logarithmic where the values need it."""
    kept = shown[np.isfinite(shown) & (shown > 0)]
    within = values.max() <= SHOWN_DECADE * values.min() and kept.max() <= 5 * values.max()
    if within:
        axes.set_ylim(0, 1.12 * kept.max())
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
        axes.yaxis.get_offset_text().set_fontsize(small_size())
        return
    axes.set(yscale="log", ylim=(kept.min() / 1.4, kept.max() * 1.4))
