"""Conditions reduced to one number for each network, and permutations of these."""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from rnnensemble._core.config import require_at_least
from rnnensemble.stats import intervals
from rnnensemble.stats.intervals import DistanceParts, Estimate

Statistic: TypeAlias = Literal["mean_distance", "spread", "mean"]
"""What is compared: the mean of distances `[K, K]`, sigma or mean of values `[K]`."""

LEAST = {"mean_distance": 3, "spread": 4, "mean": 3}
"""Networks below which a condition shows no variation between networks."""


class Summary(NamedTuple):
    """One condition.

    Attributes:
        value: The statistic.
        center: The same as intervals center on it, see `intervals.spread`.
        error: Standard error of its logarithm over networks.
        numbers: What permutations average, `[K]`.
        own: What effect sizes describe, `[K]`.
    """

    value: float
    center: float
    error: float
    numbers: np.ndarray
    own: np.ndarray


def summarize(data: np.ndarray, statistic: Statistic, name: str) -> Summary:
    """A condition reduced; raises ValueError, naming the argument, for data that do not fit."""
    if statistic not in LEAST:
        known = ", ".join(map(repr, LEAST))
        raise ValueError(f"`statistic` must be one of {known}; got {statistic!r}.")
    distances = statistic == "mean_distance"
    data = (intervals.as_distances if distances else intervals.as_values)(data, name)
    k = len(data)
    if k < LEAST[statistic]:
        raise ValueError(
            f"`{name}` must have at least {LEAST[statistic]} networks to show how they vary in "
            f"their {statistic}; got {k}."
        )
    used = data[~np.eye(k, dtype=bool)] if distances else data
    reduce = {"mean_distance": _of_distances, "spread": _of_values, "mean": _of_mean}[statistic]
    summary = reduce(data)
    if not (np.isfinite(used).all() and summary.value > 0):
        raise ValueError(
            f"`{name}` must hold finite numbers with a {statistic} above 0, since ratios are "
            f"compared; got {np.isfinite(used).sum()} finite of {used.size}, {statistic} "
            f"{summary.value:g}."
        )
    return summary


def _of_distances(matrix: np.ndarray) -> Summary:
    parts, k = intervals.distance_parts(matrix), len(matrix)
    mean = intervals.nonzero(parts.mean)
    rows = parts.mean + parts.effects * (k - 2) / (k - 1)
    numbers = np.log(np.abs(mean)) + pseudo_values(parts)
    return Summary(float(parts.mean), float(mean), float(parts.error / mean), numbers, rows)


def _of_values(values: np.ndarray) -> Summary:
    # in a ratio the error that a missing tail makes on one side partly cancels: skewness counts 1
    center, error = intervals.spread_parts(values, skewness=1.0)
    deviations = np.abs(values - np.median(values))
    numbers = np.sqrt(len(values) / (len(values) - 1)) * deviations
    return Summary(float(values.std()), float(center), float(error), numbers, deviations)


def _of_mean(values: np.ndarray) -> Summary:
    mean = float(values.mean())
    scale = float(intervals.nonzero(mean))
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) / scale
    # the values as they are: divided by their own mean, those of two draws of a skewed law would
    # not be exchangeable (5% outliers of 10 times the log-sd: rejections of 38% instead of 5%)
    return Summary(mean, mean, error, values, values)


def pseudo_values(parts: DistanceParts) -> np.ndarray:
    """The jackknife's pseudo-values of the log mean distance, less the latter (linear), `[K]`."""
    return 2 * parts.effects / intervals.nonzero(parts.mean)


def contrast(summaries: Sequence[Summary], weights: np.ndarray) -> Estimate:
    """exp of a weighted sum of log statistics, with an interval over networks."""
    values, centers, errors = (
        np.array([getattr(s, name) for s in summaries]) for name in ("value", "center", "error")
    )
    variances = list((weights * errors) ** 2)
    degrees = intervals.welch_degrees(variances, tuple(len(s.own) for s in summaries))
    value, center = (np.exp((weights * np.log(x)).sum()) for x in (values, centers))
    return intervals.log_interval(value, center, np.sqrt(np.sum(variances)), degrees)


