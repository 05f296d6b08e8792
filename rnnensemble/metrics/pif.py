"""Permutation-invariant Frobenius distance of weights."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import later, require_at_least
from rnnensemble.metrics.base import Metric, require_counts
from rnnensemble.metrics.matching import (
    Problem,
    Vertex,
    anneal,
    best_signs,
    climb,
    every_vertex,
    exchange,
    identity,
    random_starts,
)
from rnnensemble.metrics.weights import (
    AXES,
    Weights,
    as_problem,
    check_parameters,
    distance,
    in_one_unit,
    lower_bound,
    other_parameters,
    parted,
    sorted_rows,
)

HOST_CORES = 8
"""So many cores are as fast as a GPU, by an estimate (docs/metrics/pif.md)."""
REACH = 1e-4
"""Starts whose distance ends within this of the least, relative to it, have reached it."""


class Matching(NamedTuple):
    """How the units of two networks were matched, Q = D P with D = diag(signs).

    Attributes:
        distance: The distance at `permutation` and `signs`, recomputed there.
        permutation: Unit i of the first network is unit `permutation[i]` of the second, `[N]`.
        signs: Its sign, `[N]`; all 1 unless the metric is signed.
        lower_bound: No matching comes below this (Gilmore-Lawler; the distance where it is exact).
        reached: Number of starts that ended within 1e-4 of the least distance, relative to it;
            signed, of the random ones.
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

    Gated networks have one recurrent matrix for each gate, W of shape `[G, N, N]`: one P acts on
    all of them, and squares are summed over gates.

    A quadratic assignment problem. Up to 7 units (5 signed) every matching is tried and the value
    is exact. Beyond, it is searched from several starts: FAQ as scipy has it, then FAQ whose first
    vertices are softened; each ends with exchanges of two units as long as one helps. The value
    is then an upper bound, never above the unaligned distance. Of (a, b) and (b, a) one pair
    is solved: the two may end at different optima.

    Source: Huang et al. (arXiv 2410.03972, section 2.3); Vogelstein et al. (2015) for FAQ.

    Attributes:
        parameters: `recurrent` for W alone, as the paper; `all` for a dictionary of
            `recurrent_weights` `[N, N]`, `input_weights` `[N, I]`, `bias` `[N]` (each with an
            axis of gates before N or without), `readout_weights` `[O, N]` and optionally
            `initial_state` `[N]`.
        signed: Whether units may change their sign.
        normalize: Divides by the number of weights compared (N^2; of all parameters for `all`),
            to compare across sizes as the paper.
        starts: Number of starts; None for 2 from 79 units on and more where they are cheap, 48 up
            to 16 units. The barycenter with exact vertices, the barycenter with softened ones,
            then random ones with softened and with exact vertices by turns. Signed, as many
            random ones besides, which join the best unsigned matching and one of the weights'
            sizes.
        soft_steps: Frank-Wolfe steps with softened vertices.
        steps: Frank-Wolfe steps with exact vertices at most.
        tolerance: They stop when P moves by less, in Frobenius norm over sqrt(N).
        place: Where pairs are matched on a machine with accelerators: `host` for its CPU cores,
            `device` for the accelerators; None for the host if it has at least 8 cores for each
            of them, by our estimate (docs/metrics/pif.md). Decides nothing but the time.
        fixed: How many units keep their places, and their signs: the first so many of each
            network, which stand for the same recorded neurons in all; only the others are
            renumbered. None for those of the network in `measure_degeneracy` (see `Observed`), and
            for 0 elsewhere.
    """

    name: ClassVar[str] = "pif"
    data: ClassVar[str] = "weights"

    parameters: Literal["recurrent", "all"] = "recurrent"
    signed: bool = False
    normalize: bool = False
    starts: int | None = None
    soft_steps: int = 30
    steps: int = 30
    tolerance: float = 0.03
    place: Literal["host", "device"] | None = None
    fixed: int | None = later(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parameters not in ("recurrent", "all"):
            raise ValueError(f"`parameters` must be 'recurrent' or 'all'; got {self.parameters!r}.")
        require_counts(self, "starts", "soft_steps", "steps")
        if not self.tolerance >= 0:
            raise ValueError(f"`tolerance` must be at least 0; got {self.tolerance}.")
        if self.fixed is not None:
            require_at_least("fixed", self.fixed, 0)
        if self.place not in ("host", "device", None):
            raise ValueError(f"`place` must be 'host', 'device' or None; got {self.place!r}.")

    def count(self, units: int) -> int:
        """Number of starts for so many units: as many as cost what 2 do at 78, at most 48."""
        return self.starts or max(2, min(48, 12_288 // max(units, 1) ** 2))

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(AXES) if self.parameters == "all" else ("weights",)

    @property
    def host_cores(self) -> float:
        return {"host": 0, "device": math.inf, None: HOST_CORES}[self.place]

    def check(self, shape: Any) -> None:
        if self.parameters == "all":
            check_parameters(shape)
            shape = shape["recurrent_weights"]
        elif not isinstance(shape, tuple) or len(shape) not in (2, 3) or shape[-2] != shape[-1]:
            raise ValueError(
                f"`weights` must be [K, N, N], or [K, G, N, N] of gates; got {shape} for one "
                "network."
            )
        self.require_units(shape[-1])

    def require_units(self, units: int) -> None:
        """Raises ValueError unless networks of so many units can be matched."""
        if (self.fixed or 0) > units:
            raise ValueError(f"`fixed` must be at most the {units} units; got {self.fixed}.")

    def prepare(self, data: Any) -> Weights:
        """What a network's weights, `[N, N]` or `[G, N, N]`, or all of them are matched by."""
        recurrent = data["recurrent_weights"] if self.parameters == "all" else data
        recurrent = jnp.asarray(recurrent, jnp.float32)
        none = jnp.zeros((recurrent.shape[-1], 0), jnp.float32)
        others = other_parameters(data) if self.parameters == "all" else none
        recurrent, others, still = parted(recurrent, others, self.fixed or 0)
        sizes = jnp.abs(recurrent) if self.signed else recurrent
        return Weights(recurrent, others, sorted_rows(sizes), sorted_rows(sizes.mT), still)

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
        first, second, unit = in_one_unit(first, second)
        distance_at = partial(distance, first, second)
        units = first.recurrent.shape[-1]
        every = every_vertex(units, signed=self.signed)
        ends = self.ends(key, first, second) if every is None else every
        best = nearest(ends, distance_at)
        least = distance_at(best)
        starts = self.count(units)
        reached, bound = jnp.asarray(starts), least
        if every is None:
            tried = jax.vmap(distance_at)(ends)[:starts]
            reached = jnp.sum(tried <= (1 + REACH) * least)
            bound = jnp.minimum(lower_bound(first, second, signed=self.signed), least)
        if self.normalize:
            unit = unit / (first.recurrent.size + first.others.size + first.still.size)
        best = after_fixed(best, self.fixed or 0)
        return Matching(least * unit, best.permutation, best.signs, bound * unit, reached)

    def ends(self, key: Key, first: Weights, second: Weights) -> Vertex:
        """Where the searches end, those of the starts first."""
        plain_key, signed_key = jax.random.split(key)
        if self.signed:
            return self.search_signed(signed_key, plain_key, first, second)
        return self.search(plain_key, first, second)

    def search(self, key: Key, first: Weights, second: Weights) -> Vertex:
        """Where each start ends among permutations; the best is no worse than the identity."""
        problem = as_problem(first, second)
        n = len(problem.linear)
        center = jnp.full((1, n, n), 1 / n)
        starts = self.count(n)
        drawn = random_starts(key, n, max(starts - 2, 0), signed=False)
        softened = jnp.concatenate([center, drawn[::2]])[: starts - 1]
        softened = self.soften(problem, softened, signed=False)
        ends = self.climb(problem, jnp.concatenate([center, drawn[1::2], softened]), signed=False)
        # the identity takes the worst one's place where it beats all: from elsewhere it needs
        # many exchanges
        distance_at = partial(distance, first, second)
        tried, unaligned = jax.vmap(distance_at)(ends), identity(n)
        better = (jnp.arange(starts) == jnp.argmax(tried)) & (distance_at(unaligned) < tried.min())
        ends = jax.tree.map(lambda x, y: jnp.where(better[:, None], y, x), ends, unaligned)
        return self.exchange(problem, ends, signed=False)

    def search_signed(self, key: Key, plain_key: Key, first: Weights, second: Weights) -> Vertex:
        """Where each start ends among signed permutations, then where those known already end.

        Sizes of weights are matched by permutations alone; signs come after.
        """
        problem = as_problem(first, second)
        pairs = [(first, second), jax.tree.map(jnp.abs, (first, second))]
        pairs = jax.tree.map(lambda *each: jnp.stack(each), *pairs)

        def best_unsigned(pair: tuple[Weights, Weights]) -> Vertex:
            return nearest(self.search(plain_key, *pair), partial(distance, *pair))

        unsigned = jax.lax.map(best_unsigned, pairs)
        flipped = best_signs(problem, unsigned.permutation[1])
        n = len(problem.linear)
        starts = random_starts(key, n, self.count(n), signed=True)
        ends = self.climb(problem, self.soften(problem, starts, signed=True), signed=True)
        known = [jax.tree.map(lambda x: x[:1], unsigned), one_of(flipped)]
        return self.exchange(problem, stack([ends, *known]), signed=True)

    def soften(self, problem: Problem, starts: Array, *, signed: bool) -> Array:
        """Ends of Frank-Wolfe with softened vertices, from and to `[starts, N, N]`."""
        run = partial(anneal, problem, steps=self.soft_steps, signed=signed)
        return jax.lax.map(run, starts)

    def climb(self, problem: Problem, starts: Array, *, signed: bool) -> Vertex:
        """Ends of FAQ, from `[starts, N, N]`."""
        settings = {"steps": self.steps, "tolerance": self.tolerance, "signed": signed}
        return jax.lax.map(partial(climb, problem, **settings), starts)

    def exchange(self, problem: Problem, ends: Vertex, *, signed: bool) -> Vertex:
        """Ends of exchanges."""
        return jax.lax.map(partial(exchange, problem, signed=signed), ends)


def after_fixed(vertex: Vertex, fixed: int) -> Vertex:
    """The vertex of all units, of which the first keep their places and their signs."""
    permutation = jnp.concatenate([jnp.arange(fixed), fixed + vertex.permutation])
    return Vertex(permutation, jnp.concatenate([jnp.ones(fixed), vertex.signs]))


def nearest(vertices: Vertex, distance_at: Callable[[Vertex], Array]) -> Vertex:
    """The one of stacked vertices with the least distance."""
    winner = jnp.argmin(jax.vmap(distance_at)(vertices))
    return jax.tree.map(lambda x: x[winner], vertices)


def one_of(vertex: Vertex) -> Vertex:
    """A stack of one vertex."""
    return jax.tree.map(lambda x: x[None], vertex)


def stack(parts: list[Vertex]) -> Vertex:
    """Stacks of vertices as one."""
    return jax.tree.map(lambda *each: jnp.concatenate(each), *parts)
