"""Dynamical Similarity Analysis: compare linear operators up to rotation and reflection."""

import dataclasses
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble.axes import Array, Key
from rnnensemble.metrics.base import Metric


class Alignment(NamedTuple):
    """How two operators were aligned.

    Attributes:
        distance: The score at `rotation`, recomputed there.
        rotation: C, orthogonal, `[n, n]`.
    """

    distance: Array
    rotation: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class DSA(Metric):
    """Dynamical Similarity Analysis.

    Each network's rates are delay-embedded and whitened to `rank` coordinates; A is the linear
    operator that best predicts their next step. The distance of two networks is

        d(A, B) = min over C in O(rank) of || A - C B C^T ||_F    (`euclidean`)

    with A and B scaled to unit Frobenius norm, or the angle arccos <A, C B C^T> (`angular`,
    radians); euclidean^2 = 2 - 2 cos(angular). The minimum is searched from several starts, so
    that the value is an upper bound.

    Source: Ostrow et al. (arXiv 2306.10168); definitions agree with dsa-metric 2.0.2. Its scale
    depends on rank and delays: compare only distances with the same settings.

    Attributes:
        rank: Number of whitened coordinates.
        n_delays: Number of delays of the embedding, 1 for none.
        delay_interval: Steps between delays.
        ridge: Added to the normal equations of the operator.
        score: `euclidean` or `angular`.
        starts: Starts of the alignment: a quarter from eigenvectors, the others random.
        ascent_steps: First-order steps from every start.
        newton_steps: Second-order steps at most, from the best quarter.
    """

    name: ClassVar[str] = "dsa"
    data: ClassVar[Literal["activity"]] = "activity"

    rank: int = 10
    n_delays: int = 1
    delay_interval: int = 1
    ridge: float = 1e-8
    score: Literal["euclidean", "angular"] = "euclidean"
    starts: int = 32
    ascent_steps: int = 40
    newton_steps: int = 40

    def __post_init__(self) -> None:
        for name in ("rank", "n_delays", "delay_interval", "starts"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1; got {getattr(self, name)}.")
        if not self.ridge >= 0:
            raise ValueError(f"`ridge` must be at least 0; got {self.ridge}.")
        if self.score not in ("euclidean", "angular"):
            raise ValueError(f"`score` must be 'euclidean' or 'angular'; got {self.score!r}.")

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 3:
            raise ValueError(f"`activity` must be [K, B, T, N]; got {shape} for one network.")
        trials, steps, units = shape
        lag = (self.n_delays - 1) * self.delay_interval
        if steps - lag < 2:
            raise ValueError(
                f"`n_delays` = {self.n_delays} at `delay_interval` = {self.delay_interval} needs "
                f"trials of at least {lag + 2} steps; got {steps}."
            )
        most = min(units * self.n_delays, trials * (steps - lag - 1))
        if self.rank > most:
            raise ValueError(
                f"`rank` must be at most {most} for {trials} trials of {steps} steps and {units} "
                f"units; got {self.rank}."
            )

    def prepare(self, data: Array) -> Array:
        """The operator, `[rank, rank]`, of rates `[B, T, N]`, scaled to unit Frobenius norm."""
        a = operator(
            delay_embedding(data, self.n_delays, self.delay_interval),
            rank=self.rank,
            ridge=self.ridge,
        )
        return a / jnp.linalg.norm(a)

    def compare(self, key: Key, first: Array, second: Array) -> Array:
        return self.align(key, first, second).distance

    def align(self, key: Key, first: Array, second: Array) -> Alignment:
        """Aligns two operators of unit Frobenius norm.

        Args:
            key: Random key for the starts, consumed.
            first: A, `[n, n]`.
            second: B, `[n, n]`.

        Returns:
            The distance and the C that attains it.
        """
        quarter = max(1, self.starts // 4)
        eigen_key, random_key = jax.random.split(key)
        starts = jnp.concatenate(
            [
                eigenvector_starts(eigen_key, first, second, quarter),
                random_rotations(random_key, self.starts - quarter, first.shape[0]),
            ]
        )[: self.starts]
        ascend = jax.vmap(lambda c: ascent(first, second, c, self.ascent_steps))
        starts = ascend(starts)
        values = jax.vmap(lambda c: overlap(first, second, c))(starts)
        best = starts[jax.lax.top_k(values, quarter)[1]]
        finished = jax.vmap(lambda c: newton(first, second, c, self.newton_steps))(best)
        distances = jax.vmap(lambda c: self.distance_at(first, second, c))(finished)
        winner = jnp.argmin(distances)
        return Alignment(distances[winner], finished[winner])

    def distance_at(self, first: Array, second: Array, rotation: Array) -> Array:
        """The score at C = `rotation`."""
        euclidean = jnp.linalg.norm(first - rotation @ second @ rotation.T)
        if self.score == "euclidean":
            return euclidean
        return 2 * jnp.arcsin(jnp.minimum(euclidean / 2, 1.0))  # exact near 0, unlike arccos


def delay_embedding(rates: Array, n_delays: int, interval: int) -> Array:
    """Rows [x_t, x_{t - interval}, ...], newest first: `[B, T, N]` to `[B, T', N n_delays]`."""
    lag = (n_delays - 1) * interval
    steps = rates.shape[1] - lag
    parts = [rates[:, lag - d * interval :][:, :steps] for d in range(n_delays)]
    return jnp.concatenate(parts, axis=-1)


def operator(embedded: Array, *, rank: int, ridge: float) -> Array:
    """The one-step operator in whitened coordinates.

    H = U S V^T stacks all rows of all trials; with the first `rank` columns of U as coordinates,
    A = [(U-^T U- + ridge I)^-1 U-^T U+]^T over steps inside each trial. Its basis is arbitrary up
    to signs.

    Args:
        embedded: Rows of every trial, `[B, T, p]`.
        rank: Number of coordinates r.
        ridge: Regularization.

    Returns:
        A, `[r, r]`.
    """
    rows = embedded.reshape(-1, embedded.shape[-1])
    triangle = jnp.linalg.qr(rows, mode="r")  # same singular values and V as rows, much smaller
    _, scale, basis = jnp.linalg.svd(triangle, full_matrices=False)
    kept = jnp.maximum(scale[:rank], jnp.finfo(rows.dtype).eps * scale[0])
    whitened = embedded @ (basis[:rank].T / kept)
    before = whitened[:, :-1].reshape(-1, rank)
    after = whitened[:, 1:].reshape(-1, rank)
    gram = before.T @ before + ridge * jnp.eye(rank)
    return jnp.linalg.solve(gram, before.T @ after).T


def overlap(a: Array, b: Array, c: Array) -> Array:
    """tr(A^T C B C^T), what alignment maximizes."""
    return jnp.sum(a * (c @ b @ c.T))


def random_rotations(key: Key, count: int, n: int) -> Array:
    """Haar-distributed matrices of O(n), `[count, n, n]`, rotations and reflections alike."""
    return jax.random.orthogonal(key, n, (count,))


def eigenvector_starts(key: Key, a: Array, b: Array, count: int) -> Array:
    """C = U D V^T from eigenvectors U, V of the symmetric parts, D random signs.

    The first has D = I; for symmetric A and B each of them is optimal.
    """
    _, u = jnp.linalg.eigh(a + a.T)
    _, v = jnp.linalg.eigh(b + b.T)
    signs = jax.random.rademacher(key, (count, a.shape[0]), a.dtype).at[0].set(1.0)
    return jnp.einsum("ij,sj,kj->sik", u, signs, v)


def ascent(a: Array, b: Array, c: Array, steps: int) -> Array:
    """Monotone fixed-point ascent C <- polar(A C B^T + A^T C B + shift C).

    A shift of 2 |A|_2 |B|_2 makes every step monotone, a smaller one is faster: the shift falls
    after a step that was taken and doubles after one that would have lowered the overlap.
    """
    bound = 2 * jnp.linalg.norm(a, 2) * jnp.linalg.norm(b, 2)

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple, None]:
        c, value, shift = carry
        tried = polar(a @ c @ b.T + a.T @ c @ b + shift * c)
        new = overlap(a, b, tried)
        better = new >= value
        c, value = jnp.where(better, tried, c), jnp.maximum(new, value)
        return (c, value, jnp.where(better, 0.8 * shift, jnp.minimum(2 * shift, bound))), None

    start = (c, overlap(a, b, c), bound / 4)
    return jax.lax.scan(step, start, None, length=steps)[0][0]


def polar(m: Array) -> Array:
    """The orthogonal matrix nearest to M."""
    u, _, vt = jnp.linalg.svd(m)
    return u @ vt


def newton(a: Array, b: Array, c: Array, steps: int) -> Array:
    """Monotone damped Newton ascent on O(n).

    With M = C B C^T and a skew X, the overlap after C <- cayley(X) C is, to second order,
    <A, M> + <g, x> + x^T H x / 2 in the n (n - 1) / 2 coordinates x of X. A step solves
    (damping I - H) x = g and is taken only if the overlap grows; the damping adapts.
    """
    n = a.shape[0]
    upper = np.triu_indices(n, 1)

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple, None]:
        c, value, damping = carry
        gradient, hessian = local_model(a, c @ b @ c.T, upper)
        system = damping * jnp.eye(len(upper[0])) - hessian
        x = jnp.linalg.solve(system, gradient)
        skew = jnp.zeros((n, n)).at[upper].set(x)
        tried = cayley(skew - skew.T) @ c
        new = overlap(a, b, tried)
        better = new > value
        c = jnp.where(better, tried, c)
        damping = jnp.where(better, damping / 5, damping * 4)
        return (c, jnp.where(better, new, value), jnp.clip(damping, 1e-7, 1e4)), None

    start = (c, overlap(a, b, c), 0.3 * jnp.ones(()))
    c = jax.lax.scan(step, start, None, length=steps)[0][0]
    return polar(c)


