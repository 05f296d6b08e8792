"""Labels that keep apart: where they go is decided as they are drawn, once sizes are known."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from rnnensemble.figures.style import small_size

SIDES = tuple((x, y) for y in (1, -1, 0) for x in (1, -1, 0) if (x, y) != (0, 0))
"""Where a label may stand beside its point, in the order in which they are tried."""

GAP = 2.6
"""Points between the middle of a dot and its label."""


def label_points(axes: Axes, places: np.ndarray, names: Sequence[str]) -> None:
    """Labels points `[M, 2]`, each on the first side that is free; where none is, without a label.

    Texts that the axes hold already keep their room.
    """
    known = np.asarray(np.isfinite(places).all(axis=1))
    others = list(axes.texts)
    labels = [
        axes.annotate(name, place, (0, 0), textcoords="offset points", fontsize=small_size())
        for place, name, there in zip(places, names, known.tolist(), strict=True)
        if there
    ]
    for label in labels:
        label.set_in_layout(False)
    axes.add_artist(_Beside(labels, places[known], others))


class _Beside(Artist):
    """Puts labels beside their points just before they are drawn."""

    def __init__(self, labels: list[Annotation], places: np.ndarray, others: list[Any]) -> None:
        super().__init__()
        self.labels, self.places, self.others = labels, places, others
        self.set_zorder(2.9)  # labels have 3
        self.set_in_layout(False)

    def draw(self, renderer: Any) -> None:
        """Draws nothing: moves the labels, or hides them."""
        axes: Any = self.axes
        point = axes.figure.get_dpi() / 72
        dots = axes.transData.transform(self.places)
        reach = GAP * point
        taken = [*np.hstack([dots - 0.75 * reach, dots + 0.75 * reach])]  # left, bottom, right, top
        taken += [_corners(text.get_window_extent(renderer)) for text in self.others]
        for number, (label, dot) in enumerate(zip(self.labels, dots, strict=True)):
            size = _size(label, renderer)
            others = np.array(taken[:number] + taken[number + 1 :]).reshape(-1, 4)
            found = _free_side(dot, size, reach, others, axes.bbox)
            label.set_visible(found is not None)
            if found is not None:
                label.set_position(tuple((found[:2] - dot) / point))
                taken.append(found + point * np.array([-1.5, 0, 1.5, 0]))  # numbers side by side


def _size(label: Annotation, renderer: Any) -> np.ndarray:
    """Width and height of a label, whether or not it is shown now."""
    label.set_visible(True)
    label.set_position((0, 0))
    extent = label.get_window_extent(renderer)
    return np.array([extent.width, extent.height])


def _corners(box: Bbox) -> np.ndarray:
    return np.array([box.x0, box.y0, box.x1, box.y1])


def _free_side(
    dot: np.ndarray, size: np.ndarray, reach: float, taken: np.ndarray, frame: Bbox
) -> np.ndarray | None:
    """The first box of a size beside a dot that meets no other and stays inside the frame."""
    for side in SIDES:
        middle = dot + np.array(side) * (size / 2 + reach * (0.8 if all(side) else 1.0))
        low, high = middle - size / 2, middle + size / 2
        inside = (low >= frame.min).all() and (high <= frame.max).all()
        met = (low < taken[:, 2:]).all(axis=1) & (high > taken[:, :2]).all(axis=1)
        if inside and not met.any():
            return np.append(low, high)
    return None


def thin(axes: Axes, which: str = "xy") -> None:
    """Leaves out labels of ticks that would overlap: every second, or third; not turned ones."""
    axes.add_artist(_Thinned({"xy".index(name): getattr(axes, f"{name}axis") for name in which}))


class _Thinned(Artist):
    """Hides labels of ticks that would overlap just before they are drawn."""

    def __init__(self, both: dict[int, Axis]) -> None:
        super().__init__()
        self.both = both
        self.set_zorder(-1)  # before the axes
        self.set_in_layout(False)

    def draw(self, renderer: Any) -> None:
        """Draws nothing."""
        for side, axis in self.both.items():
            labels = _inside(axis.get_majorticklabels(), axis.get_majorticklocs(), axis)
            boxes = _boxes(labels, renderer)
            step = 1
            while step < len(boxes) and _any_meet(boxes[::step]):
                step += 1
            for number, label in enumerate(labels):
                label.set_visible(number % step == 0)
            _thin_lesser(axis, side, boxes[::step], renderer)


def _thin_lesser(axis: Axis, side: int, greater: list[np.ndarray], renderer: Any) -> None:
    """Of a logarithmic axis, between powers of 10: all labels, or those of 2 and 5, or none."""
    labels = _inside(axis.get_minorticklabels(), axis.get_minorticklocs(), axis)
    boxes = _boxes(labels, renderer)
    kept = [
        range(len(labels)),
        [k for k, label in enumerate(labels) if re.search(r"{[25]\\times", label.get_text())],
        [],
    ]
    fitting = (
        each
        for each in kept
        if not _any_meet(
            sorted([*greater, *(boxes[k] for k in each)], key=lambda box: float(box[side]))
        )
    )
    chosen = next(fitting, [])
    for k, label in enumerate(labels):
        label.set_visible(k in chosen)


def _inside(labels: Sequence[Text], places: np.ndarray, axis: Axis) -> list[Text]:
    """The labels with words whose ticks are in view."""
    low, high = sorted(axis.get_view_interval())
    pairs = zip(labels, places, strict=False)
    return [each for each, place in pairs if each.get_text() and low <= place <= high]


def _boxes(labels: Sequence[Text], renderer: Any) -> list[np.ndarray]:
    """Of labels, shown or not, with room between numbers side by side."""
    for label in labels:
        label.set_visible(True)
    room = renderer.points_to_pixels(1.0) * np.array([-1, 0, 1, 0])
    return [_corners(label.get_window_extent(renderer)) + room for label in labels]


def _any_meet(boxes: list[np.ndarray]) -> bool:
    """Whether neighbors overlap."""
    pairs = itertools.pairwise(boxes)
    return any((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all() for a, b in pairs)
