"""Polar factors and nuclear norms by matrix products alone, for `Metric.compare`."""

import jax
import jax.numpy as jnp

from rnnensemble.axes import Array


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


def retracted(m: Array, *, largest: float, steps: int) -> Array:
    """The orthogonal matrix nearest to M, for singular values within [1, largest].

    The first step is the cubic that brings that interval closest to 1, which saves one of
    `polar`.

    Args:
        m: M, `[n, n]`.
        largest: l, the largest singular value it may have.
        steps: Four for l up to 1.75, six for l up to 3.
    """
    # a s - b s^3 is least at both ends, greatest at s = peak
    square = largest**2 + largest + 1
    peak = (square / 3) ** 0.5
    scale = 2 / (largest * (1 + largest) + 2 / 3 * square * peak)
    first = scale * (square * m - m @ (m.T @ m))
    return polar(first, bound=1.0, steps=steps - 1)


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
