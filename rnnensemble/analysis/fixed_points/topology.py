"""Fixed points as a level of its own: how networks' sets of them differ."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnensemble._core.axes import ArrayLike
from rnnensemble.analysis.fixed_points.points import FixedPoints, find_fixed_points
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.stats import intervals
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training.population import Population


class Topology(NamedTuple):
    """How the fixed points of M networks differ.

    Attributes:
        mean: Mean distance over pairs, with an interval over networks.
        matrix: Distances between their sets of fixed points, from 0 to 1, `[M, M]`.
        counts: Fixed points of each network by number of unstable directions, from 0 to N,
            `[M, N + 1]`.
        agreement: Share of networks with the most frequent counts.
        found: What the distances were made of; run folders do not keep it.
    """

    mean: Estimate
    matrix: np.ndarray
    counts: np.ndarray
    agreement: float
    found: tuple[FixedPoints, ...] = ()

    @property
    def typical(self) -> tuple[int, ...]:
        """The most frequent counts, from stable points on."""
        rows, networks = np.unique(self.counts, axis=0, return_counts=True)
        most = rows[networks.argmax()]
        return tuple(np.trim_zeros(most, "b").tolist()) or (0,)


def measure_topology(
    population: Population,
    *,
    search: FixedPointSearch | None = None,
    inputs: ArrayLike | None = None,
    devices: int | None = None,
) -> Topology:
    """How far apart the fixed points of a population's converged networks lie.

    Args:
        population: Trained networks, at least 2 of them converged.
        search: How fixed points are searched, `FixedPointSearch()` unless given.
        inputs: Constant inputs under which they are, `[I]`; zeros unless given.
        devices: How many local devices to use, None for all.

    Raises:
        ValueError: As `find_fixed_points`, or if fewer than 2 networks converged.
    """
    if population.converged.sum() < 2:
        raise ValueError(
            f"`population` must hold at least 2 converged networks; {population.summary()}."
        )
    found = find_fixed_points(population, search=search, inputs=inputs, devices=devices)
    low, high = population.task.output_range
    return topology_of(found, scale=high - low)


def topology_of(found: Sequence[FixedPoints], *, scale: float) -> Topology:
    """The topology level of networks whose fixed points are known; `scale` as in `set_distance`."""
    counts = np.zeros((len(found), found[0].points.shape[1] + 1), int)
    for row, each in zip(counts, found, strict=True):
        row[: len(each.counts())] = each.counts()
    matrix = np.zeros((len(found), len(found)))
    for i, j in zip(*np.triu_indices(len(found), 1), strict=True):
        matrix[i, j] = matrix[j, i] = set_distance(found[int(i)], found[int(j)], scale=scale)
    return Topology(
        mean=intervals.mean_distance(matrix),
        matrix=matrix,
        counts=counts,
        agreement=float(np.unique(counts, axis=0, return_counts=True)[1].max() / len(found)),
        found=tuple(found),
    )


def set_distance(first: FixedPoints, second: FixedPoints, *, scale: float) -> float:
    """The OSPA distance of two networks' sets of fixed points, not slow ones, from 0 to 1.

        d(X, Y) = (min over matchings of sum_i d(x_i, y_i) + |n - m|) / max(n, m)

    with n <= m points and d of two points 1 if their numbers of unstable directions differ, else
    min(1, |y_x - y_y| / scale), y what the readout puts out there: outputs, other than states, mean
    the same in every network; scale may be the width of their range. It is a metric between sets
    (order 1, cut-off 1); two networks without fixed points have distance 0.

    Source: Schuhmacher, Vo & Vo (2008, IEEE Transactions on Signal Processing 56); the distance of
    points is ours.
    """
    from scipy.optimize import linear_sum_assignment

    (outputs, unstable), (others, other_unstable) = (
        (each.outputs[each.fixed], each.unstable[each.fixed]) for each in (first, second)
    )
    most = max(len(outputs), len(others))
    if not most:
        return 0.0
    apart = np.linalg.norm(outputs[:, None] - others[None], axis=-1) / scale
    unlike = unstable[:, None] != other_unstable[None]
    costs = np.where(unlike, 1.0, np.minimum(apart, 1.0))
    matched = costs[linear_sum_assignment(costs)].sum()
    return float((matched + abs(len(outputs) - len(others))) / most)
