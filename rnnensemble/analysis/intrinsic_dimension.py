"""How many dimensions of its parameters a network needs for a task."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Array, Key
from rnnensemble.analysis.subspace import directions, train_subspace
from rnnensemble.networks import Network, VanillaRNN, count_of
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import (
    CONVERGED,
    DIVERGED,
    TRAINING,
    Hyperparameters,
    Training,
    TrainState,
    blank_history,
    init_state,
    state_at,
)
from rnnensemble.training.objective import loss_and_gradient
from rnnensemble.training.penalties import PENALTIES
from rnnensemble.training.progress import Progress
from rnnensemble.training.recipe import Recipe, hyperparameters

DIMENSIONS = (5, 10, 20, 40, 80, 160)


class IntrinsicDimension(NamedTuple):
    """What networks reached within random subspaces of growing dimension.

    Attributes:
        dimensions: d, ascending, `[D]`.
        loss: Lowest mean training loss of an epoch, `[D, K]`.
        converged: Stayed below the threshold for the patience, `[D, K]`.
        diverged: Met a loss or gradient that was not finite, `[D, K]`.
        epochs: Epochs trained, `[D, K]`.
        thresholds: The loss that each network had to reach, `[K]`.
        n_parameters: Trained parameters of a network.
    """

    dimensions: np.ndarray
    loss: np.ndarray
    converged: np.ndarray
    diverged: np.ndarray
    epochs: np.ndarray
    thresholds: np.ndarray
    n_parameters: int

    @property
    def share(self) -> np.ndarray:
        """Share of networks that converged at each dimension, `[D]`."""
        return self.converged.mean(axis=1)

    @property
    def dimension(self) -> int | None:
        """d_int: the smallest d tried at which at least half of the networks converged.

        None if there is none.
        """
        enough = np.flatnonzero(self.share >= 0.5)
        return int(self.dimensions[enough[0]]) if len(enough) else None


def _require_loss_alone(training: Training) -> None:
    """Raises ValueError if training has penalties, finds an accuracy or freezes parts."""
    if training.records_accuracy:
        raise ValueError(
            "`criterion` must be loss, and `record_accuracy` false: the dimension is that of the "
            "task's loss."
        )
    if training.every_task:
        raise ValueError("`every_task` must be false: the dimension is that of the task's loss.")
    if training.frozen:
        raise ValueError(
            f"`frozen` must be empty: the dimension is that of all parameters; got "
            f"{training.frozen!r}."
        )
    for name in PENALTIES:
        if np.any(np.not_equal(getattr(training, name), 0)):
            raise ValueError(
                f"`{name}` must be 0: the dimension is that of the task's objective alone; got "
                f"{getattr(training, name)!r}."
            )


def measure_intrinsic_dimension(
    task: Task,
    *,
    network: Network | None = None,
    training: Training | None = None,
    dimensions: Sequence[int] = DIMENSIONS,
    size: int = 4,
    seed: int = 0,
    devices: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> IntrinsicDimension:
    """Trains networks within random subspaces and finds the dimension at which they succeed.

        theta = theta_0 + P z,   z in R^d,   columns of P random, of unit length

    Network k starts from the parameters and learns on the trials that it has in
    `train_population`; its subspaces are nested. All dimensions and networks are one compiled
    program. d_int is the smallest d tried at which at least half of the networks converge: stay
    below the task's threshold for the patience, within `max_epochs`. Li et al. ask for 90% of the
    full network's performance instead, which suits accuracies; a loss has its threshold.

    Args:
        task: What to learn.
        network: Architecture, `VanillaRNN()` unless given.
        training: Optimization, `Training()` unless given; see `subspace.train_subspace` for the
            learning rate within a subspace.
        dimensions: The d to try.
        size: Networks K at each d.
        seed: Seed of the networks.
        devices: How many local devices to use, None for all.
        progress: Called after every epoch.

    Returns:
        Losses and convergence by dimension and network.

    Raises:
        ValueError: If an argument is out of range, the task has a fixed training set, the network
            noise, or training penalties or an accuracy: the objective whose dimension is measured
            is the loss on fresh trials alone.

    Source: Li et al. (arXiv 1804.08838, sections 2 and 3).
    """
    settings = Recipe(task, network or VanillaRNN(), training or Training(), size, seed)
    _require_loss_alone(settings.training)
    if settings.network.noisy:
        raise ValueError("`network` must have no noise: the dimension is that of a loss without.")
    if jax.tree.leaves(task.operands):
        raise ValueError("`task` must draw fresh trials; those of arrays are a fixed set.")
    tried = require_dimensions(dimensions)
    mesh = runtime.network_mesh(devices)
    n_trials, most = len(tried) * size, tried[-1]
    member, which = np.divmod(np.arange(n_trials), len(tried))  # spreads dimensions over devices
    rows = mesh.size * _tile(settings, mesh, most)
    slots = -(-n_trials // rows) * rows  # padding repeats the last and never trains
    index = np.minimum(np.arange(slots), n_trials - 1)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), member[index])
    hyper = jax.tree.map(lambda x: x[member[index]], hyperparameters(settings))
    fixed = (keys, hyper, np.array(tried)[which[index]])
    first = state_at(jnp.zeros(most), settings.training.optimizer)
    state = jax.tree.map(lambda x: jnp.broadcast_to(x, (slots, *x.shape)), first)
    state, n_parameters = _train(state, fixed, settings, mesh, n_trials, progress)

    def table(values: Array) -> np.ndarray:
        return np.asarray(values)[:n_trials].reshape(size, len(tried)).T

    status = table(state.status)
    return IntrinsicDimension(
        dimensions=np.array(tried),
        loss=table(state.best_loss),
        converged=status == CONVERGED,
        diverged=status == DIVERGED,
        epochs=table(state.epoch),
        thresholds=np.asarray(hyperparameters(settings)["threshold"]),
        n_parameters=n_parameters,
    )


def require_dimensions(dimensions: Sequence[int]) -> tuple[int, ...]:
    """The dimensions, ascending; raises ValueError unless they are distinct and positive."""
    tried = tuple(sorted(dimensions))
    whole = all(isinstance(d, int) and not isinstance(d, bool) and d >= 1 for d in tried)
    if not tried or not whole or len(set(tried)) < len(tried):
        raise ValueError(
            f"`dimensions` must be distinct whole numbers of at least 1; got {list(dimensions)}."
        )
    return tried


def _tile(settings: Recipe, mesh: Any, most: int) -> int:
    """Slots that a device trains at once; each holds the directions of its subspace, `[P, D]`."""
    parameters = count_of(settings.network, settings.task)
    work = settings.training.batch * settings.network.width
    return runtime.default_tile(mesh, work, item_bytes=3 * 4 * parameters * most)


def _train(
    state: TrainState,
    fixed: tuple[Key, Hyperparameters, np.ndarray],
    settings: Recipe,
    mesh: Any,
    n_trials: int,
    progress: Callable[[Progress], None] | None,
) -> tuple[TrainState, int]:
    """Epochs until every slot has stopped, and the number of trained parameters."""
    task, network, training = settings.task, settings.network, settings.training
    tile = _tile(settings, mesh, state.params.shape[1])
    shared = {"task": task, "network": network, "training": training, "mesh": mesh, "tile": tile}
    origins = _origins(*fixed[:2], task=task, network=network, loss=training.loss, mesh=mesh)
    real = np.arange(len(fixed[2])) < n_trials
    for epoch in range(1, training.max_epochs + 1):
        active = real & (np.asarray(state.status) == TRAINING)
        if not active.any():
            break
        started = time.perf_counter()
        state, report = _epoch(state, (*fixed, *origins), active, **shared)
        status = np.asarray(state.status)[real]
        if progress is not None:
            speed = active.sum() * training.epoch_steps / (time.perf_counter() - started)
            left = (training.max_epochs - epoch) * np.sum(status == TRAINING)
            progress(
                Progress(
                    epoch=epoch,
                    size=n_trials,
                    active=int(np.sum(status == TRAINING)),
                    converged=int(np.sum(status == CONVERGED)),
                    diverged=int(np.sum(status == DIVERGED)),
                    loss=float(np.median(np.asarray(report.loss)[active])),
                    net_steps_per_second=float(speed),
                    seconds_left=float(left * training.epoch_steps / speed),
                    losses=np.where(active, report.loss, np.nan)[real],
                )
            )
    return state, int(np.asarray(origins[1])[0].sum())


@partial(jax.jit, static_argnames=("task", "network", "loss", "mesh"))
def _origins(keys, hyper, *, task, network, loss, mesh):  # noqa: ANN001, ANN202
    """theta_0 `[S, P]`, and which parameters are trained: those of arrays with a gradient."""

    def one(item: tuple[Key, Hyperparameters], _: tuple) -> tuple[Array, Array]:
        params = init_state(*item, task=task, network=network).params
        trials = task.sample(jax.random.fold_in(item[0], 1), 2)
        gradient = loss_and_gradient(params, trials, network, loss=loss)[1]
        trained = jax.tree.map(lambda g: jnp.full(g.shape, jnp.any(g != 0) * 1.0), gradient)
        return ravel_pytree(params)[0], ravel_pytree(trained)[0]

    tile = runtime.default_tile(mesh, network.width**2)
    return mapping.map_items(one, (keys, hyper), mesh=mesh, tile=tile)


@partial(jax.jit, static_argnames=("task", "network", "training", "mesh", "tile"))
def _epoch(state, fixed, active, *, task, network, training, mesh, tile):  # noqa: ANN001, ANN202
    """One epoch of all active slots."""
    shape = partial(network.init, n_inputs=task.n_inputs, n_outputs=task.n_outputs)
    example = jax.eval_shape(lambda: shape(jax.random.key(0), gain=jnp.ones(())))
    as_params = ravel_pytree(jax.tree.map(lambda x: jnp.zeros(x.shape), example))[1]
    blank = blank_history(jnp.full(active.shape, jnp.nan), training)

    def objective(key: Key, vector: Array) -> tuple[Array, Array]:
        trials = task.sample(key, training.batch)
        loss, gradient = loss_and_gradient(as_params(vector), trials, network, loss=training.loss)
        return loss, ravel_pytree(gradient)[0]

    def one(item: tuple, fixed: tuple, _: tuple) -> tuple:
        key, hyper, dimension, origin, trained = fixed
        most = item[0].params.shape[0]
        return train_subspace(
            key,
            item[0],
            hyper,
            origin=origin,
            basis=directions(jax.random.fold_in(key, 2), trained, most),
            dimension=dimension,
            trained=trained.sum(),
            objective=objective,
            training=training,
        )

    return mapping.map_active(one, (state, blank), fixed, active=active, mesh=mesh, tile=tile)