def permutation_p(
    blocks: Sequence[Sequence[np.ndarray]], weights: np.ndarray, permutations: int, seed: int
) -> float:
    """p-value of the studentized contrast of mean numbers when networks change conditions.

    By hand: scipy.stats.permutation_test finds the same where all rearrangements are enumerated,
    but draws other random ones, which would move every p-value, and takes up to twice as long.
    Blocks hold the numbers `[K]` of each condition; the weights are one block's conditions after
    the other's.
    """
    groups = [numbers for block in blocks for numbers in block]
    sizes = tuple(tuple(len(numbers) for numbers in block) for block in blocks)
    chosen = _columns_of_orders(sizes, permutations, seed)
    pooled = np.concatenate(groups)[chosen]  # networks first: sums run over long rows
    groups = np.split(pooled, np.cumsum([len(numbers) for numbers in groups])[:-1])
    means = sum(w * g.mean(axis=0) for w, g in zip(weights, groups, strict=True))
    variances = sum(
        w**2 * g.var(axis=0, ddof=1) / len(g) for w, g in zip(weights, groups, strict=True)
    )
    smallest = 1e-12 * np.abs(pooled[:, 0]).max() + 1e-150  # rounding of groups of equal numbers
    return two_sided(means / np.sqrt(variances + smallest**2))


@functools.lru_cache(maxsize=3)
def _columns_of_orders(
    blocks: tuple[tuple[int, ...], ...], permutations: int, seed: int
) -> np.ndarray:
    """`orders`, a column each; kept, since measures rearrange alike.

    Along a factor, between its ends, and against its nulls: findings ask for these in turns.
    """
    return np.ascontiguousarray(orders(blocks, permutations, seed).T)


def two_sided(statistics: np.ndarray) -> float:
    """Share of permutations at least as far from 0 as the first, which is the data's own order."""
    sizes = np.abs(statistics)
    return float((sizes >= sizes[0] * (1 - 1e-9)).mean())


def orders(blocks: Sequence[Sequence[int]], permutations: int, seed: int) -> np.ndarray:
    """Rearrangements of networks over groups, the given one first, `[at most P + 1, networks]`.

    All of them if there are at most P, else P random ones. `blocks` say how many networks each
    group has; networks change groups within a block alone.
    """
    require_at_least("permutations", permutations, 1)
    sizes = [sum(counts) for counts in blocks]
    distinct = math.prod(
        math.factorial(size) // math.prod(map(math.factorial, counts))
        for size, counts in zip(sizes, blocks, strict=True)
    )
    starts = itertools.accumulate([0, *sizes])
    if distinct <= permutations:
        found = [
            _arrangements(tuple(range(start, start + size)), counts)
            for start, size, counts in zip(starts, sizes, blocks, strict=False)
        ]
        return np.array([sum(each, ()) for each in itertools.product(*found)])
    drawn = np.random.default_rng(seed).random((permutations, sum(sizes)))
    drawn += np.repeat(np.arange(len(sizes)), sizes)  # sorted, each stays in its block
    return np.concatenate([np.arange(sum(sizes))[None], drawn.argsort(axis=1)])


def _arrangements(members: tuple[int, ...], counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to split members into groups of these sizes, in lexicographic order."""
    if len(counts) == 1:
        yield members
        return
    for chosen in itertools.combinations(members, counts[0]):
        rest = tuple(m for m in members if m not in chosen)
        for tail in _arrangements(rest, counts[1:]):
            yield chosen + tail


def hedges(first: Summary, second: Summary) -> float:
    """Hedges' g of the networks' own numbers, second minus first; infinite where none varies."""
    counts = len(first.own), len(second.own)
    degrees = sum(counts) - 2
    pooled = sum(s.own.var() * n for s, n in zip((first, second), counts, strict=True)) / degrees
    difference = float(second.own.mean() - first.own.mean())
    if difference == 0 or pooled == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return (1 - 3 / (4 * degrees - 1)) * difference / math.sqrt(pooled)


def kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b; 0 where one of the two is constant, where scipy's is NaN."""
    from scipy import stats  # takes a second to load

    found: Any = stats.kendalltau(x, y)
    # of two equal orders it finds 0.9999999999999999
    return round(float(np.nan_to_num(found.statistic)), 14)
