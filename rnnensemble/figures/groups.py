"""Populations of several kinds in one picture: `groups_figure`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.populations import Groups
from rnnensemble.figures.panels import COLORS, draw_groups
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.stats.separation import separation


@ours()
def groups_figure(found: Mapping[str, Groups], *, title: str = "") -> Figure:
    """Maps of networks by group, and mean distances within and between groups, for each metric.

    Args:
        found: What `compare_groups` found, by the name of its metric.
        title: Title.

    Raises:
        ValueError: If there is nothing to draw, or the groups of metrics differ.
    """
    if not found:
        raise ValueError("`found` must hold at least one comparison; got none.")
    first = next(iter(found.values())).groups
    if any(not np.array_equal(each.groups, first) for each in found.values()):
        raise ValueError("`found` must hold comparisons of the same networks and groups.")
    names = list(dict.fromkeys(first.tolist()))
    colors = {name: COLORS[k % len(COLORS)] for k, name in enumerate(names)}
    figure = Figure(figsize=(3.6 * len(found), 6.2), layout="constrained")
    axes = figure.subplots(2, len(found), squeeze=False, height_ratios=[1.3, 1])
    for (name, each), (above, below) in zip(found.items(), axes.T, strict=True):
        told = ""
        if 2 <= len(names) < len(first):
            share = separation(each.matrix, first.tolist())
            told = f"\n{share.share:.0%} between groups (chance {share.chance:.0%})"
        draw_groups(above, each.matrix, first, colors, plain(name) + told)
        _draw_means(below, each, colors)
        below.set_ylabel(plain(f"distance ({name})"))
    handles = [
        axes[0, 0].plot([], [], "o", color=color, label=plain(name))[0]
        for name, color in colors.items()
    ]
    where = {"loc": "outside lower center", "ncols": len(names), "fontsize": 9}
    figure.legend(handles=handles, frameon=False, **where)
    if title:
        figure.suptitle(plain(title), fontsize=11)
    return figure


def _draw_means(axes: Axes, found: Groups, colors: dict[str, str]) -> None:
    """Mean distances with intervals: within groups in their color, between two in gray."""
    means = sorted(found.means().items(), key=lambda item: item[0][0] != item[0][1])
    for place, ((first, second), mean) in enumerate(means):
        low, high = mean.low, mean.high
        color = colors[first] if first == second else "0.45"
        axes.plot(place, mean.value, "o", color=color, ms=5)
        if np.isfinite(high):
            axes.plot([place, place], [low, high], color=color, lw=1.5)
    labels = [plain(a if a == b else f"{a}, {b}") for (a, b), _ in means]
    axes.set_xticks(range(len(means)), labels, rotation=30, ha="right", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_title("mean distance within and between groups", fontsize=9)
