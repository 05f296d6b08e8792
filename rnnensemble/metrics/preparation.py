"""What metrics keep of each network, before any pairs are compared."""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import jax
import numpy as np

from rnnensemble._core import mapping, process, runtime
from rnnensemble._core.programs import compiled_fast
from rnnensemble.metrics import Metric
from rnnensemble.metrics.data import shape_of, stack_padded

NETWORKS_PER_CALL = 64
"""Networks that are prepared before their features go back to the host."""
WORKSPACE = 4
"""Memory for comparing a pair, in multiples of its features (our estimate, copies included)."""


class Preparation(Protocol):
    """What reduces the data of one network: hashable, so that a program is compiled once."""

    def prepare(self, data: Any) -> Any:
        """A tree of arrays from the data of one network; pure and jittable."""
        ...


def prepare_networks(how: Preparation, networks: Sequence[Any], *, mesh: Any) -> Any:
    """What a metric (or another preparation) keeps of each network: host arrays, leading axis K.

    Networks of one shape are prepared together, on the host's cores where the mesh has accelerators
    (`runtime.factoring_mesh`); features of unlike shapes are padded with zeros.
    """
    mesh = runtime.factoring_mesh(mesh)
    shapes = [str(shape_of(one)) for one in networks]
    prepared: list[Any] = [None] * len(networks)
    for shape in dict.fromkeys(shapes):
        members = [k for k, each in enumerate(shapes) if each == shape]
        size = min(len(members), NETWORKS_PER_CALL)
        for start in range(0, len(members), size):
            rows = members[start : start + size]
            padded = rows + rows[-1:] * (size - len(rows))  # one shape, one program
            stack = jax.tree.map(lambda *each: np.stack(each), *(networks[k] for k in padded))
            with process.one_blas_thread():
                features = jax.tree.map(np.asarray, _prepare(stack, how=how, mesh=mesh))
            for place, k in enumerate(rows):
                prepared[k] = jax.tree.map(lambda x, place=place: x[place], features)
    return jax.tree.map(lambda *each: stack_padded(each), *prepared)


def expected_features(metric: Metric, networks: Sequence[Any]) -> Any:
    """What `prepare_networks` would return, by shape alone: zeros that take no memory."""
    kinds = {str(shape_of(one)): one for one in networks}.values()
    shapes = [_shapes(metric, one) for one in kinds]

    def zeros(*each: jax.ShapeDtypeStruct) -> np.ndarray:
        shape = np.max([x.shape for x in each], axis=0)
        return np.broadcast_to(np.zeros((), each[0].dtype), (len(networks), *shape))

    return jax.tree.map(zeros, *shapes)


def _shapes(metric: Metric, one: Any) -> Any:
    """The shapes of a network's features; traced once for each shape of its data."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), one)
    leaves, tree = jax.tree.flatten(shapes)
    return _traced(metric, tree, tuple(leaves), bool(jax.config.jax_enable_x64))  # pyright: ignore[reportAttributeAccessIssue]


@functools.lru_cache(maxsize=256)
def _traced(metric: Metric, tree: Any, leaves: tuple[Any, ...], x64: bool) -> Any:
    del x64  # decides types
    return jax.eval_shape(metric.prepare, jax.tree.unflatten(tree, leaves))


@compiled_fast(static_argnames=("how", "mesh"))
def _prepare(data: Any, *, how: Preparation, mesh: Any) -> Any:
    """The features of networks of one shape."""
    numbers = sum(x.size / len(x) for x in jax.tree.leaves(data))
    tile = runtime.default_tile(mesh, numbers, item_bytes=4 * WORKSPACE * numbers)
    return mapping.map_items(lambda one, _: how.prepare(one), data, mesh=mesh, tile=tile)
