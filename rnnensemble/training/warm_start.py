"""Networks that start from trained ones: their state before the first step."""

from functools import partial
from typing import Any

import jax
import numpy as np

from rnnensemble.training.epoch import blank_history, state_at
from rnnensemble.training.frozen import paths
from rnnensemble.training.population import Population, require_population
from rnnensemble.training.recipe import Recipe, hyperparameters, shared


def warm_started(recipe: Recipe, start: Population) -> Population:
    """The population of a recipe before its first epoch, which `train_populations` goes on with.

    The optimizer's state, the epochs and the history begin anew. Values by network that stand
    among the parameters, as gamma of the muP form or the strength of noise, are the recipe's.

    Args:
        recipe: Its `start` is the recipe of `start`.
        start: Trained networks, converged or not.

    Raises:
        ValueError: If a network of `start` diverged, or has still to train.
    """
    require_ended(start)
    own = hyperparameters(recipe)
    leaves, tree = jax.tree.flatten(start.params)
    named = zip(paths(start.params), leaves, strict=True)
    values: Any = [own[x] if x in recipe.network.per_network else leaf for x, leaf in named]
    params = tree.unflatten(values)
    optimizer = shared(recipe.training).optimizer
    state = jax.jit(jax.vmap(partial(state_at, optimizer=optimizer)))(params)
    none = np.zeros(recipe.size, bool)
    return Population(
        recipe=recipe,
        params=params,
        initial_params=params,
        history=blank_history(np.empty((recipe.size, 0), np.float32), recipe.training),
        converged=none,
        diverged=none,
        stop_epoch=np.zeros(recipe.size, np.int32),
        state=jax.tree.map(np.asarray, state),
    )


def own_part(start: Any, size: int | None, first: int) -> Population:
    """The networks of `start` that so many, of which the first has this number, go on from.

    All if they are no more than these, as if `start` were cut already.

    Raises:
        ValueError: As `require_ended`.
    """
    require_ended(start)
    whole = all(isinstance(each, int) for each in (size, first))  # else refused with the recipe
    if (
        not whole
        or size is None
        or not 0 < size < start.size
        or not 0 <= first <= start.size - size
    ):
        return start
    return start[first : first + size]


def require_ended(start: Population) -> None:
    """Raises ValueError unless all networks have ended without diverging."""
    require_population(start, "start")
    if start.diverged.any():
        raise ValueError(
            f"`start` must hold no network that diverged; {start.summary()}; take "
            "`start[~start.diverged]`."
        )
    if start.unfinished:
        raise ValueError(
            f"`start` must have ended, so that its recipe says what it is; {start.summary()} after "
            f"{int(start.stop_epoch.max())} of {start.training.max_epochs} epochs; `resume` it."
        )
