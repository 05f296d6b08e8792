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
    """The orthogonal matrix nearest to M `[n, m]`, by Newton-Schulz: X <- (3 X - X X^T X) / 2.

    With M = U S V^T this is U V^T; directions whose singular value is exactly 0 stay 0. Singular
    values must lie below sqrt(3) bound, by which M is first divided; the closer they come to 1, the
    faster. Five steps do if those of M / bound lie within [0.7, 1.3]; each factor of 1.5 below
    takes one more.
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
    """The orthogonal matrix nearest to M `[n, n]`; the cubics are those of its singular values."""

    def step(x: Array, cubic: Array) -> tuple[Array, None]:
        return cubic[0] * x - cubic[1] * product(x, product(x.T, x)), None

    return jax.lax.scan(step, m, coefficients)[0]


def polar_factor(m: Array, *, least: float = 1e-4) -> Array:
    """The polar factor U V^T of M = U S V^T `[n, n]`, of unknown size and condition; 0 for M = 0.

    Singular values above `least` of the largest are exact to 1e-5; smaller ones come out between 0
    and 1.
    """
    # ||M^T M||^(1/2) lies within [1, n^(1/4)] times the largest singular value
    bound = jnp.maximum(jnp.sqrt(jnp.linalg.norm(m.T @ m)), jnp.finfo(m.dtype).tiny)

    def step(x: Array, cubic: Array) -> tuple[Array, None]:
        return cubic[0] * x - cubic[1] * x @ (x.T @ x), None

    found = cubics(least / len(m) ** 0.25, 1.0)
    return jax.lax.scan(step, m / bound, jnp.asarray(found, m.dtype))[0]


def nuclear_norm(m: Array, *, bound: float | Array, steps: int = 40) -> Array:
    """The sum of the singular values of M `[n, m]`: tr(Q^T M) at its polar factor Q (`polar`).

    After 40 steps a singular value counts too little by at most 1e-7 bound.
    """
    return jnp.sum(polar(m, bound=bound, steps=steps) * m)
