"""Private noise of units: a normal number for each step, trial and unit, drawn where it is used.

It costs a fraction of a training step, while numbers of `jax.random` would take as long as the step
itself: only two words for each step come from there. All else is a hash of these words and of the
number's place, so that a slice of a batch gets the noise that it has in the whole batch, and no
array of noise is ever stored. Gradients need none: noise is added.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key

ANGLE_BITS = 12
"""Bits of a word that become the angle; one more is a sign, the others the radius, up to 5.3."""


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
    """Numbers of N(0, 1) for trials from a first one on and all units, `[B, N]`.

    A hashed word gives the numbers of two units, half the width apart: s r cos(v) and s r sin(v)
    with r = sqrt(-2 log u), u uniform in (0, 1), v in (-pi / 2, pi / 2) and s a sign.

    Args:
        words: Two random words, `[2]`, uint32.
        first: Number of the first trial.
        shape: B and N.

    Source: Box and Muller 1958; hash by Wellons (hash-prospector, triple32), between whose rounds
    the second word enters.
    """
    batch, units = shape
    pairs = batch, -(-units // 2)
    trial = jnp.asarray(first, jnp.uint32) + jax.lax.broadcasted_iota(jnp.uint32, pairs, 0)
    place = trial * jnp.uint32(pairs[1]) + jax.lax.broadcasted_iota(jnp.uint32, pairs, 1)
    word = _hashed(words, place)
    uniform = (_number(word >> jnp.uint32(ANGLE_BITS + 1)) + 0.5) * 2.0 ** (ANGLE_BITS - 31)
    angle = _number(word & jnp.uint32(2**ANGLE_BITS - 1)) - (2 ** (ANGLE_BITS - 1) - 0.5)
    radius = jnp.sqrt(-2 * jnp.log(uniform))
    radius = jnp.where((word >> jnp.uint32(ANGLE_BITS)) & jnp.uint32(1) == 0, radius, -radius)
    # kept from being computed once for each of the two
    radius, angle = jax.lax.optimization_barrier((radius, angle * (math.pi / 2**ANGLE_BITS)))
    square = angle * angle
    cosine = _series(square, (0, 2, 4, 6, 8, 10))
    sine = angle * _series(square, (1, 3, 5, 7, 9))
    return jnp.concatenate([radius * cosine, radius * sine], axis=1)[:, :units]


def _number(word: Array) -> Array:
    """A word of at most 31 bits as float32."""
    return word.astype(jnp.int32).astype(jnp.float32)


def _hashed(words: Array, place: Array) -> Array:
    """A word for each place, of uint32."""
    x = place + words[0]
    x = (x ^ x >> jnp.uint32(17)) * jnp.uint32(0xED5AD4BB) ^ words[1]
    x = (x ^ x >> jnp.uint32(11)) * jnp.uint32(0xAC4C1B51)
    x = (x ^ x >> jnp.uint32(15)) * jnp.uint32(0x31848BAB)
    return x ^ x >> jnp.uint32(14)


def _series(square: Array, powers: tuple[int, ...]) -> Array:
    """A sine's or cosine's Taylor series, to 4e-6; on a CPU far quicker than the library's."""
    total = jnp.zeros(())
    for power in reversed(powers):
        total = total * square + (-1) ** (power // 2) / math.factorial(power)
    return total
