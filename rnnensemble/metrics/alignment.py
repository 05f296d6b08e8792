"""Alignment of two operators over O(n): many starts, second order to the end, products only.

Nothing here factors a matrix: batched LAPACK calls deadlock on several CPU devices
(docs/architecture.md), and products alone run well on every device.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble.axes import Array, Key
from rnnensemble.metrics.orthogonal import polar

ANGLES = tuple(np.linspace(0, np.pi / 4, 5))
"""Angles of the lower bound; beyond pi / 4 the bounds repeat."""
REACH = 1e-4
"""Starts whose euclidean distance ends within this of the least have reached it."""


class Operator(NamedTuple):
    """A network's linear operator, and what its alignments start from and are bounded by.

    Attributes:
        matrix: A, `[n, n]`, of unit Frobenius norm.
        frame: Eigenvectors of A + A^T as columns, by rising eigenvalue, `[n, n]`.
        spectra: For each angle, the rising eigenvalues of both Hermitian parts of e^{i angle} A,
            `[angles, 2, n]`.
    """

    matrix: Array
    frame: Array
    spectra: Array


class Alignment(NamedTuple):
    """How two operators were aligned.

    Attributes:
        distance: The score at `rotation`, recomputed there; an upper bound of the minimum.
        lower_bound: No orthogonal C comes below this score.
        rotation: C, orthogonal, `[n, n]`.
        reached: How many of the starts that were finished came within 1e-4 of the least
            euclidean distance.
    """

    distance: Array
    lower_bound: Array
    rotation: Array
    reached: Array


def as_operator(matrix: Array) -> Operator:
    """Scales A to unit Frobenius norm; finds its frame and spectra (by LAPACK)."""
    matrix = matrix / jnp.maximum(jnp.linalg.norm(matrix), jnp.finfo(matrix.dtype).tiny)
    even, odd = (matrix + matrix.T) / 2, (matrix - matrix.T) / 2

    angles = jnp.asarray(ANGLES, matrix.dtype)
    turns = jnp.stack([angles, angles + jnp.pi / 2], axis=1).reshape(-1)
    # one at a time: batched LAPACK calls deadlock on several CPU devices
    spectra = jax.lax.map(
        lambda turn: jnp.linalg.eigvalsh(jnp.cos(turn) * even + 1j * jnp.sin(turn) * odd), turns
    )
    frame = jnp.linalg.eigh(even)[1]
    return Operator(matrix, frame, spectra.reshape(len(ANGLES), 2, -1))


def align(
    key: Key, first: Operator, second: Operator, *, starts: int, early_steps: int, late_steps: int
) -> Alignment:
    """min over C in O(n) of ||A - C B C^T||_F, searched.

    Half of the starts match eigenvectors of the symmetric parts with random signs, half are
    random. All climb for a few steps of an inexact Newton method; the better half goes on until
    it stops rising.

    Args:
        key: Random key for the starts, consumed.
        first: The operator A.
        second: The operator B.
        starts: Number of starts.
        early_steps: Steps from each.
        late_steps: Most further steps from the better half.

    Returns:
        The euclidean distance, the C that attains it, and how certain it is.
    """
    a, b = first.matrix, second.matrix
    early = initial_rotations(key, first.frame, second.frame, starts)
    climb = partial(ascend, a, b, steps=early_steps, iterations=EARLY_ITERATIONS, patience=None)
    early, values = jax.vmap(climb)(early)
    best = early[jax.lax.top_k(values, (starts + 1) // 2)[1]]
    finish = partial(ascend, a, b, steps=late_steps, iterations=late_iterations(len(a)), patience=3)
    late, _ = jax.vmap(finish)(best)
    distances = jax.vmap(lambda c: jnp.linalg.norm(a - c @ b @ c.T))(late)
    winner = jnp.argmin(distances)
    least = distances[winner]
    reached = jnp.sum(distances <= least + REACH)
    return Alignment(least, jnp.minimum(lower_bound(first, second), least), late[winner], reached)


EARLY_ITERATIONS = 8
"""Conjugate-gradient iterations of an early step."""


def late_iterations(n: int) -> int:
    """Conjugate-gradient iterations of a late step; so(n) has n (n - 1) / 2 dimensions."""
    return max(1, min(n * (n - 1) // 2, n))


def lower_bound(first: Operator, second: Operator) -> Array:
    """A number that ||A - C B C^T||_F never falls below.

    For every angle, ||A - C B C^T||^2 is the sum over both Hermitian parts of e^{i angle} A of
    the same expression, and each term is at least the squared difference of sorted eigenvalues
    (Hoffman & Wielandt 1953). The largest over the angles is taken.
    """
    gaps = jnp.sum((first.spectra - second.spectra) ** 2, axis=(1, 2))
    return jnp.sqrt(jnp.max(gaps))


def initial_rotations(key: Key, u: Array, v: Array, count: int) -> Array:
    """Starts `[count, n, n]`, rotations and reflections alike.

    Half are C = U D V^T from the frames U, V of two operators, D random signs; the first has
    D = I, and for symmetric A and B each of them is optimal. The others are D R E with fixed
    Haar-distributed R and random signs D, E.
    """
    n, half = len(u), (count + 1) // 2
    signs = jax.random.rademacher(key, (3, count, n), u.dtype)
    framed = jnp.einsum("ij,sj,kj->sik", u, signs[0, :half].at[0].set(1.0), v)
    fixed = jnp.asarray(haar_rotations(count - half, n), u.dtype)
    random = signs[1, half:, :, None] * fixed * signs[2, half:, None, :]
    return jnp.concatenate([framed, random])


def haar_rotations(count: int, n: int) -> np.ndarray:
    """The same Haar-distributed matrices of O(n) at every call, `[count, n, n]`."""
    q, r = np.linalg.qr(np.random.default_rng(0).normal(size=(count, n, n)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]


def overlap(a: Array, b: Array, c: Array) -> Array:
    """tr(A^T C B C^T), what alignment maximizes."""
    return jnp.sum(a * (c @ b @ c.T))


def ascend(
    a: Array, b: Array, c: Array, *, steps: int, iterations: int, patience: int | None
) -> tuple[Array, Array]:
    """Monotone damped Newton ascent on O(n).

    With M = C B C^T and a skew X, the overlap after C <- polar(C + X C) is, to second order,
    <A, M> + <G, X> + <X, H X> / 2. A step solves (damping - H) X = G by conjugate gradients and
    is taken only if the overlap grows; the damping adapts. (Conjugate gradients need products of
    n x n matrices only, where a factored Hessian has n^2 (n - 1)^2 / 4 entries.)

    Args:
        a: A, `[n, n]`.
        b: B, `[n, n]`.
        c: Start, orthogonal, `[n, n]`.
        steps: Steps at most.
        iterations: Conjugate-gradient iterations a step.
        patience: Stops after so many steps in a row that gain nothing in float32 (near distance
            0, less than a hundredth of what is left); None for never.

    Returns:
        C and -||A - C B C^T||^2 / 2, its overlap less a constant.
    """

    def step(carry: tuple) -> tuple:
        c, m, value, damping, stalled, done = carry
        gradient, hessian_times = local_model(a, m)
        skew = solve_damped(hessian_times, gradient, damping, iterations)
        skew = skew * jnp.minimum(1.0, 2.0 / jnp.linalg.norm(skew))
        tried = polar(c + skew @ c, bound=1.37, steps=5)  # singular values within [1, 1.74]
        turned = tried @ b @ tried.T
        new = closeness(turned)
        better = new > value
        c, m = jnp.where(better, tried, c), jnp.where(better, turned, m)
        damping = jnp.clip(jnp.where(better, damping / 3, damping * 4), 1e-7, 1e4)
        little = jnp.minimum(1e-7, -value / 100)
        stalled = jnp.where(new > value + little, 0, stalled + 1)
        return c, m, jnp.where(better, new, value), damping, stalled, done + 1

    def closeness(m: Array) -> Array:
        """The overlap less its largest value: near it, where float32 has most digits."""
        return -jnp.sum((a - m) ** 2) / 2

    m = c @ b @ c.T
    begin = (c, m, closeness(m), jnp.asarray(0.1, a.dtype), jnp.asarray(0), jnp.asarray(0))
    if patience is None:
        end = jax.lax.fori_loop(0, steps, lambda _, carry: step(carry), begin)
    else:
        end = jax.lax.while_loop(lambda s: (s[4] < patience) & (s[5] < steps), step, begin)
    return end[0], end[2]


def local_model(a: Array, m: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Gradient and Hessian product of X -> <A, e^X M e^-X> at X = 0, as skew matrices.

    The first order is <A, X M - M X>; the second <A, X X M - 2 X M X + M X X> / 2.
    """
    square = a @ m.T + m.T @ a
    square = (square + square.T) / 2  # X X is symmetric
    right = jnp.concatenate([m.T, a], axis=1)
    left = jnp.concatenate([a, m.T, -square], axis=1)

    def hessian_times(x: Array) -> Array:
        """The skew part of A X M^T + M^T X A - S X, in two products."""
        xm, xa = jnp.split(x @ right, 2, axis=1)
        return skew_part(left @ jnp.concatenate([xm, xa, x]))

    return skew_part(a @ m.T - m.T @ a), hessian_times


