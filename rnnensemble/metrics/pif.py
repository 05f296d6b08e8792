"""Permutation-invariant Frobenius distance of weights."""

import dataclasses
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble.axes import Array, Key
from rnnensemble.metrics.base import Metric
from rnnensemble.metrics.matching import (
    Problem,
    Vertex,
    anneal,
    best_signs,
    climb,
    exchange,
    identity,
    initial_matchings,
    largest_possible,
)

REACH = 1e-4
"""Starts whose distance ends within this of the least, relative to it, have reached it."""

FIELDS = ("recurrent_weights", "input_weights", "bias", "readout_weights", "initial_state")
"""Parameters of a network that carry units; the last may be absent."""


class Weights(NamedTuple):
    """What two networks are matched by.

    Attributes:
        recurrent: W, `[N, N]`.
        others: All other parameters by unit, U, `[N, F]`; F = 0 for recurrent weights alone.
        rows: Off-diagonal entries of each row of W, sorted (by size if signed), `[N, N - 1]`.
        columns: The same of each column.
    """

    recurrent: Array
    others: Array
    rows: Array
    columns: Array


class Matching(NamedTuple):
    """How the units of two networks were matched, Q = D P with D = diag(signs).

    Attributes:
        distance: The distance at `permutation` and `signs`, recomputed there.
        permutation: Unit i of the first network is unit `permutation[i]` of the second, `[N]`.
        signs: Its sign, `[N]`; all 1 unless the metric is signed.
        lower_bound: No matching comes below this (Gilmore-Lawler).
        reached: Number of starts that ended within 1e-4 of the least distance, relative to it.
    """

    distance: Array
    permutation: Array
    signs: Array
    lower_bound: Array
    reached: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class PIF(Metric):
    """Permutation-invariant Frobenius distance of weights.

        d(W1, W2) = min over permutations P of || W1 - P W2 P^T ||_F

    and with all parameters min over P of
    (||W1 - P W2 P^T||^2 + ||U1 - P U2||^2)^(1/2), U = [input weights, bias, readout weights^T,
    initial state]. An odd activation as tanh leaves the signs of units free too: `signed` takes
    the minimum over D P with D = diag(+-1).

    A quadratic assignment problem, searched from several starts: FAQ as scipy has it, then FAQ
    whose first vertices are softened; each ends with exchanges of two units as long as one helps.
    The value is an upper bound, never above the unaligned distance. Of (a, b) and (b, a) one pair
    is solved: the two may end at different optima.

    Source: Huang et al. (arXiv 2410.03972, section 2.3); Vogelstein et al. (2015) for FAQ.

    Attributes:
        parameters: `recurrent` for W alone, as the paper; `all` for a dictionary of
            `recurrent_weights` `[N, N]`, `input_weights` `[N, I]`, `bias` `[N]`,
            `readout_weights` `[O, N]` and optionally `initial_state` `[N]`.
        signed: Whether units may change their sign.
        normalize: Divides by the number of weights compared (N^2; of all parameters for `all`),
            to compare across sizes as the paper.
        starts: The barycenter with exact vertices, the barycenter with softened ones, then random
            ones; signed: the best unsigned matching, one of the weights' sizes, then random ones.
        soft_steps: Frank-Wolfe steps with softened vertices.
        steps: Frank-Wolfe steps with exact vertices at most.
        tolerance: They stop when P moves by less, in Frobenius norm over sqrt(N).
    """

    name: ClassVar[str] = "pif"
    data: ClassVar[str] = "weights"

    parameters: Literal["recurrent", "all"] = "recurrent"
    signed: bool = False
    normalize: bool = False
    starts: int = 3
    soft_steps: int = 40
    steps: int = 30
    tolerance: float = 0.03

    def __post_init__(self) -> None:
        if self.parameters not in ("recurrent", "all"):
            raise ValueError(f"`parameters` must be 'recurrent' or 'all'; got {self.parameters!r}.")
        for name in ("starts", "soft_steps", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1; got {getattr(self, name)}.")
        if not self.tolerance >= 0:
            raise ValueError(f"`tolerance` must be at least 0; got {self.tolerance}.")

    def check(self, shape: Any) -> None:
        if self.parameters == "all":
            check_parameters(shape)
        elif not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"`weights` must be [K, N, N]; got {shape} for one network.")

    def prepare(self, data: Any) -> Weights:
        """What a network's `[N, N]` weights, or the dictionary of all, are matched by."""
        if self.parameters == "all":
            columns = [jnp.asarray(data[name], jnp.float32) for name in FIELDS if name in data]
            columns[3] = columns[3].T
            recurrent, *others = (x[:, None] if x.ndim == 1 else x for x in columns)
            others = jnp.hstack(others)
        else:
            recurrent = jnp.asarray(data, jnp.float32)
            others = jnp.zeros((len(recurrent), 0))
        sizes = jnp.abs(recurrent) if self.signed else recurrent
        return Weights(recurrent, others, sorted_rows(sizes), sorted_rows(sizes.T))

    def match(self, key: Key, first: Any, second: Any) -> Matching:
        """Matches the units of two networks, given by what `prepare` takes."""
        return self.compare(key, self.prepare(first), self.prepare(second))

    def compare(self, key: Key, first: Weights, second: Weights) -> Matching:
        """Matches the units of two networks.

        Args:
            key: Random key for the starts, consumed.
            first: The first network.
            second: The second, of the same shape.

        Returns:
            The distance, the matching that attains it, and a lower bound.
        """
        problem = as_problem(first, second)
        distance_at = partial(distance, first, second)
        ends = self.search(key, problem, distance_at)
        tried = jax.vmap(distance_at)(ends)
        best = exchange(problem, nth(ends, jnp.argmin(tried)), signed=self.signed)
        least = distance_at(best)
        bound = jnp.minimum(lower_bound(first, second, signed=self.signed), least)
        reached = jnp.sum(tried[:-1] <= (1 + REACH) * least)
        scale = first.recurrent.size + first.others.size if self.normalize else 1
        return Matching(least / scale, best.permutation, best.signs, bound / scale, reached)

    def search(self, key: Key, problem: Problem, distance_at: Any) -> Vertex:
        """Where the starts end, and the identity, stacked."""
        unsigned_key, signed_key = jax.random.split(key)
        ends = self.unsigned_ends(unsigned_key, problem)
        if self.signed:
            best = nth(ends, jnp.argmin(jax.vmap(distance_at)(ends)))
            ends = self.signed_ends(signed_key, problem, best)
        return stack([ends, one_of(identity(len(problem.first)))])

    def unsigned_ends(self, key: Key, problem: Problem) -> Vertex:
        """Where each start ends among permutations."""
        n = len(problem.first)
        plain = one_of(self.finish(problem, jnp.full((n, n), 1 / n), signed=False))
        if self.starts == 1:
            return plain
        starts = initial_matchings(key, n, self.starts - 1, signed=False)
        return stack([plain, self.anneal_all(problem, starts, signed=False)])

    def signed_ends(self, key: Key, problem: Problem, unsigned: Vertex) -> Vertex:
        """Where each start ends among signed permutations; `unsigned` is the first."""
        n = len(problem.first)
        ends = [one_of(exchange(problem, unsigned, signed=True))]
        if self.starts > 1:
            sizes = Problem(*map(jnp.abs, problem))
            start = anneal(sizes, jnp.full((n, n), 1 / n), steps=self.soft_steps, signed=False)
            matched = self.finish(sizes, start, signed=False)
            flipped = best_signs(problem, matched.permutation)
            ends.append(one_of(exchange(problem, flipped, signed=True)))
        if self.starts > 2:
            starts = initial_matchings(key, n, self.starts - 2, signed=True)
            ends.append(self.anneal_all(problem, starts, signed=True))
        return stack(ends)

    def anneal_all(self, problem: Problem, starts: Array, *, signed: bool) -> Vertex:
        """Ends of softened searches from `[starts, N, N]`."""

        def run(start: Array) -> Vertex:
            soft = anneal(problem, start, steps=self.soft_steps, signed=signed)
            return self.finish(problem, soft, signed=signed)

        return jax.lax.map(run, starts)

    def finish(self, problem: Problem, start: Array, *, signed: bool) -> Vertex:
        """FAQ, then exchanges."""
        settings = {"steps": self.steps, "tolerance": self.tolerance, "signed": signed}
        return exchange(problem, climb(problem, start, **settings), signed=signed)


