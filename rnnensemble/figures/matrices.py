"""Matrices of pairs in colors."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from rnnensemble.figures.canvas import Given, canvas, counted
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORMAP, NEUTRAL, null_of, without
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.stats.ordination import cluster_order


@ours()
def heatmap_figure(
    matrix: np.ndarray,
    *,
    name: str,
    unit: str,
    networks: Sequence[int],
    null: np.ndarray | None = None,
    axes: Given = None,
) -> Figure:
    """The distance matrix, networks ordered so that close ones stand together.

    Args:
        matrix: Distances, `[M, M]`.
        name: What the distance is called.
        unit: Its unit.
        networks: Numbers of the networks, `[M]`.
        null: Distances of each network to itself, `[M]`; pairs below the mean are marked.
        axes: Axes to draw into; a figure of its own unless given.
    """
    made = canvas(axes, aspect=0.86, extra=0.0)
    (panel,) = made.axes
    order = cluster_order(matrix)
    size = null_of(null)
    draw_matrix(panel, matrix[np.ix_(order, order)], label=f"distance ({unit})", null=size)
    panel.set_title(f"{name}, networks by similarity{without(matrix, networks)}")
    labels = [str(networks[i]) for i in order]
    panel.set_xticks(range(len(order)), labels)
    panel.set_yticks(range(len(order)), labels)
    thin(panel)
    panel.set(xlabel="network", ylabel="network")
    low, high = off_diagonal(matrix)
    caption = [
        f"{name} distances of all pairs of {counted(len(matrix), 'network')}, ordered so that "
        "similar networks stand together (average linkage).",
        f"Colors range from {low:.3g} to {high:.3g}, the least and the largest distance of two "
        "networks; the diagonal and networks without a distance are gray.",
        ""
        if size is None
        else f"Rings: pairs closer than the mean null, {size:.3g}, the distance "
        "of a network to itself on other trials.",
    ]
    return made.told(caption, matrix_rows(matrix, networks))


def matrix_rows(matrix: np.ndarray, names: Sequence[Any]) -> list[dict[str, Any]]:
    """The pairs of a matrix off its diagonal; each once, if it is symmetric."""
    upper = np.array_equal(matrix, matrix.T, equal_nan=True)
    return [
        {"first": names[i], "second": names[j], "value": matrix[i, j]}
        for i in range(len(matrix))
        for j in range(i + 1 if upper else 0, len(matrix))
        if i != j
    ]


def off_diagonal(matrix: np.ndarray) -> tuple[float, float]:
    """The least and the largest number of a matrix off its diagonal."""
    others = matrix[~np.eye(len(matrix), dtype=bool) & np.isfinite(matrix)]
    return (float(others.min()), float(others.max())) if others.size else (0.0, 1.0)


def draw_matrix(axes: Axes, matrix: np.ndarray, *, label: str, null: float | None = None) -> None:
    """Draws a matrix in colors that range over what is off its diagonal, which is gray.

    Rings mark what is below the null.
    """
    low, high = off_diagonal(matrix)
    shown = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    colors = matplotlib.colormaps[COLORMAP].with_extremes(bad=NEUTRAL)
    span: Any = {"vmin": low, "vmax": high if high > low else low + 1e-9 + abs(low) * 1e-6}
    image = axes.imshow(shown, cmap=colors, interpolation="nearest", **span)
    axes.spines[["top", "right"]].set_visible(True)
    bar: Any = axes.get_figure(root=True)
    bar.colorbar(image, ax=axes, label=f"{plain(label)}: {low:.3g} to {high:.3g}")
    if null is not None and (shown < null).any():
        rings = min(14.0, (70.0 / len(matrix)) ** 2)
        form: Any = {"facecolor": "none", "edgecolor": "white", "lw": 0.6}
        axes.scatter(*np.nonzero(shown < null)[::-1], s=rings, **form)
