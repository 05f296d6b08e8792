"""Bootstrap intervals that resample networks, never pairs or trials."""

from typing import NamedTuple

import numpy as np


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


def mean_distance(matrix: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Mean over pairs of a distance matrix, with an interval over networks.

    A resample draws networks with replacement; pairs of a network with itself are left out, as
    they are in the mean. See `log_t_interval` for the interval.

    Args:
        matrix: Distances, `[K, K]`, symmetric with a zero diagonal.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.

    Returns:
        The mean over pairs i < j and its interval, in the distance's units.
    """
    k = len(matrix)
    counts = draw_counts(k, resamples, seed)
    pairs = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
    counts = counts[pairs > 0]  # all draws the same network: no pair to average
    sums = np.einsum("ri,ij,rj->r", counts, matrix, counts)
    means = sums / pairs[pairs > 0]
    return log_t_interval(float(matrix.sum() / (k * (k - 1))), means, k)


def spread(values: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """The paper's sigma, sqrt(mean_i (L_i - mean L)^2), with an interval over networks.

    Args:
        values: One value for each network, `[K]`.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.

    Returns:
        Sigma and its interval, in the values' units. The interval covers well for losses that
        are close to normal and too rarely for heavy tails, as any interval of a spread does.

    Source: Huang et al. (arXiv 2410.03972, section 2.3).
    """
    k = len(values)
    weights = draw_counts(k, resamples, seed) / k
    centered = values - values.mean()
    variances = weights @ centered**2 - (weights @ centered) ** 2
    return log_t_interval(float(values.std()), np.sqrt(np.maximum(variances, 0)), k)


def draw_counts(k: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of k networks is drawn in each resample, `[resamples, k]`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(k, np.full(k, 1 / k), size=resamples).astype(float)


def log_t_interval(value: float, resampled: np.ndarray, k: int) -> Estimate:
    """95% interval exp(log value +- t s): s the bootstrap's standard error of the logarithm.

    t is Student's with k - 1 degrees of freedom and s is scaled by sqrt(k / (k - 1)). For small
    k this covers far better than bootstrap percentiles do (tests/test_intervals.py measures it).
    """
    from scipy import special  # here, since importing it takes longer than all of this package

    positive = resampled[resampled > 0]
    if not value > 0 or len(positive) < 2:
        return Estimate(value, value, value)
    error = np.log(positive).std() * np.sqrt(k / (k - 1))
    reach = special.stdtrit(k - 1, 0.975) * error
    return Estimate(value, float(value * np.exp(-reach)), float(value * np.exp(reach)))