def check_parameters(shape: Any) -> None:
    """Raises ValueError unless these are the shapes of all parameters of one network."""
    if not isinstance(shape, dict) or set(shape) not in (set(FIELDS), set(FIELDS[:4])):
        named = ", ".join(shape) if isinstance(shape, dict) else shape
        raise ValueError(
            f"`data` must be a dictionary of {', '.join(FIELDS[:4])} and optionally {FIELDS[4]} "
            f"for `parameters` = 'all'; got {named}."
        )
    n = shape["recurrent_weights"][0] if shape["recurrent_weights"] else 0
    sizes = {"recurrent_weights": (n, n), "bias": (n,), "initial_state": (n,)}
    sizes["input_weights"] = (n, *shape["input_weights"][1:2])
    sizes["readout_weights"] = (*shape["readout_weights"][:1], n)
    ranks = {"input_weights": 2, "readout_weights": 2}
    for name, got in shape.items():
        if tuple(got) != sizes[name] or len(got) != ranks.get(name, len(got)):
            letters = {"recurrent_weights": "[N, N]", "input_weights": "[N, I]"}
            wanted = letters.get(name, "[O, N]" if name == "readout_weights" else "[N]")
            raise ValueError(f"`{name}` must be {wanted} with N = {n}; got {tuple(got)}.")


