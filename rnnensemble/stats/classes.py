"""Classes of networks: which lie together, and whether its neighbors tell the class of one."""

from typing import NamedTuple

import numpy as np

from rnnensemble._core.axes import ArrayLike
from rnnensemble._core.config import require_at_least, require_seed
from rnnensemble.stats.binomial import binomial_interval
from rnnensemble.stats.comparable import comparable
from rnnensemble.stats.intervals import Estimate, as_distances

LEAST_WIDTH = 0.25
"""Mean silhouette width up to which there is one class alone."""

MOST_CLASSES = 8


class ClassAccuracy(NamedTuple):
    """How well the nearest neighbor tells the class of a network.

    Attributes:
        accuracy: Balanced accuracy, with a 95% interval.
        null: Mean balanced accuracy with shuffled classes.
        null_high: Its 95th percentile.
        p_value: Share of shuffles with at least this accuracy.
    """

    accuracy: Estimate
    null: float
    null_high: float
    p_value: float


def solution_classes(matrix: np.ndarray) -> np.ndarray:
    """Which networks lie together: clusters of average linkage, as many as stand out most.

    The tree of average linkage is cut into 2 to 8 clusters, each of at least 2 networks, where the
    mean silhouette width is largest:

        s_k = (b_k - a_k) / max(a_k, b_k)

    with a_k the mean distance of network k to those of its own cluster, b_k the least mean distance
    to those of another. Where no cut has a mean width above 0.25, which counts as no substantial
    structure, all networks are one class.

    Args:
        matrix: Distances, `[K, K]`.

    Returns:
        The class of each network, `[K]`, from 0 for the largest; -1 for networks that have no
        distances.

    Raises:
        ValueError: If the array is no matrix of at least 2 networks.

    Source: Rousseeuw (1987); the bound is that of Kaufman & Rousseeuw (1990, table 4 of chapter 2).

    Example:
        >>> import numpy as np
        >>> from rnnensemble import stats
        >>> places = np.array([0.0, 0.1, 5.0, 5.1, 5.2])
        >>> stats.solution_classes(abs(places[:, None] - places))
        array([1, 1, 0, 0, 0])
    """
    matrix = as_distances(matrix)
    kept = comparable(matrix)
    classes = np.full(len(matrix), -1)
    classes[kept] = _clusters(matrix[np.ix_(kept, kept)])
    return classes


def _clusters(matrix: np.ndarray) -> np.ndarray:
    """The same of networks that all have distances."""
    from scipy.cluster import hierarchy  # takes longer to import than all of this package
    from scipy.spatial.distance import squareform

    found, widest = np.zeros(len(matrix), int), LEAST_WIDTH
    if len(matrix) < 4:  # two classes of two
        return found
    tree = hierarchy.linkage(squareform(matrix, checks=False), method="average")
    for count in range(2, MOST_CLASSES + 1):
        labels = hierarchy.fcluster(tree, count, criterion="maxclust") - 1
        sizes = np.bincount(labels)
        if len(sizes) > 1 and sizes.min() > 1 and (width := _silhouette(matrix, labels)) > widest:
            widest, order = width, np.argsort(-sizes, kind="stable")
            found = np.argsort(order)[labels]
    return found


def _silhouette(matrix: np.ndarray, labels: np.ndarray) -> float:
    """The mean silhouette width of clusters of at least 2 networks."""
    own = labels[:, None] == np.unique(labels)
    means = matrix @ own / own.sum(axis=0)
    sizes = own.sum(axis=0)[labels]
    within = means[own] * sizes / (sizes - 1)  # without the network itself
    across = np.where(own, np.inf, means).min(axis=1)
    larger = np.maximum(within, across)
    return float(np.mean((across - within) / np.where(larger > 0, larger, 1.0)))


def class_accuracy(
    matrix: np.ndarray, classes: ArrayLike, *, permutations: int = 9999, seed: int = 0
) -> ClassAccuracy:
    """How often the nearest other network has the class of a network, each class counting alike.

        A = 1/C sum_c h_c / n_c

    with h_c of the n_c networks of class c having their nearest neighbor in it (leave-one-out).
    The interval joins Wilson's of the classes (Zou & Donner 2008):
    A - sqrt(sum_c (h_c / n_c - l_c)^2) / C to A + sqrt(sum_c (u_c - h_c / n_c)^2) / C; it takes the
    networks as independent, though they are one another's neighbors. The null is that classes say
    nothing: they are shuffled over the networks, and the p-value is (1 + n) / (1 + P), n of the P
    shuffles having at least this accuracy.

    Args:
        matrix: Distances, `[K, K]`. A network without distances counts as wrong.
        classes: The class of each network, `[K]`, at least 2 of at least 2 networks each.
        permutations: Shuffles P.
        seed: Seed of the shuffles; matrices that share it share them.

    Returns:
        Accuracy, its null and p-value.

    Raises:
        ValueError: If there is one class alone, a class has a single network, or shapes differ.

    Source: Fix & Hodges (1951) for the classifier; Zou & Donner (2008), Statistics in Medicine 27.

    Example:
        >>> import numpy as np
        >>> from rnnensemble import stats
        >>> places = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.2])
        >>> found = stats.class_accuracy(abs(places[:, None] - places), [0, 0, 0, 1, 1, 1])
        >>> found.accuracy.value, 0.05 < found.p_value < 0.15  # of 20 ways, 2 are as good
        (1.0, True)
    """
    matrix = as_distances(matrix)
    labels = require_classes(classes, len(matrix))
    require_seed(seed)
    require_at_least("permutations", permutations, 1)
    apart = np.where(np.isnan(matrix) | np.eye(len(matrix), dtype=bool), np.inf, matrix)
    nearest, known = apart.argmin(axis=1), np.isfinite(apart.min(axis=1))
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(labels, (permutations, 1)), axis=1)
    counts = np.bincount(labels)
    hits, chance = (
        _hits(each, each[:, nearest], known, len(counts)) for each in (labels[None], shuffled)
    )
    found, null = (each.mean(axis=1) for each in (hits / counts, chance / counts))
    low, high = binomial_interval(hits[0], counts)
    rates = hits[0] / counts
    reach = [np.sqrt(np.sum((end - rates) ** 2)) / len(counts) for end in (low, high)]
    value = float(found[0])
    return ClassAccuracy(
        Estimate(value, value - float(reach[0]), value + float(reach[1])),
        float(null.mean()),
        float(np.quantile(null, 0.95)),
        float((1 + (null >= value - 1e-12).sum()) / (1 + permutations)),
    )


def _hits(labels: np.ndarray, told: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """How many networks of each class are told, `[P, C]`, of classes `[P, K]`."""
    right = (labels == told) & known
    return np.stack([(right & (labels == c)).sum(axis=1) for c in range(count)], axis=1)


def require_classes(classes: ArrayLike, count: int) -> np.ndarray:
    """Classes of networks as numbers from 0, `[K]`; ValueError unless they can be told apart."""
    given = np.asarray(classes)
    if given.shape != (count,):
        raise ValueError(
            f"`classes` must hold a class for each of the {count} networks; got shape "
            f"{list(given.shape)}."
        )
    names, labels, sizes = np.unique(given, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(
            f"`classes` must be at least 2; all {count} networks are of one, so that there is "
            "nothing to tell."
        )
    if sizes.min() < 2:
        raise ValueError(
            "`classes` must have at least 2 networks each, since a single one has no neighbor of "
            f"its class; {names[sizes.argmin()]} has 1."
        )
    return labels
