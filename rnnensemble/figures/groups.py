"""Populations of several kinds in one picture: `groups_figure`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.populations import Groups
from rnnensemble.figures.canvas import Given, canvas, line
from rnnensemble.figures.maps import draw_groups
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.stats.separation import separation


@ours()
def groups_figure(found: Mapping[str, Groups], *, title: str = "", axes: Given = None) -> Figure:
    """Maps of networks by group, and mean distances within and between groups, for each metric.

    Args:
        found: What `compare_groups` found, by the name of its metric.
        title: Title.
        axes: Axes to draw into, a map for each metric and then means for each; a figure of its own
            unless given.

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
    columns = len(found)
    made = canvas(axes, 2 * columns, columns=columns, aspect=0.9, extra=12.0)
    rows: list[dict[str, Any]] = []
    both = zip(made.axes[:columns], made.axes[columns:], strict=True)
    for (name, each), (above, below) in zip(found.items(), both, strict=True):
        told = _separated(each)
        places = draw_groups(above, each.matrix, first, colors, plain(name) + told)
        rows += [
            {"metric": name, "network": int(network)} | row
            for network, row in zip(each.networks, places, strict=True)
        ]
        rows += [{"metric": name} | row for row in _draw_means(below, each, colors)]
        below.set_ylabel(plain(f"distance ({name})"))
    form: Any = {"marker": "o", "ls": "", "ms": 3.5}
    made.legend([line(plain(name), color=color, **form) for name, color in colors.items()])
    made.title(title)
    caption = [
        f"{len(first)} networks of {len(names)} groups ({', '.join(map(str, names))}), compared by "
        f"{', '.join(found)}: above as maps (classical multidimensional scaling, a dot a network), "
        "below as mean distances within groups, in their colors, and between two, in gray.",
        "Bars are 95% intervals over networks.",
    ]
    return made.told(caption, rows)


def _separated(found: Groups) -> str:
    """A line of a title: how much of the distances is between groups."""
    if not 2 <= len(set(found.groups.tolist())) < len(found.groups):
        return ""
    share = separation(found.matrix, found.groups.tolist())
    return f"\n{share.share:.0%} between groups (chance {share.chance:.0%})"


def _draw_means(axes: Axes, found: Groups, colors: dict[str, str]) -> list[dict[str, Any]]:
    """Mean distances with intervals; returns the numbers."""
    means = sorted(found.means().items(), key=lambda item: item[0][0] != item[0][1])
    rows = []
    for place, ((first, second), mean) in enumerate(means):
        color = colors[first] if first == second else "0.45"
        axes.plot(place, mean.value, "o", color=color, ms=3.5)
        if np.isfinite(mean.high):
            axes.plot([place, place], [mean.low, mean.high], color=color, lw=1.2)
        rows.append({"group": first, "other_group": second} | mean._asdict())
    labels = [plain(a if a == b else f"{a}, {b}") for (a, b), _ in means]
    axes.set_xticks(range(len(means)), labels, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, len(means) - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_title("mean distance within and between groups")
    return rows
