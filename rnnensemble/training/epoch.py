"""How one network learns: an epoch as a pure function from state to state."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from rnnensemble._core.axes import Array, ArrayLike, Key
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task
from rnnensemble.training.frozen import held
from rnnensemble.training.minimized import Hyperparameters, is_used, minimized_on
from rnnensemble.training.optimizers import Adam, Optimizer, State
from rnnensemble.training.penalties import PENALTIES
from rnnensemble.training.schedules import Constant
from rnnensemble.training.settings import Training as Training  # what an epoch is told
from rnnensemble.training.similarity import Deflation, References

TRAINING, CONVERGED, DIVERGED = 0, 1, 2
"""Values of `TrainState.status`."""

PLATEAU_IMPROVEMENT = 1e-4
"""Relative fall of the loss that counts as progress (PyTorch's ReduceLROnPlateau)."""

ADAM = Adam()
"""The optimizer unless another is given."""


class TrainState(NamedTuple):
    """All that an epoch continues from.

    Attributes:
        params: Current parameters, always finite.
        optimizer: What the optimizer keeps, as Adam's moments.
        epoch: Epochs trained.
        status: TRAINING, CONVERGED or DIVERGED.
        below: Epochs in a row below the threshold, or with enough accuracy.
        rate_scale: Product of the plateau factors so far.
        best_loss: Lowest epoch loss so far.
        stale: Epochs since then.
    """

    params: Params
    optimizer: State
    epoch: Array
    status: Array
    below: Array
    rate_scale: Array
    best_loss: Array
    stale: Array


def resting(state: TrainState) -> TrainState:
    """States `[K]` of which those that have stopped keep what they ended as: nothing continues.

    The zeros that stand for the rest take no room on disk.
    """
    going = np.asarray(state.status) == TRAINING

    def blank(x: Any) -> np.ndarray:
        return np.where(going.reshape(-1, *(1,) * (x.ndim - 1)), x, np.zeros((), x.dtype))

    kept = {name: getattr(state, name) for name in ("params", "epoch", "status")}
    return jax.tree.map(blank, state)._replace(**kept)


class History(NamedTuple):
    """What training reports and nothing continues from: of an epoch, or `[K, E]` of a population.

    NaN after a network stopped.

    Attributes:
        loss: Mean training loss over an epoch's steps: MSE in squared output units, or another.
        gradient_norm: Mean global gradient norm before clipping.
        learning_rate: Mean step size of the optimizer during the epoch.
        penalty: Mean penalty over the epoch's steps, that of a deflation included, in the units of
            the loss.
        accuracy: Mean accuracy of the task on the trials that were trained on, of each step before
            its update; None where it is not recorded.
        worst: Of the tasks of a mixture the highest loss or the lowest accuracy (`criterion`) over
            an epoch's trials; NaN where a task had none, None unless `every_task` is asked for.
    """

    loss: Any
    gradient_norm: Any
    learning_rate: Any
    penalty: Any
    accuracy: Any = None
    worst: Any = None


def judged(history: History, training: Training) -> Any:
    """What the threshold is compared with: the loss, the accuracy, or that of the worst task."""
    if training.every_task:
        return history.worst
    return history.loss if training.criterion == "loss" else history.accuracy


def blank_history(x: Any, training: Training) -> History:
    """A history of which each part that training records is this array."""
    accuracy, worst = training.records_accuracy, training.every_task
    return History(x, x, x, x, x if accuracy else None, x if worst else None)


def init_state(
    key: Key, hyper: Hyperparameters, *, task: Task, network: Network, optimizer: Optimizer = ADAM
) -> TrainState:
    """The state of one network before its first step; `key` is the network's own."""
    params = network.init(
        jax.random.fold_in(key, 0),
        n_inputs=task.n_inputs,
        n_outputs=task.n_outputs,
        **own_values(network, hyper),
    )
    return state_at(params, optimizer)


def state_at(params: Params, optimizer: Optimizer = ADAM) -> TrainState:
    """The state before the first step from these parameters."""
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        params=params,
        optimizer=optimizer.init(params),
        epoch=zero,
        status=zero + TRAINING,
        below=zero,
        rate_scale=jnp.ones(()),
        best_loss=jnp.full((), jnp.inf),
        stale=zero,
    )


def own_values(part: Network | Optimizer, hyper: Hyperparameters) -> dict[str, Array]:
    """What a network, or an optimizer, itself has of the hyperparameters."""
    return {name: jnp.asarray(hyper[name]) for name in part.per_network}


