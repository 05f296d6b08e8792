"""Maps of grids: a measure at every combination of two factors."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from rnnensemble.analysis.measures import Measure
from rnnensemble.figures.canvas import Given, canvas, nothing
from rnnensemble.figures.panels import COLORMAP, NEUTRAL, SHOWN_DECADE
from rnnensemble.figures.style import WIDTHS, Figure, ours, plain, small_size
from rnnensemble.stats.digits import number
from rnnensemble.study.factors import Grid, Outcome
from rnnensemble.study.readings import Gap, Reading, is_measurable, measure_of, read_grid, usable
from rnnensemble.study.tables import axis_words, words

CELL = 12.0
"""Millimeters of a cell's width that its words need."""


@ours()
def grid_figure(
    grids: Sequence[Grid],
    outcomes: Mapping[str, Outcome],
    names: Sequence[str],
    *,
    axes: Given = None,
) -> Figure:
    """Measures over one grid, in all its tasks, as maps, those of a measure together.

    The first axis goes down, the second to the right. Each cell holds its number, with a star
    where it is not measurable; gray cells have none and say why. Each map has its own scale of
    colors, which is logarithmic where values differ by more than a factor of 8. What is not
    measured at any combination has no map. The caller's axes must be as many as there are maps.
    """
    readings = [
        (grid, measure_of(name), read_grid(grid, measure_of(name), outcomes))
        for name in names
        for grid in grids
    ]
    maps = [each for each in readings if usable(each[2])]
    if not maps:
        return nothing("too little measured", f"No combination of {grids[0].name} is measured.")
    across = max(len(grid.axes[1].values) for grid in grids)
    down = max(len(grid.axes[0].values) for grid in grids)
    fit = max(int(WIDTHS["double"] / (CELL * across + 26)), 1)
    columns = min(len(maps), fit)
    width = "single" if columns == 1 and CELL * across + 26 <= WIDTHS["single"] else "double"
    aspect = (8.5 * down + 20) * columns / WIDTHS[width]
    made = canvas(axes, len(maps), columns=columns, width=width, aspect=aspect, extra=4.0)
    rows = []
    for panel, (grid, measure, found) in zip(made.axes, maps, strict=True):
        rows += _draw_map(panel, grid, measure, found)
    if made.own:
        made.figure.supxlabel("*: not measurable; gray: no value", fontsize=small_size())
    first, second = grids[0].axes
    caption = [
        f"{', '.join(dict.fromkeys(measure.title for _, measure, _ in maps))} at every combination "
        f"of {first.title} (down) and {second.title} (to the right).",
        "Each map has its own range of colors, which its title states: compare colors within a map "
        "alone. A star: not measurable beyond trials. Gray: no value.",
    ]
    return made.told(caption, rows)


def _draw_map(
    axes: Axes, grid: Grid, measure: Measure, readings: Sequence[Reading | Gap]
) -> list[dict[str, Any]]:
    """Draws one measure over a grid in one task; returns the numbers."""
    first, second = grid.axes
    values = np.full((len(first.values), len(second.values)), np.nan)
    for reading in usable(readings):
        values[_place(grid, reading)] = reading.estimate.value
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scale = LogNorm if high > SHOWN_DECADE * low > 0 else Normalize
    colors = matplotlib.colormaps[COLORMAP].with_extremes(bad=NEUTRAL)
    image = axes.imshow(values, cmap=colors, norm=scale(low, high), aspect="auto")
    rows = []
    for reading in readings:
        i, j = _place(grid, reading)
        row = {"task": grid.task, "measure": measure.name}
        row |= {first.name: first.values[i], second.name: second.values[j]}
        if isinstance(reading, Gap):
            text, color = reading.problem.replace(" ", "\n"), "0.2"
            row["problem"] = reading.problem
        else:
            good = is_measurable(reading, measure)
            text = f"{number(reading.estimate.value)}{'' if good else '*'}"
            color = "k" if float(np.asarray(image.norm(values[i, j]))) > 0.6 else "w"
            row |= {"estimate": reading.estimate.value, "low": reading.estimate.low}
            row |= {"high": reading.estimate.high, "measurable": good}
            row |= {} if reading.null is None else {"null": float(np.mean(reading.null))}
        axes.text(j, i, text, ha="center", va="center", color=color, fontsize=small_size())
        rows.append(row)
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_xticks(range(values.shape[1]), [plain(x) for x in second.labels])
    axes.set_yticks(range(values.shape[0]), [plain(x) for x in first.labels])
    axes.set(xlabel=plain(axis_words(second)), ylabel=plain(axis_words(first)))
    figure: Any = axes.get_figure(root=True)
    bar = figure.colorbar(image, ax=axes)
    bar.minorticks_off()
    kind = "log" if scale is LogNorm else "linear"
    title = f"{measure.symbol}, {words(grid.task)}\n{number(low)} to {number(high)}, {kind}"
    axes.set_title(plain(title))
    return rows


def _place(grid: Grid, reading: Reading | Gap) -> tuple[int, int]:
    """Row and column of a combination."""
    first, second = reading.level.values
    return grid.axes[0].values.index(first), grid.axes[1].values.index(second)
