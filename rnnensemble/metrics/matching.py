"""Matching the units of two networks: FAQ, an annealed FAQ, exchanges, and a bound.

All of them maximize, over permutations or signed permutations X of N units,

    F(X) = <W1, X W2 X^T> + <L, X>

where L = U1 U2^T for parameters U that carry units on one axis; then
||W1 - X W2 X^T||^2 + ||U1 - X U2||^2 = const - 2 F(X). Where units have several matrices, one a
gate, W is a stack of them, `[G, N, N]`, which X acts on alike, and products are summed over them.
"""

import itertools
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble.metrics.assignment import LEAST_EXPONENT, assignment, first_true, sinkhorn, spread

SOFTEST, SHARPEST, ROUNDS = 1.0, 8.0, 10
"""Sharpness of annealed vertices from first to last, in inverse standard deviations of the slope,
and rounds of Sinkhorn for each. Measured: 30 steps in equal ratios end as low as 40 in equal
differences from 0.5 to 10 (Gaussian weights; trained ones 0.3% lower)."""


MOST_TRIED = 5040
"""Matchings that are tried one by one: all of 7 units, or all signed ones of 5."""


class Problem(NamedTuple):
    """What is maximized: W1 and W2, `[N, N]` or `[G, N, N]`, and the linear term L, `[N, N]`."""

    first: Array
    second: Array
    linear: Array


class Vertex(NamedTuple):
    """A signed permutation X: unit i of the first network is signs[i] times permutation[i]."""

    permutation: Array
    signs: Array

    def rows(self, matrix: Array) -> Array:
        """X times a matrix."""
        return self.signs[:, None] * matrix[..., self.permutation, :]

    def both(self, matrix: Array) -> Array:
        """X times a matrix times X^T."""
        turned = matrix[..., self.permutation, :][..., self.permutation]
        return self.signs[:, None] * turned * self.signs


def identity(n: int) -> Vertex:
    """The identity."""
    return Vertex(jnp.arange(n), jnp.ones(n))


def every_vertex(n: int, *, signed: bool) -> Vertex | None:
    """All (signed) permutations of few units, stacked; None if there are more than 5,040."""
    if math.factorial(n) * (2**n if signed else 1) > MOST_TRIED:
        return None
    permutations = np.array(list(itertools.permutations(range(n))), int)
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=n if signed else 0)))
    signs = signs if signed else np.ones((1, n))
    pairs = np.indices((len(permutations), len(signs))).reshape(2, -1)
    return Vertex(jnp.asarray(permutations[pairs[0]]), jnp.asarray(signs[pairs[1]], jnp.float32))


def best_vertex(gain: Array, signed: bool) -> Vertex:
    """The (signed) permutation X that maximizes <gain, X>."""
    if not signed:
        return Vertex(assignment(gain), jnp.ones(len(gain)))
    permutation = assignment(jnp.abs(gain))
    chosen = jnp.take_along_axis(gain, permutation[:, None], axis=1)[:, 0]
    return Vertex(permutation, jnp.where(chosen < 0, -1.0, 1.0))


def soft_vertex(gain: Array, sharpness: Array, signed: bool) -> Array:
    """The X of greatest <gain, X> + entropy / sharpness, doubly stochastic (in |X| if signed).

    Signed: each entry splits into a positive and a negative part, of entropy each; their sum is
    Sinkhorn's cosh(sharpness gain) and their difference tanh(sharpness gain) times that.
    """
    x = sharpness * gain / spread(gain)
    size = jnp.abs(x) if signed else x
    weights = jnp.exp(jnp.maximum(size - size.max(1, keepdims=True), LEAST_EXPONENT))
    if not signed:
        return sinkhorn(weights, ROUNDS)[0]
    return sinkhorn(weights * (1 + jnp.exp(-2 * size)), ROUNDS)[0] * jnp.tanh(x)


