"""Alignment of two operators over O(n): many starts, second order to the end, and a bound."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.platforms import by_platform
from rnnensemble.metrics.ascent import Climber, Stage, begin, climb

ANGLES = tuple(np.linspace(0, np.pi / 4, 5))
"""Angles of the lower bound; beyond pi / 4 the bounds repeat."""
OPENING = 3
"""So many first steps are long and need little precision."""
SMALL = 10
"""Up to this rank the calls of a climb cost a CPU core more than its arithmetic: many at once."""
REACH = 1e-4
"""Starts whose euclidean distance ends within this of the least have reached it."""


class Operator(NamedTuple):
    """A network's linear operator, and what its alignments start from and are bounded by.

    Attributes:
        matrix: A, `[n, n]`, or several operators that are turned together, `[m, n, n]`.
        frame: Eigenvectors of A + A^T (the first A) as columns, in an order that goes by the
            eigenvalues, of determinant 1, `[n, n]`.
        spectra: For each angle, the rising eigenvalues of both Hermitian parts of e^{i angle} A,
            `[angles, 2, n]` or `[m, angles, 2, n]`.
        rank: How many of the coordinates are in use; rows and columns of the others are 0.
    """

    matrix: Array
    frame: Array
    spectra: Array
    rank: Array


class Alignment(NamedTuple):
    """How two operators were aligned.

    Attributes:
        distance: The score at `rotation`, recomputed there; an upper bound of the minimum.
        lower_bound: No orthogonal C comes below this score.
        rotation: C, orthogonal, `[n, n]`.
        reached: How many of the starts that were finished came within 1e-4 of the least
            euclidean distance.
        ranks: How many coordinates either operator uses, `[2]`.
    """

    distance: Array
    lower_bound: Array
    rotation: Array
    reached: Array
    ranks: Array


def as_operator(matrix: Array, rank: Array | None = None) -> Operator:
    """Scales A `[n, n]` to unit Frobenius norm; finds its frame and spectra (by LAPACK)."""
    matrix = matrix / jnp.maximum(jnp.linalg.norm(matrix), jnp.finfo(matrix.dtype).tiny)
    frame = factorization.eigh((matrix + matrix.T) / 2)[1]
    sign = factorization.determinant(frame)  # signs of eigenvectors are arbitrary
    frame = frame.at[:, -1].multiply(sign)  # now a rotation
    used = jnp.asarray(len(matrix) if rank is None else rank, jnp.int32)
    return Operator(matrix, frame, spectra(matrix), used)


def spectra(matrix: Array) -> Array:
    """Rising eigenvalues of both Hermitian parts of e^{i angle} A, by angle: `[angles, 2, n]`."""
    even, odd = (matrix + matrix.T) / 2, (matrix - matrix.T) / 2
    angles = jnp.asarray(ANGLES, matrix.dtype)
    turns = jnp.stack([angles, angles + jnp.pi / 2], axis=1).reshape(-1)
    found = jax.vmap(
        lambda turn: factorization.eigvalsh(jnp.cos(turn) * even + 1j * jnp.sin(turn) * odd)
    )(turns)
    return found.reshape(len(ANGLES), 2, -1)


def align(
    key: Key, first: Operator, second: Operator, *, starts: int, early_steps: int, late_steps: int
) -> Alignment:
    """min over C in O(n) of ||A - C B C^T||_F, searched; of several A and B, of their sums.

    Half of the starts match eigenvectors of the symmetric parts with random signs, half are random;
    rotations and reflections take turns. All climb for `early_steps` of an inexact Newton method,
    the best third for four more, the best eighth for four more, and the best sixteenth (four at
    least) until they stop rising, for `late_steps` at most: before the tenth step or so a start's
    rank says next to nothing about where it ends.

    Returns:
        The euclidean distance, the C that attains it, and how certain it is. NaN where an
        operator is 0.
    """
    a, b = first.matrix, second.matrix
    n = a.shape[-1]
    rotations = initial_rotations(key, first.frame, second.frame, starts)
    at = jax.vmap(partial(begin, a, b))(rotations)
    opening = min(OPENING, early_steps)
    last = going_on(starts, 16)
    stages = (
        Stage(starts, opening, iterations=3, longest=4.0),
        Stage(starts, early_steps - opening),
        Stage(going_on(starts, 3), 4),
        Stage(going_on(starts, 8), 4),
        Stage(last, late_steps, late_iterations(n), patience=3),
    )

    def climbed(a: Array, b: Array, at: Climber, *, first: int, then: int) -> Climber:
        """In groups of `first`, after the second stage of `then`: one program if they are equal."""
        if first == then:
            return climb(a, b, at, stages=stages, width=first)
        at = climb(a, b, at, stages=stages[:2], width=first)
        return climb(a, b, at, stages=stages[2:], width=then)

    few = min(starts, 2 * last)
    by_few, at_once = (
        partial(climbed, first=first, then=then)
        for first, then in ((starts if n <= SMALL else few, few), (starts, stages[2].climbers))
    )
    at = by_platform(a, b, at, cpu=by_few, default=at_once)
    rotations = at.rotation
    distances = jax.vmap(lambda c: jnp.sqrt(jnp.sum((a - c @ b @ c.T) ** 2)))(rotations)
    winner = jnp.argmin(distances)
    least = distances[winner]
    reached = jnp.sum(distances <= least + REACH)
    bound = jnp.minimum(lower_bound(first, second), least)
    ranks = jnp.stack([first.rank, second.rank])
    # rates that never vary have an operator of zeros: there is nothing to align, and no distance
    there = jnp.any(a != 0) & jnp.any(b != 0)
    least, bound = (jnp.where(there, x, jnp.nan) for x in (least, bound))
    return Alignment(least, bound, rotations[winner], reached, ranks)


def going_on(starts: int, share: int) -> int:
    """How many of the starts go on: one of `share`, but four where there are so many."""
    return max(-(-starts // share), min(starts, 4))


def late_iterations(n: int) -> int:
    """Conjugate-gradient iterations of a late step; so(n) has n (n - 1) / 2 dimensions."""
    return max(1, min(n * (n - 1) // 2, n))


def lower_bound(first: Operator, second: Operator) -> Array:
    """A number that ||A - C B C^T||_F never falls below.

    For every angle, ||A - C B C^T||^2 is the sum over both Hermitian parts of e^{i angle} A of
    the same expression, and each term is at least the squared difference of sorted eigenvalues
    (Hoffman & Wielandt 1953). The largest over the angles is taken; of several operators, the
    sum of each one's.
    """
    gaps = jnp.sum((first.spectra - second.spectra) ** 2, axis=(-2, -1))
    return jnp.sqrt(jnp.sum(jnp.max(gaps, axis=-1)))


def initial_rotations(key: Key, u: Array, v: Array, count: int) -> Array:
    """Starts `[count, n, n]`; rotations and reflections take turns.

    No path joins the two: a start finds the optima of its own kind alone. Half are C = U D V^T
    from the frames U, V of two operators, D random signs; the first has D = I, and for symmetric
    A and B each of them is optimal. The others are D R E with fixed Haar-distributed rotations R
    and random signs D, E.
    """
    n, half = len(u), (count + 1) // 2
    # behind a barrier they are drawn once: fused, each use would draw them again and be compiled
    signs = jax.lax.optimization_barrier(jax.random.rademacher(key, (3, count, n), u.dtype))
    turns = jnp.prod(signs[:2], axis=-1) * np.resize(np.array([1, -1], np.float32), count)
    signs = signs.at[:2, :, -1].multiply(turns)  # now of determinant 1, -1, 1, ...
    framed = jnp.einsum("ij,sj,kj->sik", u, signs[0, :half].at[0].set(1.0), v)
    fixed = jnp.asarray(haar_rotations(count - half, n), u.dtype)
    last = signs[2, half:]
    even = last.at[:, -1].multiply(jnp.prod(last, axis=-1))  # of product 1
    random = signs[1, half:, :, None] * fixed * even[:, None, :]
    return jnp.concatenate([framed, random])


def haar_rotations(count: int, n: int) -> np.ndarray:
    """The same Haar-distributed rotations at every call, `[count, n, n]`."""
    q, r = np.linalg.qr(np.random.default_rng(0).normal(size=(count, n, n)))
    q = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    q[..., -1] *= np.linalg.det(q)[:, None]
    return q
