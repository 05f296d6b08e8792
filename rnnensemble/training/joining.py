"""Populations joined to one: `concatenate`."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from rnnensemble.training.epoch import CONVERGED, DIVERGED, History, Training, TrainState
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
    joined([each.recipe for each in parts])  # what differs is said before anything is copied
    size = sum(each.size for each in parts)
    epochs = max(each.history.loss.shape[1] for each in parts)
    return one_after_another(parts, size=size, epochs=epochs)


def one_after_another(populations: Iterable[Population], *, size: int, epochs: int) -> Population:
    """The same for populations that come one after another, from a disk for instance.

    Their arrays are copied into those of all networks as they come, so that no more is in memory
    than these and one of the populations. `epochs` are those of the longest history.
    """
    recipes, whole, state, without, at = [], {}, None, [], 0
    for each in populations:
        recipes.append(each.recipe)
        rows, at = slice(at, at + each.size), at + each.size
        tree = {name: getattr(each, name) for name in ARRAYS if name != "state"}
        whole = whole or _blank(tree, size) | {"history": _no_history(each, size, epochs)}
        _fill(whole, tree, rows)
        if each.state is None:
            without.append((rows, bool(each.going.any())))
        else:
            state = _blank(each.state, size) if state is None else state
            _fill(state, each.state, rows)
    if state is not None:
        state = _with_ended(state, whole, without)
    return Population(recipe=joined(recipes), **whole, state=state)


def _no_history(first: Population, size: int, epochs: int) -> History:
    """A history without epochs, in the precision of the first population's."""
    return jax.tree.map(lambda x: np.full((size, epochs), np.nan, x.dtype), first.history)


def _blank(tree: Any, size: int) -> Any:
    """Arrays like these, for as many networks."""
    return jax.tree.map(lambda x: np.zeros((size, *x.shape[1:]), x.dtype), tree)


def _fill(whole: Any, part: Any, rows: slice) -> None:
    """Writes arrays into some rows of those of all networks, whose history may be longer."""
    for into, x in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
        into[(rows, *map(slice, x.shape[1:]))] = x


def _with_ended(
    state: TrainState, whole: dict[str, Any], without: list[tuple[slice, bool]]
) -> TrainState | None:
    """The states of all, among which are populations without: of these all networks have ended.

    None if not, since networks that were stored without their state do not go on.
    """
    if any(going for _, going in without):
        return None
    ended = np.where(whole["converged"], CONVERGED, DIVERGED).astype(state.status.dtype)
    for rows, _ in without:
        _fill(state.params, jax.tree.map(lambda x, rows=rows: x[rows], whole["params"]), rows)
        state.epoch[rows], state.status[rows] = whole["stop_epoch"][rows], ended[rows]
    return state


def joined(recipes: Sequence[Recipe]) -> Recipe:
    """The recipe of the networks of all recipes, one recipe after another.

    ValueError if they differ in more than where networks start and what may differ by network.
    """
    first, parts = recipes[0], {}
    for name in PARTS:
        configs = [getattr(recipe, name) for recipe in recipes]
        parts[name] = _joined_configs(configs, recipes)
    alike = {name: [getattr(recipe, name) for recipe in recipes] for name in ("task", "imported")}
    for name, found in (alike | parts).items():
        for number, each in enumerate(found):
            if each != found[0]:
                raise ValueError(
                    f"`populations` must share the {name} but for what may differ by network, to "
                    f"become one; population {number} has {each}, population 0 {found[0]}."
                )
    starts = [start for recipe in recipes for start in recipe.own_starts]
    chosen = {name: found[0] for name, found in parts.items()} | {"start": _joined_start(recipes)}
    return started(dataclasses.replace(first, starts=None, size=len(starts), **chosen), starts)


def _joined_start(recipes: Sequence[Recipe]) -> Recipe | None:
    """What the networks of all recipes started from; None if their weights were drawn."""
    found = [recipe.start for recipe in recipes]
    known = [start for start in found if start is not None]
    if len(known) not in (0, len(found)):
        raise ValueError(
            "`populations` must all have started from trained networks, or none, to become one; "
            f"{found.index(None)} has not."
        )
    return joined(known) if known else None


def _joined_configs(configs: Sequence[Any], recipes: Sequence[Recipe]) -> list[Any]:
    """Configs of one kind, each with the values by network of all; others as they are."""
    if configs[0] is None or any(type(config) is not type(configs[0]) for config in configs):
        return list(configs)
    values: dict[str, list[Any]] = {
        name: [_joined_values(name, recipes, [getattr(config, name) for config in configs])]
        * len(configs)
        for name in configs[0].per_network
    }
    if isinstance(configs[0], Training):
        values["optimizer"] = _joined_configs([each.optimizer for each in configs], recipes)
    return [
        dataclasses.replace(config, **{name: each[k] for name, each in values.items()})
        for k, config in enumerate(configs)
    ]


def _joined_values(name: str, recipes: Sequence[Recipe], values: Sequence[Any]) -> Any:
    """A value of all networks: one number if it is the same in all recipes."""
    if all(not isinstance(value, tuple) and value == values[0] for value in values):
        return values[0]
    found = []
    for recipe, value in zip(recipes, values, strict=True):
        value = recipe.task.threshold if (name, value) == ("threshold", None) else value
        found += value if isinstance(value, tuple) else [value] * recipe.size
    return tuple(found)
