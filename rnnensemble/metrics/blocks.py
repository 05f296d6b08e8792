"""Pairs of networks on the devices: blocks that fit into memory, tiles, what is kept of a stop."""

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Array
from rnnensemble._core.programs import compiled_fast
from rnnensemble.metrics import Metric
from rnnensemble.metrics.preparation import WORKSPACE, expected_features

PAIRS = 256, 1024
"""The least and the most pairs that an accelerator compares at once by default: searches handle
many small arrays, whose launches fewer pairs do not hide."""
TILES_PER_CALL = 256
"""Tiles of one pair that a device compares before the host hears of it; of larger ones, fewer."""
SHARED_BYTES = 4 * 2**20
"""Blocks of networks are filled up to this, so that one program does for most numbers of them."""
CHECKPOINT_SECONDS = 10.0


class Checkpoint(Protocol):
    """Where unfinished results are kept; `arrays.MatrixCheckpoint` is one on disk."""

    def load(self, digest: str) -> list[np.ndarray] | None:
        """The arrays saved under this digest of data and settings, None if there are none.

        ValueError if those of another digest are there.
        """
        ...

    def save(self, digest: str, arrays: list[np.ndarray]) -> None:
        """Keeps arrays in place of those saved before."""
        ...


class Where(NamedTuple):
    """Where pairs are compared: on which devices, and how many at once on each.

    `block` counts the networks whose features a device holds for each side of the pairs.
    """

    mesh: Any
    tile: int
    block: int


