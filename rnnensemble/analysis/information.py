"""Entropy and conditional mutual information from samples, discrete, continuous or mixed."""

import math

import numpy as np

from rnnensemble._core.config import require_at_least

COVERAGE = 0.95
"""Share of samples whose value must occur again for a variable to count as discrete."""

RESOLUTION = 1e-6
"""Values this close, relative to the largest, are one value (float32 rounds)."""


def entropy(samples: np.ndarray, *, neighbors: int = 3) -> float:
    """Entropy in bits of one variable, of N independent draws `[N]`, by k neighbors.

    Discrete: -sum_i p_i log2 p_i + (m - 1) / (2 N ln 2), p_i the shares of m values (plug-in,
    corrected after Miller and Madow). Continuous: psi(N) - psi(k) + mean log(2 rho), rho the
    distance of a sample to its k-th neighbor, over ln 2 (Kozachenko and Leonenko); it is a
    differential entropy, relative to the uniform law on an interval of length 1, and may be
    negative. Mixed: values that occur again are discrete, the others, a share q, continuous;
    the sum of p_i log2 p_i then goes over the discrete values, and q (h - log2 q) is added.

    Raises:
        ValueError: If there are not more samples than neighbors.

    Source: Miller (1955, "Note on the bias of information estimates"); Kozachenko and
    Leonenko (1987) in the form of Kraskov et al. (2004, eq. 20).
    """
    (samples,) = _columns([samples], neighbors)
    values, counts = np.unique(_distinct(samples[:, 0]), return_counts=True)
    kind = kind_of(samples[:, 0])
    if kind == "discrete":
        return _plug_in(counts)
    if kind == "continuous":
        return _differential(samples, neighbors)
    single = np.isin(_distinct(samples[:, 0]), values[counts == 1])
    share = float(single.mean())
    atoms = np.append(counts[counts > 1], single.sum())
    return _plug_in(atoms) + share * _differential(samples[single], neighbors)


def mutual_information(x: np.ndarray, y: np.ndarray, *, neighbors: int = 3) -> float:
    """I(x; y) in bits: `conditional_mutual_information` without a condition."""
    return conditional_mutual_information(x, y, np.zeros(len(x)), neighbors=neighbors)


def conditional_mutual_information(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, *, neighbors: int = 3
) -> float:
    """I(x; y | z) in bits: what x tells about y to those who know z, of draws `[N]` or `[N, D]`.

    All discrete: H(x, z) + H(y, z) - H(z) - H(x, y, z), plug-in entropies corrected after Miller
    and Madow. Otherwise nearest neighbors: the mean over samples of
    psi(k) - psi(n_xz) - psi(n_yz) + psi(n_z), over ln 2, where rho is the distance to the k-th
    neighbor in (x, y, z) and n_xz the number of samples nearer than rho in (x, z), itself among
    them, and so on. Where samples tie at rho, as discrete values do, k and n count the others
    within rho, those at rho included. Distances are maximum norms of columns scaled to unit
    variance. More neighbors lower the variance and raise the bias; not clipped, so that means stay
    unbiased: it may be slightly negative.

    Raises:
        ValueError: If x, y and z differ in N, or N does not exceed k.

    Source: Miller (1955); Frenzel and Pompe (2007), which is Kraskov et al. (2004, eq. 8) without
    a condition; for ties Mesner and Shalizi (2020, algorithm 1), after Gao et al. (2017).
    """
    x, y, z = _columns([x, y, z], neighbors)
    if all(kind_of(column) == "discrete" for part in (x, y, z) for column in part.T):
        return discrete_information(as_codes(x), as_codes(y), as_codes(z))
    return _nearest_neighbors(x, y, z, neighbors)


def kind_of(samples: np.ndarray) -> str:
    """Whether draws `[N]` are `discrete`, `continuous` or `mixed`.

    The share of samples whose value occurs once estimates the probability of values not yet seen
    (Good 1953): at most 5% makes a discrete variable, at least 95% a continuous one.
    """
    counts = np.unique(_distinct(samples), return_counts=True)[1]
    single = np.count_nonzero(counts == 1) / len(samples)
    if single <= 1 - COVERAGE:
        return "discrete"
    return "continuous" if single >= COVERAGE else "mixed"


