"""95% intervals over networks: pairs share networks, so pairs are never counted as samples."""

from typing import NamedTuple, TypeAlias

import numpy as np

from rnnensemble._core.conversion import floats
from rnnensemble.stats.comparable import comparable

NORMAL = 1.959964
"""97.5% quantile of the standard normal law."""

SKEWNESS = 3.0
"""How much the squared skewness widens the interval of sigma, chosen by benchmarks/coverage.py."""

Number: TypeAlias = np.ndarray | float


class Estimate(NamedTuple):
    """A number and its 95% confidence interval.

    Attributes:
        value: The estimate from all networks.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


class DistanceParts(NamedTuple):
    """What the distances of K networks say about their mean; leading axes are batches.

    With d_ij = m + a_i + a_j + e_ij, a network that lies far from all others has a large a_i.

    Attributes:
        mean: The mean m over pairs, `[...]`.
        effects: The networks' a_i, with mean 0, `[..., K]`.
        residual: Variance of e_ij, `[...]`; 0 for K = 3, where it cannot be told from a_i.
        error: Standard error of the mean over networks, `[...]`.
    """

    mean: np.ndarray
    effects: np.ndarray
    residual: np.ndarray
    error: np.ndarray


def mean_distance(matrix: np.ndarray) -> Estimate:
    """Mean over pairs of a distance matrix, with an interval over networks.

    The interval is exp(log m +- t s / m), t Student's with K - 1 degrees of freedom and s the
    jackknife's standard error, which leaves out one network at a time:

        s^2 = (K - 1)/K sum_i (m_(i) - m)^2 = 4 (K - 1) / (K (K - 2)^2) sum_i (r_i - m)^2,

    r_i the mean distance of network i to the others. s^2 is at least the variance
    2 var(e) / (K (K - 1)) that distances without any network effect would have (`DistanceParts`),
    since r_i can agree by chance, as for two clusters of K/2 networks each.

    docs/statistics.md tabulates the measured coverage: 93 to 97% for most laws; up to 100% for
    networks in tight clusters of equal size; less where a small cluster or a heavy tail can be
    absent from the sample, which no interval can know: 88% at K = 10 with a cluster of a fifth of
    the networks, 90 to 91% for coordinates with 3 degrees of freedom.

    Args:
        matrix: Distances, `[K, K]`. The diagonal is ignored and an asymmetric matrix averaged
            with its transpose.

    Returns:
        The mean over pairs i < j and its interval, in the distance's units. With K = 2 the interval
        is (0, inf): one distance says nothing about its variation. Where all distances are equal
        (all 0, say) it has no width. Networks without distances (NaN) are left out
        (`comparable`); with fewer than 2 others all three are NaN.

    Raises:
        ValueError: If the matrix is not square or has fewer than 2 networks.

    Source: Arvesen (1969), jackknifing U-statistics.
    """
    matrix = as_distances(matrix)
    kept = comparable(matrix)
    k = len(kept)
    if k < 2:
        return Estimate(np.nan, np.nan, np.nan)
    matrix = matrix[np.ix_(kept, kept)]
    parts = distance_parts(matrix)
    if k == 2:
        return no_interval(float(parts.mean))
    return log_interval(parts.mean, parts.mean, parts.error / nonzero(parts.mean), k - 1)


def mean_cross_distance(matrix: np.ndarray) -> Estimate:
    """Mean distance between the networks of two conditions, with an interval over both.

    The interval is exp(log m +- t s / m) with s^2 = var(r)/K + var(c)/L, r and c the means of
    rows and columns, and t Student's with Welch and Satterthwaite's degrees of freedom.

    Args:
        matrix: Distances between K networks of one condition and L of another, `[K, L]`.

    Returns:
        The mean over all K L pairs and its interval; (0, inf) if K or L is 1.

    Raises:
        ValueError: If the array is not a matrix or is empty.
    """
    matrix = floats(matrix, "matrix")
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"`matrix` must have shape [K, L]; got {list(matrix.shape)}.")
    if min(matrix.shape) == 1:
        return no_interval(float(matrix.mean()))
    return log_interval(*cross_parts(matrix))


def spread(values: np.ndarray) -> Estimate:
    """The paper's sigma, sqrt(mean_i (L_i - mean L)^2), with an interval over networks.

    The value divides by K, as published; the interval is for the sigma of infinitely many
    networks, which the value underestimates by a factor of sqrt((K - 1)/K) or so. It is Bonett's
    interval for a standard deviation,

        exp(log(c S^2) +- t s) for the variance, c = K / (K - 1.96),
        s^2 = (g + 2 + 3/K + 3 skewness^2) / (K - 1),

    g the excess kurtosis around the trimmed mean, with three changes that were chosen by simulated
    coverage (benchmarks/coverage.py): g is corrected for its bias as k-statistics are (and is at
    least -1.5), t is Student's, and the term in the skewness widens it, since the
    variance and its standard error are underestimated together if a long tail was not drawn.

    docs/statistics.md tabulates the measured coverage: 92 to 97% for normal, gamma and moderately
    lognormal losses. Very heavy tails are covered too rarely, as by any interval of a standard
    deviation: 83% at K = 10 for lognormal losses with a log-sd of 1, 89% at K = 50 where a tenth
    of normal losses has three times the standard deviation.

    Args:
        values: One value for each network, `[K]`.

    Returns:
        Sigma and its interval, in the values' units. With K of 2 or 3 the interval is (0, inf):
        they have no kurtosis. Equal values have the interval (0, 0).

    Raises:
        ValueError: If the array is not a vector of at least 2 values.

    Source: Huang et al. (arXiv 2410.03972, section 2.3); Bonett (2006), Computational Statistics &
        Data Analysis 50.
    """
    values = as_values(values)
    k = len(values)
    if k < 4:
        return no_interval(float(values.std()))
    return log_interval(values.std(), *spread_parts(values, skewness=SKEWNESS), k - 1)


def mean_value(values: np.ndarray) -> Estimate:
    """Mean of one positive number for each network, with an interval over networks.

    The interval is exp(log m +- t s / m), t Student's with K - 1 degrees of freedom and s the
    standard error of the mean.

    Args:
        values: One value for each network, `[K]`.

    Returns:
        The mean and its interval, in the values' units.

    Raises:
        ValueError: If the array is not a vector of at least 2 values.
    """
    values = as_values(values)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    return log_interval(mean, mean, error / nonzero(mean), len(values) - 1)


def as_distances(matrix: np.ndarray, name: str = "matrix") -> np.ndarray:
    """The matrix in float64, checked: square, at least 2 networks."""
    matrix = floats(matrix, name)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(
            f"`{name}` must have shape [K, K] with K of at least 2; got {list(matrix.shape)}."
        )
    return matrix


def as_values(values: np.ndarray, name: str = "values") -> np.ndarray:
    """The values in float64, checked: a vector of at least 2."""
    values = floats(values, name)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"`{name}` must have shape [K] with K of at least 2; got {list(values.shape)}."
        )
    return values


def distance_parts(matrix: np.ndarray) -> DistanceParts:
    """Mean, network effects and standard error of distances `[..., K, K]`, by least squares."""
    k = matrix.shape[-1]
    off = ~np.eye(k, dtype=bool)
    matrix = np.where(off, (matrix + np.swapaxes(matrix, -1, -2)) / 2, 0.0)
    rows = matrix.sum(axis=-1) / (k - 1)
    mean = rows.mean(axis=-1)
    if k == 2:
        return DistanceParts(mean, 0 * rows, 0 * mean, np.full_like(mean, np.inf))
    effects = (rows - mean[..., None]) * (k - 1) / (k - 2)
    fitted = mean[..., None, None] + effects[..., :, None] + effects[..., None, :]
    squares = (np.where(off, matrix - fitted, 0.0) ** 2).sum(axis=(-1, -2))
    residual = squares / (k * (k - 3)) if k > 3 else 0 * mean
    jackknife = 4 * (effects**2).sum(axis=-1) / (k * (k - 1))
    least = 2 * residual / (k * (k - 1))
    return DistanceParts(mean, effects, residual, np.sqrt(np.maximum(jackknife, least)))


def cross_parts(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean twice, its relative standard error and degrees of freedom; matrix `[..., K, L]`."""
    rows, columns = matrix.mean(axis=-1), matrix.mean(axis=-2)
    variances = [x.var(axis=-1, ddof=1) / x.shape[-1] for x in (rows, columns)]
    counts = rows.shape[-1], columns.shape[-1]
    mean = rows.mean(axis=-1)
    error = np.sqrt(variances[0] + variances[1]) / nonzero(mean)
    return mean, mean, error, welch_degrees(variances, counts)


