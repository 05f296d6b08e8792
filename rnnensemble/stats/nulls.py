"""Distances between networks against distances of each network to itself."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnensemble.stats import intervals, reduction
from rnnensemble.stats.comparison import Trend, as_positions, trend_of
from rnnensemble.stats.intervals import Estimate
from rnnensemble.stats.reduction import Summary


class NullComparison(NamedTuple):
    """A mean distance against the distances of each network to itself.

    Attributes:
        ratio: Mean distance over mean null distance, with a 95% interval over networks.
        share_above: Share of pairs that lie further apart than `threshold`.
        threshold: 95th percentile of the null distances.
    """

    ratio: Estimate
    share_above: float
    threshold: float


def against_null(matrix: np.ndarray, null: np.ndarray) -> NullComparison:
    """How a mean distance stands to the null: each network against itself on other trials.

    The interval is exp(log(m / n) +- t s), s the jackknife's standard error over networks of both
    means together (a network's distances and its null go together) and t Student's with K - 1
    degrees of freedom.

    Args:
        matrix: Distances, `[K, K]`.
        null: Distances of each network to itself on other trials, `[K]`.

    Returns:
        Ratio m/n, share of pairs above the null's 95th percentile, and this percentile. With K = 2
        the interval is (0, inf).

    Raises:
        ValueError: If shapes do not match, or the mean distance or the mean null is not above 0.
    """
    matrix, null = intervals.as_distances(matrix), intervals.as_values(null, "null")
    k, parts = len(matrix), intervals.distance_parts(matrix)
    if len(null) != k:
        raise ValueError(f"`null` must hold a distance for each of {k} networks; got {len(null)}.")
    if not (parts.mean > 0 and null.mean() > 0):
        raise ValueError(
            f"`matrix` and `null` must have means above 0; got {parts.mean:g} and {null.mean():g}."
        )
    ratio = float(parts.mean / null.mean())
    threshold = float(np.quantile(null, 0.95))
    pairs = matrix[~np.eye(k, dtype=bool)]
    share = float((pairs > threshold).mean())
    if k == 2:
        return NullComparison(intervals.no_interval(ratio), share, threshold)
    numbers = _relative(matrix, null)
    error = numbers.std(ddof=1) / np.sqrt(k)
    estimate = intervals.log_interval(ratio, ratio, error, k - 1)
    return NullComparison(estimate, share, threshold)


def trend_against_null(
    levels: Sequence[float],
    matrices: Sequence[np.ndarray],
    nulls: Sequence[np.ndarray],
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> Trend:
    """Whether mean distance over mean null rises or falls along an ordered factor.

    As `trend`, with log(m / n) for log m: where the null changes along the factor as the distance
    does, trials explain the trend.

    Args:
        levels: The factor's value at each level, at least 2 different ones.
        matrices: Distances `[K_l, K_l]` of each level.
        nulls: Distances of each network to itself on other trials, `[K_l]`.
        permutations: Random permutations at most; all are enumerated if there are no more.
        seed: Seed of the permutations.

    Returns:
        Change for each unit of the levels, rank correlation, p-value and direction.

    Raises:
        ValueError: As `trend` and `against_null`.
    """
    positions = as_positions(levels, len(matrices))
    summaries = []
    for index, (matrix, null) in enumerate(zip(matrices, nulls, strict=True)):
        summary = reduction.summarize(matrix, "mean_distance", f"matrices[{index}]")
        ratio = against_null(matrix, null).ratio.value
        relative = _relative(np.asarray(matrix, float), np.asarray(null, float))
        error = float(relative.std(ddof=1) / np.sqrt(len(relative)))
        numbers = np.log(ratio) + relative - relative.mean()
        summaries.append(Summary(ratio, ratio, error, numbers, summary.own / np.mean(null)))
    return trend_of(summaries, positions, permutations, seed)


def _relative(matrix: np.ndarray, null: np.ndarray) -> np.ndarray:
    """What each network adds to log(m / n), up to a constant, `[K]`."""
    parts = intervals.distance_parts(matrix)
    return reduction.pseudo_values(parts) - null / null.mean()