def curve(problem: Problem, x: Array | Vertex) -> Array:
    """W1 X W2^T + W1^T X W2, the slope of <W1, X W2 X^T>, for a matrix or a vertex."""
    w1, w2 = problem.first, problem.second
    if w1.ndim == 3:
        each = jax.vmap(lambda one, other: curve(Problem(one, other, problem.linear), x))
        return jnp.sum(each(w1, w2), axis=0)
    if isinstance(x, Vertex):
        return jnp.hstack([w1, w1.T]) @ jnp.vstack([x.rows(w2.T), x.rows(w2)])
    halves = jnp.vstack([w1, w1.T]) @ x
    return jnp.hstack(jnp.split(halves, 2)) @ jnp.vstack([w2.T, w2])


class _Point(NamedTuple):
    """A point of the relaxation, the curve there, and how far the last step moved it."""

    x: Array
    curve: Array
    moved: Array
    steps: Array


def _begin(problem: Problem, x: Array) -> _Point:
    return _Point(x, curve(problem, x), jnp.asarray(jnp.inf), jnp.asarray(0))


def _toward(problem: Problem, at: _Point, vertex: Array, vertex_curve: Array) -> _Point:
    """Moves to the best point between here and a vertex: F is quadratic in the step."""
    d, curve_d = vertex - at.x, vertex_curve - at.curve
    linear = jnp.sum((at.curve + problem.linear) * d)
    square = jnp.sum(d * curve_d) / 2
    inside = jnp.clip(-linear / (2 * jnp.where(square < 0, square, -1.0)), 0.0, 1.0)
    end = jnp.where(linear + square >= 0, 1.0, 0.0)
    t = jnp.where(square < 0, inside, end)
    moved = t * jnp.linalg.norm(d) / len(d) ** 0.5
    return _Point(at.x + t * d, at.curve + t * curve_d, moved, at.steps + 1)


def climb(problem: Problem, start: Array, *, steps: int, tolerance: float, signed: bool) -> Vertex:
    """FAQ: Frank-Wolfe with exact vertices and line search, then the nearest permutation.

    Source: Vogelstein et al. (2015); step for step scipy.optimize.quadratic_assignment.
    """
    n = len(start)

    def step(state: tuple[_Point, Vertex, Array]) -> tuple[_Point, Vertex, Array]:
        at, *_ = state
        # the last vertex is nearest to the point itself: in the same loop, it is compiled once
        ended = (at.moved < tolerance) | (at.steps >= steps)
        vertex = best_vertex(jnp.where(ended, at.x, at.curve + problem.linear), signed)
        return _toward(problem, at, vertex.rows(jnp.eye(n)), curve(problem, vertex)), vertex, ended

    state = (_begin(problem, start), identity(n), jnp.asarray(False))
    return jax.lax.while_loop(lambda state: ~state[2], step, state)[1]


def anneal(problem: Problem, start: Array, *, steps: int, signed: bool) -> Array:
    """Frank-Wolfe toward soft vertices that grow sharper: slides past poor optima of FAQ.

    Source: soft vertices in FAQ as in GOAT (Saad-Eldin et al. 2021), sharpened as in graduated
    assignment (Gold and Rangarajan 1996).
    """

    def step(at: _Point, sharpness: Array) -> tuple[_Point, None]:
        vertex = soft_vertex(at.curve + problem.linear, sharpness, signed)
        return _toward(problem, at, vertex, curve(problem, vertex)), None

    sharpnesses = jnp.geomspace(SOFTEST, SHARPEST, steps)
    return jax.lax.scan(step, _begin(problem, start), sharpnesses)[0].x


