"""How one network learns within a random subspace of its parameters."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, ArrayLike, Key
from rnnensemble.training.epoch import (
    History,
    Hyperparameters,
    Training,
    TrainState,
    judge,
    own_values,
    rate_factors,
)

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
    """Trains theta = theta_0 + P z for one epoch, by its optimizer on the first d entries of z.

    The rate is learning_rate * sqrt(P / d): a step in theta then is as long as that of Adam on
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
    optimizer = training.optimizer
    inside = jnp.arange(len(state.params)) < dimension
    rate = hyper["learning_rate"] * state.rate_scale
    stretch = jnp.sqrt(trained / jnp.asarray(dimension, jnp.float32))

    def step(carry: tuple, now: tuple[Key, Array | None]) -> tuple[tuple, tuple[Array, Array]]:
        position, kept, finite = carry
        step_key, factor = now
        loss, gradient = objective(step_key, origin + basis @ position)
        norm = jnp.linalg.norm(gradient)
        shrink = jnp.minimum(1.0, hyper["clip_norm"] / jnp.maximum(norm, 1e-30))
        slope = jnp.where(inside, shrink * (gradient @ basis), 0.0)
        new, new_kept = optimizer.moved(
            slope,
            kept,
            position,
            weights=position,
            rate=(rate if factor is None else rate * factor) * stretch,
            as_params=lambda vector: vector,
            **own_values(optimizer, hyper),
        )
        finite = finite & jnp.isfinite(loss + norm + jnp.linalg.norm(new))
        going = jax.tree.map(partial(jnp.where, finite), (new, new_kept), (position, kept))
        return (*going, finite), (loss, norm)

    steps = state.epoch * training.epoch_steps + jnp.arange(training.epoch_steps)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.fold_in(key, 1)))(steps)
    factors = rate_factors(training, steps)
    carry = (state.params, state.optimizer, jnp.array(True))
    (position, kept, finite), (losses, norms) = jax.lax.scan(step, carry, (keys, factors))
    state = state._replace(params=position, optimizer=kept, epoch=state.epoch + 1)
    rate = rate if factors is None else rate * jnp.mean(factors)
    report = History(jnp.mean(losses), jnp.mean(norms), rate, jnp.zeros(()))
    return judge(state, report.loss, finite, hyper["threshold"], training), report
