"""Many networks at once: `train_population`."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import runtime
from rnnensemble.fleet import (
    Fleet,
    Settings,
    advance,
    default_tile,
    hyperparameters,
    launch,
    require_trainable,
)
from rnnensemble.learning.trainer import (
    CONVERGED,
    DIVERGED,
    TRAINING,
    EpochReport,
    Training,
    TrainState,
)
from rnnensemble.networks import Network, Params, VanillaRNN
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
    network: Network
    training: Training
    seed: int
    params: Params
    initial_params: Params
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
    network: Network | None = None,
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
        network: Architecture, `VanillaRNN()` unless given; its `gain`, and the muP form's `gamma`,
            may differ by network.
        training: Optimization, `Training()` unless given; its rates, clipping and thresholds
            may differ by network.
        size: Number of networks K.
        seed: Seed of the population.
        devices: How many local devices to use, None for all of them (on a CPU call
            `runtime.use_all_cores()` first).
        tile: Networks that a device trains at once; None for 1 on a CPU and at most 64
            elsewhere, as memory allows.
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
    settings = Settings(task, network or VanillaRNN(), training or Training(), size, seed)
    require_trainable(settings)
    if tile is not None and tile < 1:
        raise ValueError(f"`tile` must be at least 1; got {tile}.")
    if resume is not None:
        require_same_settings(resume, settings)
        if resume.state is None:
            return resume
    mesh = runtime.network_mesh(devices)
    tile = tile or default_tile(settings, mesh)
    run = _start(settings, mesh, tile) if resume is None else _resume(resume, mesh, tile)
    saved = time.monotonic()
    with runtime.deferred_interrupt() as interrupted:
        while run.unfinished:
            started = time.perf_counter()
            run = _one_epoch(run)
            if progress is not None:
                progress(_progress(run, time.perf_counter() - started))
            if interrupted():
                raise TrainingInterrupted(_population(run))
            if checkpoint is not None and time.monotonic() - saved > checkpoint_seconds:
                checkpoint(_population(run))
                saved = time.monotonic()
    return _population(run)


def require_same_settings(population: Population, expected: Settings) -> None:
    """Raises ValueError unless the population was made with the expected settings."""
    for name, value in expected._asdict().items():
        if getattr(population, name) != value:
            raise ValueError(
                f"`resume` must have the same {name}: expected {value}, "
                f"got {getattr(population, name)}."
            )


class _Run(NamedTuple):
    """A training under way: the fleet, and what the host knows of it."""

    fleet: Fleet
    initial_params: Params
    status: np.ndarray  # [K]
    reports: tuple[EpochReport, ...]  # one an epoch, each [K]

    @property
    def unfinished(self) -> bool:
        """Whether a network still has to train."""
        limit = self.fleet.settings.training.max_epochs
        return bool((self.status == TRAINING).any()) and len(self.reports) < limit


def _start(settings: Settings, mesh: Any, tile: int) -> _Run:
    fleet = launch(settings, mesh, tile)
    params, status = fleet.by_network((fleet.state.params, fleet.state.status))
    return _Run(fleet, params, status, ())


def _resume(population: Population, mesh: Any, tile: int) -> _Run:
    settings = Settings(*(getattr(population, name) for name in Settings._fields))
    fleet = launch(settings, mesh, tile, population.state)
    history = population.history
    reports = (EpochReport(*(each[:, e] for each in history)) for e in range(history.loss.shape[1]))
    status = fleet.by_network(fleet.state.status)
    return _Run(fleet, population.initial_params, status, tuple(reports))


def _one_epoch(run: _Run) -> _Run:
    """Trains every network that has not stopped for one epoch."""
    fleet, report = advance(run.fleet, run.status == TRAINING)
    status = fleet.by_network(fleet.state.status)
    return run._replace(fleet=fleet, status=status, reports=(*run.reports, report))


def _population(run: _Run) -> Population:
    """What there is so far."""
    fleet, settings = run.fleet, run.fleet.settings
    columns = zip(*run.reports, strict=True)
    state = fleet.by_network(fleet.state)
    return Population(
        task=settings.task,
        network=settings.network,
        training=settings.training,
        seed=settings.seed,
        params=state.params,
        initial_params=run.initial_params,
        history=History(*(np.stack(column, axis=1) for column in columns)),
        converged=run.status == CONVERGED,
        diverged=run.status == DIVERGED,
        stop_epoch=state.epoch,
        state=state if run.unfinished else None,
    )


def _progress(run: _Run, seconds: float) -> Progress:
    """How far a training has come; its last epoch took these seconds."""
    training = run.fleet.settings.training
    thresholds = np.asarray(hyperparameters(run.fleet.settings).threshold)
    losses = np.array([report.loss for report in run.reports[-10:]])  # [<= 10, K]
    trained, active = np.isfinite(losses[-1]), run.status == TRAINING
    epochs = _epochs_left(losses, thresholds, training.patience)
    epochs = np.minimum(epochs, training.max_epochs - len(run.reports))[active]
    steps = np.sum(run.fleet.by_network(run.fleet.state.epoch) == len(run.reports))
    speed = float(steps * training.epoch_steps / seconds)
    return Progress(
        epoch=len(run.reports),
        size=len(active),
        active=int(active.sum()),
        converged=int((run.status == CONVERGED).sum()),
        diverged=int((run.status == DIVERGED).sum()),
        loss=float(np.median(losses[-1][trained])) if trained.any() else math.nan,
        net_steps_per_second=speed,
        seconds_left=float(epochs.sum() * training.epoch_steps / speed),
    )


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
