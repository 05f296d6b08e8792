"""Means of numbers that may be below 0."""

import numpy as np

from rnnensemble.stats.intervals import Estimate, as_values


def signed_mean(values: np.ndarray) -> Estimate:
    """Mean of one number for each network, of either sign, with an interval over networks.

    The interval is m +- t s, t Student's with K - 1 degrees of freedom and s the standard error of
    the mean. (`mean_value` is for positive numbers, whose interval it takes on a log scale.)

    Args:
        values: One value for each network, `[K]`.

    Returns:
        The mean and its interval, in the values' units.

    Raises:
        ValueError: If the array is not a vector of at least 2 values.

    Example:
        >>> import numpy as np
        >>> from rnnensemble import stats
        >>> [round(x, 2) for x in stats.signed_mean(np.array([-1.0, 0.0, 1.0, 2.0]))]
        [0.5, -1.55, 2.55]
    """
    from scipy import special  # takes longer to import than all of this package

    values = as_values(values)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    reach = special.stdtrit(len(values) - 1, 0.975) * error
    return Estimate(float(mean), float(mean - reach), float(mean + reach))