def exchange(problem: Problem, vertex: Vertex, *, signed: bool) -> Vertex:
    """Exchanges the two units that gain most as long as F grows; signed: or flips signs.

    With M = X W2 X^T, exchanging r and s reflects X along v = e_r - e_s and changes F by
    (v^T W1 v)(v^T M v) - v^T G v, where G = W1 M^T + W1^T M + L X^T. With v = e_r + e_s the two
    change their signs as well, with v = sqrt(2) e_r unit r changes its sign.
    """
    w1, w2, linear = problem
    n = len(linear)
    least_gain = 1e-6 * (jnp.linalg.norm(w1) * jnp.linalg.norm(w2) + jnp.linalg.norm(linear))

    def best(x: Vertex) -> tuple[Array, Array]:
        m = x.both(w2)
        g = _over_gates(w1 @ m.mT + w1.mT @ m) + linear[:, x.permutation] * x.signs
        both = _reflected(w1, signed) * _reflected(m, signed)
        gains = _over_gates(both, axes=3) - _reflected(g, signed)
        most = gains.max()
        return most, first_true(gains.ravel() == most)

    def improve(state: tuple[Vertex, Array, Array, Array]) -> tuple[Vertex, Array, Array, Array]:
        (p, d), _, place, steps = state
        r, s = place // n % n, place % n
        turned = jnp.where(place >= n * n, -d, d)
        x = Vertex(p.at[r].set(p[s]).at[s].set(p[r]), d.at[r].set(turned[s]).at[s].set(turned[r]))
        return x, *best(x), steps + 1

    unfinished = lambda state: (state[1] > least_gain) & (state[3] < 10 * n)  # noqa: E731
    start = (vertex, *best(vertex), jnp.asarray(0))
    return jax.lax.while_loop(unfinished, improve, start)[0]


def _over_gates(x: Array, *, axes: int = 2) -> Array:
    """The sum over gates, where there is an axis of these before so many others."""
    return x if x.ndim == axes else jnp.sum(x, axis=0)


def _reflected(m: Array, signed: bool) -> Array:
    """v^T M v for v = e_r - e_s, `[1, n, n]`; signed: and for e_r + e_s or sqrt(2) e_r."""
    if m.ndim == 3:
        return jax.vmap(partial(_reflected, signed=signed))(m)
    diagonal, both = jnp.diag(m), m + m.T
    ends = diagonal[:, None] + diagonal
    if not signed:
        return (ends - both)[None]
    return jnp.stack([ends - both, jnp.where(jnp.eye(len(m), dtype=bool), ends, ends + both)])


def random_starts(key: Key, n: int, count: int, *, signed: bool) -> Array:
    """Halfway from the barycenter to permutations, `[count, n, n]`; signed: columns change sign."""

    def draw(key: Key) -> Array:
        order, flips = jax.random.split(key)
        start = (1 / n + jnp.eye(n)[jax.random.permutation(order, n)]) / 2
        return start * jax.random.rademacher(flips, (n,), start.dtype) if signed else start

    return jax.vmap(draw)(jax.random.split(key, count))


def best_signs(problem: Problem, permutation: Array) -> Vertex:
    """Signs that nearly maximize F at a permutation: those of a leading eigenvector.

    F is a quadratic form in the signs; one more sign, fixed to 1, carries its linear term.
    """
    n = len(permutation)
    form = _over_gates(problem.first * Vertex(permutation, jnp.ones(n)).both(problem.second))
    field = jnp.take_along_axis(problem.linear, permutation[:, None], axis=1)
    form = jnp.block([[form + form.T, field], [field.T, jnp.zeros((1, 1))]])
    shift = 3 * jnp.linalg.norm(form) / n**0.5  # lifts negative eigenvalues of a random form

    def multiply(v: Array, _: None) -> tuple[Array, None]:
        v = form @ v + shift * v
        return v / jnp.maximum(jnp.linalg.norm(v), 1e-30), None

    begin = jax.random.normal(jax.random.key(0), (n + 1,))
    v = jax.lax.scan(multiply, begin, None, length=50)[0]
    return Vertex(permutation, jnp.where(v[:n] * v[n] < 0, -1.0, 1.0))


def largest_possible(linear: Array, *sorted_pairs: tuple[Array, Array]) -> Array:
    """The Gilmore-Lawler bound: F(X) is at most this for every X.

    Unit i matched to j contributes at most the inner product of their sorted weights; the best
    assignment of those bounds is a bound. Rows and columns hold every weight once each, so that
    half of both is one too. `linear` `[N, N]` is what unit i matched to j contributes besides;
    `sorted_pairs` are off-diagonal rows of both networks, then columns, sorted, `[N, N - 1]`, one
    gate's after the other's.

    Source: Gilmore (1962); Lawler (1963).
    """
    gains = linear + sum(a @ b.T for a, b in sorted_pairs) / len(sorted_pairs)
    return jnp.sum(jnp.take_along_axis(gains, assignment(gains)[:, None], axis=1))
