"""What several figures share: colors, maps of distances, names of axes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.figures.style import Figure, ours
from rnnensemble.stats.comparable import incomparable
from rnnensemble.stats.digits import with_interval as with_interval
from rnnensemble.stats.intervals import Estimate
from rnnensemble.stats.ordination import cluster_order, mds

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008): distinct for all common kinds of color vision."""


COLORMAP = "cividis"


def channel_gap(values: np.ndarray) -> float:
    """Distance at which channels `[T, C]` stack without touching; 0 for one channel."""
    return 1.25 * float(np.ptp(values)) if values.shape[1] > 1 else 0.0


def counted_name(count: int, name: str) -> str:
    """The label of an axis that shows one channel, or several stacked ones."""
    return name if count == 1 else f"{count} {name}s, stacked"


def mark_stack(axes: Axes, channels: int) -> None:
    if channels > 1:
        axes.set_yticks([])


@ours()
def mds_figure(
    matrix: np.ndarray, mean: Estimate, *, name: str, unit: str, networks: Sequence[int]
) -> Figure:
    """Classical MDS of a distance matrix, one dot a network."""
    figure = Figure(figsize=(3.4, 3.2), layout="constrained")
    axes = figure.subplots()
    draw_mds(axes, matrix, unit=unit)
    for (x, y), network in zip(mds(matrix), networks, strict=True):
        if np.isfinite([x, y]).all():
            axes.annotate(
                str(network), (x, y), fontsize=6, xytext=(3, 3), textcoords="offset points"
            )
    title = f"{name}: mean {with_interval(mean)}{without(matrix, networks)}"
    axes.set_title(title, fontsize=9)
    return figure


def without(matrix: np.ndarray, networks: Sequence[int]) -> str:
    """A line of a title: the networks that have no distance."""
    missing = ", ".join(str(networks[k]) for k in incomparable(matrix))
    return f"\nwithout network {missing}, which cannot be compared" if missing else ""


def draw_mds(axes: Axes, matrix: np.ndarray, *, unit: str) -> None:
    """Draws the networks in two dimensions at the same scale on both axes."""
    x, y = mds(matrix).T
    axes.scatter(x, y, s=22, color=COLORS[0], edgecolor="white", lw=0.5)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.15)
    axes.set_xlabel(f"MDS 1 ({unit})")
    axes.set_ylabel(f"MDS 2 ({unit})")


def draw_groups(
    axes: Axes, matrix: np.ndarray, groups: np.ndarray, colors: dict[str, str], name: str
) -> None:
    """Draws the networks of several groups in two dimensions, a color a group."""
    places = mds((matrix + matrix.T) / 2)
    for group, color in colors.items():
        x, y = places[groups == group].T
        axes.scatter(x, y, s=26, color=color, edgecolor="white", lw=0.5)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.15)
    axes.set_xlabel("MDS 1")
    axes.set_ylabel("MDS 2")
    axes.set_title(name, fontsize=9)


@ours()
def heatmap_figure(matrix: np.ndarray, *, name: str, unit: str, networks: Sequence[int]) -> Figure:
    """The distance matrix, networks ordered so that close ones stand together."""
    figure = Figure(figsize=(3.8, 3.2), layout="constrained")
    axes = figure.subplots()
    order = cluster_order(matrix)
    image = axes.imshow(matrix[np.ix_(order, order)], cmap=COLORMAP, vmin=0)
    figure.colorbar(image, ax=axes, label=f"distance ({unit})")
    axes.set_title(f"{name}, networks by similarity{without(matrix, networks)}", fontsize=9)
    if len(order) <= 24:
        labels = [str(networks[i]) for i in order]
        axes.set_xticks(range(len(order)), labels, fontsize=6)
        axes.set_yticks(range(len(order)), labels, fontsize=6)
    axes.set_xlabel("network")
    axes.set_ylabel("network")
    return figure
