"""Climbing the overlap of two operators over O(n), by products alone.

Nothing here factors a matrix: batched LAPACK calls deadlock on several CPU devices
(docs/architecture.md), and products alone run well on every device.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble.axes import Array
from rnnensemble.metrics.orthogonal import retracted


class Stage(NamedTuple):
    """A part of the climb.

    Attributes:
        steps: Steps at most.
        iterations: Conjugate-gradient iterations a step.
        longest: Norm of a step X at most.
        patience: Stops after so many steps in a row that gain next to nothing; None for never.
    """

    steps: int
    iterations: int = 8
    longest: float = 2.0
    patience: int | None = None


class Climber(NamedTuple):
    """A start on its way.

    Attributes:
        rotation: C, `[n, n]`.
        turned: M = C B C^T, `[n, n]`.
        closeness: -||A - M||^2 / 2, the overlap <A, M> less its largest value: near 0, where
            float32 has most digits.
        damping: Of the next step.
        stalled: Steps in a row that gained nothing.
    """

    rotation: Array
    turned: Array
    closeness: Array
    damping: Array
    stalled: Array


def begin(a: Array, b: Array, c: Array) -> Climber:
    """A climber at C."""
    turned = c @ b @ c.T
    damping = jnp.asarray(0.1, a.dtype)
    return Climber(c, turned, -jnp.sum((a - turned) ** 2) / 2, damping, jnp.asarray(0))


def ascend(a: Array, b: Array, climber: Climber, *, stage: Stage) -> Climber:
    """Monotone damped Newton ascent on O(n).

    With M = C B C^T and a skew X, the overlap after C <- polar(C + X C) is, to second order,
    <A, M> + <G, X> + <X, H X> / 2. A step solves (damping - H) X = G by conjugate gradients and
    is taken only if the overlap grows; the damping adapts. (Conjugate gradients need products of
    n x n matrices only, where a factored Hessian has n^2 (n - 1)^2 / 4 entries.)

    Args:
        a: A, `[n, n]`.
        b: B, `[n, n]`.
        climber: Where to start.
        stage: How far to climb; what counts as a gain is 1e-6, near distance 0 a hundredth of
            what is left.

    Returns:
        Where it ended, never further away.
    """
    # C + X C has singular values (1 + x^2)^(1/2), and every eigenvalue of X comes twice
    largest = (1 + stage.longest**2 / 2) ** 0.5

    def step(at: Climber) -> Climber:
        gradient, hessian_times = local_model(a, at.turned)
        skew = solve_damped(hessian_times, gradient, at.damping, stage.iterations)
        skew = skew * jnp.minimum(1.0, stage.longest / jnp.linalg.norm(skew))
        tried = begin(a, b, retracted(at.rotation + skew @ at.rotation, largest=largest))
        better = tried.closeness > at.closeness
        little = jnp.minimum(1e-6, -at.closeness / 100)
        stalled = jnp.where(tried.closeness > at.closeness + little, 0, at.stalled + 1)
        damping = jnp.clip(jnp.where(better, at.damping / 3, at.damping * 4), 1e-7, 1e4)
        now = jax.tree.map(partial(jnp.where, better), tried, at)
        return now._replace(damping=damping, stalled=stalled)

    patience = stage.patience
    if patience is None:
        return jax.lax.fori_loop(0, stage.steps, lambda _, at: step(at), climber)

    def unfinished(state: tuple[Climber, Array]) -> Array:
        return (state[0].stalled < patience) & (state[1] < stage.steps)

    begun = (climber._replace(stalled=jnp.asarray(0)), jnp.asarray(0))
    return jax.lax.while_loop(unfinished, lambda state: (step(state[0]), state[1] + 1), begun)[0]


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
