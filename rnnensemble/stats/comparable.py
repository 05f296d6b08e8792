"""Which networks a distance matrix compares: one that has no distance costs no other its own."""

import numpy as np


def comparable(matrix: np.ndarray) -> np.ndarray:
    """Indices, ascending, of networks that have distances `[K, K]` to all others among them.

    A network that cannot be compared (a dead one, whose rates never vary, has no correlation with
    others) has NaN for distances. The one with the most of these is left out, until none is left.

    Example:
        >>> gap = float("nan")
        >>> comparable(np.array([[0, 1, gap], [1, 0, gap], [gap, gap, 0]]))
        array([0, 1])
    """
    missing = np.isnan(matrix) & ~np.eye(len(matrix), dtype=bool)
    missing |= missing.T
    kept = np.arange(len(matrix))
    while missing[np.ix_(kept, kept)].any():
        kept = np.delete(kept, missing[np.ix_(kept, kept)].sum(axis=0).argmax())
    return kept


def incomparable(matrix: np.ndarray) -> list[int]:
    """The networks that are not `comparable`."""
    return sorted(set(range(len(matrix))) - set(comparable(matrix).tolist()))
