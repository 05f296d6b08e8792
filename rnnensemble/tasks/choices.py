"""Decisions that outputs show: which side, and whether it is the right one."""

import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.tasks.base import Task, Trials


def positive(outputs: Array, trials: Trials) -> Array:
    """1 where an output's mean over its response is above 0, else 0: `[B, T, C]` to `[B, C]`.

    The response is where the loss counts and the target of the output, of the first C, is not 0.
    """
    targets = trials.targets[..., : outputs.shape[-1]]
    shown = (targets != 0) & (trials.mask[..., None] > 0)
    return (jnp.sum(outputs * shown, axis=1) > 0).astype(float)


def all_right(task: Task, outputs: Array, trials: Trials) -> Array:
    """1 where all choices are those that the targets would make, else 0, `[B]`."""
    right = task.choice(outputs, trials) == task.choice(trials.targets, trials)
    return jnp.all(right, axis=-1).astype(float)
