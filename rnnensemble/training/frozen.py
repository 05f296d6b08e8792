"""Parts of networks that training leaves as they are, by their paths: `Training.frozen`."""

from collections.abc import Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble.networks import Network, Params, shapes_of
from rnnensemble.tasks import Task


def paths(params: Params) -> list[str]:
    """The path of each array of a tree of parameters, in the order of its leaves."""
    found = jax.tree_util.tree_flatten_with_path(params)[0]
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]


def is_below(path: str, start: str) -> bool:
    """Whether a path is this one or begins with it, up to a "." or "_"."""
    return path == start or path.startswith((f"{start}.", f"{start}_"))


def is_frozen(path: str, frozen: Sequence[str]) -> bool:
    """Whether the array at a path is not trained."""
    return any(is_below(path, start) for start in frozen)


def held(params: Params, frozen: Sequence[str], names: Collection[str] = ()) -> np.ndarray | None:
    """Which numbers of a network's parameters, as a vector `[P]`, stay as they are; None if none.

    These are at the frozen paths, or their beginnings, and at the whole paths `names`.
    """
    stay = [path in names or is_frozen(path, frozen) for path in paths(params)]
    if not any(stay):
        return None
    return np.repeat(stay, [x.size for x in jax.tree.leaves(params)])


def stopped(params: Params, frozen: Sequence[str]) -> Params:
    """The same parameters, of which those that are frozen have no gradient."""
    if not frozen:
        return params
    leaves, tree = jax.tree.flatten(params)
    found = zip(paths(params), leaves, strict=True)
    return tree.unflatten(
        [jax.lax.stop_gradient(x) if is_frozen(path, frozen) else x for path, x in found]
    )


def require_frozen(frozen: Sequence[str], network: Network, task: Task) -> None:
    """Raises ValueError unless all paths are of parameters, and some parameters still train."""
    if not frozen:
        return
    params = shapes_of(network, task)
    there = [path for path in paths(params) if path not in network.untrained]
    for start in frozen:
        if not any(is_below(path, start) for path in there):
            raise ValueError(
                f"`frozen` must hold paths of the network's parameters, or what they begin with: "
                f"{', '.join(there)}; got {start!r}."
            )
    if not any(has_gradient(params, network, task, frozen)):
        raise ValueError(
            f"`frozen` must leave something to train; {', '.join(frozen)} are all that this "
            f"{network.kind!r} network trains."
        )


def has_gradient(
    params: Params, network: Network, task: Task, frozen: Sequence[str] = ()
) -> list[bool]:
    """Whether outputs depend on each array of parameters, so that it can be trained.

    The gradient is traced, not computed: that of an array without is a constant.
    """

    def gradient(params: Params) -> list[Any]:
        def total(params: Params) -> Any:
            outputs = network.plain().respond(stopped(params, frozen), inputs)[1]
            return jnp.sum(outputs**2)

        return jax.tree.leaves(jax.grad(total)(params))

    inputs = jnp.zeros((1, 2, task.n_inputs))
    traced = jax.make_jaxpr(gradient)(params).jaxpr
    needed_for: dict[Any, bool] = dict.fromkeys(traced.invars, True)
    for equation in traced.eqns:
        depends = any(needed_for.get(x, False) for x in equation.invars if not hasattr(x, "val"))
        needed_for |= dict.fromkeys(equation.outvars, depends)
    return [not hasattr(x, "val") and needed_for.get(x, False) for x in traced.outvars]