def local_model(a: Array, m: Array, upper: tuple[np.ndarray, np.ndarray]) -> tuple[Array, Array]:
    """Gradient and Hessian of x -> <A, e^X M e^-X> at X = 0, in the coordinates X_pq, p < q.

    The first order is <A, X M - M X>; the second <A, X X M - 2 X M X + M X X> / 2.
    """
    p, q = upper
    slope = a @ m.T - m.T @ a
    gradient = slope[p, q] - slope[q, p]
    square = a @ m.T + m.T @ a
    square = (square + square.T) / 2  # X X is symmetric
    eye = jnp.eye(a.shape[0])

    def form(i: np.ndarray, j: np.ndarray, k: np.ndarray, l: np.ndarray) -> Array:  # noqa: E741
        """Coefficient of X_ij X_kl, made symmetric, for all pairs of coordinates."""
        i, j, k, l = i[:, None], j[:, None], k[None], l[None]  # noqa: E741
        outside = eye[j, k] * square[i, l] + eye[l, i] * square[k, j]
        return outside / 2 - a[i, l] * m[j, k] - a[k, j] * m[l, i]

    hessian = form(p, q, p, q) - form(q, p, p, q) - form(p, q, q, p) + form(q, p, q, p)
    return gradient, hessian


def cayley(skew: Array) -> Array:
    """(I - X/2)^-1 (I + X/2): orthogonal, and e^X to second order."""
    eye = jnp.eye(skew.shape[0])
    return jnp.linalg.solve(eye - skew / 2, eye + skew / 2)
