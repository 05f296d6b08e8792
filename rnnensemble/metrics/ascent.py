"""Climbing the overlap of two operators, or of two sets of them, over O(n), by products alone.

Nothing here factors a matrix: batched LAPACK calls deadlock on several CPU devices
(docs/architecture.md), and products alone run well on every device.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array
from rnnensemble.metrics.orthogonal import cubics, product, retracted

FOR_EVER = 2**30
"""A patience that no climb exhausts."""


class Stage(NamedTuple):
    """A part of the climb.

    Attributes:
        climbers: How many climb, the closest ones.
        steps: Steps at most.
        iterations: Conjugate-gradient iterations a step.
        longest: Norm of a step X at most.
        patience: Stops after so many steps in a row that gain next to nothing.
    """

    climbers: int
    steps: int
    iterations: int = 8
    longest: float = 2.0
    patience: int = FOR_EVER


class _Limits(NamedTuple):
    """The stages as arrays, one row each: so one trace of a step serves them all.

    Attributes:
        before: How many have climbed before; the others have dropped out.
        climbers: How many climb.
        steps: Steps at most.
        iterations: Conjugate-gradient iterations a step.
        longest: Norm of X at most.
        cubics: Coefficients of the retraction, `[4, 2]`.
        patience: Steps without gain.
    """

    before: Array
    climbers: Array
    steps: Array
    iterations: Array
    longest: Array
    cubics: Array
    patience: Array


class Climber(NamedTuple):
    """A start on its way.

    Attributes:
        rotation: C, `[n, n]`.
        turned: M = C B C^T, of the shape of B.
        closeness: -||A - M||^2 / 2, the overlap <A, M> less its largest value: near 0, where
            float32 has most digits.
        damping: Of the next step.
    """

    rotation: Array
    turned: Array
    closeness: Array
    damping: Array


def begin(a: Array, b: Array, c: Array) -> Climber:
    """A climber at C."""
    turned = product(product(c, b), c.T)
    damping = jnp.asarray(0.1, a.dtype)
    return Climber(c, turned, -jnp.sum((a - turned) ** 2) / 2, damping)


def climb(a: Array, b: Array, climbers: Climber, *, stages: Sequence[Stage], width: int) -> Climber:
    """Climbs in stages, each by the closest that climbed in the one before.

    All stages run through one trace of a step, whose numbers are data: traced once for each
    stage, the program takes five times as long to compile. They share a shape, so that climbers
    go in groups of `width`; those that dropped out stand behind and take part in no group but the
    last.

    Args:
        a: A, `[n, n]`, or several that C turns together, `[m, n, n]`: norms and overlaps are
            then of all of them.
        b: B, of the same shape.
        climbers: Where to start, leading axis S.
        stages: How far to climb, from stage to stage by no more climbers.
        width: Climbers that take a step together.

    Returns:
        Those of the last stage, leading axis of its number, none further away than it began.
    """
    count = len(climbers.closeness)
    slots = -(-count // width) * width
    if slots > count:  # groups are full, if by repetition
        climbers = jax.tree.map(lambda x: _rows(x, np.arange(slots) % count), climbers)

    def one_stage(at: Climber, now: _Limits) -> tuple[Climber, None]:
        still = jnp.where(jnp.arange(slots) < now.before, at.closeness, -jnp.inf)
        order = jax.lax.top_k(still, slots)[1]
        at = jax.tree.map(lambda x: _rows(x, order), at)

        def one_group(group: Array, at: Climber) -> Climber:
            first = group * width
            part = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first, width), at)
            idle = first + jnp.arange(width) >= now.climbers
            part = ascend(a, b, part, idle, now=now)
            return jax.tree.map(
                lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, first, 0), at, part
            )

        groups = -(-now.climbers // width)
        return jax.lax.fori_loop(0, groups, one_group, at), None

    at = jax.lax.scan(one_stage, climbers, _limits(stages, count))[0]
    return jax.tree.map(lambda x: x[: stages[-1].climbers], at)


def _rows(x: Array, rows: Array | np.ndarray) -> Array:
    """Rows that are there."""
    return x.at[rows].get(mode="promise_in_bounds")


def _limits(stages: Sequence[Stage], count: int) -> _Limits:
    """Stages as data, for so many climbers."""
    climbers, steps, iterations, longest, patience = (
        np.array(x) for x in zip(*stages, strict=True)
    )
    # C + X C has singular values (1 + x^2)^(1/2), and every eigenvalue of X comes twice
    largest = (1 + longest**2 / 2) ** 0.5
    return _Limits(
        before=jnp.asarray([count, *climbers[:-1]]),
        climbers=jnp.asarray(climbers),
        steps=jnp.asarray(steps),
        iterations=jnp.asarray(iterations),
        longest=jnp.asarray(longest, jnp.float32),
        cubics=jnp.asarray([cubics(1.0, x) for x in largest], jnp.float32),
        patience=jnp.asarray(patience),
    )


def ascend(a: Array, b: Array, climbers: Climber, idle: Array, *, now: _Limits) -> Climber:
    """Monotone damped Newton ascent on O(n).

    With M = C B C^T and a skew X, the overlap after C <- polar(C + X C) is, to second order,
    <A, M> + <G, X> + <X, H X> / 2. A step solves (damping - H) X = G by conjugate gradients and
    is taken only if the overlap grows; the damping adapts. (Conjugate gradients need products of
    n x n matrices only, where a factored Hessian has n^2 (n - 1)^2 / 4 entries.)

    Args:
        a: A, `[n, n]` or `[m, n, n]`.
        b: B, of the same shape.
        climbers: Where to start, with a leading axis.
        idle: Which of them stay where they are.
        now: How far to climb; what counts as a gain is 1e-6, near distance 0 a hundredth of
            what is left.

    Returns:
        Where they ended, never further away.
    """

    def step(at: Climber, stalled: Array) -> tuple[Climber, Array]:
        gradient, hessian_times = local_model(a, at.turned)
        skew = solve_damped(hessian_times, gradient, at.damping, now.iterations)
        skew = skew * jnp.minimum(1.0, now.longest / jnp.linalg.norm(skew))
        tried = begin(a, b, retracted(at.rotation + product(skew, at.rotation), now.cubics))
        going = stalled < now.patience
        better = going & (tried.closeness > at.closeness)
        little = jnp.minimum(1e-6, -at.closeness / 100)
        gained = going & (tried.closeness > at.closeness + little)
        damping = jnp.clip(jnp.where(better, at.damping / 3, at.damping * 4), 1e-7, 1e4)
        then = jax.tree.map(partial(jnp.where, better), tried, at)
        return then._replace(damping=damping), jnp.where(gained, 0, stalled + 1)

    def unfinished(state: tuple[Climber, Array, Array]) -> Array:
        _, stalled, steps = state
        return jnp.any(stalled < now.patience) & (steps < now.steps)

    def all_step(state: tuple[Climber, Array, Array]) -> tuple[Climber, Array, Array]:
        at, stalled, steps = state
        return *jax.vmap(step)(at, stalled), steps + 1

    begun = (climbers, jnp.where(idle, now.patience, 0), jnp.asarray(0))
    return jax.lax.while_loop(unfinished, all_step, begun)[0]


def local_model(a: Array, m: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Gradient and Hessian product of X -> <A, e^X M e^-X> at X = 0, as skew matrices.

    The first order is <A, X M - M X>; the second <A, X X M - 2 X M X + M X X> / 2. Of several
    matrices, `[m, n, n]`, the sums.
    """
    a, m = (x.reshape(-1, *x.shape[-2:]) for x in (a, m))
    square = jnp.sum(product(a, m.mT) + product(m.mT, a), axis=0)
    square = (square + square.T) / 2  # X X is symmetric
    right = jnp.concatenate([*m.mT, *a], axis=1)
    left = jnp.concatenate([*a, *m.mT, -square], axis=1)

    def hessian_times(x: Array) -> Array:
        """The skew part of A X M^T + M^T X A - S X, in two products."""
        parts = jnp.split(product(x, right), 2 * len(a), axis=1)
        return skew_part(product(left, jnp.concatenate([*parts, x])))

    return skew_part(jnp.sum(product(a, m.mT) - product(m.mT, a), axis=0)), hessian_times


def skew_part(m: Array) -> Array:
    """(M - M^T) / 2."""
    return (m - m.T) / 2


def solve_damped(
    hessian_times: Callable[[Array], Array], gradient: Array, damping: Array, iterations: Array
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

    start = (jnp.zeros_like(gradient), gradient, gradient, jnp.sum(gradient**2), jnp.array(True))
    x = jax.lax.fori_loop(0, iterations, step, start)[0]
    return jnp.where(jnp.any(x != 0), x, gradient)  # negative curvature at once: go uphill
