"""What training pays for besides the task: the nuclear norm and the L1 norm of weights."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.metrics.orthogonal import polar_factor
from rnnensemble.networks import Network, Params, VanillaParams


def nuclear_norm(weights: VanillaParams) -> Array:
    """The sum of the singular values of the recurrent weights.

    It is tr(Q^T W) at the polar factor Q = U V^T of W = U S V^T, and Q is its subgradient: what
    the derivative of Q would add is 0.
    """
    matrix = weights.recurrent_weights
    return jnp.sum(jax.lax.stop_gradient(polar_factor(matrix)) * matrix)


def l1(weights: VanillaParams) -> Array:
    """The sum of |w| over input, recurrent and readout weights."""
    counted = weights.input_weights, weights.recurrent_weights, weights.readout_weights
    return sum((jnp.sum(jnp.abs(each)) for each in counted), jnp.zeros(()))


PENALTIES: dict[str, Callable[[VanillaParams], Array]] = {"nuclear_norm": nuclear_norm, "l1": l1}
"""Penalties by the name of their strength in `Training` and `Hyperparameters`."""


def penalty(params: Params, strengths: dict[str, Array], network: Network) -> Array:
    """What one network pays: lambda_rank sum_i s_i(W_h) + lambda_l1 sum |w|.

    s_i are singular values. Both see the weights as they act on inputs and rates. Biases do not
    count in the second sum (the paper does not say which weights do).

    Args:
        params: Parameters of one network.
        strengths: lambda by the name of the penalty, scalars; those left out cost nothing.
        network: Its architecture.

    Returns:
        A scalar, in squared output units as the task's loss.

    Source: Huang et al. (arXiv 2410.03972, section 3.4).
    """
    weights = network.effective(params)
    paid = (strength * PENALTIES[name](weights) for name, strength in strengths.items())
    return sum(paid, jnp.zeros(()))
