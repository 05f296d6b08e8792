"""How one network learns within a random subspace of its parameters."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnensemble._core.axes import Array, ArrayLike, Key
from rnnensemble.training.epoch import History, Hyperparameters, Training, TrainState, judge

Objective = Callable[[Key, Array], tuple[Array, Array]]
"""From a key and parameters `[P]` to a loss and its gradient `[P]`."""


def directions(key: Key, trained: Array, most: int) -> Array:
    """P, `[P, most]`: random columns of unit length, zero in rows of untrained parameters.

    Gaussian columns are orthogonal up to 1 / sqrt(P), and the first d of them do not depend on
    `most`, so that subspaces of one key are nested.
    """
    draw = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), trained.shape))
    columns = trained * draw(jnp.arange(most))
    return (columns / jnp.linalg.norm(columns, axis=1, keepdims=True)).T


def train_subspace(
    key: Key,
    state: TrainState,
    hyper: Hyperparameters,
    *,
    origin: Array,
    basis: Array,
    dimension: ArrayLike,
    trained: ArrayLike,
    objective: Objective,
    training: Training,
) -> tuple[TrainState, History]:
    """Trains theta = theta_0 + P z for one epoch by Adam on the first d entries of z.

    The step is learning_rate * sqrt(P / d): a step in theta then is as long as that of Adam on
    all P parameters, whatever d. Gradients are clipped in theta, as in `train_epoch`, and a step
    that is not finite freezes the network.

    Args:
        key: The network's own key; step s draws from `fold_in(fold_in(key, 1), s)`, the trials
            of `train_epoch`.
        state: The state, whose `params` are z, `[D]`, zero beyond the first d entries.
        hyper: Hyperparameters, scalars.
        origin: theta_0, `[P]`.
        basis: P, `[P, D]`.
        dimension: d, at most D; may be traced.
        trained: Number of trained parameters, P in the step's length.
        objective: Loss and gradient.
        training: Steps, patience and plateau rule.

    Returns:
        The state after the epoch and its report.

    Source: Li et al. (arXiv 1804.08838, eq. 2); the step's length is our choice.
    """
    inside = jnp.arange(len(state.params)) < dimension
    rate = hyper["learning_rate"] * state.rate_scale
    stretch = jnp.sqrt(trained / jnp.asarray(dimension, jnp.float32))

    def step(carry: tuple, step_key: Key) -> tuple[tuple, tuple[Array, Array]]:
        position, adam, finite = carry
        loss, gradient = objective(step_key, origin + basis @ position)
        norm = jnp.linalg.norm(gradient)
        shrink = jnp.minimum(1.0, hyper["clip_norm"] / jnp.maximum(norm, 1e-30))
        slope = jnp.where(inside, shrink * (gradient @ basis), 0.0)
        move: Any
        move, new_adam = optax.scale_by_adam().update(slope, adam)
        new = position - rate * stretch * move
        finite = finite & jnp.isfinite(loss + norm + jnp.linalg.norm(new))
        kept = jax.tree.map(partial(jnp.where, finite), (new, new_adam), (position, adam))
        return (*kept, finite), (loss, norm)

    steps = state.epoch * training.epoch_steps + jnp.arange(training.epoch_steps)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, 1)))(steps)
    carry = (state.params, state.adam, jnp.array(True))
    (position, adam, finite), (losses, norms) = jax.lax.scan(step, carry, keys)
    state = state._replace(params=position, adam=adam, epoch=state.epoch + 1)
    report = History(jnp.mean(losses), jnp.mean(norms), rate, jnp.zeros(()))
    return judge(state, report.loss, finite, hyper["threshold"], training), report
