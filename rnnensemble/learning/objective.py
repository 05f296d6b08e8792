"""The loss that training lowers and that thresholds are compared with."""

import jax.numpy as jnp

from rnnensemble.axes import Array
from rnnensemble.networks import VanillaParams, VanillaRNN
from rnnensemble.tasks import Trials


def masked_mse(outputs: Array, targets: Array, mask: Array) -> Array:
    """Mean squared error over masked steps: sum m (y - y*)^2 / (O sum m).

    Args:
        outputs: y, `[B, T, O]`.
        targets: y*, `[B, T, O]`.
        mask: m, `[B, T]`.

    Returns:
        A scalar, in squared output units.
    """
    squared = jnp.mean((outputs - targets) ** 2, axis=-1)
    return jnp.sum(mask * squared) / jnp.sum(mask)


def task_loss(params: VanillaParams, trials: Trials, network: VanillaRNN) -> Array:
    """The masked MSE of one network on trials, a scalar."""
    _, outputs = network.respond(params, trials.inputs)
    return masked_mse(outputs, trials.targets, trials.mask)
