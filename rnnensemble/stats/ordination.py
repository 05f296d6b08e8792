"""Distances of all pairs as places in two dimensions, and as an order in which close ones stand
together."""

import numpy as np

from rnnensemble.stats.comparable import comparable, incomparable


def mds(matrix: np.ndarray) -> np.ndarray:
    """Classical multidimensional scaling of distances `[M, M]` to coordinates `[M, 2]`.

    Eigenvectors of -J D^2 J / 2 with J = I - 1/M; negative eigenvalues count as 0. Networks
    without distances have NaN for coordinates.
    Source: Torgerson (1952).
    """
    kept = comparable(matrix)
    if len(kept) < len(matrix):
        places = np.full((len(matrix), 2), np.nan)
        places[kept] = mds(matrix[np.ix_(kept, kept)]) if len(kept) else 0.0
        return places
    count = len(matrix)
    center = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * center @ matrix.astype(float) ** 2 @ center)
    size = np.sqrt(np.maximum(values[::-1][:2], 0))
    coordinates = vectors[:, ::-1][:, : len(size)] * size
    return np.pad(coordinates, ((0, 0), (0, 2 - coordinates.shape[1])))


def cluster_order(matrix: np.ndarray) -> np.ndarray:
    """Order of the leaves of average-linkage clustering, neighbors as close as can be.

    Networks without distances come last.
    """
    from scipy.cluster import hierarchy  # loads where a matrix is shown
    from scipy.spatial.distance import squareform

    kept, missing = comparable(matrix), incomparable(matrix)
    if missing:
        order = kept[cluster_order(matrix[np.ix_(kept, kept)])] if len(kept) > 1 else kept
        return np.append(order, missing)
    condensed = squareform(matrix, checks=False)
    tree = hierarchy.linkage(condensed, method="average", optimal_ordering=True)
    return hierarchy.leaves_list(tree)
