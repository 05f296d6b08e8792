"""Products over the rows of many trials, the same to the last bit whatever a CPU's threads."""

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble._core.platforms import by_platform

BLOCK = 128
"""Rows whose products a CPU sums at once."""


def summed_products(x: Array, y: Array) -> Array:
    """X^T Y of rows `[R, p]` and `[R, q]`, `[p, q]`.

    On a CPU a block of rows at a time: a product over all of them would be split among threads, by
    their number, and be rounded accordingly, so that distances would depend on the devices.
    """

    def by_blocks(*sides: Array) -> Array:
        def step(total: Array, block: list[Array]) -> tuple[Array, None]:
            return total + block[0].T @ block[1], None

        missing = -len(x) % BLOCK
        blocks = [
            jnp.pad(side, ((0, missing), (0, 0))).reshape(-1, BLOCK, side.shape[1])
            for side in sides
        ]
        return jax.lax.scan(step, jnp.zeros((x.shape[1], y.shape[1]), x.dtype), blocks)[0]

    return by_platform(x, y, cpu=by_blocks, default=lambda x, y: x.T @ y)
