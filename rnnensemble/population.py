"""Many networks at once: `train_population`."""

import dataclasses
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rnnensemble import runtime
from rnnensemble.axes import Key
from rnnensemble.learning.trainer import (
    CONVERGED,
    DIVERGED,
    TRAINING,
    EpochReport,
    Hyperparameters,
    Training,
    TrainState,
    init_state,
    train_epoch,
)
from rnnensemble.networks import VanillaParams, VanillaRNN
from rnnensemble.tasks import Task


class History(NamedTuple):
    """What training reported, epoch by epoch; NaN after a network stopped.

    Attributes:
        loss: Mean training MSE of each epoch, `[K, E]`, in squared output units.
        gradient_norm: Mean global gradient norm before clipping, `[K, E]`.
        learning_rate: Adam's step size, `[K, E]`.
    """

    loss: np.ndarray
    gradient_norm: np.ndarray
    learning_rate: np.ndarray


@dataclasses.dataclass(frozen=True)
class Population:
    """K trained networks and how they came about. Arrays are NumPy's, with leading axis K.

    Attributes:
        task: What they learned.
        network: Their architecture.
        training: How they were trained.
        seed: Network k started from `fold_in(key(seed), k)`.
        params: Parameters at the end.
        initial_params: Parameters before the first step.
        history: Loss, gradient norm and learning rate by epoch.
        converged: Reached the threshold and stayed there for the patience, `[K]`.
        diverged: Met a loss or gradient that was not finite, `[K]`; frozen just before.
        stop_epoch: Epochs trained, `[K]`.
        state: What unfinished training continues from; None once every network has stopped.
    """

    task: Task
    network: VanillaRNN
    training: Training
    seed: int
    params: VanillaParams
    initial_params: VanillaParams
    history: History
    converged: np.ndarray
    diverged: np.ndarray
    stop_epoch: np.ndarray
    state: TrainState | None = None

    @property
    def size(self) -> int:
        """Number of networks K."""
        return len(self.converged)

    @property
    def thresholds(self) -> np.ndarray:
        """The training MSE that each network had to reach, `[K]`."""
        return np.asarray(hyperparameters(self).threshold)

    def summary(self) -> str:
        """One line: how many networks converged and which diverged."""
        text = f"{int(self.converged.sum())} of {self.size} networks converged"
        lost = np.flatnonzero(self.diverged)
        if len(lost):
            shown = ", ".join(map(str, lost[:10])) + (", ..." if len(lost) > 10 else "")
            text += f"; {len(lost)} of {self.size} networks diverged (indices {shown})"
        return text


