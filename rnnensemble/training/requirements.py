"""What is refused before a network trains: losses, accuracies and optimizers that do not fit."""

import functools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task, Trials
from rnnensemble.training import losses
from rnnensemble.training.frozen import require_frozen
from rnnensemble.training.optimizer_base import require_stackable
from rnnensemble.training.recipe import Recipe, shared

TRIALS = 8
"""Trials of which targets are looked at."""


def require_trainable(recipe: Recipe) -> None:
    """Raises ValueError unless a recipe's loss, accuracy and optimizer can train its network.

    So it does if nothing is left to train, or something unknown is frozen.
    """
    task, training, network = recipe.task, shared(recipe.training), shared(recipe.network)
    params, trials = _shapes(task, network)
    require_frozen(training.frozen, network, task)
    require_stackable(training.optimizer, params)
    found = _shape_of(losses.find(training.loss), trials.targets, trials.targets, trials.mask)
    if found != ():
        raise ValueError(
            f"`loss` {training.loss!r} must make one number of outputs, targets and mask; it "
            f"{_told(found)}."
        )
    if training.records_accuracy:
        found = _shape_of(task.accuracy, trials.targets, trials)
        if found != (TRIALS,):
            raise ValueError(
                f"`accuracy` of task {task.name!r} must be one number for each of {TRIALS} trials; "
                f"it {_told(found)}."
            )
    if training.loss == "cross_entropy":
        _require_classes(task)


@functools.lru_cache(maxsize=64)
def _shapes(task: Task, network: Network) -> tuple[Params, Trials]:
    """Shapes of one network and of a few trials; traced once, since many recipes share them."""
    own: dict[str, Any] = dict.fromkeys(network.per_network, jnp.ones(()))
    init = partial(network.init, n_inputs=task.n_inputs, n_outputs=task.n_outputs)
    params = jax.eval_shape(lambda: init(jax.random.key(0), **own))
    return params, jax.eval_shape(lambda: task.sample(jax.random.key(0), TRIALS))


def _shape_of(function: Any, *arguments: Any) -> Any:
    """The shape of what a function makes of arguments of these shapes; its error, if it has one."""
    try:
        return jax.eval_shape(function, *arguments).shape
    except Exception as error:  # whatever a function of one's own may raise
        return error


def _told(found: Any) -> str:
    """What became of a function, in words."""
    if isinstance(found, Exception):
        reason = str(found).splitlines()[0][:200] if str(found) else ""
        return f"fails ({type(found).__name__}: {reason})"
    return f"has shape {found}"


def _require_classes(task: Task) -> None:
    """Raises ValueError unless a task's targets are probabilities of classes where they count."""
    trials = jax.jit(task.sample, static_argnums=1)(jax.random.key(0), TRIALS)
    targets = np.asarray(trials.targets)[np.asarray(trials.mask) > 0]
    sums = targets.sum(axis=-1)
    if task.n_outputs < 2 or targets.min() < 0 or not np.allclose(sums, 1, atol=1e-4):
        raise ValueError(
            "`loss` cross_entropy needs targets that are classes: one-hot or probabilities, which "
            f"sum to 1 over at least 2 outputs; task {task.name!r} has {task.n_outputs} with "
            f"targets from {targets.min():g} to {targets.max():g}; take another loss or task."
        )
