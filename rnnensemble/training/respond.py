"""The rates and outputs of many networks for the same inputs."""

from typing import Any

from rnnensemble._core import mapping, runtime
from rnnensemble._core.programs import compiled_fast


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
