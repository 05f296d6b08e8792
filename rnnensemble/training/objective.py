"""The loss that training lowers and that thresholds are compared with, and what comes with it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task, Trials
from rnnensemble.training import losses

NOISE = np.uint32(2**32 - 1)
"""The noise of a step comes from fold_in(key, NOISE), far from what draws the step's trials."""


class Terms(NamedTuple):
    """What one forward pass of a batch gives; None where it is not asked for.

    Attributes:
        loss: The task's loss, a scalar.
        paid: What rates cost, a scalar.
        accuracy: The task's accuracy, averaged over trials, a scalar.
        by_task: The same, or the loss, for each task of a mixture (see `sums_by_task`), `[2, R]`.
    """

    loss: Any
    paid: Any = None
    accuracy: Any = None
    by_task: Any = None


ByTask = Callable[[Array, Trials], Array]
"""From outputs and trials to sums and weights of each task of a mixture, `[2, R]`."""


def sums_by_task(outputs: Array, trials: Trials, *, task: Any, loss: str | None) -> Array:
    """The loss of each task of a mixture, or for None its accuracy, as sums and weights, `[2, R]`.

    Both add up over slices and steps, and their ratio is the mean; both are 0 for a task that no
    trial is of. Weights are masked steps, or trials of an accuracy.
    """
    members = task.members(trials)
    if loss is None:
        right = members * task.accuracy(outputs, trials)
        return jnp.stack([jnp.sum(right, axis=1), jnp.sum(members, axis=1)])
    masks = members[..., None] * trials.mask
    weights = jnp.sum(masks, axis=(1, 2))
    found = jax.vmap(partial(losses.find(loss), outputs, trials.targets))(masks)
    return jnp.stack([jnp.where(weights > 0, weights * found, 0.0), weights])


def respond_in_training(
    params: Params, inputs: Array, network: Network, key: Key | None, *, first: Any = 0
) -> tuple[Array, Array]:
    """Rates and outputs on `[B, T, I]`, with the noise of a step if the network is noisy.

    `first` is the number of the first of these trials in the step's batch.
    """
    if key is None or not network.noisy:
        return network.respond(params, inputs)
    key = jax.random.fold_in(key, NOISE)
    return network.respond_noisily(params, inputs, key, first=first)


def task_loss(params: Params, trials: Trials, network: Network, loss: str = "mse") -> Array:
    """The loss of one network on trials, without noise of its own, a scalar."""
    _, outputs = network.respond(params, trials.inputs)
    return losses.find(loss)(outputs, trials.targets, trials.mask)


def loss_and_gradient(
    params: Params,
    trials: Trials,
    network: Network,
    *,
    slices: int = 1,
    loss: str = "mse",
) -> tuple[Array, Params]:
    """The loss of one network and its gradient; see `terms_and_gradient`."""
    terms, gradient = terms_and_gradient(params, trials, network, slices=slices, loss=loss)
    return terms.loss, gradient


def terms_and_gradient(
    params: Params,
    trials: Trials,
    network: Network,
    *,
    slices: int = 1,
    loss: str = "mse",
    rates_l2: Array | None = None,
    accuracy_of: Task | None = None,
    by_task: ByTask | None = None,
    key: Key | None = None,
) -> tuple[Terms, Params]:
    """What one network minimizes on a batch, taken in slices, and its gradient.

    One slice after another keeps a CPU's cache from overflowing; the sums are the same. The batch
    of a loss of one's own stays whole, since nothing says that its slices would add up. `rates_l2`
    is lambda of the squared rates (see `rates_cost`), `accuracy_of` the task whose accuracy is
    found too, `by_task` what finds the sums of each task of a mixture, `key` the step's, for the
    noise of a noisy network; None for none of these.

    Returns:
        The terms, and the gradient of loss + lambda * squared rates.
    """
    batch, steps = len(trials.mask), steps_of(trials)
    step_errors = losses.STEPWISE.get(loss) if slices > 1 else None

    def objective(params: Params, part: tuple[Trials, Array | None, Any]) -> tuple[Array, Terms]:
        trials, weights, first = part
        rates, outputs = respond_in_training(params, trials.inputs, network, key, first=first)
        if weights is None or step_errors is None:
            found = losses.find(loss)(outputs, trials.targets, trials.mask)
        else:
            found = jnp.sum(weights * step_errors(outputs, trials.targets))
        rest: dict[str, Any] = {"batch": batch, "steps": steps}
        terms = with_rest(found, rates, outputs, trials, rates_l2, accuracy_of, by_task, **rest)
        return found if terms.paid is None else found + terms.paid, terms

    gradient_of = jax.grad(objective, has_aux=True)
    if step_errors is None:
        gradient, terms = gradient_of(params, (trials, None, 0))
        return terms, gradient
    weights = trials.mask / jnp.sum(trials.mask)
    parts = jax.tree.map(lambda x: x.reshape(slices, -1, *x.shape[1:]), (trials, weights))
    firsts = jnp.arange(slices, dtype=jnp.uint32) * (batch // slices)

    def add(total: Any, part: tuple[Trials, Array, Array]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradient_of(params, part)), None

    asked = rates_l2, accuracy_of
    zero = Terms(jnp.zeros(()), *(None if each is None else jnp.zeros(()) for each in asked))
    if by_task is not None:
        sums = jax.eval_shape(by_task, trials.targets, trials)  # outputs are shaped like targets
        zero = zero._replace(by_task=jnp.zeros_like(sums))
    start = jax.tree.map(jnp.zeros_like, params), zero
    (gradient, terms), _ = jax.lax.scan(add, start, (*parts, firsts))
    return terms, gradient


def with_rest(
    loss: Array,
    rates: Array,
    outputs: Array,
    trials: Trials,
    rates_l2: Array | None,
    accuracy_of: Task | None,
    by_task: ByTask | None,
    *,
    batch: int,
    steps: Any = None,
) -> Terms:
    """A loss with what else is asked for of the same responses, as shares of a batch.

    That has B trials, and so many steps that belong to one; B T unless given.
    """
    paid = None
    if rates_l2 is not None:
        steps = batch * rates.shape[-2] if steps is None else steps
        paid = rates_l2 * rates_cost(rates, trials.valid, steps=steps)
    accuracy = None
    if accuracy_of is not None:
        accuracy = jnp.sum(accuracy_of.accuracy(outputs, trials)) / batch
    return Terms(loss, paid, accuracy, None if by_task is None else by_task(outputs, trials))


def steps_of(trials: Trials) -> Array | None:
    """How many steps belong to a trial; None where all do."""
    return None if trials.valid is None else jnp.sum(trials.valid)


def rates_cost(rates: Array, valid: Array | None, *, steps: Any) -> Array:
    """sum_n r_n^2, averaged over so many valid steps of trials, of rates `[.., T, N]` of some."""
    squares = rates**2 if valid is None else valid[..., None] * rates**2
    return jnp.sum(squares) / steps
