"""How one network learns: an epoch as a pure function from state to state."""

import dataclasses
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from rnnensemble._core.axes import Array, ArrayLike, Key
from rnnensemble._core.config import Config, require_whole
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task
from rnnensemble.training.objective import loss_and_gradient
from rnnensemble.training.penalties import PENALTIES, penalty
from rnnensemble.training.similarity import Deflation, References, deflated_loss_and_gradient

TRAINING, CONVERGED, DIVERGED = 0, 1, 2
"""Values of `TrainState.status`."""

PLATEAU_IMPROVEMENT = 1e-4
"""Relative fall of the loss that counts as progress (PyTorch's ReduceLROnPlateau)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Config):
    """How a network is trained: Adam on fresh trials until its loss stays below a threshold.

    An epoch is `epoch_steps` steps. A network has converged once its mean training loss was
    below the threshold in `patience` epochs in a row; then it stops. Gradients are clipped by
    their global norm. When the epoch loss has not fallen for more than `plateau_patience`
    epochs, the learning rate is multiplied by `plateau_factor`. Penalties on weights are added to
    what is minimized; threshold, patience and plateau look at the task's loss alone.

    Source: Huang et al. (arXiv 2410.03972, section 2.1 and App. B.4: Adam without weight decay,
    128 steps an epoch, patience 3, plateau factor 0.5 after 40 epochs). That the patience counts
    epochs in a row, and the clipping, are our reading and our choice.

    Attributes:
        learning_rate: Adam's step size, eta_0 in the muP form; one number, or one for each network.
        clip_norm: Largest global gradient norm, infinity for none; one, or one for each network.
            The muP form measures gradients in units that depend on neither width nor gamma.
        threshold: Mean training MSE to reach, None for the task's own; one, or one for each.
        nuclear_norm: Strength of the sum of singular values of the recurrent weights, at least 0
            (see `penalties.penalty`); one number, or one for each network.
        l1: Strength of the sum of absolute weights, likewise.
        batch: Trials a step B.
        epoch_steps: Steps an epoch.
        max_epochs: Epochs after which an unconverged network stops.
        patience: Epochs in a row below the threshold before a network stops.
        plateau_factor: Factor on the learning rate at a plateau, 1 for none.
        plateau_patience: Epochs without progress that make a plateau.
    """

    per_network: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "clip_norm",
        "threshold",
        "nuclear_norm",
        "l1",
    )
    """Fields that may differ between the networks of a population."""

    learning_rate: float | tuple[float, ...] = 1e-3
    clip_norm: float | tuple[float, ...] = 1.0
    threshold: float | tuple[float, ...] | None = None
    nuclear_norm: float | tuple[float, ...] = 0.0
    l1: float | tuple[float, ...] = 0.0
    batch: int = 64
    epoch_steps: int = 128
    max_epochs: int = 200
    patience: int = 3
    plateau_factor: float = 0.5
    plateau_patience: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = ("batch", "epoch_steps", "max_epochs", "patience", "plateau_patience")
        require_whole(self, *whole)
        if self.epoch_steps * self.max_epochs >= 2**31:  # steps are counted in 32 bits
            raise ValueError("`epoch_steps` times `max_epochs` must be below 2^31.")
        if not 0 < self.plateau_factor <= 1:
            raise ValueError(
                f"`plateau_factor` must be above 0 and at most 1; got {self.plateau_factor!r}."
            )


Hyperparameters = dict[str, ArrayLike]
"""What may differ by network without a new program: scalars for one network, `[K]` for many.

Their names are those in the `per_network` of the training, the network and, if networks are
deflated, the deflation."""


class TrainState(NamedTuple):
    """All that an epoch continues from.

    Attributes:
        params: Current parameters, always finite.
        adam: Adam's moments, of the parameters as one vector.
        epoch: Epochs trained.
        status: TRAINING, CONVERGED or DIVERGED.
        below: Epochs in a row below the threshold.
        rate_scale: Product of the plateau factors so far.
        best_loss: Lowest epoch loss so far.
        stale: Epochs since then.
    """

    params: Params
    adam: optax.OptState
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
        loss: Mean training MSE over an epoch's steps, in squared output units.
        gradient_norm: Mean global gradient norm before clipping.
        learning_rate: Adam's step size during the epoch.
        penalty: Mean penalty over the epoch's steps, that of a deflation included, in the units of
            the loss.
    """

    loss: Any
    gradient_norm: Any
    learning_rate: Any
    penalty: Any


def init_state(key: Key, hyper: Hyperparameters, *, task: Task, network: Network) -> TrainState:
    """The state of one network before its first step; `key` is the network's own."""
    params = network.init(
        jax.random.fold_in(key, 0),
        n_inputs=task.n_inputs,
        n_outputs=task.n_outputs,
        **_own(network, hyper),
    )
    return state_at(params)


