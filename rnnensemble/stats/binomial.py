"""Intervals of shares of trials."""

import numpy as np

from rnnensemble._core.axes import ArrayLike


def binomial_interval(
    count: ArrayLike, trials: ArrayLike, *, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a probability, of independent trials.

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),   p = count / n

    Args:
        count: Trials with the outcome, `[...]`.
        trials: All trials n, `[...]`.
        confidence: Probability that the interval holds the true one.

    Returns:
        Low and high ends, `[...]`; 0 and 1 where there are no trials.

    Raises:
        ValueError: If counts are not within 0 and the trials, or confidence not between 0 and 1.

    Source: Wilson (1927).

    Example:
        >>> from rnnensemble.stats import binomial_interval
        >>> [round(float(end), 3) for end in binomial_interval(8, 10)]
        [0.49, 0.943]
    """
    from scipy import special  # here, since importing it takes longer than all of this package

    found, n = np.asarray(count, float), np.asarray(trials, float)
    if not ((found >= 0) & (found <= n)).all():
        raise ValueError("`count` must lie between 0 and `trials`.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie between 0 and 1; got {confidence!r}.")
    z = special.ndtri((1 + confidence) / 2)
    n_, p = np.maximum(n, 1), found / np.maximum(n, 1)
    center = p + z**2 / (2 * n_)
    reach = z * np.sqrt(p * (1 - p) / n_ + z**2 / (4 * n_**2))
    ends = [(center + sign * reach) / (1 + z**2 / n_) for sign in (-1, 1)]
    return np.where(n > 0, ends[0], 0.0), np.where(n > 0, ends[1], 1.0)
