"""K trained networks and how they came about: `Population`."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble._core import runtime, switches
from rnnensemble._core.axes import ArrayLike
from rnnensemble._core.conversion import real_array
from rnnensemble.networks import Network, Params
from rnnensemble.tasks import Task
from rnnensemble.training import snapshots
from rnnensemble.training.epoch import History, Training, TrainState, judged
from rnnensemble.training.recipe import Recipe, hyperparameters, part_of, shared, with_epochs
from rnnensemble.training.respond import noise_keys, respond, respond_noisily
from rnnensemble.training.similarity import Deflation


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

    Populations are equal if recipe and all arrays are. `population[:8]`, `population[[0, 3, 5]]`
    and `population[mask]` are populations of these networks, and so is `population[3]`, of one; the
    recipe of a part trains just its networks.

    Attributes:
        recipe: What decided how they trained: task, network, training, size, seed, deflation.
        params: Parameters at the end.
        initial_params: Parameters before the first step; NaN where nobody knows them.
        history: Loss, gradient norm, learning rate, penalty and what is recorded, by epoch.
        converged: Reached the threshold and stayed there for the patience, `[K]`.
        diverged: Met a loss or gradient that was not finite, `[K]`; frozen just before.
        stop_epoch: Epochs trained, `[K]`.
        state: What networks go on from; zeros, but for their parameters, for those that converged
            or diverged, and None if all did.
        snapshots: Parameters after the epochs of `training.snapshots`, each `[K, S, ...]`, None if
            there are none. A network that stopped before an epoch has its last parameters there.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=4)
        >>> part = population[[1, 3]]
        >>> part.size, part.recipe.starts
        (2, ((0, 1), (0, 3)))
    """

    recipe: Recipe
    params: Params
    initial_params: Params
    history: History
    converged: np.ndarray
    diverged: np.ndarray
    stop_epoch: np.ndarray
    state: TrainState | None = None
    snapshots: Params | None = None

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
        """Network k started from `fold_in(key(seed), k)`, unless `recipe.starts` says otherwise."""
        return self.recipe.seed

    @property
    def deflation(self) -> Deflation | None:
        """How they kept away from earlier solutions, if they did."""
        return self.recipe.deflation

    @property
    def going(self) -> np.ndarray:
        """Which networks neither converged nor diverged, `[K]`."""
        return ~(self.converged | self.diverged)

    @property
    def unfinished(self) -> bool:
        """Whether a network has still to train, up to the recipe's `max_epochs`."""
        return bool((self.going & (self.stop_epoch < self.training.max_epochs)).any())

    @property
    def thresholds(self) -> np.ndarray:
        """The training loss, or accuracy (`criterion`), that each network had to reach, `[K]`."""
        return np.asarray(hyperparameters(self.recipe)["threshold"])

    @property
    def reached(self) -> np.ndarray:
        """What the thresholds were compared with, by epoch, `[K, E]` (`Training.goal`)."""
        return judged(self.history, self.training)

    def respond(
        self, inputs: ArrayLike, *, noise: int | None = None, devices: int | None = None
    ) -> Responses:
        """Drives every network with the same inputs.

        Args:
            inputs: `[B, T, I]`.
            noise: Seed of the noise of networks that have noise; None for none. A network's noise
                comes from this seed and its own key alone.
            devices: How many local devices to use, None for all.

        Raises:
            ValueError: If the inputs do not fit the task, or noise is asked of networks without.

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
        given = real_array(inputs, "inputs").astype(np.float32)
        if given.ndim != 3 or given.shape[2] != self.task.n_inputs:
            raise ValueError(
                f"`inputs` must be [B, T, I] with I = {self.task.n_inputs}; got {given.shape}."
            )
        where = {"network": shared(self.network), "mesh": runtime.network_mesh(devices)}
        if noise is None:
            return Responses(*map(np.asarray, respond(given, self.params, **where)))
        keys = noise_keys(self.recipe, noise)
        return Responses(*map(np.asarray, respond_noisily(given, self.params, keys, **where)))

    def at_epoch(self, epoch: int) -> "Population":
        """The networks as they were after an epoch of `training.snapshots`, 0 for the start.

        All else is of the end: `converged` says which networks will converge.

        Raises:
            ValueError: If there is no such snapshot.

        Example:
            >>> import rnnensemble as rnne
            >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
            >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=2, snapshots=(0, 1))
            >>> network = rnne.VanillaRNN(width=6)
            >>> population = rnne.train_population(task, network=network, training=short, size=3)
            >>> population.at_epoch(1).respond(np.zeros((4, 25, 1))).rates.shape
            (3, 4, 25, 6)
        """
        found = snapshots.of_epoch(self.snapshots, self.training.snapshots, epoch)
        return dataclasses.replace(self, params=found, state=None)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, which: Any) -> "Population":
        """The networks of an index, a slice, indices or a mask `[K]`, as a population."""
        rows = np.atleast_1d(np.arange(self.size)[which])
        if rows.ndim != 1 or not len(rows):
            raise ValueError(
                "`population[...]` must name at least one network, by an index, a slice, indices "
                f"or a mask; got {which!r}."
            )
        arrays = {name: jax.tree.map(lambda x: x[rows], getattr(self, name)) for name in ARRAYS}
        epochs = max(1, int(arrays["stop_epoch"].max()))  # imported networks have a loss alone
        arrays["history"] = jax.tree.map(lambda x: x[:, :epochs], arrays["history"])
        if not self.going[rows].any():
            arrays["state"] = None
        return Population(recipe=part_of(self.recipe, rows.tolist()), **arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Population):
            return NotImplemented
        mine, theirs = (
            jax.tree.flatten([getattr(each, name) for name in ARRAYS]) for each in (self, other)
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


ARRAYS = tuple(field.name for field in dataclasses.fields(Population) if field.name != "recipe")
"""What a population holds besides its recipe, with leading axis K."""


def require_population(value: Any, name: str = "population") -> None:
    """Raises ValueError, naming the argument, unless this is a population."""
    if not isinstance(value, Population):
        raise ValueError(f"`{name}` must be a Population; got {repr(value).splitlines()[0][:80]}.")


def require_resumable(population: Population, recipe: Recipe) -> None:
    """Raises ValueError unless a population can go on by a recipe: its own, or with more epochs."""
    if population.state is not None:
        then = np.asarray(population.state.rate_scale).dtype == np.float64
        if then != switches.x64():
            raise ValueError(
                f"`jax_enable_x64` was {then} when the population was trained; set it so, or train "
                "another."
            )
    epochs, before = recipe.training.max_epochs, population.training.max_epochs
    if epochs < before:
        raise ValueError(
            f"`max_epochs` must be at least that of the population, {before}, to go on with it; "
            f"got {epochs}."
        )
    longer = with_epochs(population.recipe, epochs)
    for field in dataclasses.fields(Recipe):
        value, found = (getattr(each, field.name) for each in (recipe, longer))
        if found != value:
            raise ValueError(
                f"`resume` must have the same {field.name}: expected {value}, got {found}."
            )
    if epochs > before and not population.going.any():
        raise ValueError(
            f"`population` has no network to go on with: {population.summary()}, and a higher "
            "`max_epochs` changes nothing for these."
        )
    if dataclasses.replace(population, recipe=recipe).unfinished and population.state is None:
        raise ValueError(
            "`population` was stored without what its networks go on from; train it again."
        )


def require_two(population: Population) -> None:
    """Raises ValueError, with the losses reached, unless two networks converged."""
    count = int(population.converged.sum())
    if count >= 2:
        return
    by_loss = population.training.criterion == "loss"
    best = (np.nanmin if by_loss else np.nanmax)(population.reached, axis=1)
    shown = ", ".join(f"{each:.3g}" for each in best[:8]) + (", ..." if len(best) > 8 else "")
    what = "lowest epoch losses" if by_loss else "highest epoch accuracies"
    what += " of the worst task" * population.training.every_task
    raise ValueError(
        f"`population` must have at least 2 converged networks; got {count} of "
        f"{population.size} ({what} {shown}; threshold "
        f"{population.thresholds[0]:g}); go on by `resume` with a higher `max_epochs`, or train "
        "with another learning rate."
    )
