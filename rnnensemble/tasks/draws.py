"""The numbers of jax.random, several times faster on a CPU.

On a CPU `jax.random` runs the twenty rounds of Threefry as a loop of passes over memory, which
costs a third of the training of a small network. Written out, the rounds are one pass; the bits
are the same, and so are the numbers made of them but for rounding (tests/test_tasks.py).

Source: Salmon et al. 2011 (Threefry-2x32, 20 rounds), counted as jax.random counts.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
MANTISSA_BITS = 23


@partial(jax.jit, static_argnames=("shape",), inline=True)
def bits(key: Key, shape: tuple[int, ...]) -> Array:
    """Random uint32, equal to `jax.random.bits(key, shape)`; one program outside of others."""
    is_threefry = "fry" in str(jax.random.key_impl(key))
    count = math.prod(shape)
    if not is_threefry or not jax.config.jax_threefry_partitionable or count >= 2**32:  # pyright: ignore[reportAttributeAccessIssue]
        return jax.random.bits(key, shape)
    first, second = jax.random.key_data(key)
    words = (first, second, first ^ second ^ jnp.uint32(PARITY))
    left = jnp.broadcast_to(words[0], (count,))
    right = jax.lax.iota(jnp.uint32, count) + words[1]
    for group in range(5):
        for distance in ROTATIONS[group % 2]:
            left = left + right
            right = left ^ (right << jnp.uint32(distance) | right >> jnp.uint32(32 - distance))
        left = left + words[(group + 1) % 3]
        right = right + words[(group + 2) % 3] + jnp.uint32(group + 1)
    return (left ^ right).reshape(shape)


def uniform(key: Key, shape: tuple[int, ...], *, minval: float = 0.0, maxval: float = 1.0) -> Array:
    """U(minval, maxval), float32, as `jax.random.uniform` draws them."""
    one_to_two = bits(key, shape) >> jnp.uint32(32 - MANTISSA_BITS) | jnp.uint32(0x3F800000)
    unit = jax.lax.bitcast_convert_type(one_to_two, jnp.float32) - 1
    low, high = jnp.float32(minval), jnp.float32(maxval)
    return jnp.maximum(low, unit * (high - low) + low)


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    """N(0, 1), float32, as `jax.random.normal` draws them."""
    low = float(np.nextafter(np.float32(-1), np.float32(0)))
    return jnp.float32(math.sqrt(2)) * jax.lax.erf_inv(uniform(key, shape, minval=low))
