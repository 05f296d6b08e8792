"""Polar factors and nuclear norms by matrix products alone, for `Metric.compare`."""

from functools import reduce
from operator import add

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array

TINY = 4, 7
"""Products of so many rows are taken term by term: XLA takes 25 times as long for them on a CPU."""


def product(x: Array, y: Array) -> Array:
    """X Y, `[..., n, k]` times `[..., k, m]`, quick for tiny matrices as well."""
    if not TINY[0] <= x.shape[-2] <= TINY[1]:
        return x @ y
    return reduce(add, (x[..., :, k : k + 1] * y[..., k : k + 1, :] for k in range(x.shape[-1])))


def polar(m: Array, *, bound: float | Array, steps: int) -> Array:
    """The orthogonal matrix nearest to M, by Newton-Schulz: X <- (3 X - X X^T X) / 2.

    With M = U S V^T this is U V^T; directions whose singular value is exactly 0 stay 0.

    Args:
        m: M, `[n, m]`, with singular values below sqrt(3) bound.
        bound: First divided by; the closer singular values come to 1, the faster.
        steps: Five if the singular values of M / bound lie within [0.7, 1.3]; each factor of 1.5
            below takes one more.

    Returns:
        The polar factor, `[n, m]`.
    """

    def step(x: Array, _: None) -> tuple[Array, None]:
        return 1.5 * x - 0.5 * x @ (x.T @ x), None

    return jax.lax.scan(step, m / bound, None, length=steps)[0]


def cubics(low: float, high: float) -> list[tuple[float, float]]:
    """Coefficients (a, b) of maps s -> a s - b s^3 that bring [low, high] to 1, one after another.

    Each is the cubic that comes closest to 1 on the interval that the last one left: least at
    both ends, greatest between. Small s grow 2.6 times a step relative to the largest, 1.5 times
    in Newton and Schulz's.
    """
    found = []
    while max(high - 1, 1 - low) > 1e-6:
        square = high**2 + high * low + low**2
        most, least = 2 / 3 * square * (square / 3) ** 0.5, high * low * (high + low)
        b = 2 / (most + least)
        found.append((b * square, b))
        low, high = b * least, b * most
    return found


def retracted(m: Array, coefficients: Array) -> Array:
    """The orthogonal matrix nearest to M, whose singular values lie within what cubics reduce.

    Args:
        m: M, `[n, n]`.
        coefficients: What `cubics` returned for the interval of its singular values, `[steps, 2]`.
    """

    def step(x: Array, cubic: Array) -> tuple[Array, None]:
        return cubic[0] * x - cubic[1] * product(x, product(x.T, x)), None

    return jax.lax.scan(step, m, coefficients)[0]


def polar_factor(m: Array, *, least: float = 1e-4) -> Array:
    """The polar factor U V^T of M = U S V^T, of unknown size and condition.

    Args:
        m: M, `[n, n]`.
        least: Singular values above this share of the largest are exact to 1e-5; smaller ones
            come out between 0 and 1.

    Returns:
        The polar factor, `[n, n]`; 0 for M = 0.
    """
    # ||M^T M||^(1/2) lies within [1, n^(1/4)] times the largest singular value
    bound = jnp.maximum(jnp.sqrt(jnp.linalg.norm(m.T @ m)), jnp.finfo(m.dtype).tiny)

    def step(x: Array, cubic: Array) -> tuple[Array, None]:
        return cubic[0] * x - cubic[1] * x @ (x.T @ x), None

    found = cubics(least / len(m) ** 0.25, 1.0)
    return jax.lax.scan(step, m / bound, jnp.asarray(found, m.dtype))[0]


def nuclear_norm(m: Array, *, bound: float | Array, steps: int = 40) -> Array:
    """The sum of the singular values of M, as tr(Q^T M) at its polar factor Q.

    Args:
        m: M, `[n, m]`, with singular values below sqrt(3) bound.
        bound: As in `polar`.
        steps: After 40 a singular value counts too little by at most 1e-7 bound.

    Returns:
        A scalar.
    """
    return jnp.sum(polar(m, bound=bound, steps=steps) * m)
