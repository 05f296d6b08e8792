"""Distance matrices: prepare every network once, compare every pair once, on the devices."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble import metrics, runtime
from rnnensemble.axes import ArrayLike, Key
from rnnensemble.metrics import Metric
from rnnensemble.metrics.base import distance_of

PAIRS_PER_CALL = 256
"""Pairs that one device compares before the host hears of it."""


def distance_matrix(
    metric: str | Metric,
    data: ArrayLike,
    *,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """All pairwise distances of K networks, wherever they were trained.

    Args:
        metric: A name (`dsa`, `pif`) for its default settings, or a metric.
        data: What the metric takes: rates `[K, B, T, N]` or recurrent weights `[K, N, N]`.
        seed: Seed of the searches' random starts; pair (i, j) draws from it, i and j alone.
        devices: How many local devices to use, None for all.
        tile: Items that a device handles at once; None for 1 on a CPU and 64 elsewhere.
        progress: Called with the pairs done and the pairs in all.

    Returns:
        `[K, K]`, symmetric, zero diagonal.

    Raises:
        ValueError: If the data do not fit the metric or are not finite.

    Example:
        >>> import numpy as np
        >>> weights = np.random.default_rng(0).normal(size=(3, 8, 8))
        >>> distance_matrix("pif", weights).shape
        (3, 3)
    """
    metric = metrics.find(metric) if isinstance(metric, str) else metric
    data = np.asarray(data, np.float32)
    require_data(metric, data)
    mesh = runtime.network_mesh(devices)
    tile = tile or runtime.default_tile(mesh)
    features = prepare_all(jnp.asarray(data), metric=metric, mesh=mesh)
    first, second = np.triu_indices(len(data), 1)
    distances = compare_pairs(
        metric, features, (first, second), seed=seed, mesh=mesh, tile=tile, progress=progress
    )
    return as_matrix(distances, len(data))


def as_matrix(distances: np.ndarray, count: int) -> np.ndarray:
    """Distances of all pairs i < j, row by row, as a symmetric `[count, count]` matrix."""
    matrix = np.zeros((count, count), distances.dtype)
    first, second = np.triu_indices(count, 1)
    matrix[first, second] = matrix[second, first] = distances
    return matrix


def require_data(metric: Metric, data: np.ndarray) -> None:
    """Raises ValueError unless `data` holds at least two networks the metric can prepare."""
    if data.ndim < 2 or len(data) < 2:
        raise ValueError(
            f"`data` must hold at least 2 networks along its first axis; got shape {data.shape}."
        )
    metric.check(data.shape[1:])
    finite = np.isfinite(data).all(axis=tuple(range(1, data.ndim)))
    if not finite.all():
        bad = ", ".join(map(str, np.flatnonzero(~finite)))
        raise ValueError(f"`data` must be finite; networks {bad} hold NaN or infinity.")


@partial(jax.jit, static_argnames=("metric", "mesh"))
def prepare_all(data: Any, *, metric: Metric, mesh: Any) -> Any:
    """What pairs are compared by, for each network: leading axis K."""
    tile = runtime.default_tile(mesh)  # of 1 on a CPU, where batched LAPACK calls can deadlock
    return runtime.map_items(lambda one, _: metric.prepare(one), data, mesh=mesh, tile=tile)


def compare_pairs(
    metric: Metric,
    features: Any,
    pairs: tuple[np.ndarray, np.ndarray],
    *,
    seed: int,
    mesh: Any,
    tile: int,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The distances of pairs (i, j) of prepared networks, in their order.

    Args:
        metric: What to compare by.
        features: What `metric.prepare` gave, leading axis K.
        pairs: Indices i and j, each `[pairs]`.
        seed: Pair (i, j) searches from fold_in(fold_in(key(seed), i), j).
        mesh: Devices.
        tile: Pairs that a device compares at once.
        progress: Called with the pairs done and the pairs in all.

    Returns:
        Distances, `[pairs]`.
    """
    indices = np.stack(pairs, axis=1)
    total = len(indices)
    chunk = min(total, PAIRS_PER_CALL * mesh.size * tile)
    done = []
    for start in range(0, total, chunk):
        rows = np.arange(start, start + chunk).clip(max=total - 1)  # one shape, one program
        distances = _compare_chunk(
            indices[rows], features, jax.random.key(seed), metric=metric, mesh=mesh, tile=tile
        )
        done.append(np.asarray(distances))
        if progress is not None:
            progress(min(start + chunk, total), total)
    return np.concatenate(done)[:total]


@partial(jax.jit, static_argnames=("metric", "mesh", "tile"))
def _compare_chunk(pairs, features, key, *, metric, mesh, tile):  # noqa: ANN001, ANN202
    """The distances of a chunk of pairs."""

    def one(pair: Any, shared: tuple[Any, Key]) -> Any:
        features, key = shared
        first = jax.tree.map(lambda x: x[pair[0]], features)
        second = jax.tree.map(lambda x: x[pair[1]], features)
        key = jax.random.fold_in(jax.random.fold_in(key, pair[0]), pair[1])
        return distance_of(metric.compare(key, first, second))

    return runtime.map_items(one, pairs, (features, key), mesh=mesh, tile=tile)