def as_codes(columns: np.ndarray) -> np.ndarray:
    """One whole number for each distinct row of columns `[N, D]`, `[N]`."""
    codes = np.zeros(len(columns), np.int64)
    for column in columns.T:
        codes = joint_codes(codes, np.unique(_distinct(column), return_inverse=True)[1])
    return codes


def joint_codes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One whole number for each distinct pair of codes, `[N]`."""
    return np.unique(first * (second.max() + 1) + second, return_inverse=True)[1]


def discrete_information(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
    """I(x; y | z) in bits of draws given as codes, `[N]` each."""
    xz = joint_codes(x, z)
    entropies = [_plug_in(np.bincount(codes)) for codes in (xz, joint_codes(y, z), z)]
    return float(np.dot([1, 1, -1], entropies) - _plug_in(np.bincount(joint_codes(xz, y))))


def _distinct(samples: np.ndarray) -> np.ndarray:
    """Draws in units of the resolution, where one value is one number."""
    return np.round(samples / (RESOLUTION * max(np.abs(samples).max(), 1e-30)))


def _plug_in(counts: np.ndarray) -> float:
    """Entropy in bits of values that were seen so often, corrected after Miller and Madow."""
    counts = counts[counts > 0]
    shares = counts / counts.sum()
    correction = (len(counts) - 1) / (2 * counts.sum() * math.log(2))
    return float(-np.sum(shares * np.log2(shares)) + correction)


def _differential(samples: np.ndarray, neighbors: int) -> float:
    """Differential entropy in bits of one column, `[N, 1]`."""
    from scipy.spatial import KDTree
    from scipy.special import digamma

    radius = KDTree(samples).query(samples, neighbors + 1)[0][:, -1]
    smallest = np.finfo(np.float32).tiny
    nats = digamma(len(samples)) - digamma(neighbors) + np.log(2 * radius + smallest).mean()
    return float(nats / math.log(2))


def _nearest_neighbors(x: np.ndarray, y: np.ndarray, z: np.ndarray, neighbors: int) -> float:
    from scipy.spatial import KDTree
    from scipy.special import digamma

    x, y, z = (_scaled(part) for part in (x, y, z))
    if 0 in (x.shape[1], y.shape[1]):
        return 0.0
    joint = np.hstack([x, y, z])
    tree = KDTree(joint)
    radius = tree.query(joint, neighbors + 1, p=math.inf)[0][:, -1]
    others = tree.query_ball_point(joint, radius, p=math.inf, return_length=True) - 1
    tied = others > neighbors
    radius = np.where(tied, radius, np.nextafter(radius, 0))

    def within(*parts: np.ndarray) -> np.ndarray:
        columns = np.hstack(parts)
        if columns.shape[1] == 0:
            return len(columns) - tied
        found = KDTree(columns).query_ball_point(columns, radius, p=math.inf, return_length=True)
        return found - tied

    nats = digamma(others) - digamma(within(x, z)) - digamma(within(y, z)) + digamma(within(z))
    return float(nats.mean() / math.log(2))


def _scaled(columns: np.ndarray) -> np.ndarray:
    """Columns of unit variance; constant ones, which tell nothing, are left out."""
    spread = columns.std(axis=0)
    varies = spread > RESOLUTION * np.abs(columns).max(axis=0)
    return columns[:, varies] / spread[varies]


def _columns(parts: list[np.ndarray], neighbors: int) -> list[np.ndarray]:
    """Draws as float64 columns `[N, D]`; raises ValueError unless they can be measured."""
    require_at_least("neighbors", neighbors, 1)
    columns = [np.asarray(part, np.float64) for part in parts]
    columns = [part[:, None] if part.ndim == 1 else part for part in columns]
    lengths = [len(part) for part in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"`x`, `y` and `z` must have as many samples each; got {lengths}.")
    if lengths[0] <= neighbors:
        raise ValueError(
            f"`neighbors` must be less than the number of samples; got {neighbors} and "
            f"{lengths[0]} samples."
        )
    return columns
