"""Two factors at once: the effect of each and their interaction, by permutation of networks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble._core.conversion import floats
from rnnensemble.stats import reduction
from rnnensemble.stats.comparison import direction_of
from rnnensemble.stats.intervals import Estimate
from rnnensemble.stats.reduction import Statistic, Summary

ROUNDING = 1e-9
"""Share of a regressor below which what others leave of it is rounding."""


class Effect(NamedTuple):
    """What one factor, or the interaction of both, does to a statistic.

    Attributes:
        change: Factor by which the statistic changes for each unit, with a 95% interval; NaN where
            the conditions cannot tell.
        p_value: Two-sided, by permutation of networks; NaN where they cannot tell.
        direction: "up" or "down" if p is at most 0.05, else "none".
    """

    change: Estimate
    p_value: float
    direction: str


class TwoWay(NamedTuple):
    """Conditions in a two-way layout.

    Attributes:
        first: Effect of the first factor, for each unit of it.
        second: Effect of the second factor.
        interaction: By which factor the change along one factor itself changes, for each unit of
            the other: 1 where the two factors multiply.
    """

    first: Effect
    second: Effect
    interaction: Effect


UNKNOWN = Effect(Estimate(np.nan, np.nan, np.nan), np.nan, "none")
"""What conditions cannot tell that, say, all share a level."""


def two_way(
    levels: Sequence[tuple[float, float]],
    conditions: Sequence[np.ndarray],
    *,
    statistic: Statistic = "mean_distance",
    permutations: int = 9999,
    seed: int = 0,
) -> TwoWay:
    """Whether a statistic changes along two factors, and along one by more the higher the other.

    With m_ab the statistic where the first factor is x_a and the second y_b, least squares fit

        log m_ab = second_b + first x_a,        log m_ab = first_a + second y_b,
        log m_ab = first_a + second_b + interaction x_a y_b,

    second_b and first_a being a free number for each level: each slope is the one within levels of
    the other factor, and the interaction is what no two curves, one along each factor, explain. It
    is tested along the product of both factors alone; a pattern without any such slope, as one
    that rises and falls again, goes unseen.
    Conditions may be missing, as long as some levels of a factor share one of the other.

    Each slope is a weighted sum of log m_ab and is studentized by the networks' variation within
    conditions, as in `trend`. Its interval leaves out one network of a condition at a time (the
    jackknife). p-values permute networks, by the numbers of `compare_conditions`:

    - of a factor: among its levels, within each level of the other factor alone. This is exact
      where the factor does nothing at any level of the other, whatever the other does.
    - of the interaction: residuals of the fit without it, among all conditions; no exact test is
      known. `spread` and `mean` are divided by that fit, as log m is lessened by it.

    Args:
        levels: Of each condition the value of the first factor and that of the second.
        conditions: Distances `[K, K]` or values `[K]` of each condition.
        statistic: What to compare.
        permutations: Random permutations at most; all are enumerated if there are no more.
        seed: Seed of the permutations.

    Returns:
        Changes with intervals, p-values and directions. An effect that the conditions cannot tell
        (no two levels of a factor share one of the other) is NaN.

    Raises:
        ValueError: As `compare_conditions`, or if levels and conditions do not match.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> grid = [(x, y) for x in (0, 1, 2) for y in (0, 1)]
        >>> losses = [rng.lognormal(x + x * y, 0.3, size=12) for x, y in grid]
        >>> found = two_way(grid, losses, statistic="mean", permutations=199)
        >>> found.first.direction, found.interaction.direction
        ('up', 'up')

    Source: Anderson & ter Braak (2003), Journal of Statistical Computation and Simulation 73, for
        permutation within levels of the other factor and of residuals; Pauly, Brunner &
        Konietschke (2015), Journal of the Royal Statistical Society B 77, for studentizing.
    """
    places = floats(levels, "levels")
    if places.shape != (len(conditions), 2) or len(np.unique(places, axis=0)) < len(places):
        raise ValueError(
            f"`levels` must hold two numbers for each of {len(conditions)} conditions, no two of "
            f"them the same two; got {list(levels)}."
        )
    named = enumerate(conditions)
    summaries = [reduction.summarize(data, statistic, f"conditions[{i}]") for i, data in named]
    x, y = (column - column.mean() for column in places.T)
    of_first, of_second = (_indicators(column) for column in places.T)
    how: dict[str, Any] = {"statistic": statistic, "permutations": permutations, "seed": seed}
    return TwoWay(
        _within(summaries, x, of_second, **how),
        _within(summaries, y, of_first, **how),
        _beyond(summaries, x * y, np.hstack([of_first, of_second]), **how),
    )


def _indicators(column: np.ndarray) -> np.ndarray:
    """A column for each level, 1 where it is, `[conditions, levels]`."""
    return (column[:, None] == np.unique(column)).astype(float)


def _remainder(regressor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What others leave of a regressor; exact zeros where that is nothing but rounding."""
    left = regressor - _fit(regressor, others)
    return np.where(np.abs(left) > ROUNDING * np.abs(regressor).max(initial=0), left, 0.0)


def _fit(values: np.ndarray, regressors: np.ndarray) -> np.ndarray:
    """Fitted values of least squares."""
    return regressors @ np.linalg.lstsq(regressors, values)[0]


def _within(
    summaries: Sequence[Summary],
    regressor: np.ndarray,
    blocks: np.ndarray,
    *,
    statistic: Statistic,
    permutations: int,
    seed: int,
) -> Effect:
    """The effect of a factor, with networks permuted within the other one's levels."""
    left = _remainder(regressor, blocks)
    if not left.any():
        return UNKNOWN
    weights = left / (left**2).sum()
    members = [np.flatnonzero(block).tolist() for block in blocks.T]
    numbers = [_of_one_scale([summaries[i].numbers for i in each], statistic) for each in members]
    in_blocks = weights[np.concatenate(members)]
    p_value = reduction.permutation_p(numbers, in_blocks, permutations, seed)
    return _effect(summaries, weights, p_value)


def _of_one_scale(numbers: list[np.ndarray], statistic: Statistic) -> list[np.ndarray]:
    """A block's numbers over their mean, which no permutation changes; logarithms as they are."""
    if statistic == "mean_distance":
        return numbers
    scale = np.concatenate(numbers).mean()
    return [each / scale for each in numbers]


def _beyond(
    summaries: Sequence[Summary],
    product: np.ndarray,
    additive: np.ndarray,
    *,
    statistic: Statistic,
    permutations: int,
    seed: int,
) -> Effect:
    """The interaction, with residuals of the fit without it permuted."""
    left = _remainder(product, additive)
    if not left.any():
        return UNKNOWN
    weights = left / (left**2).sum()
    means = np.array([each.numbers.mean() for each in summaries])
    if statistic == "mean_distance":  # its numbers are logarithms
        fitted = _fit(means, additive)
        numbers = [each.numbers - fit for each, fit in zip(summaries, fitted, strict=True)]
    else:
        fitted = np.exp(_fit(np.log(means), additive))
        numbers = [each.numbers / fit for each, fit in zip(summaries, fitted, strict=True)]
    p_value = reduction.permutation_p([numbers], weights, permutations, seed)
    return _effect(summaries, weights, p_value)


def _effect(summaries: Sequence[Summary], weights: np.ndarray, p_value: float) -> Effect:
    """An effect from the weights of the conditions that it counts."""
    used = np.flatnonzero(weights).tolist()
    change = reduction.contrast([summaries[i] for i in used], weights[used])
    return Effect(change, p_value, direction_of(change, p_value))