def plan(features: Any, mesh: Any, tile: int | None = None, memory: float | None = None) -> Where:
    """How many networks and pairs a device takes at once within its memory, by default half.

    ValueError, which says what would fit, if the tile asked for, or a single pair, does not.
    """
    runtime.require_tile(tile)
    budget = runtime.memory_bytes(mesh) / 2 if memory is None else memory
    leaves = jax.tree.leaves(features)
    count = len(leaves[0])
    pair = 2 * sum(x.nbytes for x in leaves) / count
    most = int((budget / pair - 1) // WORKSPACE)  # beside one network on each side
    if most < 1:
        raise ValueError(
            f"`memory` of {_shown(budget)} is too little: comparing one pair takes "
            f"{_shown((1 + WORKSPACE) * pair)}; use fewer trials or steps, or allow more."
        )
    if tile is not None and tile > most:
        raise ValueError(
            f"`tile` of {tile} pairs takes {_shown((1 + WORKSPACE * tile) * pair)}, more than the "
            f"{_shown(budget)} of `memory`; a tile of {most} fits."
        )
    tile = tile or min(runtime.default_tile(mesh, pair / 4, within=PAIRS), most)
    filled = max(1 << (count - 1).bit_length(), int(SHARED_BYTES / (pair / 2)))
    return Where(mesh, tile, min(filled, int(budget / pair - WORKSPACE * tile)))


def _shown(count: float) -> str:
    """A number of bytes in words."""
    return f"{count / 1e9:.3g} GB" if count >= 1e8 else f"{count / 1e6:.3g} MB"


def compare_pairs(
    metric: Metric,
    features: Any,
    pairs: tuple[np.ndarray, np.ndarray],
    *,
    where: Where,
    offsets: tuple[int, int] = (0, 0),
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Compares pairs (i, j) of prepared networks, `[pairs]` each; offsets add to their places.

    Pair (i, j) searches from fold_in(fold_in(key(seed), i), j). The checkpoint keeps unfinished
    results and gives them back; `progress` is called with the pairs done and the pairs in all.

    Returns:
        What `metric.compare` returns: host arrays with leading axis `pairs`, in their order.
    """
    numbers = np.stack(pairs, axis=1)
    total = len(numbers)
    digest, results, done = "", None, np.zeros(total, bool)
    if checkpoint is not None:
        digest = _digest(metric, features, numbers, seed)
        results, done = _kept(checkpoint.load(digest), metric, features, done)

    def keep() -> None:
        if checkpoint is not None and results is not None:
            checkpoint.save(digest, [done, *jax.tree.leaves(results)])

    places = np.add(numbers, offsets)
    saved, sides = time.monotonic(), {}
    most = _pairs_a_call(where)
    try:
        for rows, blocks in _calls(places, ~done, where.block, most):
            sides = {b: sides[b] if b in sides else _side(features, b, where) for b in blocks}
            padded = np.resize(rows, most)  # one shape, one program
            local = places[padded] - np.multiply(blocks, where.block)
            found = _compared(
                (local, _pair_keys(seed, numbers[padded])),
                len(rows),
                tuple(sides[b] for b in blocks),
                metric=metric,
                mesh=where.mesh,
                tile=where.tile,
            )
            results = _filled(results, found, rows, total)
            done[rows] = True
            if progress is not None:
                progress(int(done.sum()), total)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                keep()
                saved = time.monotonic()
    finally:
        keep()
    return results


def compile_ahead(metric: Metric, one: Any, count: int, *, mesh: Any, tile: int | None) -> None:
    """Starts to compile what `compare_pairs` will run, while other work goes on.

    `one` network's data, or their shapes, stand for all `count` networks of both draws.
    """
    features = expected_features(metric, [one] * count)
    where = plan(features, mesh, tile)
    whole, calls = runtime.whole_on(mesh), _pairs_a_call(where)

    def side(x: np.ndarray) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((where.block, *x.shape[1:]), x.dtype, sharding=whole)

    sides = jax.tree.map(side, features)
    pairs = np.zeros((calls, 2), np.int32), np.zeros((calls, 2), np.uint32)
    _compared.ahead(pairs, 0, (sides, sides), metric=metric, mesh=mesh, tile=where.tile)


def _pairs_a_call(where: Where) -> int:
    return where.mesh.size * where.tile * max(4, TILES_PER_CALL // where.tile)


def _calls(
    places: np.ndarray, wanted: np.ndarray, block: int, most: int
) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """The rows of each call, whose networks lie in one block on each side."""
    blocks = places // block
    for first, second in np.unique(blocks[wanted], axis=0):
        inside = wanted & (blocks[:, 0] == first) & (blocks[:, 1] == second)
        rows = np.flatnonzero(inside)
        for start in range(0, len(rows), most):
            yield rows[start : start + most], (int(first), int(second))


def _side(features: Any, block: int, where: Where) -> Any:
    """A block of networks on every device; the last block repeats its last network."""
    count = len(jax.tree.leaves(features)[0])
    rows = np.arange(block * where.block, (block + 1) * where.block).clip(max=count - 1)
    whole = runtime.whole_on(where.mesh)
    return jax.tree.map(lambda x: jax.device_put(x[rows], whole), features)


def _pair_keys(seed: int, pairs: np.ndarray) -> np.ndarray:
    """The data of every pair's key; here, since it takes as long to compile as many a metric."""
    with runtime.on_host():
        return np.asarray(_folded(jax.random.key(seed), pairs))


@jax.jit
def _folded(key, pairs):  # noqa: ANN001, ANN202
    def one(pair: Array) -> Array:
        return jax.random.key_data(jax.random.fold_in(jax.random.fold_in(key, pair[0]), pair[1]))

    return jax.vmap(one)(pairs)


@compiled_fast(static_argnames=("metric", "mesh", "tile"))
def _compared(pairs, count, sides, *, metric, mesh, tile):  # noqa: ANN001, ANN202
    """Compares the first pairs (places of i and j, data of a key) of two blocks of networks."""

    def one(pair: tuple[Array, Array], sides: tuple[Any, Any]) -> Any:
        places, key = pair
        first, second = (
            jax.tree.map(lambda x, place=place: x[place], side)
            for side, place in zip(sides, places, strict=True)
        )
        return metric.compare(jax.random.wrap_key_data(key), first, second)

    return mapping.map_first(one, pairs, sides, count=count, mesh=mesh, tile=tile)


def _filled(results: Any, found: Any, rows: np.ndarray, total: int) -> Any:
    """Writes what was found for some pairs into the results of all, made at the first call."""
    found = jax.tree.map(np.asarray, found)
    if results is None:
        results = jax.tree.map(lambda x: np.zeros((total, *x.shape[1:]), x.dtype), found)
    for into, values in zip(jax.tree.leaves(results), jax.tree.leaves(found), strict=True):
        into[rows] = values[: len(rows)]
    return results


def _kept(
    arrays: list[np.ndarray] | None, metric: Metric, features: Any, none: np.ndarray
) -> tuple[Any, np.ndarray]:
    """Results and which pairs are done, from a checkpoint."""
    if arrays is None:
        return None, none
    one = jax.tree.map(lambda x: x[0], features)
    shapes = jax.eval_shape(metric.compare, jax.random.key(0), one, one)
    done, *leaves = (np.array(x) for x in arrays)
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves), done


def _digest(metric: Metric, features: Any, numbers: np.ndarray, seed: int) -> str:
    """Names the data and settings that results belong to."""
    text = hashlib.sha256(repr((metric, seed, numbers.shape)).encode())
    for leaf in (numbers, *jax.tree.leaves(features)):
        text.update(np.ascontiguousarray(leaf).tobytes())
    return text.hexdigest()[:16]
