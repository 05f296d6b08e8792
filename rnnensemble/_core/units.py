"""Units in which float32 can square numbers: powers of two, which round nothing."""

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array

ROUNDING = 4
"""Deviations of at most so many roundings of the numbers themselves are rounding."""


def unit_of(*arrays: Array, axis: int | None = None) -> Array:
    """The power of two that brings the largest entry into [1, 2); 1 for zeros.

    Squares of float32 vanish below 1e-19 and overflow above 1e19, fourth powers below 1e-10 and
    above 1e9. Division by a power of two is exact, so that what is computed in this unit differs in
    no digit from what would be computed without, where that can be. A scalar for all arrays, of
    which one is not empty; with `axis` one for each row of an array along it, which broadcasts
    against it.
    """
    sizes = [jnp.max(jnp.abs(x), axis=axis, keepdims=axis is not None) for x in arrays if x.size]
    largest = jnp.stack(sizes).max(axis=0)
    exponent = jnp.clip(jnp.frexp(largest)[1] - 1, -126, 126)  # the inverse is a number as well
    return jnp.where(largest > 0, jnp.ldexp(jnp.ones_like(largest), exponent), 1.0)


def norm(x: Array) -> Array:
    """The Frobenius norm, whatever the unit."""
    unit = unit_of(x)
    return unit * jnp.linalg.norm(x / unit)


def deviations(rows: Array) -> Array:
    """Rows minus the first of them, `[n, N]`, in a unit of their own; zeros if all are rounding.

    What is subtracted takes large offsets out exactly.
    """
    moved = rows - rows[:1]
    least = ROUNDING * jnp.finfo(rows.dtype).eps * jnp.max(jnp.abs(rows), axis=0, keepdims=True)
    moved = jnp.where(jnp.any(jnp.abs(moved) > least), moved, 0.0)
    return moved / jax.lax.stop_gradient(unit_of(moved))


def divided(array: Array, by: Array) -> Array:
    """An array divided by a scalar, to the same bits in any program.

    XLA multiplies by the reciprocal in programs for one device, and not in those for several.
    """
    return array / jax.lax.optimization_barrier(jnp.broadcast_to(by, array.shape))
