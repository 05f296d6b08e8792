"""Populations joined to one: `concatenate`."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from rnnensemble.training.epoch import CONVERGED, DIVERGED, History, TrainState
from rnnensemble.training.population import ARRAYS, Population
from rnnensemble.training.recipe import PARTS, Recipe, started


def concatenate(populations: Iterable[Population]) -> Population:
    """One population of the networks of several, one after another.

    Args:
        populations: Of one task, architecture and training, but for what may differ by network;
            their seeds and sizes may differ.

    Raises:
        ValueError: If there are none, or they differ in more than that.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> how = {"network": rnne.VanillaRNN(width=6), "size": 2}
        >>> how["training"] = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> both = [rnne.train_population(task, seed=seed, **how) for seed in (0, 1)]
        >>> rnne.concatenate(both).recipe.starts
        ((0, 0), (0, 1), (1, 0), (1, 1))
    """
    parts = list(populations)
    if not parts:
        raise ValueError("`populations` must hold at least one population; got none.")
    recipe = joined([each.recipe for each in parts])
    epochs = max(each.history.loss.shape[1] for each in parts)

    def padded(history: History) -> History:
        missing = (0, 0), (0, epochs - history.loss.shape[1])
        return History(*(np.pad(x, missing, constant_values=np.nan) for x in history))

    trees = [{name: getattr(each, name) for name in ARRAYS} for each in parts]
    for each, tree in zip(parts, trees, strict=True):
        tree |= {"history": padded(each.history), "state": _state_like(each, parts)}
    if any(tree["state"] is None for tree in trees):
        trees = [tree | {"state": None} for tree in trees]
    return Population(recipe=recipe, **jax.tree.map(lambda *x: np.concatenate(x), *trees))


def _state_like(population: Population, others: Iterable[Population]) -> TrainState | None:
    """What a population goes on from, among others that go on."""
    state = next((each.state for each in others if each.state is not None), None)
    if population.state is not None or state is None or population.going.any():
        return population.state
    size = population.size
    blank = jax.tree.map(lambda x: np.zeros((size, *x.shape[1:]), x.dtype), state)
    return blank._replace(
        params=population.params,
        epoch=population.stop_epoch,
        status=np.where(population.converged, CONVERGED, DIVERGED).astype(blank.status.dtype),
    )


def joined(recipes: Sequence[Recipe]) -> Recipe:
    """The recipe of the networks of all recipes, one recipe after another.

    Raises:
        ValueError: If the recipes differ in more than where networks start and in what may differ
            by network.
    """
    first, parts = recipes[0], {}
    for name in PARTS:
        configs = [getattr(recipe, name) for recipe in recipes]
        values = {
            each: _joined_values(each, recipes, [getattr(config, each) for config in configs])
            for each in (configs[0].per_network if configs[0] else ())
            if all(type(config) is type(configs[0]) for config in configs)
        }
        parts[name] = [config and dataclasses.replace(config, **values) for config in configs]
    for name, found in {"task": [recipe.task for recipe in recipes], **parts}.items():
        for number, each in enumerate(found):
            if each != found[0]:
                raise ValueError(
                    f"`populations` must share the {name} but for what may differ by network, to "
                    f"become one; population {number} has {each}, population 0 {found[0]}."
                )
    starts = [start for recipe in recipes for start in recipe.own_starts]
    chosen = {name: found[0] for name, found in parts.items()}
    return started(dataclasses.replace(first, starts=None, size=len(starts), **chosen), starts)


def _joined_values(name: str, recipes: Sequence[Recipe], values: Sequence[Any]) -> Any:
    """A value of all networks: one number if it is the same in all recipes."""
    if all(not isinstance(value, tuple) and value == values[0] for value in values):
        return values[0]
    found = []
    for recipe, value in zip(recipes, values, strict=True):
        value = recipe.task.threshold if (name, value) == ("threshold", None) else value
        found += value if isinstance(value, tuple) else [value] * recipe.size
    return tuple(found)
