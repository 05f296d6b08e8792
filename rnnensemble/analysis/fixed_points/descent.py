"""Where one network's dynamics rest: from a state down to a minimum of its speed."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble._core.inverse import inverse
from rnnensemble.networks import Network, Params
from rnnensemble.networks.cell import exact_product

FASTEST, SLOWEST = 1e-8, 1e6
"""Range of the damping."""

STALLED = 4
"""Steps in a row without progress after which a search ends: a minimum of q above 0."""


class Rest(NamedTuple):
    """Where a search came to.

    Attributes:
        state: The last state, `[N]`.
        speed: q there.
        slow: The first state on the way with q at most `slow`, `[N]`; the last one if none.
        steps: Steps taken.
    """

    state: Array
    speed: Array
    slow: Array
    steps: Array


class _Search(NamedTuple):
    state: Array
    speed: Array
    slow: Array
    steps: Array
    damping: Array
    stalled: Array


def speed(network: Network, params: Params, state: Array, inputs: Array) -> Array:
    """q = |F(h) - h|^2 / 2, for states `[..., N]`."""
    return jnp.sum((network.step(params, state, inputs) - state) ** 2, axis=-1) / 2


def find_rest(
    network: Network,
    params: Params,
    state: Array,
    inputs: Array,
    *,
    tolerance: float,
    slow: float,
    most: int,
) -> Rest:
    """Lowers the speed q from one state `[N]`, under inputs `[I]`, as Levenberg and Marquardt do.

        d = -(A^T A + mu I)^-1 A^T (F(h) - h),   A = dF/dh - I

    mu falls tenfold after a step that lowers q and rises tenfold after one that does not, which is
    not taken. It stops at q = `tolerance`, or after `most` steps; up to q = `slow` states are slow.

    Source: Sussillo & Barak (2013) for q; Levenberg (1944) and Marquardt (1963) for the steps.
    """
    unit = jnp.eye(len(state))

    def going(now: _Search) -> Array:
        return (now.speed > tolerance) & (now.steps < most) & (now.stalled < STALLED)

    def advance(now: _Search) -> _Search:
        slope = network.jacobian(params, now.state, inputs) - unit
        gap = network.step(params, now.state, inputs) - now.state
        square = exact_product(slope.T, slope) + now.damping * unit
        new = now.state - exact_product(inverse(square), gap @ slope)
        there = speed(network, params, new, inputs)
        better = there < now.speed
        progress = there < 0.99 * now.speed
        damping = jnp.where(better, 0.1, 10.0) * now.damping
        state = jnp.where(better, new, now.state)
        return _Search(
            state=state,
            speed=jnp.where(better, there, now.speed),
            slow=jnp.where(now.speed > slow, state, now.slow),
            steps=now.steps + 1,
            damping=jnp.clip(damping, FASTEST, SLOWEST),
            stalled=jnp.where(progress, 0, now.stalled + 1),
        )

    zero, start = jnp.zeros((), jnp.int32), speed(network, params, state, inputs)
    first = _Search(state, start, state, zero, jnp.full((), 1e-2), zero)
    return Rest(*jax.lax.while_loop(going, advance, first)[:4])
