"""The figure of one network's fixed points."""

from typing import Any

import numpy as np

from rnnensemble.analysis.fixed_points.points import FixedPoints
from rnnensemble.figures.canvas import Given, canvas
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours

KINDS = (
    ("stable", "o", COLORS[0], True),
    ("1 unstable direction", "s", COLORS[1], False),
    ("2 unstable directions", "^", COLORS[2], False),
    ("3 or more unstable directions", "D", COLORS[3], False),
)
"""Name, marker, color and whether filled, by number of unstable directions."""


@ours()
def fixed_points_figure(
    found: FixedPoints, states: np.ndarray, *, title: str, shown: int = 8, axes: Given = None
) -> Figure:
    """Fixed points and trajectories of one network in the first three principal components.

    Beside them the eigenvalues of one step at each kind of point.

    Args:
        found: Its fixed points.
        states: States on trials, `[B, T, N]`, whose principal components are the axes.
        title: Title.
        shown: Trajectories drawn.
        axes: Two Axes to draw into, the first of projection "3d"; a figure of its own unless given.
    """
    sizes: Any = {"ratios": (1.15, 1), "kinds": ("3d", None), "aspect": 0.78, "extra": 10.0}
    made = canvas(axes, 2, width="double", **sizes)
    space: Any = made.axes[0]
    samples = states.reshape(-1, states.shape[-1])
    center = samples.mean(axis=0)
    components = np.linalg.svd(samples - center, full_matrices=False)[2][:3]
    for trajectory in states[:shown]:
        path = (trajectory - center) @ components.T
        space.plot(*path.T, color="#999999", lw=0.4, alpha=0.4)
    places = (found.points - center) @ components.T
    _draw_points(space, found, places)
    for number, name in enumerate("xyz", start=1):
        getattr(space, f"set_{name}label")(f"PC {number}", labelpad=-12)
        getattr(space, f"set_{name}ticks")([])
    space.view_init(elev=22, azim=-58)
    space.set_box_aspect(None, zoom=1.2)
    space.set_title("states and fixed points")
    _draw_spectra(made.axes[1], found)
    made.legend(columns=4)
    made.title(title)
    counts = [_told(int((_kind(found) == k).sum()), k) for k in range(len(KINDS))]
    caption = [
        f"{title}: left, trajectories on {min(shown, len(states))} trials (gray) and fixed points "
        f"in the first three principal components of states ({', '.join(counts)}).",
        "Right, the leading eigenvalues of one step at each point beside the unit circle: outside "
        "of it a direction is unstable.",
    ]
    return made.told(caption, _rows(found, places))


def _rows(found: FixedPoints, places: np.ndarray) -> list[dict[str, Any]]:
    """The drawn points with their eigenvalues."""
    return [
        {"kind": "slow" if kind < 0 else KINDS[kind][0]}
        | {f"PC_{k + 1}": value for k, value in enumerate(place)}
        | {f"eigenvalue_{k + 1}": str(complex(value)) for k, value in enumerate(spectrum)}
        for kind, place, spectrum in zip(_kind(found), places, found.spectra, strict=True)
    ]


def _kind(found: FixedPoints) -> np.ndarray:
    """The row of `KINDS` of each point, `[P]`; -1 for slow points."""
    return np.where(found.fixed, np.minimum(found.unstable, len(KINDS) - 1), -1)


def _told(count: int, kind: int) -> str:
    """As "4 stable" and "2 with 1 unstable direction"."""
    name = KINDS[kind][0]
    return f"{count} with {name}" if kind else f"{count} {name}"


def _draw_points(space: Any, found: FixedPoints, places: np.ndarray) -> None:
    for number, (_, marker, color, filled) in enumerate(KINDS):
        here = places[_kind(found) == number]
        if len(here):
            face = color if filled else "white"
            label = _told(len(here), number)
            style = {"marker": marker, "facecolor": face, "edgecolor": color, "label": label}
            space.scatter(*here.T, s=22 if filled else 14, depthshade=False, lw=1.0, **style)


def _draw_spectra(plane: Any, found: FixedPoints) -> None:
    """The leading eigenvalues at all points around the unit circle."""
    angles = np.linspace(0, 2 * np.pi, 200)
    plane.plot(np.cos(angles), np.sin(angles), color="k", lw=0.8)
    for number, (_, marker, color, filled) in enumerate(KINDS):
        values = found.spectra[_kind(found) == number].ravel()
        face = color if filled else "none"
        style: Any = {"marker": marker, "facecolor": face, "edgecolor": color}
        plane.scatter(np.real(values), np.imag(values), s=6, lw=0.5, alpha=0.7, **style)
    plane.set_aspect("equal", adjustable="datalim")
    plane.set_xlabel("real part")
    plane.set_ylabel("imaginary part")
    plane.set_title("eigenvalues of one step; the unit circle")
