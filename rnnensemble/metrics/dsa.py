"""Dynamical Similarity Analysis: compare linear operators up to rotation and reflection."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble.axes import Array, Key
from rnnensemble.metrics.base import Metric


class Operator(NamedTuple):
    """A network's linear operator.

    Attributes:
        matrix: A, `[n, n]`, of unit Frobenius norm.
        frame: Eigenvectors of A + A^T as columns, by rising eigenvalue, `[n, n]`.
    """

    matrix: Array
    frame: Array


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

    Source: Ostrow et al. (arXiv 2306.10168); follows the definitions of dsa-metric 2.0.2. Its scale
    depends on rank and delays: compare only distances with the same settings.

    Attributes:
        rank: Number of whitened coordinates.
        n_delays: Number of delays of the embedding, 1 for none.
        delay_interval: Steps between delays.
        ridge: Added to the normal equations of the operator.
        score: `euclidean` or `angular`.
        starts: Starts of the alignment: a quarter from eigenvectors, the others random.
        early_steps: Newton steps from every start.
        late_steps: Newton steps from the best quarter of them.
    """

    name: ClassVar[str] = "dsa"
    data: ClassVar[str] = "activity"

    rank: int = 10
    n_delays: int = 1
    delay_interval: int = 1
    ridge: float = 1e-8
    score: Literal["euclidean", "angular"] = "euclidean"
    starts: int = 32
    early_steps: int = 15
    late_steps: int = 40

    def __post_init__(self) -> None:
        for name in ("rank", "n_delays", "delay_interval", "starts", "early_steps", "late_steps"):
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

    def prepare(self, data: Array) -> Operator:
        """The operator of rates `[B, T, N]`."""
        embedded = delay_embedding(data, self.n_delays, self.delay_interval)
        return as_operator(operator(embedded, rank=self.rank, ridge=self.ridge))

    def compare(self, key: Key, first: Operator, second: Operator) -> Array:
        return self.align(key, first, second).distance

    def align(self, key: Key, first: Operator, second: Operator) -> Alignment:
        """Aligns two operators.

        Nothing here factors a matrix: batched LAPACK calls deadlock on several CPU devices
        (docs/architecture.md), and products alone run well on every device.

        Args:
            key: Random key for the starts, consumed.
            first: The operator A.
            second: The operator B.

        Returns:
            The distance and the C that attains it.
        """
        a, b = first.matrix, second.matrix
        quarter = max(1, self.starts // 4)
        eigen_key, random_key = jax.random.split(key)
        starts = jnp.concatenate(
            [
                eigenvector_starts(eigen_key, first.frame, second.frame, quarter),
                random_rotations(random_key, self.starts - quarter, len(a)),
            ]
        )
        early = jax.vmap(lambda c: newton(a, b, c, self.early_steps))(starts)
        values = jax.vmap(lambda c: overlap(a, b, c))(early)
        best = early[jax.lax.top_k(values, quarter)[1]]
        late = jax.vmap(lambda c: newton(a, b, c, self.late_steps))(best)
        distances = jax.vmap(lambda c: self.distance_at(a, b, c))(late)
        winner = jnp.argmin(distances)
        return Alignment(distances[winner], late[winner])

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


def as_operator(matrix: Array) -> Operator:
    """Scales A to unit Frobenius norm and finds its frame."""
    matrix = matrix / jnp.linalg.norm(matrix)
    return Operator(matrix, jnp.linalg.eigh(matrix + matrix.T)[1])


def random_rotations(key: Key, count: int, n: int) -> Array:
    """Haar-distributed matrices of O(n), `[count, n, n]`, rotations and reflections alike."""
    gaussian = jax.random.normal(key, (count, n, n)) / n**0.5
    return jax.vmap(partial(polar, bound=3.0, steps=40))(gaussian)


def eigenvector_starts(key: Key, u: Array, v: Array, count: int) -> Array:
    """C = U D V^T from the frames U, V of two operators, D random signs.

    The first has D = I; for symmetric A and B each of them is optimal.
    """
    signs = jax.random.rademacher(key, (count, len(u)), u.dtype).at[0].set(1.0)
    return jnp.einsum("ij,sj,kj->sik", u, signs, v)


def polar(m: Array, *, bound: float, steps: int) -> Array:
    """The orthogonal matrix nearest to M, by Newton-Schulz: X <- (3 X - X X^T X) / 2.

    Args:
        m: M, `[n, n]`, with singular values below sqrt(3) bound.
        bound: First divided by; the closer singular values come to 1, the faster.
        steps: Six from singular values in [0.7, 1]; 40 from 1e-6.

    Returns:
        The polar factor, `[n, n]`.
    """

    def step(x: Array, _: None) -> tuple[Array, None]:
        return 1.5 * x - 0.5 * x @ (x.T @ x), None

    return jax.lax.scan(step, m / bound, None, length=steps)[0]


def newton(a: Array, b: Array, c: Array, steps: int) -> Array:
    """Monotone damped Newton ascent on O(n).

    With M = C B C^T and a skew X, the overlap after C <- polar(C + X C) is, to second order,
    <A, M> + <G, X> + <X, H X> / 2. A step solves (damping - H) X = G by conjugate gradients and
    is taken only if the overlap grows; the damping adapts. (Conjugate gradients need products of
    n x n matrices only, where a factored Hessian has n^2 (n - 1)^2 / 4 entries.)
    """
    n = a.shape[0]
    iterations = min(n * (n - 1) // 2, 3 * n)

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple, None]:
        c, value, damping = carry
        gradient, hessian_times = local_model(a, c @ b @ c.T)
        skew = solve_damped(hessian_times, gradient, damping, iterations)
        skew = skew / jnp.maximum(1.0, jnp.linalg.norm(skew))
        tried = polar(c + skew @ c, bound=2**0.5, steps=6)  # singular values within [1, sqrt(2)]
        new = overlap(a, b, tried)
        better = new > value
        c = jnp.where(better, tried, c)
        damping = jnp.where(better, damping / 5, damping * 4)
        return (c, jnp.where(better, new, value), jnp.clip(damping, 1e-7, 1e4)), None

    start = (c, overlap(a, b, c), 0.3 * jnp.ones(()))
    return jax.lax.scan(step, start, None, length=steps)[0][0]


def local_model(a: Array, m: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Gradient and Hessian product of X -> <A, e^X M e^-X> at X = 0, as skew matrices.

    The first order is <A, X M - M X>; the second <A, X X M - 2 X M X + M X X> / 2.
    """
    square = a @ m.T + m.T @ a
    square = (square + square.T) / 2  # X X is symmetric

    def hessian_times(x: Array) -> Array:
        return skew_part(a @ x @ m.T + m.T @ x @ a - (square @ x + x @ square) / 2)

    return skew_part(a @ m.T - m.T @ a), hessian_times


def skew_part(m: Array) -> Array:
    """(M - M^T) / 2."""
    return (m - m.T) / 2


def solve_damped(
    hessian_times: Callable[[Array], Array], gradient: Array, damping: Array, iterations: int
) -> Array:
    """X with (damping - H) X = G by conjugate gradients, cut short at negative curvature."""

    def step(carry: tuple[Array, Array, Array, Array], _: None) -> tuple[tuple, None]:
        x, residual, direction, running = carry
        curved = damping * direction - hessian_times(direction)
        curvature = jnp.sum(direction * curved)
        size = jnp.sum(residual**2)
        running = running & (curvature > 1e-12) & (size > 1e-16)
        length = jnp.where(running, size / jnp.where(running, curvature, 1.0), 0.0)
        new_residual = residual - length * curved
        ratio = jnp.sum(new_residual**2) / jnp.where(running, size, 1.0)
        x = x + length * direction
        direction = jnp.where(running, new_residual + ratio * direction, direction)
        return (x, new_residual, direction, running), None

    start = (jnp.zeros_like(gradient), gradient, gradient, jnp.array(True))
    x = jax.lax.scan(step, start, None, length=iterations)[0][0]
    return jnp.where(jnp.any(x != 0), x, gradient)  # negative curvature at once: go uphill
