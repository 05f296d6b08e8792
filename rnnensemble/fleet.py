"""Networks in their places on the devices: one compiled epoch for all of them."""

import dataclasses
import functools
import math
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rnnensemble import runtime
from rnnensemble.axes import Key
from rnnensemble.learning.trainer import (
    EpochReport,
    Hyperparameters,
    Training,
    TrainState,
    init_state,
    train_epoch,
)
from rnnensemble.networks import Network
from rnnensemble.tasks import Task

LEAST_SLICE = 16
"""Trials in a slice of a batch, at least; fewer make slow products."""


class Recipe(Protocol):
    """What decides how networks train; a `Population` is one too."""

    @property
    def task(self) -> Task:
        """What they learn."""
        ...

    @property
    def network(self) -> Network:
        """Their architecture."""
        ...

    @property
    def training(self) -> Training:
        """Their optimization."""
        ...

    @property
    def size(self) -> int:
        """Number of networks K."""
        ...

    @property
    def seed(self) -> int:
        """Network k starts from `fold_in(key(seed), k)`."""
        ...


class Settings(NamedTuple):
    """A recipe as a value."""

    task: Task
    network: Network
    training: Training
    size: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Fleet:
    """K networks in S >= K slots of the devices.

    Attributes:
        settings: What trains.
        mesh: Devices; each holds as many slots as the others.
        tile: Slots that a device trains at once.
        occupant: The network in each slot, `[S]`; K and above are padding, which never trains.
        state: Their states on the devices, slot by slot.
    """

    settings: Settings
    mesh: Mesh
    tile: int
    occupant: np.ndarray
    state: TrainState

    def by_network(self, tree: Any) -> Any:
        """A tree of slots, as NumPy arrays with leading axis K."""
        slot = np.argsort(self.occupant)[: self.settings.size]
        return jax.tree.map(lambda x: np.asarray(x)[slot], tree)


def require_trainable(settings: Settings) -> None:
    """Raises ValueError unless these describe a population that can be trained."""
    task, network, training, size, seed = settings
    if not isinstance(task, Task):
        raise ValueError(f"`task` must be a Task such as tasks.FlipFlop(); got {task!r}.")
    for name, value, least in (("size", size, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}; got {value!r}.")
    for config in (network, training):
        for name in config.per_network:
            require_per_network(name, getattr(config, name), size)


def require_per_network(name: str, value: Any, size: int) -> None:
    """Raises ValueError unless `value` is positive and one number, or one for each network."""
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple) and len(value) != size:
        raise ValueError(
            f"`{name}` must be one number or one for each of the {size} networks; "
            f"got {len(value)} numbers."
        )
    for each in values:
        if name == "threshold" and each is None:
            continue
        is_number = isinstance(each, (int, float)) and not isinstance(each, bool)
        infinite = name != "clip_norm" and is_number and math.isinf(each)
        if not is_number or math.isnan(each) or infinite or each <= 0:
            raise ValueError(f"`{name}` must be a positive number; got {each!r}.")


def launch(settings: Settings, mesh: Mesh, tile: int, state: TrainState | None = None) -> Fleet:
    """A fleet whose networks start from a state with leading axis K, or from their keys."""
    share = math.ceil(settings.size / mesh.size)
    tile = min(tile, share)
    occupant = np.arange(mesh.size * math.ceil(share / tile) * tile)
    if state is not None:
        return Fleet(settings, mesh, tile, occupant, _placed(state, occupant, settings, mesh))
    hyper = _placed(hyperparameters(settings), occupant, settings, mesh)
    keys = _keys(settings.seed, occupant, mesh)
    initial = _initialize(keys, hyper, mesh=mesh, **_static(settings))
    return Fleet(settings, mesh, tile, occupant, initial)


def default_tile(settings: Settings, mesh: Mesh) -> int:
    """Networks that a device trains at once: see `runtime.default_tile`.

    A step holds about three arrays `[T, B, N]` for each network of a tile.
    """
    each = _trial_bytes(settings.task, settings.network.width)
    return runtime.default_tile(mesh, item_bytes=3 * settings.training.batch * each)


@functools.cache
def _trial_bytes(task: Task, width: int) -> int:
    """Memory of the states of one trial, `[T, N]`."""
    trials = jax.eval_shape(partial(task.sample, batch=1), jax.random.key(0))
    return 4 * trials.mask.shape[1] * width


