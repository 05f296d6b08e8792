"""Maps of grids: a measure at every combination of two factors."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from rnnensemble.analysis.measures import Measure
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.study.factors import Axis, Grid, Outcome
from rnnensemble.study.readings import Gap, Reading, is_measurable, measure_of, read_grid, usable

SHOWN_DECADE = 8.0
"""Highest over lowest value from which on colors are logarithmic."""


@ours()
def grid_figure(
    grids: Sequence[Grid], outcomes: Mapping[str, Outcome], names: Sequence[str]
) -> Figure:
    """Measures over one grid as maps: a row for each measure, a column for each task.

    The first axis goes down, the second to the right. Each cell holds its number, with a star
    where it is not measurable; gray cells have none and say why. Each map has its own scale of
    colors, which is logarithmic where values differ by more than a factor of 8.

    Args:
        grids: The same grid in all its tasks.
        outcomes: What is measured so far, by the condition's digest.
        names: Of the measures.
    """
    alone = len(grids) == 1
    shape = (1, len(names)) if alone else (len(names), len(grids))
    wide = 0.62 * max(len(grid.axes[1].values) for grid in grids) + 1.5
    high = 0.42 * max(len(grid.axes[0].values) for grid in grids) + 1.2
    figure = Figure(figsize=(wide * shape[1], high * shape[0] + 0.3), layout="constrained")
    panels = figure.subplots(*shape, squeeze=False)
    for row, name in zip(panels.T if alone else panels, names, strict=True):
        for axes, grid in zip(row, grids, strict=True):
            _draw_map(axes, grid, measure_of(name), read_grid(grid, measure_of(name), outcomes))
            title = f"{measure_of(name).symbol}, {grid.task.replace('_', ' ')}"
            axes.set_title(plain(title), fontsize=8)
    figure.supxlabel("*: not measurable; gray: no value", fontsize=7)
    return figure


def _draw_map(axes: Axes, grid: Grid, measure: Measure, readings: Sequence[Reading | Gap]) -> None:
    """Draws one measure over a grid in one task."""
    rows, columns = grid.axes
    values = np.full((len(rows.values), len(columns.values)), np.nan)
    for reading in usable(readings):
        values[_place(grid, reading)] = reading.estimate.value
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    scale = LogNorm if high > SHOWN_DECADE * low > 0 else Normalize
    axes.set_facecolor("0.85")
    image = axes.imshow(values, cmap="viridis", norm=scale(low, high), aspect="auto")
    for reading in readings:
        i, j = _place(grid, reading)
        if isinstance(reading, Gap):
            text, color = reading.problem.replace(" ", "\n"), "0.2"
        else:
            star = "" if is_measurable(reading, measure) else "*"
            text = f"{reading.estimate.value:.3g}{star}"
            color = "k" if float(np.asarray(image.norm(values[i, j]))) > 0.6 else "w"
        size = 4.5 if isinstance(reading, Gap) else 7
        axes.text(j, i, text, ha="center", va="center", color=color, fontsize=size)
    axes.set_xticks(range(values.shape[1]), [plain(x) for x in columns.labels], fontsize=7)
    axes.set_yticks(range(values.shape[0]), [plain(x) for x in rows.labels], fontsize=7)
    axes.set_xlabel(_name(columns), fontsize=8)
    axes.set_ylabel(_name(rows), fontsize=8)
    if known.size:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.9)
        bar.ax.tick_params(labelsize=6)
        bar.set_label("log scale" if scale is LogNorm else "linear scale", fontsize=6)


def _place(grid: Grid, reading: Reading | Gap) -> tuple[int, int]:
    """Row and column of a combination."""
    first, second = reading.level.values
    return grid.axes[0].values.index(first), grid.axes[1].values.index(second)


def _name(axis: Axis) -> str:
    return plain(f"{axis.title} ({axis.unit})" if axis.unit else axis.title)
