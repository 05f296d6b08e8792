"""Networks in their places on the devices: one compiled epoch for all of them."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Key
from rnnensemble._core.programs import compiled_fast
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import (
    History,
    Hyperparameters,
    TrainState,
    blank_history,
    init_state,
    train_epoch,
)
from rnnensemble.training.recipe import Recipe, hyperparameters, own_keys, shared, shared_deflation
from rnnensemble.training.recipe import group_key as group_key  # what can train together
from rnnensemble.training.similarity import References

LEAST_SLICE = 16
"""Trials in a slice of a batch, at least; fewer make slow products."""


class Members(NamedTuple):
    """What sets the networks apart, leading axis K: hyperparameters and keys.

    A network draws from its own key alone, fold_in(key(s), i) for its start (s, i).
    """

    keys: Key
    hyper: Hyperparameters


@dataclasses.dataclass(frozen=True)
class Slots:
    """K networks in S >= K slots of the devices.

    Attributes:
        settings: What all share, and how many they are.
        members: What sets them apart.
        mesh: Devices; each holds as many slots as the others.
        tile: Slots that a device trains at once.
        least: Smallest tile that is worth another program as networks finish.
        holds: The network in each slot, `[S]`; K and above are padding, which never trains.
        state: Their states on the devices, slot by slot.
        references: Earlier solutions that they keep away from, if they do.
        operands: Arrays of the task, whole on each device, if it has some (`Task.operands`).
    """

    settings: Recipe
    members: Members
    mesh: Mesh
    tile: int
    least: int
    holds: np.ndarray
    state: TrainState
    references: References | None = None
    operands: Any = None

    def by_network(self, tree: Any) -> Any:
        """A tree of slots, as NumPy arrays with leading axis K."""
        slot = np.argsort(self.holds)[: self.settings.size]
        return jax.tree.map(lambda x: np.asarray(x)[slot], tree)


def members_of(recipes: Sequence[Recipe]) -> Members:
    """The networks of all recipes, one recipe after another."""
    keys = [own_keys(recipe) for recipe in recipes]
    hyper = jax.tree.map(lambda *each: np.concatenate(each), *map(hyperparameters, recipes))
    return Members(keys[0] if len(keys) == 1 else jnp.concatenate(keys), hyper)


def launch(
    settings: Recipe,
    mesh: Mesh,
    tile: int,
    *,
    members: Members | None = None,
    state: TrainState | None = None,
    references: References | None = None,
) -> Slots:
    """Puts networks, as the settings or `members` say, into at most `tile` slots a device.

    They go on from `state`, or are drawn from their keys, and keep away from `references`, if any.
    """
    share = math.ceil(settings.size / mesh.size)
    tile = min(tile, share)
    holds = np.arange(mesh.size * math.ceil(share / tile) * tile)
    members = members or members_of([settings])
    if state is None:
        placed = _placed(members, holds, mesh)
        optimizer = shared(settings.training).optimizer
        initial = _initialize(
            placed.keys, placed.hyper, mesh=mesh, optimizer=optimizer, **_static(settings)
        )
    else:
        initial = _placed(state, holds, mesh)
    least = runtime.least_tile(mesh, _work(settings))
    operands = jax.device_put(settings.task.operands, runtime.whole_on(mesh))
    return Slots(settings, members, mesh, tile, least, holds, initial, references, operands)


def default_tile(settings: Recipe, mesh: Mesh) -> int:
    """Networks that a device trains at once: see `runtime.default_tile`; `fitted` may halve it."""
    return runtime.default_tile(mesh, _work(settings))


def _work(settings: Recipe) -> int:
    """Numbers in the states of a batch at one step, B N."""
    return settings.training.batch * settings.network.width


@functools.cache
def _trial_bytes(task: Task, each: int) -> int:
    """Memory of one trial, of each of whose T steps so many numbers are kept."""
    trials = jax.eval_shape(partial(task.sample, batch=1), jax.random.key(0))
    return 4 * trials.mask.shape[1] * each


def _slices(settings: Recipe, mesh: Mesh) -> int:
    """Into how many slices a batch is cut, so that what is kept of a slice stays in cache."""
    batch, each = settings.training.batch, _trial_bytes(settings.task, settings.network.n_cached)
    counts = [n for n in range(1, batch + 1) if batch % n == 0 and batch // n >= LEAST_SLICE]
    fitting = [n for n in counts if batch // n * each <= runtime.cache_bytes(mesh)]
    return min(fitting, default=max(counts, default=1))


def advance(slots: Slots, active: np.ndarray) -> tuple[Slots, History]:
    """Trains the active networks, `[K]`, for one epoch; reports by network.

    Consumes the slots: their state is donated to the devices.
    """
    slots = compacted(slots, active)
    arrays, static = _arguments(slots, active)
    state, report = _epoch(*arrays, **static)
    return dataclasses.replace(slots, state=state), slots.by_network(report)


def _arguments(slots: Slots, active: np.ndarray) -> tuple[tuple, dict[str, Any]]:
    """What `_epoch` takes: arrays slot by slot, and what its program is compiled for."""
    settings, mesh, holds = slots.settings, slots.mesh, slots.holds
    members = _placed(slots.members, holds, mesh)
    busy = _placed(active, holds, mesh) & (holds < settings.size)
    shared_by_all = (slots.references, slots.operands)
    arrays = (members.keys, slots.state, members.hyper, busy, shared_by_all)
    static = {
        "training": dataclasses.replace(shared(settings.training), max_epochs=1),  # decides none
        "deflation": shared_deflation(settings.deflation),
        "mesh": mesh,
        "tile": slots.tile,
        "slices": _slices(settings, mesh),
    }
    return arrays, static | _static(settings)


def lowered_epoch(slots: Slots, active: np.ndarray) -> jax.stages.Lowered:
    """The program of the next epoch of these networks, before it is compiled."""
    arrays, static = _arguments(compacted(slots, active), active)
    return _epoch.lower(*arrays, **static)


def _static(settings: Recipe) -> dict[str, Any]:
    return {"task": settings.task, "network": shared(settings.network)}


def _placed(tree: Any, holds: np.ndarray, mesh: Mesh) -> Any:
    """A tree with leading axis K, slot by slot on the devices; padding repeats the last."""

    def place(x: Any) -> Any:
        rows = np.minimum(holds, len(x) - 1)
        return x[rows] if isinstance(x, np.ndarray) else _rows(x, rows)

    return jax.device_put(jax.tree.map(place, tree), runtime.spread_over(mesh))


_rows = jax.jit(lambda x, rows: x[rows])
"""One program; JAX's own indexing is six, each compiled and called by itself."""


