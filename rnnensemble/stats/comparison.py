"""Comparisons of conditions and trends: networks are permuted, never pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnensemble._core.conversion import floats
from rnnensemble.stats import intervals, reduction
from rnnensemble.stats.intervals import Estimate
from rnnensemble.stats.reduction import Statistic

SIGNIFICANT = 0.05
"""p-value above which a direction is "none"."""


class Comparison(NamedTuple):
    """Two conditions compared.

    Attributes:
        ratio: Statistic of the second condition over that of the first, with a 95% interval.
        standardized_difference: Hedges' g of the networks' own numbers, second minus first: mean
            distances to the others of the condition, or absolute deviations from the median.
        p_value: Two-sided, by permutation of networks.
        direction: "up" or "down" if p is at most 0.05, else "none".
    """

    ratio: Estimate
    standardized_difference: float
    p_value: float
    direction: str


class Trend(NamedTuple):
    """Conditions along an ordered factor.

    Attributes:
        change: Factor by which the statistic changes for each unit of the levels, with a 95%
            interval: exp of the least squares slope of its logarithm.
        rank_correlation: Kendall's tau-b of the level and the networks' own numbers, as in
            `Comparison`.
        p_value: Two-sided, by permutation of networks over levels.
        direction: "up" or "down" if p is at most 0.05, else "none".
    """

    change: Estimate
    rank_correlation: float
    p_value: float
    direction: str


def compare_conditions(
    first: np.ndarray,
    second: np.ndarray,
    *,
    statistic: Statistic = "mean_distance",
    permutations: int = 9999,
    seed: int = 0,
) -> Comparison:
    """Compares two conditions that need not share a task: no distance across them is used.

    Every network is reduced to one number whose mean over networks is the statistic, and networks
    are permuted between conditions with Welch's t of these numbers as the test statistic:

    - `mean_distance`: the jackknife's pseudo-values of log m, with 2 (K - 1)/(K - 2) (r_i - m)/m
      around log m, where r_i is the mean distance of network i to the others. Their variance over
      K is the jackknife's, so that the dependence of pairs is accounted for.
    - `spread`: sqrt(K/(K - 1)) |L_i - median L|, as Brown and Forsythe's test. Deviations from the
      median keep the level for skewed losses, where those from the mean reject too often, and
      remove the conditions' mean losses, which are not the question.
    - `mean`: x_i itself, a positive number of each single network.

    Studentizing keeps the level where the conditions differ in more than the statistic, as
    permutations of the mere difference do not. All rearrangements are enumerated if there are no
    more than `permutations`. docs/statistics.md tabulates the measured level and power.

    Args:
        first: Distances `[K, K]` for `mean_distance`, values `[K]` for `spread` and `mean`.
        second: The same for the other condition, with any number of networks L.
        statistic: What to compare.
        permutations: Random permutations at most.
        seed: Seed of the permutations.

    Returns:
        Ratio second/first with an interval (exp of the difference of logarithms, Welch's degrees
        of freedom), effect size, p-value and direction.

    Raises:
        ValueError: If a shape does not fit, a condition has too few networks (3, or 4 for
            `spread`), numbers that are not finite, or a statistic of 0.

    Source: Chung & Romano (2013), Annals of Statistics 41; Brown & Forsythe (1974), Journal of the
        American Statistical Association 69; Hedges (1981).
    """
    summaries = [
        reduction.summarize(first, statistic, "first"),
        reduction.summarize(second, statistic, "second"),
    ]
    ratio = reduction.contrast(summaries, np.array([-1.0, 1.0]))
    numbers = [[each.numbers for each in summaries]]
    p_value = reduction.permutation_p(numbers, np.array([-1.0, 1.0]), permutations, seed)
    return Comparison(ratio, reduction.hedges(*summaries), p_value, direction_of(ratio, p_value))


def compare_jointly(
    matrix: np.ndarray, labels: np.ndarray, *, permutations: int = 9999, seed: int = 0
) -> Comparison:
    """Compares the mean distances within two conditions by permuting labels in a joint matrix.

    The test statistic is the mean distance within the second condition minus that within the
    first. Under the null hypothesis the networks of both are draws of one law. If the conditions
    instead lie apart at equal mean distances within, permuted groups mix them and the test rejects
    too rarely; `compare_conditions` on the two blocks does not depend on what lies between.

    Args:
        matrix: Distances of all networks, `[K + L, K + L]`.
        labels: Condition of each network, `[K + L]`: two different values, the lower one (by
            sorting) being the first condition.
        permutations: Random permutations at most; all are enumerated if there are no more.
        seed: Seed of the permutations.

    Returns:
        As `compare_conditions`; the ratio and its interval use the two blocks alone.

    Raises:
        ValueError: As `compare_conditions`, or if there are not two labels, one for each network.

    Source: Fisher's randomization; compare Anderson (2006), Biometrics 62, for dispersions.
    """
    matrix, labels = intervals.as_distances(matrix), np.asarray(labels)
    names = np.unique(labels)
    if labels.shape != (len(matrix),) or len(names) != 2:
        raise ValueError(
            f"`labels` must hold two different values, one for each of {len(matrix)} networks; got "
            f"shape {list(labels.shape)} with {len(names)} different values."
        )
    groups = [np.flatnonzero(labels == name) for name in names]
    summaries = [
        reduction.summarize(matrix[np.ix_(g, g)], "mean_distance", "matrix") for g in groups
    ]
    ratio = reduction.contrast(summaries, np.array([-1.0, 1.0]))
    orders = reduction.orders([[len(g) for g in groups]], permutations, seed)
    symmetric = np.where(np.eye(len(matrix), dtype=bool), 0.0, (matrix + matrix.T) / 2)
    members = np.concatenate(groups)[orders]
    means = []
    for part in np.split(members, [len(groups[0])], axis=1):
        inside = np.zeros(members.shape)
        np.put_along_axis(inside, part, 1.0, axis=1)
        count = part.shape[1]
        means.append(((inside @ symmetric) * inside).sum(axis=1) / (count * (count - 1)))
    p_value = reduction.two_sided(means[1] - means[0])
    return Comparison(ratio, reduction.hedges(*summaries), p_value, direction_of(ratio, p_value))


def trend(
    levels: Sequence[float],
    conditions: Sequence[np.ndarray],
    *,
    statistic: Statistic = "mean_distance",
    permutations: int = 9999,
    seed: int = 0,
) -> Trend:
    """Whether a statistic rises or falls along an ordered factor; each level has its own networks.

    The slope of the logarithm over levels is sum_l w_l log m_l with least squares weights
    w_l = (x_l - mean x) / sum_l (x_l - mean x)^2. It is studentized by the networks' variation
    within levels, sum_l w_l^2 s_l^2, never by how straight the line is. The p-value permutes
    networks over levels, by the numbers of `compare_conditions`.

    Args:
        levels: The factor's value at each level, at least 2 different ones; 0, 1, 2, ... if only
            their order counts.
        conditions: Distances `[K_l, K_l]` or values `[K_l]` of each level.
        statistic: What to compare.
        permutations: Random permutations at most; all are enumerated if there are no more.
        seed: Seed of the permutations.

    Returns:
        Change for each unit of the levels, rank correlation, p-value and direction.

    Raises:
        ValueError: As `compare_conditions`, or if levels and conditions do not match.
    """
    positions = as_positions(levels, len(conditions))
    named = enumerate(conditions)
    summaries = [reduction.summarize(data, statistic, f"conditions[{i}]") for i, data in named]
    return trend_of(summaries, positions, permutations, seed)


def as_positions(levels: Sequence[float], count: int) -> np.ndarray:
    """Levels as an array; ValueError unless there is one for each condition, not all equal."""
    positions = floats(levels, "levels")
    if positions.shape != (count,) or not np.ptp(positions) > 0:
        raise ValueError(
            f"`levels` must hold one number for each of {count} conditions, at least two of them "
            f"different; got {list(levels)}."
        )
    return positions


def trend_of(
    summaries: Sequence[reduction.Summary], positions: np.ndarray, permutations: int, seed: int
) -> Trend:
    """The trend of conditions that are already reduced."""
    centered = positions - positions.mean()
    weights = centered / (centered**2).sum()
    change = reduction.contrast(summaries, weights)
    numbers = [[each.numbers for each in summaries]]
    p_value = reduction.permutation_p(numbers, weights, permutations, seed)
    repeated = np.repeat(positions, [len(s.own) for s in summaries])
    correlation = reduction.kendall(repeated, np.concatenate([s.own for s in summaries]))
    return Trend(change, correlation, p_value, direction_of(change, p_value))


def direction_of(ratio: Estimate, p_value: float) -> str:
    """ "up" or "down" if p is at most 0.05 and the ratio is not 1, else "none"."""
    if p_value > SIGNIFICANT or ratio.value == 1:
        return "none"
    return "up" if ratio.value > 1 else "down"
