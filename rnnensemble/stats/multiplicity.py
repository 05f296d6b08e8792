"""Many tests at once."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rnnensemble._core.conversion import floats


def adjust(
    p_values: Sequence[float], *, method: Literal["holm", "benjamini_hochberg"] = "holm"
) -> np.ndarray:
    """p-values adjusted for their number, in the order given.

    Of m sorted p-values, Holm's are max_{j <= i} (m - j + 1) p_(j), which keep the chance of any
    false rejection below the level; Benjamini and Hochberg's are min_{j >= i} m p_(j) / j, which
    keep the expected share of false rejections below it. Both are at most 1.

    Args:
        p_values: One for each test, `[m]`.
        method: `holm` for a few planned tests, `benjamini_hochberg` to screen many.

    Returns:
        Adjusted p-values, `[m]`.

    Raises:
        ValueError: If a p-value lies outside [0, 1] or the method is unknown.

    Source: Holm (1979), Scandinavian Journal of Statistics 6; Benjamini & Hochberg (1995), Journal
        of the Royal Statistical Society B 57.
    """
    p = floats(p_values, "p_values")
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"`p_values` must be a vector of numbers in [0, 1]; got {p_values}.")
    if method == "benjamini_hochberg":
        from scipy import stats  # takes a second to load

        return np.array(stats.false_discovery_control(p))
    if method != "holm":
        raise ValueError(f"`method` must be 'holm' or 'benjamini_hochberg'; got {method!r}.")
    order = np.argsort(p, kind="stable")  # Holm's by hand: scipy has it not
    result = np.empty(len(p))
    adjusted = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order])
    result[order] = np.minimum(adjusted, 1.0)
    return result
