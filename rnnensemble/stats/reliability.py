"""How much of a distance is trials: each network against itself, and pairs measured twice."""

import math

import numpy as np

REPEATS = 2
"""Other networks, on either side, that each network's repeated pairs are with."""
RELIABLE = 0.75
"""Intraclass correlation from which on a setting is measurable ("good", Koo & Li 2016)."""
LARGEST_SHARE = 0.3
"""Null over mean distance up to which a setting is measurable: a tenth of it in the square."""


def repeated_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that are measured a second time: each network with its next two, i < j, `[pairs]`."""
    found = {
        (min(i, j), max(i, j))
        for i in range(count)
        for j in ((i + step) % count for step in range(1, REPEATS + 1))
        if i != j
    }
    first, second = np.array(sorted(found)).T
    return first, second


def intraclass_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two measurements of the same pairs: the pairs' share of their variance.

    ICC(1) = (MSB - MSW) / (MSB + MSW), with MSB the mean square between pairs and MSW that within
    them; 1 for equal measurements, 0 and below for pairs that cannot be told apart, NaN with fewer
    than 2 pairs, or if all measurements are equal.

    Source: Shrout & Fleiss (1979), case 1.

    Example:
        >>> round(intraclass_correlation(np.array([1.0, 2.0]), np.array([1.1, 1.9])), 2)
        0.99
    """
    both = np.stack([first, second]).astype(float)
    if both.shape[1] < 2:
        return np.nan
    between = 2 * both.mean(axis=0).var(ddof=1)
    within = np.mean((both[0] - both[1]) ** 2) / 2
    total = between + within
    return float((between - within) / total) if total > 0 else np.nan


def share(null: float, whole: float) -> float:
    """Null over whole; 0 where both are 0, infinite where the whole alone is, NaN if either is."""
    if whole == 0:
        return 0.0 if null == 0 else math.inf
    return float(null / whole)


def measurable(share: np.ndarray, agreement: np.ndarray) -> np.ndarray:
    """Whether distances are solutions, not trials: a small null share, and pairs told apart."""
    told_apart = np.isnan(agreement) | (np.asarray(agreement) >= RELIABLE)  # one pair has none
    return (np.asarray(share) <= LARGEST_SHARE) & told_apart


def corrected(matrix: np.ndarray, null: np.ndarray, across: np.ndarray) -> float:
    """Mean distance without what the noise of trials adds to it.

        mean_ij d_ij  [ sum_P (c_ij^2 - (n_i^2 + n_j^2) / 2) / sum_P d_ij^2 ]^(1/2)

    over all pairs in the mean and the repeated pairs P in the sums. c `[M, M]` (`across`) is the
    distance of i on one draw of trials and j on the other: their noise is independent, and adds
    half of each one's squared null n^2, `[M]`, to the square. (On one draw all networks see the
    same trials, whose noise moves them alike by an amount that the nulls do not tell.) Unbiased in
    the square where the square is that of a norm and no minimum is taken; 0 where the nulls explain
    everything, NaN if nothing was measured across draws.
    """
    count = len(matrix)
    first, second = repeated_pairs(count)
    noise = (null[first].astype(float) ** 2 + null[second].astype(float) ** 2) / 2
    square = np.sum(across[first, second].astype(float) ** 2 - noise)
    whole = np.sum(matrix[first, second].astype(float) ** 2)
    mean = matrix[np.triu_indices(count, 1)].mean()
    return float(mean * np.sqrt(np.maximum(square, 0.0) / whole)) if whole > 0 else 0.0


def pairs_of_both(
    count: int, *, again: bool, across: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of pairs among networks 0 ... M - 1 and their second measurements M ... 2 M - 1.

    All pairs i < j, then each network with itself, then, if asked for, the repeated pairs on the
    second draw, and these with either network on another draw.
    """
    first, second = np.triu_indices(count, 1)
    own = np.arange(count)
    left, right = [first, own], [second, own + count]
    one, other = repeated_pairs(count)
    if again:
        left.append(one + count)
        right.append(other + count)
    if across:
        left.append(one)
        right.append(other + count)
    return np.concatenate(left), np.concatenate(right)


def split(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numbers `[..., pairs]` of `pairs_of_both` by what they are of, NaN where nothing is.

    Returns:
        `[..., M, M]`, nulls `[..., M]`, then repeated pairs and those across draws, `[..., M, M]`.
    """
    pairs = count * (count - 1) // 2
    matrix = as_matrices(values[..., :pairs], np.triu_indices(count, 1), 0, count)
    rest = values[..., pairs + count :].astype(np.float32)
    first, second = repeated_pairs(count)

    def part(rest: np.ndarray) -> np.ndarray:
        """All repeated pairs, or none."""
        some = slice(rest.shape[-1])
        return as_matrices(rest, (first[some], second[some]), np.nan, count)

    parts = part(rest[..., : len(first)]), part(rest[..., len(first) :])
    return matrix, values[..., pairs : pairs + count], *parts


def as_matrices(
    values: np.ndarray, places: tuple[np.ndarray, np.ndarray], rest: float, count: int
) -> np.ndarray:
    """Numbers of pairs, `[..., pairs]`, at (i, j) and (j, i) of matrices `[..., M, M]`."""
    found = np.full((*values.shape[:-1], count, count), rest, values.dtype)
    first, second = places
    found[..., first, second] = found[..., second, first] = values
    return found


def of_repeated(matrix: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Intraclass correlations of matrices `[..., M, M]` with their repeated pairs, `[...]`."""
    first, second = repeated_pairs(matrix.shape[-1])
    once, twice = (x[..., first, second].reshape(-1, len(first)) for x in (matrix, again))
    found = [intraclass_correlation(*each) for each in zip(once, twice, strict=True)]
    return np.array(found).reshape(matrix.shape[:-2])
