"""The figure of a benchmark: speed against the number of networks, beside PyTorch and the limit."""

import itertools
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from rnnensemble.figures.canvas import Given, canvas, line
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours
from rnnensemble.study.benchmarking.result import Benchmark
from rnnensemble.study.benchmarking.rows import Row

RIVALS = {":": "one after another", "--": "a process on each core"}
"""Line styles of PyTorch, by the end of a rival's name."""


@ours()
def benchmark_figure(found: Benchmark, *, axes: Given = None) -> Figure:
    """Net-steps a second against K with PyTorch beside it, and shares of the roofline.

    Args:
        found: What was measured.
        axes: Two Axes to draw into; one where no share of the roofline is known; a figure of its
            own unless given.

    Raises:
        ValueError: If no row of training has a speed.
    """
    trained = [row for row in found.rows if row.kind == "training" and row.speed is not None]
    if not trained:
        raise ValueError("`found` must hold a row of training with a speed.")
    known = any(row.of_roofline for row in trained)
    made = canvas(axes, 1 + known, width="double", aspect=0.7 / (2 - known), extra=14.0)
    left, *right = made.axes
    styles = set()
    for color, shape in zip(COLORS, _shapes(trained), strict=False):
        rows = [row for row in trained if (row.width, row.batch) == shape]
        rows.sort(key=lambda row: row.size or 0)
        x = [row.size or 0 for row in rows]
        name = f"N = {shape[0]}, B = {shape[1]}"
        left.plot(x, [row.speed or 0 for row in rows], "o-", color=color, label=name)
        shares = [100 * (row.of_roofline or 0) for row in rows]
        if any(shares):
            right[0].plot(x, shares, "o-", color=color)
        styles |= _draw_rivals(left, found, shape, color)
    _finish(left, right, sorted({row.size or 0 for row in trained}))
    made.legend(_handles(left, sorted(styles)), columns=max(len(_shapes(trained)), len(styles)))
    machine = found.machine
    where = f"{machine['devices']} x {machine['device']}, jax {machine['jax']}"
    made.title(f"{where}, T = {trained[0].steps}")
    return made.told(_told(where, trained, known=known, rivals=bool(styles)), _rows(found))


def _told(where: str, trained: list[Row], *, known: bool, rivals: bool) -> list[str]:
    """Sentences of the caption."""
    return [
        f"Training steps a second, summed over K networks, on {where}, with trials of "
        f"{trained[0].steps} steps; a color for each width N and batch B.",
        "Level lines are PyTorch, one network after another (dotted) or a process on each core "
        "(dashed)." * rivals,
        "The second panel: the share of what matrix products and memory of the machine allow "
        "(dashed: all of it)." * known,
    ]


def _rows(found: Benchmark) -> list[dict[str, Any]]:
    """The drawn numbers."""
    return [
        {"kind": row.kind, "name": row.name, "width": row.width, "batch": row.batch}
        | {"networks": row.size, "net_steps_a_second": row.speed, "of_roofline": row.of_roofline}
        for row in found.rows
        if row.kind in ("training", "rival") and row.speed is not None
    ]


def _handles(axes: Axes, styles: list[str]) -> list[Any]:
    """Shapes in the first row of a legend, forms of PyTorch in the second."""
    shapes, _ = axes.get_legend_handles_labels()
    forms = [line(f"PyTorch, {RIVALS[style]}", ls=style) for style in styles]
    pairs = itertools.zip_longest(shapes, forms)
    return [each for pair in pairs for each in pair if each is not None]


def _shapes(rows: list[Row]) -> list[tuple[int | None, int | None]]:
    """Width and batch of each shape, in order."""
    return list(dict.fromkeys((row.width, row.batch) for row in rows))


def _draw_rivals(axes: Axes, found: Benchmark, shape: tuple, color: str) -> set[str]:
    """Draws a level for each form of PyTorch; returns the line styles."""
    styles = set()
    for row in found.rows:
        if row.kind == "rival" and (row.width, row.batch) == shape and row.speed is not None:
            style = next(key for key, ending in RIVALS.items() if row.name.endswith(ending))
            axes.axhline(row.speed, color=color, lw=1, ls=style, alpha=0.9)
            styles.add(style)
    return styles


def _finish(left: Axes, right: list[Axes], sizes: list[int]) -> None:
    """Scales, ticks and names of both axes."""
    left.set(xscale="log", yscale="log", ylabel="net-steps a second")
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for axes in right:
        axes.set(xscale="log", ylabel="% of the roofline")
        axes.set_ylim(0, max(100.0, 1.05 * axes.get_ylim()[1]))
        axes.axhline(100, color="k", lw=0.7, ls="--")
    for axes in (left, *right):
        axes.set_xlabel("networks K")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        thin(axes)
