"""Data of networks, wherever they were trained: any arrays in, one tree a network out."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rnnensemble._core.conversion import real_array, single
from rnnensemble.metrics.base import Metric
from rnnensemble.metrics.masks import Masked, at_valid_steps


def networks_of(
    metric: Metric, data: Any, name: str = "data", mask: np.ndarray | None = None
) -> list[Any]:
    """The data of each network as a metric takes them, `Masked` where it asks for places.

    ValueError as `as_networks`, or if the metric takes no mask.
    """
    places = {} if mask is None else metric.places(mask)
    networks = as_networks(data, name, mask)
    if mask is None or mask.all() or not places:
        return networks
    return [Masked(one, places) for one in networks]


def as_networks(data: Any, name: str = "data", mask: np.ndarray | None = None) -> list[Any]:
    """The data of each network, an array or a dictionary of arrays, in float32.

    Args:
        data: An array or a dictionary (or NamedTuple) of arrays with leading axis K, or a list
            of the networks' own.
        name: What to call it in messages.
        mask: Valid steps, bools, `[B, T]`: of these alone numbers are read; None if all are.

    Raises:
        ValueError: If the arrays disagree about K, are no real numbers, lose them in float32, or
            have other trials or steps than the mask.
    """
    if isinstance(data, (list, tuple)) and not hasattr(data, "_fields"):
        networks = [_as_tree(one, f"{name}[{k}]") for k, one in enumerate(data)]
        return [_in_float32(one, f"{name}[{k}]", mask) for k, one in enumerate(networks)]
    tree = _as_tree(data, name)
    leaves = jax.tree.leaves(tree)
    if any(x.ndim < 2 for x in leaves) or len({len(x) for x in leaves}) != 1:
        shapes = ", ".join(str(x.shape) for x in leaves)
        raise ValueError(f"`{name}` must hold networks along its first axis; got shape {shapes}.")
    return [
        _in_float32(jax.tree.map(lambda x, k=k: x[k], tree), f"{name}[{k}]", mask)
        for k in range(len(leaves[0]))
    ]


def count_of(data: Any) -> int:
    """How many networks data for `as_networks` hold; 0 if that cannot be said."""
    named = data._asdict() if hasattr(data, "_asdict") else data
    first = next(iter(named.values()), ()) if isinstance(named, dict) else named
    try:
        return len(first)
    except TypeError:
        return 0


def _as_tree(data: Any, name: str) -> Any:
    """An array, or a dictionary of arrays, on the host."""
    named = data._asdict() if hasattr(data, "_asdict") else data
    if isinstance(named, dict):
        return {key: real_array(x, f"{name}[{key!r}]") for key, x in named.items()}
    return real_array(named, name)


def _in_float32(one: Any, name: str, mask: np.ndarray | None) -> Any:
    """The data of one network in float32, at valid steps alone."""
    one = one if mask is None else at_valid_steps(one, mask, name)
    if isinstance(one, dict):
        return {key: single(x, f"{name}[{key!r}]") for key, x in one.items()}
    return single(one, name)


def shape_of(one: Any) -> Any:
    """The shape of an array, or a dictionary of shapes; `Masked` of both."""
    if isinstance(one, Masked):
        return Masked(shape_of(one.data), shape_of(one.places))
    return {name: x.shape for name, x in one.items()} if isinstance(one, dict) else one.shape


def require_comparable(
    metric: Metric, sets: Sequence[list[Any]], names: Sequence[str] = ("data", "other")
) -> None:
    """Raises ValueError unless the metric can compare the networks of one or two sets, so named."""
    least = 2 if len(sets) == 1 else 1
    for name, networks in zip(names, sets, strict=False):
        if len(networks) < least:
            raise ValueError(
                f"`{name}` must hold at least {least} networks along its first axis; got "
                f"{len(networks)}."
            )
        for shape in {str(shape): shape for shape in map(shape_of, networks)}.values():
            metric.check(shape)
        _require_finite(networks, name)
    _require_like(metric, [one for networks in sets for one in networks], names[0])


def _require_finite(networks: list[Any], name: str) -> None:
    finite = [all(np.isfinite(x).all() for x in jax.tree.leaves(one)) for one in networks]
    if not all(finite):
        bad = ", ".join(str(k) for k, each in enumerate(finite) if not each)
        raise ValueError(f"`{name}` must be finite; networks {bad} hold NaN or infinity.")


def _require_like(metric: Metric, networks: list[Any], name: str) -> None:
    """Raises ValueError if networks differ in what the metric needs to be the same."""
    reference = shape_of(networks[0])
    for k, one in enumerate(networks):
        shape = shape_of(one)
        if shape == reference:
            continue
        if not metric.mixed_widths:
            raise ValueError(
                f"`{metric.name}` compares networks of one size; network 0 has {reference}, "
                f"network {k} has {shape}."
            )
        if jax.tree.map(lambda x: x.shape[:-1], one) != jax.tree.map(
            lambda x: x.shape[:-1], networks[0]
        ):
            raise ValueError(
                f"`{name}` must have the same trials and steps in all networks; network 0 has "
                f"{reference}, network {k} has {shape}."
            )


def stack_padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks arrays, padded with zeros at the end of each axis to one shape."""
    shape = np.max([x.shape for x in arrays], axis=0)
    stack = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for k, x in enumerate(arrays):
        stack[(k, *(slice(size) for size in x.shape))] = x
    return stack