def state_at(params: Params) -> TrainState:
    """The state before the first step from these parameters."""
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        params=params,
        adam=optax.scale_by_adam().init(ravel_pytree(params)[0]),
        epoch=zero,
        status=zero + TRAINING,
        below=zero,
        rate_scale=jnp.ones(()),
        best_loss=jnp.full((), jnp.inf),
        stale=zero,
    )


def _own(network: Network, hyper: Hyperparameters) -> dict[str, Array]:
    """What a network itself has of the hyperparameters."""
    return {name: jnp.asarray(hyper[name]) for name in network.per_network}


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
    """Trains one network for one epoch.

    A step whose loss or gradient is not finite changes nothing, and no later step does: the
    network is frozen at its last finite state and marked DIVERGED.

    Args:
        key: The network's own key; the trials of step s come from `fold_in(fold_in(key, 1), s)`.
        state: The network's state.
        hyper: Its hyperparameters, scalars.
        task: What to learn.
        network: Its architecture.
        training: Batch, steps, patience and plateau rule.
        slices: Into how many slices each batch is cut, unless there are references.
        deflation: How to keep away from references.
        references: Earlier solutions, if there is a deflation.

    Returns:
        The state after the epoch and the epoch's report.
    """
    own = _own(network, hyper)
    rate = network.rate_factor(**own) * hyper["learning_rate"] * state.rate_scale
    vector, as_params = ravel_pytree(state.params)  # an update of one vector is one pass

    strengths = {
        name: jnp.asarray(hyper[name])
        for name in PENALTIES
        if np.any(np.not_equal(getattr(training, name), 0))  # static: other programs do without
    }
    pays = bool(strengths) or references is not None

    def step(carry: tuple, planned: Any) -> tuple[tuple, Array]:
        vector, adam, finite = carry
        trials = task.training_trials(planned, training.batch)
        params, paid, predicted = as_params(vector), jnp.zeros(()), jnp.zeros(())
        if deflation is None or references is None:
            loss, gradient = loss_and_gradient(params, trials, network, slices=slices)
        else:
            loss, scores, gradient = deflated_loss_and_gradient(
                params,
                trials,
                network,
                references,
                deflation,
                strength=hyper["strength"],
                ridge=hyper["ridge"],
            )
            paid, predicted = jnp.asarray(hyper["strength"]) * jnp.sum(scores), jnp.max(scores)
        if strengths:
            more, slope = jax.value_and_grad(penalty)(params, strengths, network)
            paid = paid + more
            gradient = jax.tree.map(jnp.add, gradient, slope)
        gradient = ravel_pytree(network.scaled_gradient(gradient, **own))[0]
        norm = jnp.linalg.norm(gradient)
        # as optax.clip_by_global_norm, which takes the norm again and rounds otherwise
        shrink = jnp.minimum(1.0, hyper["clip_norm"] / jnp.maximum(norm, 1e-30))
        direction: Any
        direction, new_adam = optax.scale_by_adam().update(shrink * gradient, adam)
        new_vector = vector - rate * direction
        finite = finite & jnp.isfinite(loss + norm + jnp.linalg.norm(new_vector))
        keep = partial(jnp.where, finite)
        new = jax.tree.map(keep, (new_vector, new_adam), (vector, adam))
        return (*new, finite), jnp.stack([loss, norm, *((paid, predicted) if pays else ())])

    steps = state.epoch * training.epoch_steps + jnp.arange(training.epoch_steps)
    plan = task.plan(jax.random.fold_in(key, 1), steps, training.batch)
    carry = (vector, state.adam, jnp.array(True))
    (vector, adam, finite), means = jax.lax.scan(step, carry, plan)
    loss, norm, *rest = jnp.mean(means, axis=0)
    paid, predicted = rest if pays else (jnp.zeros(()),) * 2
    params = as_params(vector)
    state = state._replace(params=params, adam=adam, epoch=state.epoch + 1)
    apart = references is None or predicted <= hyper["target"]
    state = judge(state, loss, finite, hyper["threshold"], training, apart=apart)
    return state, History(loss, norm, rate, paid)


def judge(
    state: TrainState,
    loss: ArrayLike,
    finite: ArrayLike,
    threshold: ArrayLike,
    training: Training,
    *,
    apart: ArrayLike | bool = True,
) -> TrainState:
    """Counts epochs below the threshold and on a plateau, and decides whether to stop.

    An epoch counts only if the network was far enough `apart` from its references.
    """
    below = jnp.where((loss < threshold) & apart, state.below + 1, 0)
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