def skew_part(m: Array) -> Array:
    """(M - M^T) / 2."""
    return (m - m.T) / 2


def solve_damped(
    hessian_times: Callable[[Array], Array], gradient: Array, damping: Array, iterations: int
) -> Array:
    """X with (damping - H) X = G by conjugate gradients, cut short at negative curvature."""

    def step(_: int, carry: tuple[Array, Array, Array, Array, Array]) -> tuple:
        x, residual, direction, size, running = carry
        curved = damping * direction - hessian_times(direction)
        curvature = jnp.sum(direction * curved)
        running = running & (curvature > 1e-12) & (size > 1e-16)
        length = jnp.where(running, size / jnp.where(running, curvature, 1.0), 0.0)
        residual = residual - length * curved
        new_size = jnp.sum(residual**2)
        ratio = new_size / jnp.where(running, size, 1.0)
        x = x + length * direction
        direction = jnp.where(running, residual + ratio * direction, direction)
        return x, residual, direction, new_size, running

    start = (
        jnp.zeros_like(gradient),
        gradient,
        gradient,
        jnp.sum(gradient**2),
        jnp.array(True),
    )
    x = jax.lax.fori_loop(0, iterations, step, start)[0]
    return jnp.where(jnp.any(x != 0), x, gradient)  # negative curvature at once: go uphill
