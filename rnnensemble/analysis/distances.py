"""Distances between the networks of a population, with nulls, bounds and repeated pairs."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble.metrics import Metric
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.blocks import compare_pairs
from rnnensemble.metrics.pairwise import place_for
from rnnensemble.metrics.weights import AXES
from rnnensemble.stats import intervals, reliability
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training.evaluation import Subject

Report = Callable[[str, int, int], None]
"""Called with a level's name, the items done and the items in all."""


def at_level(progress: Report | None, level: str) -> Callable[[int, int], None] | None:
    """The callback of one level."""
    return None if progress is None else partial(progress, level)


def of_pairs(
    progress: Callable[[int, int], None] | None, networks: int
) -> Callable[[int, int], None] | None:
    """The callback told in pairs of networks, whatever else is compared beside each of them.

    A user counts K (K - 1) / 2 pairs. Nulls, pairs that are measured twice and further settings are
    compared too, and take their share of the time.
    """
    pairs = networks * (networks - 1) // 2
    return progress and (lambda done, total: progress(pairs * done // total, pairs))


class Distances(NamedTuple):
    """Distances between M networks and what they are worth.

    Attributes:
        mean: Mean over pairs, with an interval over networks.
        matrix: Distances, `[M, M]`.
        lower_bound: What no alignment comes below, `[M, M]`; 0 if the metric knows none.
        reached: How many starts of the search came to the distance, `[M, M]`; 1 without a search.
        null: Distances of each network to itself, `[M]`: on other trials for dynamics, renumbered
            for weights (where 0 shows that the search finds it).
        again: Distances measured a second time, on other trials, `[M, M]`; NaN where they were not.
        across: Distances of the same pairs, either network on other trials than the other.
        ranks: How many coordinates a network's operator uses, `[M]`; 0 if the metric has none.
        left_out: By how much what a network's components leave out may change its distances at
            most, `[M, M]`; 0 where nothing is left out.
        trials: How many trials a measurement took; 0 where none are needed.
    """

    mean: Estimate
    matrix: np.ndarray
    lower_bound: np.ndarray
    reached: np.ndarray
    null: np.ndarray
    again: np.ndarray
    across: np.ndarray
    ranks: np.ndarray
    left_out: np.ndarray
    trials: int

    @property
    def null_share(self) -> float:
        """Mean null over mean distance: how much of it is trials."""
        pairs = self.matrix[np.triu_indices(len(self.matrix), 1)]
        return reliability.share(float(np.mean(self.null)), float(pairs.mean()))

    @property
    def reliability(self) -> float:
        """Agreement of both measurements of the repeated pairs (intraclass correlation)."""
        return float(reliability.of_repeated(self.matrix, self.again))

    @property
    def corrected(self) -> float:
        """Mean distance without what trials add to it (`reliability.corrected`); NaN if unknown."""
        return reliability.corrected(self.matrix, self.null, self.across)


def probed_share(
    metric: Metric, features: Any, others: Any, *, subject: Subject, seed: int
) -> float:
    """About what share of the mean distance the null has: by each network with its next one.

    `features` and `others` are as for `distances`.
    """
    count = subject.size
    own = np.arange(count)
    found = compare_pairs(
        metric,
        jax.tree.map(lambda *x: np.concatenate(x), features, others),
        (np.append(own, own), np.append((own + 1) % count, own + count)),
        where=place_for(metric, features, subject.mesh, tile=subject.tile),
        seed=seed,
    )
    between, null = distance_of(found).reshape(2, count).mean(axis=1)
    return reliability.share(null, between)


def distances(
    metric: Metric,
    features: Any,
    others: Any,
    *,
    subject: Subject,
    seed: int,
    trials: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Distances:
    """Distances between networks, of each to itself, and of some pairs once more.

    `features` are what the metric keeps of each network, host arrays with leading axis M, and
    `others` the same of these networks otherwise (other trials, renumbered units). `trials` is how
    many each of both took; 0 where they are no draws of trials, and nothing is to be measured
    again. `progress` is called with the pairs of networks done and those in all (`of_pairs`).
    """
    count = subject.size
    left, right = reliability.pairs_of_both(count, again=trials > 0, across=trials > 0)
    found = compare_pairs(
        metric,
        jax.tree.map(lambda *x: np.concatenate(x), features, others),
        (left, right),
        where=place_for(metric, features, subject.mesh, tile=subject.tile),
        seed=seed,
        progress=of_pairs(progress, count),
    )
    matrix, null, again, across = reliability.split(distance_of(found), count)

    def evidence(name: str, otherwise: np.ndarray) -> np.ndarray:
        return reliability.split(getattr(found, name, otherwise), count)[0]

    nothing = np.zeros(len(left), np.int32)
    with_itself = np.arange(count) + count * (count - 1) // 2
    ranks = getattr(found, "ranks", np.zeros((len(left), 2), np.int32))[with_itself, 0]
    return Distances(
        mean=intervals.mean_distance(matrix),
        matrix=matrix,
        lower_bound=evidence("lower_bound", nothing.astype(np.float32)),
        reached=evidence("reached", nothing + 1),
        null=null,
        again=again,
        across=across,
        ranks=ranks,
        left_out=evidence("left_out", nothing.astype(np.float32)),
        trials=trials,
    )


def renumbered(
    parameters: dict[str, np.ndarray], *, seed: int, signed: bool, fixed: int = 0
) -> dict[str, Any]:
    """The same networks with their units in another random order, signs flipped too if `signed`.

    Arrays have a leading axis M and last axes as in `weights.AXES`. The first `fixed` units keep
    their places and signs.
    """
    rng = np.random.default_rng(seed)
    matrices = parameters["recurrent_weights"]
    count, units = len(matrices), matrices.shape[-1]
    orders = np.array([rng.permutation(units) for _ in range(count)])
    signs = rng.choice([-1.0, 1.0], size=(count, units)) if signed else np.ones((count, units))
    if fixed:
        free = orders[orders >= fixed].reshape(count, -1)
        orders = np.hstack([np.tile(np.arange(fixed), (count, 1)), free])
        signs[:, :fixed] = 1.0
    found = {}
    for name, values in parameters.items():
        letters = AXES[name]
        for axis, letter in enumerate(letters, start=values.ndim - len(letters)):
            if letter == "N":
                shape = [count] + [1] * (values.ndim - 1)
                shape[axis] = units
                values = np.take_along_axis(values, orders.reshape(shape), axis)
                values = values * signs.reshape(shape).astype(values.dtype)
        found[name] = values
    return found
