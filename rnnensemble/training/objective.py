"""The loss that training lowers and that thresholds are compared with."""

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.networks import Network, Params
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


def task_loss(params: Params, trials: Trials, network: Network) -> Array:
    """The masked MSE of one network on trials, a scalar."""
    _, outputs = network.respond(params, trials.inputs)
    return masked_mse(outputs, trials.targets, trials.mask)


def loss_and_gradient(
    params: Params, trials: Trials, network: Network, *, slices: int = 1
) -> tuple[Array, Params]:
    """The masked MSE of one network and its gradient, the batch taken in slices.

    One slice after another keeps a CPU's cache from overflowing; the sums are the same.

    Args:
        params: Parameters of one network.
        trials: B trials.
        network: Its architecture.
        slices: Number of slices, a divisor of B.

    Returns:
        A scalar, in squared output units, and its gradient.
    """
    if slices == 1:
        return jax.value_and_grad(task_loss)(params, trials, network)
    weights = trials.mask / jnp.sum(trials.mask)
    parts = jax.tree.map(
        lambda x: x.reshape(slices, -1, *x.shape[1:]), trials._replace(mask=weights)
    )

    def partial_loss(params: Params, part: Trials) -> Array:
        _, outputs = network.respond(params, part.inputs)
        return jnp.sum(part.mask * jnp.mean((outputs - part.targets) ** 2, axis=-1))

    def add(total: tuple, part: Trials) -> tuple[tuple, None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(partial_loss)(params, part)), None

    zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
    return jax.lax.scan(add, zero, parts)[0]