def as_problem(first: Weights, second: Weights) -> Problem:
    """The quadratic assignment problem of two networks."""
    return Problem(first.recurrent, second.recurrent, first.others @ second.others.T)


def distance(first: Weights, second: Weights, vertex: Vertex) -> Array:
    """The distance of two networks when matched so."""
    recurrent = first.recurrent - vertex.both(second.recurrent)
    others = first.others - vertex.rows(second.others)
    return jnp.sqrt(jnp.sum(recurrent**2) + jnp.sum(others**2))


def sorted_rows(matrix: Array) -> Array:
    """Off-diagonal entries of each row, rising, `[N, N - 1]`."""
    return jnp.sort(jnp.where(jnp.eye(len(matrix), dtype=bool), jnp.inf, matrix), axis=1)[:, :-1]


def lower_bound(first: Weights, second: Weights, *, signed: bool) -> Array:
    """A bound that no matching comes below."""
    u1, u2 = first.others, second.others
    linear = u1 @ u2.T
    diagonal = jnp.outer(jnp.diag(first.recurrent), jnp.diag(second.recurrent))
    # a sign leaves the diagonal as it is
    linear = diagonal + (jnp.abs(linear) if signed else linear)
    pairs = (first.rows, second.rows), (first.columns, second.columns)
    sizes = sum(jnp.sum(x**2) for each in (first, second) for x in each[:2])
    square = sizes - 2 * largest_possible(linear, *pairs)
    return jnp.sqrt(jnp.maximum(square - 1e-5 * sizes, 0.0))  # less what rounding may have added


def nth(vertices: Vertex, index: Array) -> Vertex:
    """One of stacked vertices."""
    return jax.tree.map(lambda x: x[index], vertices)


def one_of(vertex: Vertex) -> Vertex:
    """A stack of one vertex."""
    return jax.tree.map(lambda x: x[None], vertex)


def stack(parts: list[Vertex]) -> Vertex:
    """Stacks of vertices as one."""
    return jax.tree.map(lambda *each: jnp.concatenate(each), *parts)
