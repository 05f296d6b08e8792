"""Many networks at once: `train_population`; several populations at once: `train_populations`."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble._core import process, runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.networks import Network, Params, VanillaRNN
from rnnensemble.tasks import Task
from rnnensemble.training import snapshots
from rnnensemble.training.epoch import (
    CONVERGED,
    DIVERGED,
    TRAINING,
    History,
    Training,
    blank_history,
    resting,
)
from rnnensemble.training.interruption import TrainingInterrupted as TrainingInterrupted
from rnnensemble.training.interruption import for_one
from rnnensemble.training.memory import fitted, require_training_room
from rnnensemble.training.population import Population, resumable
from rnnensemble.training.progress import Progress, measure_progress
from rnnensemble.training.recipe import (
    Recipe,
    counted_from,
    plain,
    require_first,
    require_group,
    without_own_values,
)
from rnnensemble.training.similarity import References
from rnnensemble.training.slots import Slots, advance, default_tile, launch, members_of
from rnnensemble.training.warm_start import require_ended, warm_started


def train_population(
    task: Task,
    *,
    network: Network | None = None,
    training: Training | None = None,
    size: int | None = None,
    seed: int = 0,
    first: int = 0,
    start: Population | None = None,
    devices: int | None = None,
    tile: int | None = None,
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
        network: Architecture, that of `start` or `VanillaRNN()` unless given; its `gain`, and the
            muP form's `gamma`, may differ by network.
        training: Optimization, `Training()` unless given; its rates, clipping and thresholds
            may differ by network.
        size: Number of networks K: that of `start`, or 50 unless given.
        seed: Seed of the population.
        first: Number k of the first network: networks k to k + K - 1 of the seed are those rows of
            a larger population, so that machines can share it (`concatenate` joins the shards).
            Values that differ by network are those of the K networks.
        start: Trained networks to start from instead of drawn weights, on a task of as many inputs
            and outputs: network k from the end of the k-th. The optimizer begins anew, and trials
            are those of this `seed` and k. These networks become the `initial_params`, and their
            recipe `recipe.start`.
        devices: How many local devices to use, None for all of them (on a CPU call
            `runtime.use_all_cores()` first).
        tile: Networks that a device trains at once; None for 1 on a CPU, elsewhere for as many
            as keep it busy and fit into its memory (`runtime.default_tile`).
        progress: Called after every epoch.
        checkpoint: Called with the unfinished population every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The population, converged or not.

    Raises:
        ValueError: If an argument is out of range, `start` does not fit or holds networks that
            diverged or have still to train, or the tile does not fit into the memory of a device
            (says the one that does).
        TrainingInterrupted: On Ctrl-C or its like, after the running epoch, with what is there.
    """
    if start is not None:
        require_ended(start)
        network, size = network or start.network, start.size if size is None else size
    recipe = Recipe(
        task,
        network or VanillaRNN(),
        training or Training(),
        50 if size is None else size,
        seed,
        start=None if start is None else start.recipe,
    )
    require_first(recipe, first)
    require_training_room([recipe], runtime.network_mesh(devices))  # before starts are listed
    recipe = counted_from(recipe, first)
    (population,) = train_populations(
        [recipe],
        devices=devices,
        tile=tile,
        resume=None if start is None else [warm_started(recipe, start)],
        progress=progress,
        checkpoint=for_one(checkpoint),
        checkpoint_seconds=checkpoint_seconds,
    )
    return population


