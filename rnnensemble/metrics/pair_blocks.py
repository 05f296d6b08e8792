"""Blocks of a large matrix of all pairs, each of which can be compared by itself, elsewhere."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.config import require_at_least
from rnnensemble.metrics.base import Metric, distance_of
from rnnensemble.metrics.blocks import Checkpoint, compare_pairs
from rnnensemble.metrics.pairwise import all_pairs, place_for
from rnnensemble.metrics.preparation import expected_features, prepare_networks

EDGE = 1000
"""Networks on each side of a block, unless another number is asked for."""

PAIR_BYTES = 100
"""What the host holds of each pair of a block: indices, places, keys, results."""


class PairBlock(NamedTuple):
    """Part of the matrix: from some networks to the same or to other ones, by their numbers."""

    first: range
    second: range

    @property
    def name(self) -> str:
        """The networks of both sides, by which blocks of another size are told apart."""
        return "x".join(f"{side.start}-{side.stop - 1}" for side in self)

    @property
    def networks(self) -> list[int]:
        """The numbers of all its networks."""
        return [*self.first] if self.first == self.second else [*self.first, *self.second]

    def pairs(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """The pairs (i, j) that a metric has to compare, by the networks' numbers."""
        if self.first == self.second:
            (i, j), _ = all_pairs(metric, len(self.first))
        else:
            i, j = np.indices((len(self.first), len(self.second))).reshape(2, -1)
        return i + self.first.start, j + self.second.start


def pair_blocks(metric: Metric, count: int, edge: int = EDGE) -> list[PairBlock]:
    """The blocks that a metric's matrix of `count` networks is made of.

    Those below the diagonal are left out where the matrix is symmetric.

    Raises:
        ValueError: Unless `edge` is a whole number of at least 1.

    Example:
        >>> from rnnensemble.metrics import CKA
        >>> [block.name for block in pair_blocks(CKA(), 5, 3)]
        ['0-2x0-2', '0-2x3-4', '3-4x3-4']
    """
    require_at_least("block", edge, 1)
    sides = [range(start, min(start + edge, count)) for start in range(0, count, edge)]
    blocks = [PairBlock(first, second) for first in sides for second in sides]
    if not metric.symmetric:
        return blocks
    above = [each for each in blocks if each.first.start <= each.second.start]
    return [each for each in above if len(each.networks) > 1]


def compare_block(
    metric: Metric,
    networks: Sequence[Any],
    block: PairBlock,
    *,
    shapes: Sequence[tuple[int, ...]],
    seed: int,
    devices: int | None = None,
    memory: float | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The distances of a block, to the last bit those of a matrix that is computed in one piece.

    The metric is `fitted` to all networks of the matrix, and `shapes` are those of their features
    (`feature_shapes`); `networks` are the block's own, and the rest is as for `compare_networks`.

    Returns:
        `[len(block.first), len(block.second)]`; 0 where nothing is compared.
    """
    mesh = runtime.network_mesh(devices)
    features = _padded(prepare_networks(metric, networks, mesh=mesh), shapes)
    first, second = block.pairs(metric)
    start = block.second.start - (0 if block.first == block.second else len(block.first))
    found = compare_pairs(
        metric,
        features,
        (first, second),
        where=place_for(metric, features, mesh, memory=memory),
        offsets=(-block.first.start, -start),
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    values = distance_of(found)
    matrix = np.zeros((len(block.first), len(block.second)), values.dtype)
    matrix[first - block.first.start, second - block.second.start] = values
    return matrix


def feature_shapes(metric: Metric, networks: Sequence[Any]) -> tuple[tuple[int, ...], ...]:
    """The shapes that the features of all networks are padded to, without axis K."""
    leaves = jax.tree.leaves(expected_features(metric, networks))
    return tuple(tuple(map(int, x.shape[1:])) for x in leaves)


def _padded(features: Any, shapes: Sequence[tuple[int, ...]]) -> Any:
    """Features with zeros at the end of each axis."""
    leaves, tree = jax.tree.flatten(features)
    found = []
    for x, shape in zip(leaves, shapes, strict=True):
        missing = [(0, size - had) for size, had in zip(shape, x.shape[1:], strict=True)]
        found.append(np.pad(x, [(0, 0), *missing]) if any(map(sum, missing)) else x)
    return jax.tree.unflatten(tree, found)


def joined_matrix(
    metric: Metric, count: int, found: Callable[[PairBlock], np.ndarray], blocks: list[PairBlock]
) -> np.ndarray:
    """The matrix `[K, K]` of blocks, whose distances are `found` one after another."""
    matrix = None
    for block in blocks:
        values = found(block)
        matrix = np.zeros((count, count), values.dtype) if matrix is None else matrix
        i, j = (slice(side.start, side.stop) for side in block)
        if not metric.symmetric:
            matrix[i, j] = values
        elif block.first == block.second:
            matrix[i, j] = values + values.T  # one of the two is 0
        else:
            matrix[i, j], matrix[j, i] = values, values.T
    assert matrix is not None
    return matrix