def _slices(settings: Settings, mesh: Mesh) -> int:
    """Into how many slices a batch is cut, so that the states of a slice stay in cache."""
    batch, each = settings.training.batch, _trial_bytes(settings.task, settings.network.width)
    counts = [n for n in range(1, batch + 1) if batch % n == 0 and batch // n >= LEAST_SLICE]
    fitting = [n for n in counts if batch // n * each <= runtime.cache_bytes(mesh)]
    return min(fitting, default=max(counts, default=1))


def advance(fleet: Fleet, active: np.ndarray) -> tuple[Fleet, EpochReport]:
    """Trains the active networks, `[K]`, for one epoch; reports by network.

    Consumes the fleet: its state is donated to the devices.
    """
    fleet = compacted(fleet, active)
    settings, mesh, occupant = fleet.settings, fleet.mesh, fleet.occupant
    state, report = _epoch(
        _keys(settings.seed, occupant, mesh),
        fleet.state,
        _placed(hyperparameters(settings), occupant, settings, mesh),
        _placed(active, occupant, settings, mesh) & (occupant < settings.size),
        training=shared(settings.training),
        mesh=mesh,
        tile=fleet.tile,
        slices=_slices(settings, mesh),
        **_static(settings),
    )
    return dataclasses.replace(fleet, state=state), fleet.by_network(report)


def hyperparameters(recipe: Recipe) -> Hyperparameters:
    """What may differ by network, each `[K]`."""
    training = recipe.training
    threshold = recipe.task.threshold if training.threshold is None else training.threshold

    def each(value: float | tuple[float, ...]) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, np.float32), (recipe.size,))

    return Hyperparameters(
        learning_rate=each(training.learning_rate),
        clip_norm=each(training.clip_norm),
        threshold=each(threshold),
        **{name: each(getattr(recipe.network, name, 1.0)) for name in ("gain", "gamma")},
    )


def shared(config: Any) -> Any:
    """The config without what may differ by network, so that such changes do not recompile."""
    return dataclasses.replace(config, **dict.fromkeys(config.per_network, 1.0))


def _static(settings: Settings) -> dict[str, Any]:
    return {"task": settings.task, "network": shared(settings.network)}


def _keys(seed: int, occupant: np.ndarray, mesh: Mesh) -> Key:
    """The keys of the networks, slot by slot: fold_in(key(seed), k)."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), occupant)
    return jax.device_put(keys, runtime.spread_over(mesh))


def _placed(tree: Any, occupant: np.ndarray, settings: Settings, mesh: Mesh) -> Any:
    """A tree with leading axis K, slot by slot on the devices; padding repeats the last."""
    index = np.minimum(occupant, settings.size - 1)
    return jax.device_put(jax.tree.map(lambda x: x[index], tree), runtime.spread_over(mesh))


def _busy(fleet: Fleet, active: np.ndarray, tile: int) -> np.ndarray:
    """Which tiles of each device hold active networks, `[D, S / (D tile)]`."""
    slots = np.append(active, np.zeros(len(fleet.occupant) - len(active), bool))[fleet.occupant]
    return np.any(slots.reshape(fleet.mesh.size, -1, tile), axis=2)


def slots_trained(fleet: Fleet, active: np.ndarray) -> int:
    """Slots that an epoch with these active networks costs: whole tiles with any of them."""
    return fleet.tile * int(_busy(fleet, active, fleet.tile).sum())


def compacted(fleet: Fleet, active: np.ndarray) -> Fleet:
    """Deals the active networks evenly to the devices, in tiles no larger than they fill.

    The tile halves whenever half of it would do; each half is one more compiled program.
    """
    devices, tile, size = fleet.mesh.size, fleet.tile, len(active)
    share = math.ceil(active.sum() / devices)
    while tile > 1 and share <= math.ceil(tile / 2):
        tile = math.ceil(tile / 2)
    busiest = _busy(fleet, active, fleet.tile).sum(axis=1).max()
    if tile == fleet.tile and busiest <= math.ceil(share / tile):
        return fleet
    slots = devices * tile * math.ceil(size / (devices * tile))
    padding = np.arange(size, slots)
    ordered = np.concatenate([np.flatnonzero(active), np.flatnonzero(~active), padding])
    occupant = ordered.reshape(-1, devices).T.ravel()  # device d gets every d-th
    source = np.argsort(fleet.occupant)[np.minimum(occupant, size - 1)]
    state = _move(fleet.state, source, mesh=fleet.mesh)
    return dataclasses.replace(fleet, tile=tile, occupant=occupant, state=state)


@partial(jax.jit, static_argnames=("task", "network", "mesh"))
def _initialize(keys, hyper, *, task, network, mesh):  # noqa: ANN001, ANN202
    """The states of networks with these keys and hyperparameters, slot by slot."""

    def one(item: tuple[Key, Hyperparameters], _: tuple) -> TrainState:
        return init_state(*item, task=task, network=network)

    tile = runtime.default_tile(mesh)  # of 1 on a CPU, where batched LAPACK calls can deadlock
    return runtime.map_items(one, (keys, hyper), mesh=mesh, tile=tile)


@partial(
    jax.jit,
    static_argnames=("task", "network", "training", "mesh", "tile", "slices"),
    donate_argnames=("state",),
)
def _epoch(keys, state, hyper, active, *, task, network, training, mesh, tile, slices):  # noqa: ANN001, ANN202
    """One epoch of all active networks: their states and reports, slot by slot."""
    blank = EpochReport(*(jnp.full(active.shape, jnp.nan),) * len(EpochReport._fields))

    how = {"task": task, "network": network, "training": training, "slices": slices}

    def one(item: tuple, fixed: tuple) -> tuple:
        return train_epoch(fixed[0], item[0], fixed[1], **how)

    return runtime.map_active(
        one, (state, blank), (keys, hyper), active=active, mesh=mesh, tile=tile
    )


@partial(jax.jit, static_argnames=("mesh",))
def _move(tree, source, *, mesh):  # noqa: ANN001, ANN202
    """Slot i gets what was in slot source[i]."""
    moved = jax.tree.map(lambda x: x[source], tree)
    return jax.lax.with_sharding_constraint(moved, runtime.spread_over(mesh))
