"""K trained networks and how they came about: `Population`."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.axes import ArrayLike
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task
from rnnensemble.training.epoch import Training, TrainState
from rnnensemble.training.recipe import Recipe, hyperparameters, shared
from rnnensemble.training.respond import respond
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


class Responses(NamedTuple):
    """What K networks make of the same inputs.

    Attributes:
        rates: `[K, B, T, N]`.
        outputs: `[K, B, T, O]`.
    """

    rates: np.ndarray
    outputs: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Population:
    """K trained networks and how they came about. Arrays are NumPy's, with leading axis K.

    Populations are equal if recipe and all arrays are.

    Attributes:
        recipe: What decided how they trained: task, network, training, size, seed, deflation.
        params: Parameters at the end.
        initial_params: Parameters before the first step.
        history: Loss, gradient norm, learning rate and penalty by epoch.
        converged: Reached the threshold and stayed there for the patience, `[K]`.
        diverged: Met a loss or gradient that was not finite, `[K]`; frozen just before.
        stop_epoch: Epochs trained, `[K]`.
        state: What unfinished training continues from; None once every network has stopped.
    """

    recipe: Recipe
    params: Params
    initial_params: Params
    history: History
    converged: np.ndarray
    diverged: np.ndarray
    stop_epoch: np.ndarray
    state: TrainState | None = None

    @property
    def task(self) -> Task:
        """What they learned."""
        return self.recipe.task

    @property
    def network(self) -> Network:
        """Their architecture."""
        return self.recipe.network

    @property
    def training(self) -> Training:
        """How they were trained."""
        return self.recipe.training

    @property
    def size(self) -> int:
        """Number of networks K."""
        return self.recipe.size

    @property
    def seed(self) -> int:
        """Network k started from `fold_in(key(seed), k)`."""
        return self.recipe.seed

    @property
    def deflation(self) -> Deflation | None:
        """How they kept away from earlier solutions, if they did."""
        return self.recipe.deflation

    @property
    def thresholds(self) -> np.ndarray:
        """The training MSE that each network had to reach, `[K]`."""
        return np.asarray(hyperparameters(self.recipe)["threshold"])

    def respond(self, inputs: ArrayLike, *, devices: int | None = None) -> Responses:
        """Drives every network with the same inputs.

        Args:
            inputs: `[B, T, I]`.
            devices: How many local devices to use, None for all.

        Raises:
            ValueError: If the inputs do not fit the task.

        Example:
            >>> import rnnensemble as rnne
            >>> task = rnne.tasks.FlipFlop(n_bits=2, n_steps=10)
            >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
            >>> network = rnne.VanillaRNN(width=6)
            >>> population = rnne.train_population(task, network=network, training=short, size=3)
            >>> found = population.respond(np.zeros((4, 25, 2)))
            >>> found.rates.shape, found.outputs.shape
            ((3, 4, 25, 6), (3, 4, 25, 2))
        """
        given = np.asarray(inputs, np.float32)
        if given.ndim != 3 or given.shape[2] != self.task.n_inputs:
            raise ValueError(
                f"`inputs` must be [B, T, I] with I = {self.task.n_inputs}; got {given.shape}."
            )
        mesh = runtime.network_mesh(devices)
        found = respond(given, self.params, network=shared(self.network), mesh=mesh)
        return Responses(*map(np.asarray, found))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Population):
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self) if field.name != "recipe"]
        mine, theirs = (
            jax.tree.flatten([getattr(each, name) for name in names]) for each in (self, other)
        )
        return (self.recipe, mine[1]) == (other.recipe, theirs[1]) and all(
            np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
            for x, y in zip(mine[0], theirs[0], strict=True)
        )

    def __repr__(self) -> str:
        epochs = f"{int(self.stop_epoch.max())} epochs"
        what = f"{self.network.kind}, {self.network.width} units, on {self.task.name}"
        return f"<Population: {self.summary()}; {what}; {epochs}>"

    def summary(self) -> str:
        """One line: how many networks converged and which diverged."""
        text = f"{int(self.converged.sum())} of {self.size} networks converged"
        lost = np.flatnonzero(self.diverged)
        if len(lost):
            shown = ", ".join(map(str, lost[:10])) + (", ..." if len(lost) > 10 else "")
            text += f"; {len(lost)} of {self.size} networks diverged (indices {shown})"
        return text


def require_same_recipe(population: Population, expected: Recipe) -> None:
    """Raises ValueError unless the population was made by the expected recipe."""
    for field in dataclasses.fields(Recipe):
        value, found = (getattr(each, field.name) for each in (expected, population.recipe))
        if found != value:
            raise ValueError(
                f"`resume` must have the same {field.name}: expected {value}, got {found}."
            )


def require_two(population: Population) -> None:
    """Raises ValueError, with the losses reached, unless two networks converged."""
    count = int(population.converged.sum())
    if count >= 2:
        return
    best = np.nanmin(population.history.loss, axis=1)
    shown = ", ".join(f"{loss:.3g}" for loss in best[:8]) + (", ..." if len(best) > 8 else "")
    raise ValueError(
        f"`population` must have at least 2 converged networks; got {count} of "
        f"{population.size} (lowest epoch losses {shown}; threshold "
        f"{population.thresholds[0]:g}); train longer or with another learning rate."
    )
