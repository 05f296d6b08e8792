"""What several figures share: colors, names of axes, how numbers are told."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.stats.comparable import incomparable

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008): distinct for all common kinds of color vision."""

COLORMAP = "cividis"

NEUTRAL = "0.75"
"""Gray of cells without a number: the diagonal of a matrix, what is not measured."""

SHOWN_DECADE = 8.0
"""Highest over lowest value from which on an axis, or colors, are logarithmic."""

BELOW = "Open markers lie below their null."
"""A sentence of captions."""


def channel_gap(values: np.ndarray) -> float:
    """Distance at which channels `[T, C]` stack without touching; 0 for one channel."""
    return 1.25 * float(np.ptp(values)) if values.shape[1] > 1 else 0.0


def counted_name(count: int, name: str) -> str:
    """The label of an axis that shows one channel, or several stacked ones."""
    return name if count == 1 else f"{count} {name}s, stacked"


def mark_stack(axes: Axes, channels: int) -> None:
    if channels > 1:
        axes.set_yticks([])


def null_of(null: Any) -> float | None:
    """The mean null of networks that have one; None where there is none, or none above 0."""
    known = np.asarray([] if null is None else null, float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size and known.mean() > 0 else None


def without(matrix: np.ndarray, networks: Sequence[int]) -> str:
    """A line of a title: the networks that have no distance."""
    missing = ", ".join(str(networks[k]) for k in incomparable(matrix))
    return f"\nwithout network {missing}, which cannot be compared" if missing else ""
