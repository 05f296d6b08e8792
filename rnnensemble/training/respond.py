"""The rates and outputs of many networks for the same inputs."""

from functools import partial
from typing import Any

import jax
import numpy as np

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Key
from rnnensemble._core.config import require_seed
from rnnensemble._core.programs import compiled_fast
from rnnensemble.training.recipe import Recipe, own_keys


@compiled_fast(static_argnames=("network", "mesh"))
def respond(inputs, params, *, network, mesh):  # noqa: ANN001, ANN201
    """Rates `[K, B, T, N]` and outputs `[K, B, T, O]` for inputs `[B, T, I]`."""
    tile = tile_of(mesh, network, *inputs.shape[:2])
    return mapping.map_items(network.respond, params, inputs, mesh=mesh, tile=tile)


@compiled_fast(static_argnames=("network", "mesh"))
def respond_noisily(inputs, params, keys, *, network, mesh):  # noqa: ANN001, ANN201
    """As `respond`, each network with noise of its key, `[K]`."""

    def one(item: tuple[Any, Any], inputs: Any) -> Any:
        params, key = item
        return network.respond_noisily(params, inputs, key)

    tile = tile_of(mesh, network, *inputs.shape[:2])
    return mapping.map_items(one, (params, keys), inputs, mesh=mesh, tile=tile)


def tile_of(mesh: Any, network: Any, trials: int, steps: int) -> int:
    """Networks that a device drives with trials at once; about three arrays `[T, B, N]` each."""
    numbers = trials * network.width
    return runtime.default_tile(mesh, numbers, item_bytes=3 * 4 * numbers * steps)


def noise_keys(recipe: Recipe, seed: int) -> Key:
    """The keys of networks' noise in responses, `[K]`; ValueError if there is none."""
    if not recipe.network.noisy:
        raise ValueError(
            f"`noise` needs a network that has noise; {recipe.network.kind!r} has none as it is."
        )
    require_seed(seed, "noise")
    first = jax.vmap(partial(jax.random.fold_in, data=RESPONSES))(own_keys(recipe))
    return jax.vmap(partial(jax.random.fold_in, data=np.uint32(seed)))(first)


RESPONSES = 2
"""Noise of responses comes from this fold of a network's key, after weights (0) and trials (1)."""
