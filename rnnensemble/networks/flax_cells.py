"""Recurrent cells of flax, `nnx` and `linen` alike, as pure functions of trees of arrays.

flax is loaded when the first cell is asked for: it takes half a second.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.factorization import one_by_one_on_cpu

Weights = dict[str, Array]
"""A cell's parameters by their path in it, as `dense_h.kernel`."""

TRIALS = 3
"""Trials of the carries that a cell is tried with."""


class Cell(NamedTuple):
    """A cell of so many inputs and units.

    Attributes:
        init: From a key to the cell's parameters.
        carry: From parameters and a number of trials to the carry in which trials start.
        apply: From parameters, a carry and inputs `[B, I]` to the next carry and outputs `[B, N]`.
        weights: Shapes of the parameters.
        shapes: Shapes of the carry's arrays without the axis of trials.
        tree: How the carry is made of them.
        shown: Which of them is the cell's output; None if its output is no array of the carry.
    """

    init: Callable[[Key], Weights]
    carry: Callable[[Weights, int], Any]
    apply: Callable[[Weights, Any, Array], tuple[Any, Array]]
    weights: dict[str, tuple[int, ...]]
    shapes: tuple[tuple[int, ...], ...]
    tree: Any
    shown: int | None


Arguments = tuple[tuple[str, bool | int | float | str], ...]


def path_of(value: Any) -> Any:
    """The import path of a class or function, as `flax.nnx:GRUCell`; other values as they are.

    ValueError if Python could not import it again.
    """
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
        places = ["flax.nnx", "flax.linen", "jax.nn", "jax.numpy", getattr(value, "__module__", "")]
        for module in places:
            if not module.partition(".")[0] or "<" in name:
                continue
            if _found(module, name) is value:
                return f"{module}:{name}"
        raise ValueError(
            f"`cell` and its `arguments` must be found by their import path to be stored; got "
            f"{value!r}: define it by name in a module."
        )
    return value


def _found(module: str, name: str) -> Any:
    """What a module calls by a name, None if there is no such thing."""
    try:
        return functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except (ImportError, AttributeError, ValueError):
        return None


def loaded(path: str, argument: str = "cell") -> Any:
    """What stands at an import path; ValueError if nothing does."""
    module, colon, name = path.partition(":")
    found = _found(module, name) if colon and module and name else None
    if found is None:
        raise ValueError(
            f"`{argument}` must be the import path of a class or function, as 'flax.nnx:GRUCell'; "
            f"{path!r} leads to none."
        )
    return found


@functools.lru_cache(maxsize=256)
def cell_of(path: str, arguments: Arguments, width: int, n_inputs: int) -> Cell:
    """The cell that a class or function at an import path makes of arguments, tried with zeros.

    Arguments that are import paths stand for what is there. ValueError if it is no recurrent cell
    that this package can train.
    """
    from flax import linen, nnx

    make = loaded(path)
    named = {key: _argument(key, value) for key, value in arguments}
    if isinstance(make, type) and not issubclass(make, (nnx.RNNCellBase, linen.RNNCellBase)):
        raise _misfit(path, f"be a subclass of flax's RNNCellBase; got {make.__name__}")
    is_linen = isinstance(make, type) and issubclass(make, linen.RNNCellBase)
    parts = (_linen if is_linen else _nnx)(path, make, named, width, n_inputs)
    return _tried(path, parts, width, n_inputs)


def _argument(key: str, value: Any) -> Any:
    if key in ("in_features", "hidden_features", "features", "rngs"):
        raise ValueError(
            f"`arguments` must not hold `{key}`, which `width`, the task and the seed decide."
        )
    return loaded(value, "arguments") if isinstance(value, str) and ":" in value else value


def _misfit(path: str, must: str) -> ValueError:
    return ValueError(f"`cell` {path!r} must {must}.")


def _attempt(path: str, what: str, function: Callable[[], Any]) -> Any:
    """What a cell's own code returns; ValueError in one line if it fails."""
    try:
        return function()
    except Exception as error:  # whatever the cell may raise
        said = " ".join(str(error).split())[:200]
        raise ValueError(
            f"`cell` {path!r} failed {what} ({type(error).__name__}: {said})."
        ) from None


def _named(tree: Any) -> tuple[list[str], list[Any], Any]:
    """The paths, the arrays and the form of a tree of parameters."""
    leaves, form = jax.tree_util.tree_flatten_with_path(tree)
    names = [
        ".".join(str(getattr(key, "key", key)) for key in path if hasattr(key, "key"))
        for path, _ in leaves
    ]
    return names, [leaf for _, leaf in leaves], form


