"""Along what a trend over a factor's values is taken, chosen by how the values are spread."""

from collections.abc import Sequence

import numpy as np

DOUBLING, NEXT_LEVEL, UNIT, SPAN = "doubling", "next level", "unit", "lowest to highest"
"""The scales, by what a change is for: along logarithms, the order, the values, their span."""

EVEN = 0.2
"""Gaps that differ from their mean by less than this share of it are even: values are rounded."""

FEWEST_FOLDS, MANY_FOLDS = 4.0, 8.0
"""Highest over lowest value from which on a scale of doublings may fit, and always does."""

MOST_UNITS = 100.0
"""A change per unit is too small to read where values span more units."""


def scale_of(values: Sequence[float]) -> str:
    """Along what a trend is taken: one of the scales, by a factor's values alone.

    - `doubling`: the values are positive and spread over ratios. The highest is 8 times the
      lowest, or 4 times with logarithms that are spaced more evenly than the values.
    - `next level`: 0, and then values spread over ratios, as the strengths of a penalty.
    - `unit`: all others, unless a unit is more than their span, or less than a hundredth of it.
    - `lowest to highest`: these, and two values, between which nothing says how to go: their span
      is what was measured, be it a unit or not.

    Args:
        values: All values of the factor, in any order.

    Example:
        >>> scale_of([32, 64, 128]), scale_of([1, 2, 3, 4]), scale_of([0, 1e-4, 1e-3])
        ('doubling', 'unit', 'next level')
        >>> scale_of([0.001, 0.0015, 0.002]), scale_of([0.001, 0.004]), scale_of([0, 1])
        ('lowest to highest', 'lowest to highest', 'unit')
    """
    ordered = np.sort(np.asarray(values, float))
    span = float(ordered[-1] - ordered[0])
    if len(ordered) > 2 and not _unevenness(ordered) < EVEN:
        if ordered[0] > 0 and _over_ratios(ordered):
            return DOUBLING
        if ordered[0] == 0 and _over_ratios(ordered[1:]):
            return NEXT_LEVEL
    if len(ordered) == 2:
        return UNIT if span == 1 else SPAN
    return UNIT if 1 <= span <= MOST_UNITS else SPAN


def in_words(scale: str) -> str:
    """What a change is for, as it stands after the number."""
    return f"from {scale}" if scale == SPAN else f"per {scale}"


def places(values: Sequence[float], some: Sequence[float]) -> np.ndarray:
    """Where some of a factor's values stand on the scale of all: 1 apart for each change."""
    scale, ordered = scale_of(values), np.sort(np.asarray(values, float))
    if scale == DOUBLING:
        return np.log2(some)
    if scale == NEXT_LEVEL:
        return np.searchsorted(ordered, some).astype(float)
    if scale == SPAN and len(ordered) > 1:
        return (np.asarray(some, float) - ordered[0]) / (ordered[-1] - ordered[0])
    return np.asarray(some, float)


def _over_ratios(ordered: np.ndarray) -> bool:
    """Whether rising positive values are spread over ratios rather than differences."""
    folds = ordered[-1] / ordered[0]
    closer = _unevenness(np.log(ordered)) <= _unevenness(ordered)
    return bool(folds >= MANY_FOLDS or (folds >= FEWEST_FOLDS and closer))


def _unevenness(ordered: np.ndarray) -> float:
    """By how much the gaps of rising values differ from their mean at most, over that mean."""
    gaps = np.diff(ordered)
    return float(np.abs(gaps - gaps.mean()).max() / gaps.mean())
