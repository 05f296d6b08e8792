"""The figure of one network's fixed points."""

from typing import Any

import numpy as np

from rnnensemble.analysis.fixed_points.points import FixedPoints
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours, plain

KINDS = (
    ("stable", "o", COLORS[0], True),
    ("1 unstable direction", "s", COLORS[1], False),
    ("2 unstable directions", "^", COLORS[2], False),
    ("3 or more unstable directions", "D", COLORS[3], False),
)
"""Name, marker, color and whether filled, by number of unstable directions."""


@ours()
def fixed_points_figure(
    found: FixedPoints, states: np.ndarray, *, title: str, shown: int = 8
) -> Figure:
    """Fixed points and trajectories of one network in the first three principal components.

    Beside them the eigenvalues of one step at each kind of point.

    Args:
        found: Its fixed points.
        states: States on trials, `[B, T, N]`, whose principal components are the axes.
        title: Title.
        shown: Trajectories drawn.
    """
    figure = Figure(figsize=(9.0, 4.4), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=(1.15, 1))
    space: Any = figure.add_subplot(grid[0], projection="3d")
    plane = figure.add_subplot(grid[1])
    samples = states.reshape(-1, states.shape[-1])
    center = samples.mean(axis=0)
    axes = np.linalg.svd(samples - center, full_matrices=False)[2][:3]
    for trajectory in states[:shown]:
        space.plot(*((trajectory - center) @ axes.T).T, color="#999999", lw=0.5, alpha=0.4)
    _draw_points(space, found, (found.points - center) @ axes.T)
    for number, name in enumerate("xyz", start=1):
        getattr(space, f"set_{name}label")(f"PC {number}", labelpad=-8)
        getattr(space, f"set_{name}ticks")([])
    space.view_init(elev=22, azim=-58)
    space.set_box_aspect(None, zoom=1.05)
    space.set_title("states and fixed points", fontsize=9)
    _draw_spectra(plane, found)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.suptitle(plain(title), fontsize=10)
    return figure


def _kind(found: FixedPoints) -> np.ndarray:
    """The row of `KINDS` of each point, `[P]`; -1 for slow points."""
    return np.where(found.fixed, np.minimum(found.unstable, len(KINDS) - 1), -1)


def _draw_points(space: Any, found: FixedPoints, places: np.ndarray) -> None:
    for number, (name, marker, color, filled) in enumerate(KINDS):
        here = places[_kind(found) == number]
        if len(here):
            face = color if filled else "white"
            label = f"{len(here)} {name}" if number < 1 else f"{len(here)} with {name}"
            style = {"marker": marker, "facecolor": face, "edgecolor": color, "label": label}
            space.scatter(*here.T, s=42 if filled else 30, depthshade=False, lw=1.4, **style)


def _draw_spectra(plane: Any, found: FixedPoints) -> None:
    """The leading eigenvalues at all points around the unit circle."""
    angles = np.linspace(0, 2 * np.pi, 200)
    plane.plot(np.cos(angles), np.sin(angles), color="k", lw=0.8)
    for number, (_, marker, color, filled) in enumerate(KINDS):
        values = found.spectra[_kind(found) == number].ravel()
        face = color if filled else "none"
        style = {"marker": marker, "facecolor": face, "edgecolor": color}
        plane.scatter(np.real(values), np.imag(values), s=9, lw=0.6, alpha=0.7, **style)
    plane.set_aspect("equal", adjustable="datalim")
    plane.set_xlabel("real part")
    plane.set_ylabel("imaginary part")
    plane.set_title("eigenvalues of one step; the unit circle", fontsize=9)
