"""What training pays for besides the task: norms of weights; of rates see `objective`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.metrics.orthogonal import polar_factor
from rnnensemble.networks import Network, Params, weights_of

COUNTED: tuple[str, ...] = ("input_weights", "recurrent_weights", "readout_weights")
"""What L1 and L2 count; the nuclear norm is of the second."""


def nuclear_norm(weights: dict[str, Array]) -> Array:
    """The sum of the singular values of the recurrent weights, over all matrices of a gated cell.

    It is tr(Q^T W) at the polar factor Q = U V^T of W = U S V^T, and Q is its subgradient: what
    the derivative of Q would add is 0.
    """
    matrix = weights["recurrent_weights"]
    if matrix.ndim == 3:
        return jnp.sum(jax.vmap(lambda each: nuclear_norm({"recurrent_weights": each}))(matrix))
    return jnp.sum(jax.lax.stop_gradient(polar_factor(matrix)) * matrix)


def l1(weights: dict[str, Array]) -> Array:
    """The sum of |w| over input, recurrent and readout weights."""
    return sum((jnp.sum(jnp.abs(weights[name])) for name in COUNTED), jnp.zeros(()))


def l2(weights: dict[str, Array]) -> Array:
    """The sum of w^2 over input, recurrent and readout weights."""
    return sum((jnp.sum(weights[name] ** 2) for name in COUNTED), jnp.zeros(()))


ON_WEIGHTS: dict[str, Callable[[dict[str, Array]], Array]] = {
    "nuclear_norm": nuclear_norm,
    "l1": l1,
    "l2": l2,
}
"""Penalties on weights by the name of their strength in `Training`."""

PENALTIES = (*ON_WEIGHTS, "rates_l2")
"""All strengths of penalties."""


def penalty(params: Params, strengths: dict[str, Array], network: Network) -> Array:
    """What one network pays for its weights, in squared output units as the task's loss.

        lambda_rank sum_i s_i(W_h) + lambda_l1 sum |w| + lambda_l2 sum w^2

    s_i are singular values, of each gate's matrix where there are gates. All see the weights as
    they act on inputs and rates. Biases do not count in the last two sums (the paper does not say
    which weights do). A lambda that is left out costs nothing.

    Source: Huang et al. (arXiv 2410.03972, section 3.4); the last sum is ours.
    """
    names = COUNTED if {"l1", "l2"} & strengths.keys() else COUNTED[1:2]
    found = weights_of(network, params, names, "a penalty")
    weights: dict[str, Array] = dict(zip(names, found, strict=True))
    paid = (strength * ON_WEIGHTS[name](weights) for name, strength in strengths.items())
    return sum(paid, jnp.zeros(()))
