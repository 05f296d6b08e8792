"""Which units are connected, with which signs and in how many dimensions: recurrent weights."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble.networks.cell import exact_product
from rnnensemble.networks.vanilla import INITIALIZATIONS


def excitatory_units(width: int, fraction: float) -> int:
    """How many units are excitatory: the first of N."""
    return round(width * fraction)


def signs(width: int, excitatory: int) -> np.ndarray:
    """1 for excitatory units, which are the first, and -1 for inhibitory ones, `[N]`."""
    return np.where(np.arange(width) < excitatory, 1.0, -1.0).astype(np.float32)


def connected(weights: Array, connections: Array) -> Array:
    """Weights where there is a connection, exactly 0 elsewhere, whatever the weights are there."""
    return jnp.where(connections != 0, weights, 0.0)


def balanced(key: Key, connections: Array, density: float, excitatory: int) -> Array:
    """Sizes of weights whose excitation and inhibition cancel in every unit, `[N, N]`.

    Sizes are those of normal numbers. The inhibitory ones of each row are multiplied by what makes
    the row's sum 0, so that no eigenvalue stands apart from the disk that the others fill. Its
    radius in large networks, 1 here, follows from the variance v of an excitatory weight and the
    share f of excitatory units (the first): sqrt(N v f / (1 - f)). A row without inhibition stays
    as it is. `density` is the share of ones in `connections` `[N, N]`.

    Source: Rajan & Abbott 2006 (equations 3 to 5: the radius, and balance of each unit).
    """
    width = len(connections)
    sizes = jnp.abs(jax.random.normal(key, (width, width))) * connections
    share = excitatory / width
    variance = density - density**2 * 2 / np.pi
    sizes = sizes / np.sqrt(width * variance * share / (1 - share))
    excitation = jnp.sum(sizes[:, :excitatory], axis=1)
    inhibition = jnp.sum(sizes[:, excitatory:], axis=1)
    factor = jnp.where(inhibition > 0, excitation / jnp.maximum(inhibition, 1e-30), 1.0)
    inhibitory = np.arange(width) >= excitatory
    return jnp.where(inhibitory, sizes * factor[:, None], sizes)


def of_rank(left: Array, right: Array) -> Array:
    """m n^T / N for loadings `[..., N, R]`, `[..., N, N]`."""
    return exact_product(left, jnp.swapaxes(right, -1, -2)) / left.shape[-2]


def initial(network: Any, key: Key, gain: Array) -> dict[str, Array]:
    """The parameters of the recurrent weights of a `LeakyRNN`; `key` is consumed."""
    weight_key, other_key = jax.random.split(key)
    width, density = network.width, network.density
    if network.rank is not None:
        shape = width, network.rank
        left, right = (jax.random.normal(each, shape) for each in (weight_key, other_key))
        return {"left": left, "right": gain * right}
    connections, found = jnp.ones((width, width)), {}
    if network.mask is not None:
        connections, density = jnp.array(network.mask, jnp.float32), float(np.mean(network.mask))
    elif network.masked:
        drawn = jax.random.bernoulli(other_key, density, (width, width))
        connections = drawn.astype(jnp.float32)
    if network.masked:
        found["connections"] = connections
    if network.excitatory is not None:
        sizes = balanced(weight_key, connections, density, network.n_excitatory)
        return found | {"recurrent_weights": gain * sizes}
    weights = INITIALIZATIONS[network.initialization](weight_key, width) * density**-0.5
    return found | {"recurrent_weights": gain * weights * connections}


def effective(network: Any, params: dict[str, Array]) -> Array:
    """The recurrent weights of a `LeakyRNN` as they act on rates, `[..., N, N]`."""
    if network.rank is not None:
        left, right = params["left"], params["right"]
        if network.fixed_loadings in ("left", "both"):
            left = jax.lax.stop_gradient(left)
        if network.fixed_loadings in ("right", "both"):
            right = jax.lax.stop_gradient(right)
        weights = of_rank(left, right)
    else:
        weights = params["recurrent_weights"]
    if "connections" in params:
        weights = connected(weights, params["connections"])
    if network.excitatory is not None:
        weights = jnp.abs(weights) * signs(network.width, network.n_excitatory)
    return weights