def spread_parts(values: np.ndarray, *, skewness: float) -> tuple[np.ndarray, np.ndarray]:
    """Center of the interval of sigma and the standard error of log sigma; values `[..., K]`."""
    k = values.shape[-1]
    variance = values.var(axis=-1, ddof=1)
    excess, skew = moments(values)
    relative = (excess + 2 + 3 / k + skewness * skew**2) / (k - 1)
    center = np.sqrt(variance * k / (k - NORMAL))
    return center, np.where(variance > 0, np.sqrt(relative) / 2, 0.0)


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Excess kurtosis around the trimmed mean, at least -1.8, and skewness; values `[..., K]`.

    Both are corrected for their bias as k-statistics are.
    """
    k = values.shape[-1]
    proportion = 1 / (2 * np.sqrt(k - 4)) if k > 4 else 0.5
    cut = min(int(proportion * k), (k - 1) // 2)
    middle = np.sort(values, axis=-1)[..., cut : k - cut].mean(axis=-1, keepdims=True)
    unit = nonzero(values.std(axis=-1, keepdims=True))
    kurtosis = (((values - middle) / unit) ** 4).mean(axis=-1)
    third = (((values - values.mean(axis=-1, keepdims=True)) / unit) ** 3).mean(axis=-1)
    excess = (kurtosis - 3 + 6 / (k + 1)) * (k**2 - 1) / ((k - 2) * (k - 3))
    return np.maximum(excess, -1.8), third * np.sqrt(k * (k - 1)) / (k - 2)


def welch_degrees(variances: list[np.ndarray], counts: tuple[int, ...]) -> np.ndarray:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946; Welch 1947)."""
    parts = [v**2 / (count - 1) for v, count in zip(variances, counts, strict=True)]
    return np.sum(variances, axis=0) ** 2 / nonzero(np.sum(parts, axis=0))


def log_interval(value: Number, center: Number, error: Number, degrees: Number) -> Estimate:
    """exp(log center +- t error), t Student's 97.5% quantile."""
    with np.errstate(over="ignore"):  # of almost no information: up to infinity
        low, high = (float(center * end) for end in log_ends(error, degrees))
    return Estimate(float(value), low, high)


def log_ends(error: Number, degrees: Number) -> tuple[np.ndarray, np.ndarray]:
    """exp(-t error) and exp(t error); error `[...]`. No error, no width."""
    from scipy import special  # here, since importing it takes longer than all of this package

    quantile = special.stdtrit(np.maximum(degrees, 1), 0.975)
    reach = np.minimum(quantile * error, 600.0)  # exp(710) overflows, a center of 1e40 before
    return np.exp(-reach), np.exp(reach)


def no_interval(value: float) -> Estimate:
    """What too few networks allow: (0, inf), or no width where nothing differs."""
    return Estimate(value, 0.0, np.inf if value != 0 else 0.0)


def nonzero(x: Number) -> np.ndarray:
    """x, or 1 where it is 0, to divide by."""
    return np.where(x == 0, 1.0, x)
