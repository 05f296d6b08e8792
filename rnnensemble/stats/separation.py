"""Whether groups of networks lie apart from one another: `separation`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnensemble._core.config import require_seed
from rnnensemble.stats import reduction
from rnnensemble.stats.intervals import as_distances


class Separation(NamedTuple):
    """How much of what tells networks apart is their group.

    Attributes:
        share: R^2, the share of the squared distances that lies between groups: 0 to 1 for
            Euclidean distances; others, SVCCA's for one, can lie below 0, where groups are nearer
            to one another than their own networks are.
        chance: Its mean where networks change groups at random, which grows with the groups.
        p_value: How often networks in random groups have at least this share.
    """

    share: float
    chance: float
    p_value: float


def separation(
    matrix: np.ndarray, groups: Sequence[object], *, permutations: int = 9999, seed: int = 0
) -> Separation:
    """The share of squared distances that lies between groups, tested by permutation of networks.

    R^2 = 1 - S_W / S_T, with S_T = sum_{i<j} d_ij^2 / M over all pairs and S_W the sum over groups
    g of sum_{i<j in g} d_ij^2 / n_g. Permutations are ordered alike by R^2 and by PERMANOVA's
    pseudo-F. A low p-value says that groups differ in where their networks lie or in how far these
    scatter: compare mean distances within groups before calling it the former.

    Source: Anderson (2001), Austral Ecology 26, 32-46.

    Args:
        matrix: Distances between M networks, `[M, M]`, symmetric.
        groups: The group of each, `[M]`.
        permutations: Random permutations at most; all of them where there are no more.
        seed: Seed of the permutations.

    Raises:
        ValueError: If this is no matrix of distances, networks cannot be compared, or there are not
            two groups, or not more networks than groups.

    Example:
        >>> import numpy as np
        >>> places = np.array([0.0, 0.1, 0.2, 1.0, 1.1, 1.2])
        >>> found = separation(np.abs(places[:, None] - places), ["a"] * 3 + ["b"] * 3)
        >>> round(found.share, 2), found.p_value
        (0.97, 0.1)
    """
    matrix = as_distances(matrix)
    require_seed(seed)
    names, labels = np.unique(np.asarray(groups), return_inverse=True)
    if labels.shape != (len(matrix),):
        raise ValueError(
            f"`groups` must name a group for each of the {len(matrix)} networks; got {len(groups)}."
        )
    if not 2 <= len(names) < len(matrix):
        raise ValueError(
            "`groups` must hold at least two groups and more networks than groups; got "
            f"{len(names)} groups of {len(matrix)} networks."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(
            "`matrix` must hold finite distances; leave out networks that cannot be compared."
        )
    squares, count = matrix.astype(float) ** 2, len(matrix)
    total = squares.sum() / count  # twice S_T; factors of two cancel
    if total == 0:
        raise ValueError("`matrix` must hold a distance above 0; all are 0.")
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    within = np.zeros(0)
    rearranged = order[reduction.orders([sizes.tolist()], permutations, seed)]
    for block in np.array_split(rearranged, max(1, len(rearranged) * count**2 // 10**7)):
        ordered = squares[block[:, :, None], block[:, None, :]]
        parts = [
            ordered[:, end - size : end, end - size : end].sum(axis=(1, 2)) / size
            for size, end in zip(sizes, np.cumsum(sizes), strict=True)
        ]
        within = np.append(within, np.sum(parts, axis=0))
    shares = 1 - within / total
    beyond = shares >= shares[0] - 1e-9
    return Separation(float(shares[0]), float(shares.mean()), float(beyond.mean()))
