"""How many networks a given precision needs."""

from collections.abc import Sequence

import numpy as np

from rnnensemble.stats import intervals, reduction
from rnnensemble.stats.reduction import LEAST, Statistic

MOST = 10_000
"""Networks beyond which `networks_needed` gives up."""


def power_curve(
    pilot: np.ndarray, sizes: Sequence[int] | np.ndarray, *, statistic: Statistic = "mean_distance"
) -> np.ndarray:
    """Expected relative half width of the 95% interval for each number of networks.

    The relative half width is (high - low) / (2 value). For distances d_ij = m + a_i + a_j + e_ij
    the jackknife's variance with K networks is expected to be

        4/K (var(a) + var(e) / (K - 2)),

    with both variances estimated from the pilot's networks; for `spread` the formula of its
    interval is used with the pilot's kurtosis and skewness, for `mean` var(x)/K. Resampled
    networks would not do: a network drawn twice has no distance to itself, and repeated values
    bias the kurtosis.

    Args:
        pilot: Distances `[K, K]` or values `[K]` of networks of the condition in question.
        sizes: Numbers of networks to predict for.
        statistic: Whose interval.

    Returns:
        Relative half widths, in the order of `sizes`. As uncertain as the pilot is small.

    Raises:
        ValueError: If a size is below 3 (4 for `spread`), or the pilot is below 4 networks, has
            numbers that are not finite, or a statistic of 0.
    """
    planned = np.asarray(sizes)
    least = LEAST.get(statistic, 0)
    if planned.ndim != 1 or planned.dtype.kind != "i" or (planned < least).any():
        raise ValueError(f"`sizes` must be whole numbers of at least {least}; got {list(sizes)}.")
    summary = reduction.summarize(pilot, statistic, "pilot")
    if len(summary.own) < 4:
        raise ValueError(f"`pilot` must have at least 4 networks; got {len(summary.own)}.")
    widths = {"mean_distance": _distance_width, "spread": _spread_width, "mean": _mean_width}
    return widths[statistic](np.asarray(pilot, float), planned)


def _distance_width(matrix: np.ndarray, planned: np.ndarray) -> np.ndarray:
    parts, k = intervals.distance_parts(matrix), len(matrix)
    between = parts.effects.var(ddof=1) - parts.residual / (k - 2)
    variance = 4 / planned * (max(between, 0.0) + parts.residual / (planned - 2))
    low, high = intervals.log_ends(np.sqrt(variance) / parts.mean, planned - 1)
    return (high - low) / 2


def _spread_width(values: np.ndarray, planned: np.ndarray) -> np.ndarray:
    excess, skew = intervals.moments(values)
    relative = (excess + 2 + 3 / planned + intervals.SKEWNESS * skew**2) / (planned - 1)
    low, high = intervals.log_ends(np.sqrt(relative) / 2, planned - 1)
    shift = planned / np.sqrt((planned - 1) * (planned - intervals.NORMAL))  # of the center
    return shift * (high - low) / 2


def _mean_width(values: np.ndarray, planned: np.ndarray) -> np.ndarray:
    relative = values.std(ddof=1) / np.sqrt(planned) / values.mean()
    low, high = intervals.log_ends(relative, planned - 1)
    return (high - low) / 2


def networks_needed(
    pilot: np.ndarray, relative_half_width: float, *, statistic: Statistic = "mean_distance"
) -> int:
    """The smallest number of networks whose interval is expected to be narrow enough.

    Args:
        pilot: As for `power_curve`.
        relative_half_width: Largest (high - low) / (2 value), 0.1 for +- 10%.
        statistic: Whose interval.

    Returns:
        The number of networks, at least 3 (4 for `spread`).

    Raises:
        ValueError: As `power_curve`, or if the width is not positive or takes over 10,000 networks.
    """
    if not relative_half_width > 0:
        raise ValueError(f"`relative_half_width` must be above 0; got {relative_half_width}.")
    sizes = np.arange(LEAST.get(statistic, 0), MOST + 1)
    enough = np.flatnonzero(power_curve(pilot, sizes, statistic=statistic) <= relative_half_width)
    if len(enough) == 0:
        raise ValueError(
            f"`relative_half_width` must be reached with at most {MOST:,} networks; got "
            f"{relative_half_width}: ask for a wider interval."
        )
    return int(sizes[enough[0]])