def train_epoch(
    key: Key,
    state: TrainState,
    hyper: Hyperparameters,
    *,
    task: Task,
    network: Network,
    training: Training,
    slices: int = 1,
    deflation: Deflation | None = None,
    references: References | None = None,
) -> tuple[TrainState, History]:
    """Trains one network for one epoch; returns its state after it, and the report.

    A step whose loss or gradient is not finite changes nothing, and no later step does: the
    network is frozen at its last finite state and marked DIVERGED. The trials of step s come from
    `fold_in(fold_in(key, 1), s)`; each batch is cut into slices, unless there are references.
    """
    own = own_values(network, hyper)
    rate = network.rate_factor(**own) * hyper["learning_rate"] * state.rate_scale
    vector, as_params = ravel_pytree(state.params)  # an update of one vector is one pass
    frozen = held(state.params, training.frozen)
    still = held(state.params, training.frozen, network.untrained)  # gamma must not decay
    minimized = partial(
        minimized_on, hyper=hyper, network=network, training=training, slices=slices, task=task
    )
    how = {"as_params": as_params, **own_values(training.optimizer, hyper)}
    pays = references is not None or any(is_used(training, name) for name in PENALTIES)

    def step(carry: tuple, now: tuple[Any, Key | None, Array | None]) -> tuple[tuple, tuple]:
        (vector, kept, finite), (planned, noise_key, factor) = carry, now
        params, trials = as_params(vector), task.training_trials(planned, training.batch)
        terms, predicted, gradient = minimized(params, trials, deflation, references, key=noise_key)
        gradient = ravel_pytree(network.scaled_gradient(gradient, **own))[0]
        gradient = gradient if frozen is None else jnp.where(frozen, 0.0, gradient)
        norm = jnp.linalg.norm(gradient)
        # as optax.clip_by_global_norm, which takes the norm again and rounds otherwise
        shrink = jnp.minimum(1.0, hyper["clip_norm"] / jnp.maximum(norm, 1e-30))
        new_vector, new_kept = training.optimizer.moved(
            shrink * gradient,
            kept,
            vector,
            weights=vector if still is None else jnp.where(still, 0.0, vector),
            rate=rate if factor is None else rate * factor,
            **how,
        )
        new_vector = new_vector if frozen is None else jnp.where(frozen, vector, new_vector)
        finite = finite & jnp.isfinite(terms.loss + norm + jnp.linalg.norm(new_vector))
        new = jax.tree.map(partial(jnp.where, finite), (new_vector, new_kept), (vector, kept))
        found = [terms.loss, norm, *((terms.paid, predicted) if pays else ())]
        found += [terms.accuracy] if training.records_accuracy else []
        return (*new, finite), (jnp.stack(found), terms.by_task)

    steps = state.epoch * training.epoch_steps + jnp.arange(training.epoch_steps)
    plan = task.plan(jax.random.fold_in(key, 1), steps, training.batch)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, 1)))(steps)
    factors = rate_factors(training, steps)
    carry = (vector, state.optimizer, jnp.array(True))
    shown = (plan, keys if network.noisy else None, factors)
    (vector, kept, finite), (means, by_task) = jax.lax.scan(step, carry, shown)
    loss, norm, *rest = jnp.mean(means, axis=0)
    accuracy = rest.pop() if training.records_accuracy else None
    paid, predicted = rest if pays else (jnp.zeros(()),) * 2
    state = state._replace(params=as_params(vector), optimizer=kept, epoch=state.epoch + 1)
    apart = references is None or predicted <= hyper["target"]
    rate = rate if factors is None else rate * jnp.mean(factors)
    report = History(loss, norm, rate, paid, accuracy, worst_of(by_task, training))
    reached = judged(report, training)
    state = judge(state, loss, finite, hyper["threshold"], training, apart=apart, reached=reached)
    return state, report


def worst_of(by_task: Array | None, training: Training) -> Array | None:
    """The value of the worst task of sums and weights by step and task, `[E, 2, R]`."""
    if by_task is None:
        return None
    sums, weights = jnp.sum(by_task, axis=0)
    return (jnp.max if training.criterion == "loss" else jnp.min)(sums / weights)


def rate_factors(training: Training, steps: Array) -> Array | None:
    """What the schedule multiplies the learning rate by in each step; None where it is constant."""
    if isinstance(training.schedule, Constant):
        return None
    return training.schedule.factor(steps)


def judge(
    state: TrainState,
    loss: ArrayLike,
    finite: ArrayLike,
    threshold: ArrayLike,
    training: Training,
    *,
    apart: ArrayLike | bool = True,
    reached: ArrayLike | None = None,
) -> TrainState:
    """Counts epochs below the threshold and on a plateau, and decides whether to stop.

    An epoch counts only if the network was far enough `apart` from its references. The threshold is
    compared with what was `reached`, as `training.criterion` says: the loss unless given.
    """
    reached = loss if reached is None else reached
    met = reached < threshold if training.criterion == "loss" else reached >= threshold
    below = jnp.where(met & apart, state.below + 1, 0)
    status = jnp.where(below >= training.patience, CONVERGED, TRAINING)
    status = jnp.where(finite, status, DIVERGED).astype(jnp.int32)
    progress = loss < state.best_loss * (1 - PLATEAU_IMPROVEMENT)
    stale = jnp.where(progress, 0, state.stale + 1)
    plateau = stale > training.plateau_patience
    return state._replace(
        status=status,
        below=below,
        best_loss=jnp.where(progress, loss, state.best_loss),
        stale=jnp.where(plateau, 0, stale),
        rate_scale=jnp.where(plateau, training.plateau_factor, 1.0) * state.rate_scale,
    )
