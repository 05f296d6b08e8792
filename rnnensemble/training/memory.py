"""Tiles whose program fits into a device's memory."""

import functools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble.networks import Network, count_of
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import History, init_state
from rnnensemble.training.optimizer_base import Optimizer
from rnnensemble.training.recipe import Recipe, shared
from rnnensemble.training.recipe import group_key as group_key  # what can train together
from rnnensemble.training.requirements import require_trainable
from rnnensemble.training.slots import LEAST_SLICE, Slots, compacted, dealt, lowered_epoch


def require_training_room(recipes: Sequence[Recipe], mesh: Mesh) -> None:
    """Raises ValueError, before anything is made, if networks that train together cannot fit.

    So it does if a network cannot train at all (see `require_trainable`).
    Counts what is there whatever the tile: of all networks their states and histories, of one the
    trials of a step and the states of its smallest slice.
    """
    first, size = recipes[0], sum(recipe.size for recipe in recipes)
    require_trainable(first)
    task, network, training = first.task, first.network, first.training
    batch, steps = training.batch, task.n_steps
    channels = task.n_inputs + task.n_outputs
    require_fit(
        f"`batch` of {batch:,} trials of `n_steps` {steps:,} with {channels:,} inputs and outputs, "
        f"for `width` {network.width:,},",
        4 * steps * (batch * channels + min(batch, LEAST_SLICE) * network.n_kept),
        runtime.memory_bytes(mesh),
    )
    states = _state_bytes(first) * size
    require_fit(_networks(recipes), states / mesh.size, runtime.memory_bytes(mesh))
    require_host_room(recipes)


def require_host_room(recipes: Sequence[Recipe]) -> None:
    """Raises ValueError if the host cannot hold networks and their histories, trained or joined."""
    history = len(History._fields) * 4 * recipes[0].training.max_epochs
    each, params = _state_bytes(recipes[0]) + history, count_of(recipes[0].network, recipes[0].task)
    kept = [4 * params * len(recipe.training.snapshots) for recipe in recipes]
    needed = sum(recipe.size * (each + more) for recipe, more in zip(recipes, kept, strict=True))
    most = max(len(recipe.training.snapshots) for recipe in recipes)
    what = _networks(recipes) + (f" with {most:,} `snapshots`" if most else "")
    require_fit(what, needed)


def _networks(recipes: Sequence[Recipe]) -> str:
    """What is said to be too large."""
    size, first = sum(recipe.size for recipe in recipes), recipes[0]
    return (
        f"`size` of {size:,} networks of `width` {first.network.width:,} for `max_epochs` "
        f"{first.training.max_epochs:,}"
    )


def _state_bytes(recipe: Recipe) -> int:
    """Bytes of the state of one network."""
    return _bytes_of(recipe.task, shared(recipe.network), shared(recipe.training).optimizer)


@functools.lru_cache(maxsize=64)
def _bytes_of(task: Task, network: Network, optimizer: Optimizer) -> int:
    """The same of what decides it, traced once."""
    shapes = jax.eval_shape(
        partial(init_state, task=task, network=network, optimizer=optimizer),
        jax.random.key(0),
        dict.fromkeys(network.per_network, jax.ShapeDtypeStruct((), np.float32)),
    )
    return sum(x.dtype.itemsize * x.size for x in jax.tree.leaves(shapes))


def require_fit(what: str, needed: float, room: float | None = None) -> None:
    """Raises ValueError, naming what, if it needs more bytes than there are; the host's if None."""
    room = runtime.host_bytes() if room is None else room
    if needed > room:
        raise ValueError(
            f"{what} needs at least {needed / 1e9:.3g} GB of memory; there are {room / 1e9:.3g} GB."
        )


def fitted(slots: Slots, active: np.ndarray, *, asked: bool) -> Slots:
    """The slots in tiles whose program fits into a device's memory, by the compiler's own figure.

    It costs nothing where the tile fits: the program compiled here is the one that trains. A tile
    that the user `asked` for is not halved. ValueError, which says what fits, if it does not, or
    not even a single network.
    """
    slots = now = compacted(slots, active)
    room = runtime.memory_bytes(slots.mesh)
    first = needed = _epoch_bytes(slots, active)
    while needed > room and now.tile > 1:
        now = dealt(now, active, now.tile // 2)
        needed = _epoch_bytes(now, active)
    if needed > room or (asked and now.tile < slots.tile):
        fits = needed <= room
        raise ValueError(
            f"`tile` of {slots.tile} networks needs {first / 1e9:.3g} GB, a device has "
            f"{room / 1e9:.3g} GB; "
            + (f"a tile of {now.tile} fits." if fits else "not even a tile of 1 fits: ")
            + ("" if fits else "lower `batch` or `width`, or give more devices.")
        )
    return now


def _epoch_bytes(slots: Slots, active: np.ndarray) -> int:
    """Memory of an epoch's program on each device, by its compiler; 0 where that does not say."""
    return program_bytes(lowered_epoch(slots, active).compile()) or 0


def program_bytes(program: jax.stages.Compiled) -> int | None:
    """Arguments, results and temporary arrays on each device; None where JAX does not say."""
    found: Any = program.memory_analysis()
    if found is None:
        return None
    whole = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return int(whole + found.temp_size_in_bytes)
