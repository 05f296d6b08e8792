"""The loss that training lowers and that thresholds are compared with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Trials

NOISE = np.uint32(2**32 - 1)
"""The noise of a step comes from fold_in(key, NOISE), far from what draws the step's trials."""


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


def respond_in_training(
    params: Params, inputs: Array, network: Network, key: Key | None, *, first: Any = 0
) -> tuple[Array, Array]:
    """Rates and outputs with the noise of a step, if the network is noisy and there is a key.

    Args:
        params: Parameters of one network.
        inputs: Trials of the step's batch, `[B, T, I]`.
        network: Its architecture.
        key: The step's, None for no noise.
        first: Number of the first of these trials in the batch.
    """
    if key is None or not network.noisy:
        return network.respond(params, inputs)
    key = jax.random.fold_in(key, NOISE)
    return network.respond_noisily(params, inputs, key, first=first)


def task_loss(params: Params, trials: Trials, network: Network, *, key: Key | None = None) -> Array:
    """The masked MSE of one network on trials, a scalar; with the noise of a step if it has key."""
    _, outputs = respond_in_training(params, trials.inputs, network, key)
    return masked_mse(outputs, trials.targets, trials.mask)


def loss_and_gradient(
    params: Params,
    trials: Trials,
    network: Network,
    *,
    slices: int = 1,
    key: Key | None = None,
) -> tuple[Array, Params]:
    """The masked MSE of one network and its gradient, the batch taken in slices.

    One slice after another keeps a CPU's cache from overflowing; the sums are the same.

    Args:
        params: Parameters of one network.
        trials: B trials.
        network: Its architecture.
        slices: Number of slices, a divisor of B.
        key: The step's, for the noise of a noisy network; None for none.

    Returns:
        A scalar, in squared output units, and its gradient.
    """
    if slices == 1:
        return jax.value_and_grad(task_loss)(params, trials, network, key=key)
    weights = trials.mask / jnp.sum(trials.mask)
    parts = jax.tree.map(
        lambda x: x.reshape(slices, -1, *x.shape[1:]), trials._replace(mask=weights)
    )

    def partial_loss(params: Params, part: Trials, first: Array) -> Array:
        _, outputs = respond_in_training(params, part.inputs, network, key, first=first)
        return jnp.sum(part.mask * jnp.mean((outputs - part.targets) ** 2, axis=-1))

    def add(total: tuple, now: tuple[Trials, Array]) -> tuple[tuple, None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(partial_loss)(params, *now)), None

    zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
    firsts = jnp.arange(slices, dtype=jnp.uint32) * (len(trials.mask) // slices)
    return jax.lax.scan(add, zero, (parts, firsts))[0]
