"""The figure of a benchmark: speed against the number of networks, beside PyTorch and the limit."""

import itertools

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours
from rnnensemble.study.benchmarking.result import Benchmark
from rnnensemble.study.benchmarking.rows import Row

RIVALS = {":": "one after another", "--": "a process on each core"}
"""Line styles of PyTorch, by the end of a rival's name."""


@ours()
def benchmark_figure(found: Benchmark) -> Figure:
    """Net-steps a second against K with PyTorch beside it, and shares of the roofline.

    Raises:
        ValueError: If no row of training has a speed.
    """
    trained = [row for row in found.rows if row.kind == "training" and row.speed is not None]
    if not trained:
        raise ValueError("`found` must hold a row of training with a speed.")
    figure = Figure(figsize=(8.0, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, width_ratios=(1, 1))
    styles = set()
    for color, shape in zip(COLORS, _shapes(trained), strict=False):
        rows = [row for row in trained if (row.width, row.batch) == shape]
        rows.sort(key=lambda row: row.size or 0)
        x = [row.size or 0 for row in rows]
        name = f"N = {shape[0]}, B = {shape[1]}"
        left.plot(x, [row.speed or 0 for row in rows], "o-", ms=4, lw=1.4, color=color, label=name)
        shares = [100 * (row.of_roofline or 0) for row in rows]
        if any(shares):
            right.plot(x, shares, "o-", ms=4, lw=1.4, color=color)
        styles |= _draw_rivals(left, found, shape, color)
    _finish(left, right, sorted({row.size or 0 for row in trained}))
    _draw_legend(figure, left, sorted(styles))
    machine = found.machine
    figure.suptitle(
        f"{machine['devices']} x {machine['device']}, jax {machine['jax']}, T = {trained[0].steps}",
        fontsize=10,
    )
    return figure


def _draw_legend(figure: Figure, axes: Axes, styles: list[str]) -> None:
    """Shapes in the first row, forms of PyTorch in the second."""
    shapes, names = axes.get_legend_handles_labels()
    forms = [Line2D([], [], color="0.4", lw=1, ls=style) for style in styles]
    told = [f"PyTorch, {RIVALS[style]}" for style in styles]
    rows = list(zip(shapes, names, strict=True)), list(zip(forms, told, strict=True))
    paired = [each for pair in itertools.zip_longest(*rows) for each in pair if each is not None]
    lines, texts = zip(*paired, strict=True)
    columns = max(map(len, rows))
    figure.legend(
        lines, texts, loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )


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


def _finish(left: Axes, right: Axes, sizes: list[int]) -> None:
    """Scales, ticks and names of both axes."""
    left.set(xscale="log", yscale="log", ylabel="net-steps a second")
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    right.set(ylabel="% of the roofline")
    right.set_ylim(0, max(100.0, 1.05 * right.get_ylim()[1]))
    right.axhline(100, color="k", lw=0.8, ls="--")
    for axes in (left, right):
        axes.set_xlabel("networks K")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
