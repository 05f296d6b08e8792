"""Private noise of units: a normal number for each step, trial and unit.

Numbers of `jax.random` would take as long as a training step itself: only two words for each step
come from there. All else is a hash of these words and of the number's place, so that a slice of a
batch gets the noise that it has in the whole batch. Gradients need none: noise is added.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key

ANGLE_BITS = 12
"""Bits of a word that become the angle; the others become the radius, up to 5.4."""


class Noise(NamedTuple):
    """What a network's trials are disturbed by.

    Attributes:
        words: Two random words for the initial state and for each step, `[T + 1, 2]`, uint32.
        first: Number of the first of these trials in its batch, a scalar.
        process: Standard deviation of what is added to each unit at each step, a scalar; None for
            nothing.
        start: The same of the initial state.
    """

    words: Array
    first: Any
    process: Array | None
    start: Array | None


def words_of(key: Key, steps: int) -> Array:
    """The words of a batch of trials, `[T + 1, 2]`."""
    return jax.random.bits(key, (steps + 1, 2))


def standard_normal(words: Array, first: Any, shape: tuple[int, int]) -> Array:
    """Numbers of N(0, 1) for trials from a first one on and all units, `shape` `[B, N]`.

    A hashed word (of two random ones, uint32) gives radius and angle: sqrt(-2 log u) sin(v), with u
    uniform in (0, 1) and v in (-pi / 2, pi / 2).

    Source: Box and Muller 1958, of whose two numbers this is one; hash by Wellons
    (hash-prospector, triple32), between whose rounds the second word enters.
    """
    units = shape[1]
    trial = jnp.asarray(first, jnp.uint32) + jax.lax.broadcasted_iota(jnp.uint32, shape, 0)
    place = trial * jnp.uint32(units) + jax.lax.broadcasted_iota(jnp.uint32, shape, 1)
    word = _hashed(words, place)
    high = (word >> jnp.uint32(ANGLE_BITS)).astype(jnp.int32).astype(jnp.float32)
    low = (word & jnp.uint32(2**ANGLE_BITS - 1)).astype(jnp.int32).astype(jnp.float32)
    uniform = (high + 0.5) * np.float32(2.0 ** (ANGLE_BITS - 32))
    angle = (low - np.float32(2 ** (ANGLE_BITS - 1) - 0.5)) * np.float32(math.pi / 2**ANGLE_BITS)
    return jnp.sqrt(-2 * jnp.log(uniform)) * _sine(angle)


def _hashed(words: Array, place: Array) -> Array:
    """A word for each place, of uint32."""
    x = place + words[0]
    x = (x ^ x >> jnp.uint32(17)) * jnp.uint32(0xED5AD4BB) ^ words[1]
    x = (x ^ x >> jnp.uint32(11)) * jnp.uint32(0xAC4C1B51)
    x = (x ^ x >> jnp.uint32(15)) * jnp.uint32(0x31848BAB)
    return x ^ x >> jnp.uint32(14)


def _sine(x: Array) -> Array:
    """sin of angles up to pi / 2, to 4e-6, several times as fast on a CPU as the library's."""
    square, total = x * x, jnp.zeros(())
    for power in (9, 7, 5, 3):
        total = (total + (-1) ** (power // 2) / math.factorial(power)) * square
    return x * (1 + total)