def _busy(slots: Slots, active: np.ndarray, tile: int) -> np.ndarray:
    """Which tiles of each device hold active networks, `[D, S / (D tile)]`."""
    busy = np.append(active, np.zeros(len(slots.holds) - len(active), bool))[slots.holds]
    return np.any(busy.reshape(slots.mesh.size, -1, tile), axis=2)


def slots_trained(slots: Slots, active: np.ndarray) -> int:
    """Slots that an epoch with these active networks costs: whole tiles with any of them."""
    return slots.tile * int(_busy(slots, active, slots.tile).sum())


def compacted(slots: Slots, active: np.ndarray) -> Slots:
    """Deals the active networks evenly to the devices, in tiles no larger than they fill.

    The tile halves whenever half of it would do, down to where a smaller one takes no less time;
    each half is one more compiled program.
    """
    tile, share = slots.tile, math.ceil(active.sum() / slots.mesh.size)
    while tile > slots.least and share <= math.ceil(tile / 2):
        tile = math.ceil(tile / 2)
    busiest = _busy(slots, active, slots.tile).sum(axis=1).max()
    if tile == slots.tile and busiest <= math.ceil(share / tile):
        return slots
    return dealt(slots, active, tile)


def dealt(slots: Slots, active: np.ndarray, tile: int) -> Slots:
    """The slots in tiles of another size, active networks first and evenly over the devices."""
    devices, size = slots.mesh.size, len(active)
    count = devices * tile * math.ceil(size / (devices * tile))
    padding = np.arange(size, count)
    ordered = np.concatenate([np.flatnonzero(active), np.flatnonzero(~active), padding])
    holds = ordered.reshape(-1, devices).T.ravel()  # device d gets every d-th
    source = np.argsort(slots.holds)[np.minimum(holds, size - 1)]
    state = _move(slots.state, source, mesh=slots.mesh)
    return dataclasses.replace(slots, tile=tile, holds=holds, state=state)


@compiled_fast(static_argnames=("task", "network", "optimizer", "mesh"))
def _initialize(keys, hyper, *, task, network, optimizer, mesh):  # noqa: ANN001, ANN202
    """The states of networks with these keys and hyperparameters, slot by slot."""

    def one(item: tuple[Key, Hyperparameters], _: tuple) -> TrainState:
        return init_state(*item, task=task, network=network, optimizer=optimizer)

    tile = runtime.default_tile(mesh, network.width**2)
    return mapping.map_items(one, (keys, hyper), mesh=mesh, tile=tile)


@partial(
    jax.jit,
    static_argnames=("task", "network", "training", "deflation", "mesh", "tile", "slices"),
    donate_argnames=("state",),
)
def _epoch(keys, state, hyper, active, whole, *, task, network, mesh, tile, **how):  # noqa: ANN001, ANN003, ANN202
    """One epoch of all active networks: their states and reports, slot by slot."""
    blank = blank_history(jnp.full(active.shape, jnp.nan), how["training"])

    how |= {"network": network}

    def one(item: tuple, fixed: tuple, whole: tuple[References | None, Any]) -> tuple:
        own = {"references": whole[0], "task": task.bound(whole[1])}
        return train_epoch(fixed[0], item[0], fixed[1], **own, **how)

    return mapping.map_active(
        one, (state, blank), (keys, hyper), active=active, mesh=mesh, tile=tile, shared=whole
    )


@partial(jax.jit, static_argnames=("mesh",))
def _move(tree, source, *, mesh):  # noqa: ANN001, ANN202
    """Slot i gets what was in slot source[i]."""
    moved = jax.tree.map(lambda x: x[source], tree)
    return jax.lax.with_sharding_constraint(moved, runtime.spread_over(mesh))