class Progress(NamedTuple):
    """How far training has come, after each epoch.

    Attributes:
        epoch: Epochs done.
        size: Networks K.
        active: Networks still training.
        converged: Networks converged.
        diverged: Networks diverged.
        loss: Median loss of the networks that trained this epoch.
        net_steps_per_second: Training steps summed over networks, a second.
        seconds_left: Estimate from the recent fall of each loss; never beyond `max_epochs`.
    """

    epoch: int
    size: int
    active: int
    converged: int
    diverged: int
    loss: float
    net_steps_per_second: float
    seconds_left: float


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training. `population` holds what is there; pass it on as `resume`."""

    def __init__(self, population: Population) -> None:
        super().__init__(
            f"interrupted after {int(population.stop_epoch.max())} epochs: "
            f"{population.summary()}; go on with train_population(..., resume=population)"
        )
        self.population = population


def train_population(
    task: Task,
    *,
    network: VanillaRNN | None = None,
    training: Training | None = None,
    size: int = 50,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
    resume: Population | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[Population], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Population:
    """Trains K networks on one task in one compiled program.

    Network k draws its weights and trials from `fold_in(key(seed), k)` alone: it is the same
    network whatever the population's size, tiling, device count or neighbours. Each network
    stops by its own threshold and patience and then costs nothing more.

    Args:
        task: What to learn.
        network: Architecture, `VanillaRNN()` unless given; its `gain` may differ by network.
        training: Optimization, `Training()` unless given; its rates, clipping and thresholds
            may differ by network.
        size: Number of networks K.
        seed: Seed of the population.
        devices: How many local devices to use, None for all of them (on a CPU call
            `runtime.use_all_cores()` first).
        tile: Networks that a device trains at once; None for 1 on a CPU and 64 elsewhere.
        resume: An unfinished population with the same settings, to go on from.
        progress: Called after every epoch.
        checkpoint: Called with the unfinished population every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The population, converged or not.

    Raises:
        ValueError: If an argument is out of range, or `resume` has other settings.
        TrainingInterrupted: On Ctrl-C, after the running epoch, with what is there.
    """
    network = network or VanillaRNN()
    training = training or Training()
    require_trainable(task, network, training, size, seed)
    if tile is not None and tile < 1:
        raise ValueError(f"`tile` must be at least 1; got {tile}.")
    if resume is not None:
        require_same_settings(resume, (task, network, training, size, seed))
        if resume.state is None:
            return resume
    mesh = runtime.network_mesh(devices)
    run = _Run(_Settings(task, network, training, size, seed), mesh, tile, resume)
    saved = time.monotonic()
    with runtime.deferred_interrupt() as interrupted:
        while run.unfinished:
            run.advance()
            if progress is not None:
                progress(run.progress())
            if interrupted():
                raise TrainingInterrupted(run.population())
            if checkpoint is not None and time.monotonic() - saved > checkpoint_seconds:
                checkpoint(run.population())
                saved = time.monotonic()
    return run.population()


def require_trainable(
    task: Task, network: VanillaRNN, training: Training, size: int, seed: int
) -> None:
    """Raises ValueError unless these describe a population that can be trained."""
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


def require_same_settings(population: Population, expected: tuple) -> None:
    """Raises ValueError unless the population was made with the expected settings."""
    names = ("task", "network", "training", "size", "seed")
    for name, value in zip(names, expected, strict=True):
        if getattr(population, name) != value:
            raise ValueError(
                f"`resume` must have the same {name}: expected {value}, "
                f"got {getattr(population, name)}."
            )


class _Settings(NamedTuple):
    task: Task
    network: VanillaRNN
    training: Training
    size: int
    seed: int


def hyperparameters(settings: "_Settings | Population") -> Hyperparameters:
    """What may differ by network, each `[K]`."""
    training = settings.training
    threshold = settings.task.threshold if training.threshold is None else training.threshold

    def each(value: float | tuple[float, ...]) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, np.float32), (settings.size,))

    return Hyperparameters(
        learning_rate=each(training.learning_rate),
        clip_norm=each(training.clip_norm),
        threshold=each(threshold),
        gain=each(settings.network.gain),
    )


def _shared(config: Any) -> Any:
    """The config without what may differ by network, so that such changes do not recompile."""
    return dataclasses.replace(config, **dict.fromkeys(config.per_network, 1.0))


@partial(jax.jit, static_argnames=("task", "network", "mesh"))
def _initialize(keys, hyper, *, task, network, mesh):  # noqa: ANN001, ANN202
    """The states of networks with these keys and hyperparameters, slot by slot."""

    def one(item: tuple[Key, Hyperparameters], _: tuple) -> TrainState:
        return init_state(*item, task=task, network=network)

    tile = runtime.default_tile(mesh)  # of 1 on a CPU, where batched LAPACK calls can deadlock
    return runtime.map_items(one, (keys, hyper), mesh=mesh, tile=tile)


@partial(
    jax.jit,
    static_argnames=("task", "network", "training", "mesh", "tile"),
    donate_argnames=("state",),
)
def _epoch(keys, state, hyper, active, *, task, network, training, mesh, tile):  # noqa: ANN001, ANN202
    """One epoch of all active networks: their states and reports, slot by slot."""
    blank = EpochReport(*(jnp.full(active.shape, jnp.nan),) * len(EpochReport._fields))

    def one(item: tuple, fixed: tuple) -> tuple:
        return train_epoch(
            fixed[0], item[0], fixed[1], task=task, network=network, training=training
        )

    return runtime.map_active(
        one, (state, blank), (keys, hyper), active=active, mesh=mesh, tile=tile
    )


@partial(jax.jit, static_argnames=("mesh",), donate_argnames=("tree",))
def _move(tree, source, *, mesh):  # noqa: ANN001, ANN202
    """Slot i gets what was in slot source[i]."""
    moved = jax.tree.map(lambda x: x[source], tree)
    return jax.lax.with_sharding_constraint(moved, runtime.spread_over(mesh))


class _Run:
    """The host's side of one training: which network sits in which slot of the devices.

    The arrays on the devices have `slots` rows, at least K; `occupant[slot]` is the network
    there, K and above for padding, which never trains. Networks move when that spares a device
    work that the others are done with.
    """

    def __init__(
        self, settings: _Settings, mesh: Mesh, tile: int | None, resume: Population | None
    ) -> None:
        share = math.ceil(settings.size / mesh.size)
        self.settings, self.mesh = settings, mesh
        self.tile = min(tile or runtime.default_tile(mesh), share)
        self.occupant = np.arange(mesh.size * math.ceil(share / self.tile) * self.tile)
        self.hyper = hyperparameters(settings)
        self.static = {
            "task": settings.task,
            "network": _shared(settings.network),
            "mesh": mesh,
        }
        state = None if resume is None else resume.state
        self.state = self._initial_state() if state is None else self._placed(state)
        self.initial_params = (
            self._by_network(self.state.params) if resume is None else resume.initial_params
        )
        self.status = np.array(self._by_network(self.state.status))
        self.reports = [] if resume is None else _epochs(resume.history)
        self.speed = math.nan

    @property
    def unfinished(self) -> bool:
        """Whether a network still has to train."""
        return bool(
            (self.status == TRAINING).any()
            and len(self.reports) < self.settings.training.max_epochs
        )

    def advance(self) -> None:
        """Trains all active networks for one epoch."""
        started = time.perf_counter()
        training = self.settings.training
        active = self.status == TRAINING
        self._balance(active)
        self.state, report = _epoch(
            self._keys(),
            self.state,
            self._placed(self.hyper),
            self._placed(active) & (self.occupant < self.settings.size),
            training=_shared(training),
            tile=self.tile,
            **self.static,
        )
        self.status = np.array(self._by_network(self.state.status))
        self.reports.append(self._by_network(report))
        seconds = time.perf_counter() - started
        self.speed = active.sum() * training.epoch_steps / seconds

    def _initial_state(self) -> TrainState:
        return _initialize(self._keys(), self._placed(self.hyper), **self.static)

    def _keys(self) -> Key:
        """The keys of the networks, slot by slot: fold_in(key(seed), k)."""
        fold = jax.vmap(jax.random.fold_in, (None, 0))
        keys = fold(jax.random.key(self.settings.seed), self.occupant)
        return jax.device_put(keys, runtime.spread_over(self.mesh))

    def _placed(self, tree: Any) -> Any:
        """A tree with leading axis K, slot by slot on the devices; padding repeats the last."""
        index = np.minimum(self.occupant, self.settings.size - 1)
        rows = jax.tree.map(lambda x: x[index], tree)
        return jax.device_put(rows, runtime.spread_over(self.mesh))

    def _by_network(self, tree: Any) -> Any:
        """A tree of slots, as NumPy arrays with leading axis K."""
        slot = np.argsort(self.occupant)[: self.settings.size]
        return jax.tree.map(lambda x: np.asarray(x)[slot], tree)

    def _balance(self, active: np.ndarray) -> None:
        """Deals the active networks evenly to the devices, where that saves a tile."""
        devices = self.mesh.size
        is_active = np.append(active, np.zeros(len(self.occupant) - len(active), bool))
        tiles = is_active[self.occupant].reshape(devices, -1, self.tile).any(axis=2)
        needed = math.ceil(math.ceil(active.sum() / devices) / self.tile)
        if tiles.sum(axis=1).max() <= needed:
            return
        ordered = np.concatenate([np.flatnonzero(is_active), np.flatnonzero(~is_active)])
        occupant = ordered.reshape(-1, devices).T.ravel()  # device d gets every d-th
        source = np.argsort(self.occupant)[occupant]
        self.state = _move(self.state, source, mesh=self.mesh)
        self.occupant = occupant

    def progress(self) -> Progress:
        """How far the training has come."""
        training = self.settings.training
        losses = np.array([report.loss for report in self.reports[-10:]])  # [<= 10, K]
        active = self.status == TRAINING
        epochs = _epochs_left(losses, np.asarray(self.hyper.threshold), training.patience)
        epochs = np.minimum(epochs, training.max_epochs - len(self.reports))[active]
        trained = np.isfinite(losses[-1])
        return Progress(
            epoch=len(self.reports),
            size=self.settings.size,
            active=int(active.sum()),
            converged=int((self.status == CONVERGED).sum()),
            diverged=int((self.status == DIVERGED).sum()),
            loss=float(np.median(losses[-1][trained])) if trained.any() else math.nan,
            net_steps_per_second=float(self.speed),
            seconds_left=float(epochs.sum() * training.epoch_steps / self.speed),
        )

    def population(self) -> Population:
        """What there is so far."""
        history = History(*(np.stack(column, axis=1) for column in zip(*self.reports, strict=True)))
        settings = self.settings
        return Population(
            task=settings.task,
            network=settings.network,
            training=settings.training,
            seed=settings.seed,
            params=self._by_network(self.state.params),
            initial_params=self.initial_params,
            history=history,
            converged=self.status == CONVERGED,
            diverged=self.status == DIVERGED,
            stop_epoch=self._by_network(self.state.epoch),
            state=self._by_network(self.state) if self.unfinished else None,
        )


def _epochs(history: History) -> list[EpochReport]:
    """A history as one report an epoch."""
    return [
        EpochReport(*(each[:, epoch] for each in history)) for epoch in range(history.loss.shape[1])
    ]


def _epochs_left(losses: np.ndarray, threshold: np.ndarray, patience: int) -> np.ndarray:
    """Epochs until each loss meets its threshold if its logarithm goes on falling as it did.

    Losses `[E, K]` of the last epochs; infinity where a loss does not fall.
    """
    if len(losses) < 2:
        return np.full(len(threshold), np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        fall = (np.log(losses[0]) - np.log(losses[-1])) / (len(losses) - 1)
        missing = np.maximum(np.log(losses[-1]) - np.log(threshold), 0.0)
        epochs = np.where(missing > 0, missing / fall, 0.0) + patience
    return np.where((epochs >= 0) & np.isfinite(epochs), epochs, np.inf)
