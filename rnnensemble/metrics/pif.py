"""Permutation-invariant Frobenius distance of recurrent weights."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from optax.assignment import hungarian_algorithm

from rnnensemble.axes import Array, Key
from rnnensemble.metrics.base import Metric


class Matching(NamedTuple):
    """How the units of two networks were matched.

    Attributes:
        distance: ||W1 - P W2 P^T||_F at `permutation`, recomputed there.
        permutation: Unit i of the first network is unit `permutation[i]` of the second, `[N]`.
    """

    distance: Array
    permutation: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class PIF(Metric):
    """Permutation-invariant Frobenius distance of recurrent weights.

        d(W1, W2) = min over permutations P of || W1 - P W2 P^T ||_F

    A quadratic assignment problem: solved by FAQ (Frank-Wolfe over doubly stochastic matrices,
    exact line search, projection by linear assignment) from several starts, then by exchanges of
    two units as long as one helps. The identity is among the starts, so that the value never
    exceeds the unaligned distance; it is an upper bound.

    Source: Huang et al. (arXiv 2410.03972, section 2.3); Vogelstein et al. (2015) for FAQ, whose
    defaults follow scipy.optimize.quadratic_assignment.

    Attributes:
        normalize: Divides by the number of weights N^2, to compare across sizes as the paper.
        starts: The barycenter, the identity, then blends of the barycenter and a random
            permutation.
        steps: Frank-Wolfe steps at most.
        tolerance: Stops a start when P moves by less, in Frobenius norm over sqrt(N).
    """

    name: ClassVar[str] = "pif"
    data: ClassVar[str] = "weights"

    normalize: bool = False
    starts: int = 3
    steps: int = 30
    tolerance: float = 0.03

    def __post_init__(self) -> None:
        for name in ("starts", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1; got {getattr(self, name)}.")
        if not self.tolerance >= 0:
            raise ValueError(f"`tolerance` must be at least 0; got {self.tolerance}.")

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"`weights` must be [K, N, N]; got {shape} for one network.")

    def prepare(self, data: Array) -> Array:
        return data

    def compare(self, key: Key, first: Array, second: Array) -> Array:
        distance = self.match(key, first, second).distance
        return distance / first.size if self.normalize else distance

    def match(self, key: Key, first: Array, second: Array) -> Matching:
        """Matches the units of two networks.

        Args:
            key: Random key for the starts, consumed.
            first: W1, `[N, N]`.
            second: W2, `[N, N]`.

        Returns:
            The distance and the permutation that attains it.
        """

        first, second = jnp.asarray(first), jnp.asarray(second)

        def from_start(start: Array) -> Matching:
            soft = frank_wolfe(first, second, start, self.steps, self.tolerance)
            permutation = exchange(first, second, nearest_permutation(soft))
            aligned = second[permutation][:, permutation]
            return Matching(jnp.linalg.norm(first - aligned), permutation)

        tried = jax.lax.map(from_start, initial_matchings(key, len(first), self.starts))
        winner = jnp.argmin(tried.distance)
        return Matching(tried.distance[winner], tried.permutation[winner])


def initial_matchings(key: Key, n: int, count: int) -> Array:
    """Doubly stochastic starts, `[count, n, n]`: barycenter, identity, random blends."""
    center = jnp.full((n, n), 1 / n)
    eye = jnp.eye(n)
    keys = jax.random.split(key, count)
    permutations = jax.vmap(lambda k: eye[jax.random.permutation(k, n)])(keys)
    starts = (center + permutations) / 2
    return starts.at[0].set(center).at[1:2].set(eye)


def nearest_permutation(gain: Array) -> Array:
    """The permutation p that maximizes the sum of gain[i, p[i]]."""
    rows, columns = hungarian_algorithm(-gain)
    return jnp.zeros(len(gain), columns.dtype).at[rows].set(columns)


def frank_wolfe(w1: Array, w2: Array, start: Array, steps: int, tolerance: float) -> Array:
    """Climbs tr(W1^T P W2 P^T) over doubly stochastic P (FAQ)."""
    n = len(w1)

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        _, moved, step = carry
        return (moved >= tolerance) & (step < steps)

    def climb(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        p, _, step = carry
        slope = w1 @ p @ w2.T + w1.T @ p @ w2
        vertex = jnp.eye(n)[nearest_permutation(slope)]
        toward = vertex - p
        # along p + t * toward the objective is constant + linear t + square t^2
        linear = jnp.sum(slope * toward)
        square = jnp.sum(w1 * (toward @ w2 @ toward.T))
        inside = jnp.clip(-linear / (2 * jnp.where(square < 0, square, -1.0)), 0.0, 1.0)
        end = jnp.where(linear + square >= 0, 1.0, 0.0)
        t = jnp.where(square < 0, inside, end)
        return p + t * toward, t * jnp.linalg.norm(toward) / n**0.5, step + 1

    begin = (start, jnp.asarray(jnp.inf), jnp.asarray(0))
    return jax.lax.while_loop(unfinished, climb, begin)[0]


def exchange(w1: Array, w2: Array, permutation: Array) -> Array:
    """Exchanges the two units that gain most as long as the distance falls.

    With M = W2 aligned and v = e_r - e_s, exchanging r and s changes tr(W1^T M) by
    (v^T W1 v)(v^T M v) - v^T G v, where G = W1 M^T + W1^T M.
    """
    n = len(w1)
    least_gain = 1e-6 * jnp.linalg.norm(w1) * jnp.linalg.norm(w2)

    def spans(m: Array) -> Array:
        """v^T M v for all r, s."""
        diagonal = jnp.diag(m)
        return diagonal[:, None] + diagonal[None] - m - m.T

    def best_gain(permutation: Array) -> tuple[Array, Array]:
        m = w2[permutation][:, permutation]
        gains = spans(w1) * spans(m) - spans(w1 @ m.T + w1.T @ m)
        place = jnp.argmax(gains)
        return gains.ravel()[place], place

    def unfinished(carry: tuple[Array, Array, Array, Array]) -> Array:
        _, gain, _, step = carry
        return (gain > least_gain) & (step < 10 * n)

    def swap(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        permutation, _, place, step = carry
        r, s = place // n, place % n
        permutation = permutation.at[r].set(permutation[s]).at[s].set(permutation[r])
        return (permutation, *best_gain(permutation), step + 1)

    begin = (permutation, *best_gain(permutation), jnp.asarray(0))
    return jax.lax.while_loop(unfinished, swap, begin)[0]
