"""A training under way: networks in slots, and what the host knows of them."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble.networks import Params
from rnnensemble.training import snapshots
from rnnensemble.training.epoch import (
    CONVERGED,
    DIVERGED,
    TRAINING,
    History,
    blank_history,
    resting,
)
from rnnensemble.training.population import Population
from rnnensemble.training.progress import Progress, measure_progress
from rnnensemble.training.recipe import Recipe, plain, without_own_values
from rnnensemble.training.similarity import References
from rnnensemble.training.slots import Slots, advance, launch, members_of


class Run(NamedTuple):
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


def started(
    recipes: list[Recipe],
    before: list[Population | None],
    references: References | None,
    mesh: Any,
    tile: int,
) -> Run:
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
        return Run(recipes, slots, state.params, state.status, state.epoch, history, kept)
    state, initial = (
        jax.tree.map(lambda *each: np.concatenate(each), *parts) for parts in (states, params)
    )
    slots = to_slots(state=state)
    return Run(recipes, slots, initial, state.status, state.epoch, history, kept)


def _rows(recipes: list[Recipe]) -> list[slice]:
    """Where the networks of each recipe stand among those of all."""
    ends = np.cumsum([recipe.size for recipe in recipes])
    return [slice(int(end) - each.size, int(end)) for each, end in zip(recipes, ends, strict=True)]


def one_epoch(run: Run) -> Run:
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


def populations_of(run: Run) -> list[Population]:
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


def progress_of(run: Run, trained: np.ndarray, seconds: float) -> Progress:
    """How far all have come; these networks trained in the last epoch, in these seconds."""
    training = run.slots.settings.training
    by_loss = training.criterion == "loss" and not training.every_task
    return measure_progress(
        run.history.loss,
        by_loss * np.asarray(run.slots.members.hyper["threshold"]),  # or 0: no forecast
        status=run.status,
        epoch=run.epoch,
        trained=trained,
        training=training,
        seconds=seconds,
    )
