"""Maps of networks: each a dot, close dots for small distances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.figures.canvas import Given, canvas, counted
from rnnensemble.figures.labels import label_points
from rnnensemble.figures.panels import COLORS, null_of, without
from rnnensemble.figures.style import Figure, ours, small_size
from rnnensemble.stats.comparable import comparable
from rnnensemble.stats.digits import with_interval
from rnnensemble.stats.intervals import Estimate
from rnnensemble.stats.ordination import mds

MOST_LABELED = 200
"""Networks of which dots have numbers; of more there would be no room."""


@ours()
def mds_figure(
    matrix: np.ndarray,
    mean: Estimate,
    *,
    name: str,
    unit: str,
    networks: Sequence[int],
    null: np.ndarray | None = None,
    axes: Given = None,
) -> Figure:
    """Classical MDS of a distance matrix, one dot a network.

    Args:
        matrix: Distances, `[M, M]`.
        mean: Their mean, with an interval.
        name: What the distance is called.
        unit: Its unit.
        networks: Numbers of the networks, `[M]`.
        null: Distances of each network to itself, `[M]`, whose mean is drawn as a bar.
        axes: Axes to draw into; a figure of its own unless given.
    """
    made = canvas(axes, aspect=0.95)
    (panel,) = made.axes
    rows = draw_mds(panel, matrix, unit=unit, networks=networks, null=null)
    panel.set_title(f"{name}: mean {with_interval(mean)}{without(matrix, networks)}")
    caption = [
        f"{counted(len(comparable(matrix)), 'network')} by {name} distance, in two dimensions "
        f"(classical multidimensional scaling); the mean over pairs is {with_interval(mean)}, with "
        "a 95% interval over networks.",
        "Each dot is a network; close dots are similar networks.",
        told_null(null),
    ]
    return made.told(caption, rows)


def told_null(null: np.ndarray | None) -> str:
    """Sentences on the bar of a map and its open markers."""
    size = null_of(null)
    if size is None:
        return ""
    return (
        f"The bar is as long as the mean null, {size:.3g}: the distance of a network to itself on "
        "other trials. Open markers: networks whose mean distance to others is below their null."
    )


def draw_mds(
    axes: Axes,
    matrix: np.ndarray,
    *,
    unit: str,
    networks: Sequence[int],
    null: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Draws the networks in two dimensions at the same scale on both axes; returns the numbers."""
    places, size = mds(matrix), null_of(null)
    apart = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    there = np.isfinite(places).all(axis=1)
    means = np.full(len(matrix), np.nan)
    means[there] = np.nanmean(apart[there], axis=1) if there.sum() > 1 else np.nan
    below = np.zeros(len(matrix), bool) if size is None else means < np.asarray(null)
    scatter(axes, places, below, COLORS[0])
    reach = frame(axes, places[there], size)
    if size is not None:
        draw_bar(axes, size, reach)
    if len(networks) <= MOST_LABELED:
        label_points(axes, places, [str(each) for each in networks])
    axes.set(xlabel=f"MDS 1 ({unit})", ylabel=f"MDS 2 ({unit})")
    columns = {"x": places[:, 0], "y": places[:, 1], "mean_distance": means}
    columns |= {} if null is None else {"null": np.broadcast_to(null, means.shape)}
    return [
        {"network": network} | {name: values[k] for name, values in columns.items()}
        for k, network in enumerate(networks)
    ]


def scatter(axes: Axes, places: np.ndarray, below: np.ndarray, color: str) -> None:
    """Dots at places `[M, 2]`, open ones where a value lies below its null."""
    size = 14 if len(places) <= 60 else 6
    for chosen, face in ((~below, color), (below, "none")):
        if chosen.any():
            edge = "white" if face == color else color
            line_width = 0.4 if face == color else 0.8
            form: Any = {"facecolor": face, "edgecolor": edge, "lw": line_width}
            axes.scatter(*places[chosen].T, s=size, **form)


def frame(axes: Axes, places: np.ndarray, null: float | None = None) -> float:
    """A square around places, with room below for a bar of the null; returns half its width."""
    reach = 1.18 * float(np.abs(places).max(initial=0.0)) or 1.0
    reach = reach if null is None else max(reach, 0.5 * null)
    room = 0.0 if null is None else 0.3 * reach
    axes.set(xlim=(-reach - room / 2, reach + room / 2), ylim=(-reach - room, reach))
    axes.set_aspect("equal", adjustable="box")
    return reach


def draw_bar(axes: Axes, null: float, reach: float) -> None:
    """A bar of the length of the null in the lower left corner, with its length above."""
    left, y = -1.08 * reach, -1.22 * reach
    axes.plot([left, left + null], [y, y], color="k", lw=1.2, solid_capstyle="butt")
    words = f"null {null:.2g}"
    axes.text(left, y + 0.04 * reach, words, ha="left", va="bottom", fontsize=small_size())


def draw_groups(
    axes: Axes, matrix: np.ndarray, groups: np.ndarray, colors: dict[str, str], name: str
) -> list[dict[str, Any]]:
    """Draws the networks of several groups in two dimensions, a color a group."""
    places = mds((matrix + matrix.T) / 2)
    for group, color in colors.items():
        here = places[groups == group]
        scatter(axes, here, np.zeros(len(here), bool), color)
    frame(axes, places[np.isfinite(places).all(axis=1)])
    axes.set(xlabel="MDS 1", ylabel="MDS 2", title=name)
    return [{"group": group, "x": x, "y": y} for group, (x, y) in zip(groups, places, strict=True)]