def _nnx(path: str, make: Any, named: dict[str, Any], width: int, n_inputs: int) -> tuple:
    """The functions of a `flax.nnx` cell, by split and merge."""
    from flax import nnx

    graphs = []

    def build(key: Key) -> tuple[Any, Any]:
        cell = make(n_inputs, width, rngs=nnx.Rngs(key), **named)
        if not isinstance(cell, nnx.RNNCellBase):
            raise _misfit(path, f"make an `RNNCellBase` of flax; got {type(cell).__name__}")
        graph, params, rest = nnx.split(cell, nnx.Param, ...)
        graphs.append(graph)
        return params, rest

    key = jax.eval_shape(lambda: jax.random.key(0))
    params, rest = _attempt(path, "to be made", lambda: jax.eval_shape(build, key))
    for each in jax.tree.leaves(rest, is_leaf=lambda x: isinstance(x, nnx.Variable)):
        _refuse_state(path, getattr(each, "type", type(each)).__name__)
    names, _, form = _named(params)

    def whole(weights: Weights) -> Any:
        return nnx.merge(graphs[0], jax.tree.unflatten(form, [weights[name] for name in names]))

    def init(key: Key) -> Weights:
        names, leaves, _ = _named(build(key)[0])
        return dict(zip(names, leaves, strict=True))

    def carry(weights: Weights, trials: int) -> Any:
        return whole(weights).initialize_carry((trials, n_inputs), rngs=nnx.Rngs(0))

    return init, carry, lambda weights, carry, inputs: whole(weights)(carry, inputs)


def _linen(path: str, make: Any, named: dict[str, Any], width: int, n_inputs: int) -> tuple:
    """The functions of a `flax.linen` cell, by init and apply."""
    cell = _attempt(path, "to be made", lambda: make(features=width, **named))
    some = jnp.zeros((1, n_inputs))

    def carry(weights: Weights, trials: int) -> Any:
        del weights
        return cell.initialize_carry(jax.random.key(0), (trials, n_inputs))

    def variables(key: Key) -> Any:
        return dict(cell.init(key, carry({}, 1), some))

    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = _attempt(path, "to be made", lambda: jax.eval_shape(variables, key))
    for collection in set(shapes) - {"params"}:
        _refuse_state(path, collection)
    names, _, form = _named(shapes["params"])

    def init(key: Key) -> Weights:
        return dict(zip(names, jax.tree.leaves(variables(key)["params"]), strict=True))

    def apply(weights: Weights, carry: Any, inputs: Array) -> tuple[Any, Array]:
        params = jax.tree.unflatten(form, [weights[name] for name in names])
        return cell.apply({"params": params}, carry, inputs)

    return init, carry, apply


def _refuse_state(path: str, kind: str) -> None:
    """Raises ValueError for what a cell has besides its parameters and its carry."""
    if kind.startswith("Rng") or "dropout" in kind.lower():
        raise _misfit(path, f"draw no random numbers; it holds {kind}")
    if kind in ("BatchStat", "batch_stats"):
        raise _misfit(path, f"keep no statistics of batches; it holds {kind}")
    raise _misfit(path, f"hold parameters alone (`Param`); it holds {kind}")


def _tried(path: str, parts: tuple, width: int, n_inputs: int) -> Cell:
    """The cell of these functions; ValueError unless its shapes are those of a recurrent cell."""
    init, carry, apply = parts
    key = jax.eval_shape(lambda: jax.random.key(0))
    weights = _attempt(path, "to draw its parameters", lambda: jax.eval_shape(init, key))
    for name, each in weights.items():
        if not jnp.issubdtype(each.dtype, jnp.floating):
            raise _misfit(path, f"have parameters that can be trained; `{name}` is {each.dtype}")
    start = _attempt(
        path, "to start", lambda: jax.eval_shape(functools.partial(carry, trials=TRIALS), weights)
    )
    leaves, tree = jax.tree.flatten(start)
    for each in leaves:
        if each.shape[:1] != (TRIALS,) or len(each.shape) < 2:
            raise _misfit(
                path, f"start carries with an axis of trials, [B, ...]; got {each.shape} for B = 3"
            )
    inputs = jax.ShapeDtypeStruct((TRIALS, n_inputs), jnp.float32)
    program, found = _attempt(
        path,
        "on 3 trials",
        lambda: jax.make_jaxpr(apply, return_shape=True)(weights, start, inputs),
    )
    if not isinstance(found, tuple) or len(found) != 2:
        raise _misfit(path, "return the next carry and its output")
    after, output = found
    if jax.tree.map(lambda x: x.shape, after) != jax.tree.map(lambda x: x.shape, start):
        raise _misfit(path, "return a carry of the shapes that it started with")
    if getattr(output, "shape", None) != (TRIALS, width):
        raise _misfit(
            path,
            f"put out [B, N] with N = `width` = {width}; got {getattr(output, 'shape', output)} "
            "for B = 3",
        )
    *ends, shown = program.jaxpr.outvars
    same = [k for k, end in enumerate(ends) if end is shown and leaves[k].shape == output.shape]
    return Cell(
        init=one_by_one_on_cpu(init),  # it may factor matrices, which batches must not (see there)
        carry=carry,
        apply=apply,
        weights={name: tuple(each.shape) for name, each in weights.items()},
        shapes=tuple(tuple(each.shape[1:]) for each in leaves),
        tree=tree,
        shown=same[0] if same else None,
    )
