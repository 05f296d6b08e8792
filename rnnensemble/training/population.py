"""K trained networks and how they came about: `Population`."""

import dataclasses
from typing import NamedTuple

import numpy as np

from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import Training, TrainState
from rnnensemble.training.recipe import Settings, hyperparameters
from rnnensemble.training.similarity import Deflation


class History(NamedTuple):
    """What training reported, epoch by epoch; NaN after a network stopped.

    Attributes:
        loss: Mean training MSE of each epoch, `[K, E]`, in squared output units.
        gradient_norm: Mean global gradient norm before clipping, `[K, E]`.
        learning_rate: Adam's step size, `[K, E]`.
        penalty: Mean penalty on weights of each epoch, `[K, E]`, in the units of the loss.
    """

    loss: np.ndarray
    gradient_norm: np.ndarray
    learning_rate: np.ndarray
    penalty: np.ndarray


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
        history: Loss, gradient norm, learning rate and penalty by epoch.
        converged: Reached the threshold and stayed there for the patience, `[K]`.
        diverged: Met a loss or gradient that was not finite, `[K]`; frozen just before.
        stop_epoch: Epochs trained, `[K]`.
        state: What unfinished training continues from; None once every network has stopped.
        deflation: How they kept away from earlier solutions, if they did.
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
    deflation: Deflation | None = None

    @property
    def size(self) -> int:
        """Number of networks K."""
        return len(self.converged)

    @property
    def recipe(self) -> Settings:
        """What decided how they trained."""
        rest = self.training, self.size, self.seed, self.deflation
        return Settings(self.task, self.network, *rest)

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


def require_same_settings(population: Population, expected: Settings) -> None:
    """Raises ValueError unless the population was made with the expected settings."""
    for name, value in expected._asdict().items():
        if getattr(population, name) != value:
            raise ValueError(
                f"`resume` must have the same {name}: expected {value}, "
                f"got {getattr(population, name)}."
            )