def train_populations(
    recipes: Sequence[Recipe],
    *,
    references: References | None = None,
    devices: int | None = None,
    tile: int | None = None,
    resume: Sequence[Population | None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[list[Population]], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> list[Population]:
    """Trains populations of one compiled shape together: each becomes what it would alone.

    Args:
        recipes: What decides each population; they share task, architecture and training but for
            what may differ by network (`recipe.group_key` is equal), and differ in that, in size
            and in seed.
        references: What all keep away from, if the recipes have a deflation (see `deflate`).
        devices: As in `train_population`.
        tile: As in `train_population`.
        resume: A population to go on from for each recipe, None for one that starts. The recipe is
            its own, or has a higher `max_epochs`. They may have come to different epochs, and
            finished ones are returned as they are. For a recipe with a `start`, what
            `warm_start.warm_started` makes of the trained networks.
        progress: Called after every epoch of all.
        checkpoint: Called with all populations every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The populations, in the order of the recipes.

    Raises:
        ValueError: If an argument is out of range, recipes cannot train together, or `resume`
            has other settings.
        TrainingInterrupted: On Ctrl-C or its like, after the running epoch, with what is there.
    """
    recipes = list(recipes)
    require_group(recipes)
    if (references is None) != (recipes[0].deflation is None):
        raise ValueError("`references` must come with recipes that have a deflation, and only so.")
    runtime.require_tile(tile)
    require_seconds(checkpoint_seconds)
    before = resumable(recipes, resume)
    going = [
        k
        for k, (each, recipe) in enumerate(zip(before, recipes, strict=True))
        if each is None or dataclasses.replace(each, recipe=recipe).unfinished
    ]
    if not going:
        return [each for each in before if each is not None]
    mesh = runtime.network_mesh(devices)
    require_training_room([recipes[k] for k in going], mesh)
    starting = [recipes[k] for k in going], [before[k] for k in going]
    run = _start(*starting, references, mesh, tile or default_tile(recipes[0], mesh))
    run = run._replace(slots=fitted(run.slots, run.active, asked=tile is not None))

    def populations() -> list[Population]:
        now = dict(zip(going, _populations(run), strict=True))
        ended = {k: each for k, each in enumerate(before) if each is not None}
        return [({**ended, **now})[k] for k in range(len(before))]

    saved = time.monotonic()
    with process.deferred_interrupt() as interrupted:
        while run.active.any():
            started, trained = time.perf_counter(), run.active
            run = _one_epoch(run)
            if progress is not None:
                progress(_progress(run, trained, time.perf_counter() - started))
            if interrupted():
                raise TrainingInterrupted(populations())
            if checkpoint is not None and time.monotonic() - saved > checkpoint_seconds:
                checkpoint(populations())
                saved = time.monotonic()
        return populations()


class _Run(NamedTuple):
    """A training under way: networks in slots, and what the host knows of its K networks."""

    recipes: list[Recipe]
    slots: Slots
    initial_params: Params
    status: np.ndarray  # [K]
    epoch: np.ndarray  # [K], epochs trained
    history: History  # each [K, max_epochs], filled in place
    snapshots: list[Params | None]  # of each recipe, each [K, S, ...], filled in place

    @property
    def active(self) -> np.ndarray:
        """Which networks still have to train, `[K]`."""
        return (self.status == TRAINING) & (self.epoch < self.slots.settings.training.max_epochs)


def _start(
    recipes: list[Recipe],
    before: list[Population | None],
    references: References | None,
    mesh: Any,
    tile: int,
) -> _Run:
    """Networks at their first step, or where they stopped."""
    members = members_of(recipes)
    settings = without_own_values(recipes[0], size=len(members.keys))
    to_slots = partial(launch, settings, mesh, tile, members=members, references=references)
    slots = to_slots()
    state = slots.by_network(slots.state)
    shape = settings.size, settings.training.max_epochs
    empty = blank_history(np.empty(0), settings.training)
    history = jax.tree.map(lambda _: np.full(shape, np.nan, np.float32), empty)
    states, params, kept = [], [], []
    for recipe, rows, population in zip(recipes, _rows(recipes), before, strict=True):
        fresh = jax.tree.map(lambda x, rows=rows: x[rows], state)
        states.append(population.state if population else fresh)
        params.append(population.initial_params if population else fresh.params)
        earlier = population.snapshots if population else None
        kept.append(snapshots.begun(recipe.training, earlier, params[-1]))
        past = jax.tree.leaves(population.history) if population else []
        for into, each in zip(jax.tree.leaves(history), past, strict=False):
            into[rows, : each.shape[1]] = each
    if not any(before):
        return _Run(recipes, slots, state.params, state.status, state.epoch, history, kept)
    state, initial = (
        jax.tree.map(lambda *each: np.concatenate(each), *parts) for parts in (states, params)
    )
    slots = to_slots(state=state)
    return _Run(recipes, slots, initial, state.status, state.epoch, history, kept)


def _rows(recipes: list[Recipe]) -> list[slice]:
    """Where the networks of each recipe stand among those of all."""
    ends = np.cumsum([recipe.size for recipe in recipes])
    return [slice(int(end) - each.size, int(end)) for each, end in zip(recipes, ends, strict=True)]


def _one_epoch(run: _Run) -> _Run:
    """Trains every network that has not stopped for one epoch."""
    active, recipes = run.active, run.recipes
    slots, report = advance(run.slots, active)
    for into, values in zip(*map(jax.tree.leaves, (run.history, report)), strict=True):
        into[active, run.epoch[active]] = values[active]
    status = slots.by_network(slots.state.status)
    run = run._replace(slots=slots, status=status, epoch=run.epoch + active)
    snapshots.keep_due(
        run.snapshots,
        [recipe.training.snapshots for recipe in recipes],
        _rows(recipes),
        epoch=run.epoch,
        trained=active,
        params=lambda: slots.by_network(slots.state.params),
    )
    return run


def _populations(run: _Run) -> list[Population]:
    """What there is so far, by recipe."""
    whole = run.slots.by_network(run.slots.state)
    found = []
    for recipe, rows, kept in zip(run.recipes, _rows(run.recipes), run.snapshots, strict=True):
        state, initial = jax.tree.map(lambda x, rows=rows: x[rows], (whole, run.initial_params))
        epochs, named = int(state.epoch.max()), recipe.training.snapshots
        population = Population(
            recipe=plain(recipe),
            params=state.params,
            initial_params=initial,
            history=jax.tree.map(lambda x, at=(rows, slice(epochs)): x[at].copy(), run.history),
            converged=state.status == CONVERGED,
            diverged=state.status == DIVERGED,
            stop_epoch=state.epoch,
            state=resting(state) if (state.status == TRAINING).any() else None,
            snapshots=kept and snapshots.filled(kept, state.params, named, state.epoch),
        )
        found.append(population)
    return found


def _progress(run: _Run, trained: np.ndarray, seconds: float) -> Progress:
    """How far all have come; these networks trained in the last epoch, in these seconds."""
    by_loss = run.slots.settings.training.criterion == "loss"
    return measure_progress(
        run.history.loss,
        by_loss * np.asarray(run.slots.members.hyper["threshold"]),  # or 0, which none meets
        status=run.status,
        epoch=run.epoch,
        trained=trained,
        training=run.slots.settings.training,
        seconds=seconds,
    )
