"""Functions of one network or pair, mapped over many: spread over devices, a tile at a time."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from rnnensemble._core.axes import Array
from rnnensemble._core.runtime import SPREAD, WHOLE

Tree: TypeAlias = Any
"""A pytree of arrays."""


def map_items(
    function: Callable[..., Tree], items: Tree, shared: Tree = (), *, mesh: Mesh, tile: int
) -> Tree:
    """Applies a pure function to all items: sharded over devices, at most `tile` at a time on each.

    `items` is a tree whose leaves have one leading axis, as has the tree of results; every call of
    `function(item, shared)` sees `shared` whole.
    """
    count = jax.tree.leaves(items)[0].shape[0]
    tile = min(tile, -(-count // mesh.size))
    rows = -(-count // (mesh.size * tile))  # of each device
    padded = jnp.minimum(jnp.arange(rows * mesh.size * tile), count - 1)  # repeats the last item

    def one_device(items: Tree, shared: Tree) -> Tree:
        one_item = partial(_with, function, shared)
        if tile == 1:
            return _one_by_one(one_item, items)
        return _in_rows(jax.vmap(one_item), items, tile)

    items = jax.tree.map(lambda x: x[padded], items)
    results = _shard_map(one_device, mesh, SPREAD, WHOLE)(items, shared)
    return jax.tree.map(lambda x: x[:count], results)


def map_first(
    function: Callable[..., Tree],
    items: Tree,
    shared: Tree = (),
    *,
    count: Array,
    mesh: Mesh,
    tile: int,
) -> Tree:
    """As `map_items` for the first `count` items alone; one program does for any number of them.

    The leading axis divides by devices * tile; results beyond the first `count` have no meaning.
    """
    slots = jax.tree.leaves(items)[0].shape[0]
    rows = -(-count // (mesh.size * tile))  # of each device
    mine = slots // mesh.size
    device, place = jnp.divmod(jnp.arange(slots), mine)
    chosen = jnp.minimum(device * rows * tile + place, slots - 1)

    items = jax.tree.map(lambda x: x[chosen], items)
    one = jax.jit(function)  # traced once, for its shapes and in the loop

    def one_device(items: Tree, active: Array, shared: Tree) -> Tree:
        found = jax.eval_shape(one, jax.tree.map(lambda x: x[0], items), shared)
        blank = jax.tree.map(lambda x: jnp.zeros((mine, *x.shape), x.dtype), found)
        change = partial(_changed, lambda _, item, shared: one(item, shared), tile)
        return change(blank, items, active, shared)

    specs = SPREAD, SPREAD, WHOLE
    results = _shard_map(one_device, mesh, *specs)(items, place < rows * tile, shared)
    device, place = jnp.divmod(jnp.arange(slots), jnp.maximum(rows * tile, 1))
    where = jnp.minimum(device * mine + place, slots - 1)
    return jax.tree.map(lambda x: x[where], results)


def _with(function: Callable[..., Tree], shared: Tree, item: Tree) -> Tree:
    return function(item, shared)


def _shard_map(function: Callable, mesh: Mesh, *specs: PartitionSpec) -> Callable:
    """Spreads a function over the devices; products are float32 unless they say otherwise.

    NVIDIA GPUs would round their operands to 11 bits, TPUs to 8. Leaves without entries are made
    on each device: spreading one makes the compiler of jax 0.11.2 crash.
    """

    def call(*args: Tree) -> Tree:
        leaves, tree = jax.tree.flatten(args)
        by_leaf = [
            spec for arg, spec in zip(args, specs, strict=True) for _ in jax.tree.leaves(arg)
        ]
        full = [jnp.size(x) > 0 for x in leaves]  # a leaf may be a plain number

        def exact(*kept: Array) -> Tree:
            given = iter(kept)
            whole = [
                next(given) if is_full else _empty(x, spec, mesh)
                for x, spec, is_full in zip(leaves, by_leaf, full, strict=True)
            ]
            with jax.default_matmul_precision("highest"):
                return function(*jax.tree.unflatten(tree, whole))

        spread = jax.shard_map(
            exact,
            mesh=mesh,
            in_specs=tuple(itertools.compress(by_leaf, full)),
            out_specs=SPREAD,
            check_vma=False,
        )
        return spread(*itertools.compress(leaves, full))

    return call


def _empty(leaf: Array, spec: PartitionSpec, mesh: Mesh) -> Array:
    """A device's part of an array without entries."""
    count, *rest = leaf.shape
    return jnp.zeros((count // mesh.size if spec == SPREAD else count, *rest), leaf.dtype)


def map_active(
    function: Callable[[Tree, Tree, Tree], Tree],
    items: Tree,
    fixed: Tree,
    *,
    active: Array,
    mesh: Mesh,
    tile: int,
    shared: Tree = (),
) -> Tree:
    """Changes the active items: sharded over devices, `tile` at a time, idle tiles skipped.

    Calls `function(item, fixed, shared)`, which returns the changed item. `items`, and `fixed`,
    which stays as it is, have a leading axis that divides by devices * tile; `active` says which
    items to change, bools, and the others come back as they are.
    """

    specs = SPREAD, SPREAD, SPREAD, WHOLE
    change = partial(_changed, function, tile)
    return _shard_map(change, mesh, *specs)(items, fixed, active, shared)


def _changed(
    function: Callable, tile: int, items: Tree, fixed: Tree, active: Array, shared: Tree
) -> Tree:
    """What `map_active` does on one device."""

    def change_tile(items: Tree, fixed: Tree, active: Array) -> Tree:
        changed = jax.vmap(function, (0, 0, None))(items, fixed, shared)
        return jax.tree.map(partial(_select, active), changed, items)

    def change_one(items: Tree, fixed: Tree, active: Array) -> Tree:
        del active
        return function(items, fixed, shared)

    def one_tile(args: tuple[Tree, Tree, Array]) -> Tree:
        change = change_one if tile == 1 else change_tile
        return jax.lax.cond(jnp.any(args[2]), change, lambda items, *_: items, *args)

    args = items, fixed, active
    return _one_by_one(one_tile, args) if tile == 1 else _in_rows(one_tile, args, tile)


def _one_by_one(function: Callable[[Tree], Tree], items: Tree) -> Tree:
    """`jax.lax.map`, compiled alike for any number of items, one included.

    The compiler would take a loop of one turn apart and round otherwise than in one of several, so
    that what comes out for a network would depend on how many devices there are.
    """
    count = jax.tree.leaves(items)[0].shape[0]
    if count == 1:
        items = jax.tree.map(lambda x: jnp.concatenate([x, x]), items)
    turns = jax.lax.optimization_barrier(jnp.int32(count))  # known when the program runs
    one = jax.jit(function)  # traced once, for its shapes and in the loop
    found = jax.eval_shape(one, jax.tree.map(lambda x: x[0], items))
    blank = jax.tree.map(lambda x: jnp.zeros((max(count, 2), *x.shape), x.dtype), found)

    def turn(place: Array, done: Tree) -> Tree:
        at = partial(jax.lax.dynamic_index_in_dim, index=place, keepdims=False)
        put = partial(jax.lax.dynamic_update_index_in_dim, index=place, axis=0)
        return jax.tree.map(put, done, one(jax.tree.map(at, items)))

    done = jax.lax.fori_loop(0, turns, turn, blank)
    return jax.tree.map(lambda x: x[:count], done)


def _in_rows(function: Callable[[Tree], Tree], items: Tree, tile: int) -> Tree:
    """Maps over rows of `tile` items each; the function takes and returns whole rows.

    All sizes are spelled out, since a leaf without entries leaves nothing to infer them from.
    """
    count = jax.tree.leaves(items)[0].shape[0]
    rows = jax.tree.map(lambda x: x.reshape(count // tile, tile, *x.shape[1:]), items)
    results = jax.lax.map(function, rows)
    return jax.tree.map(lambda x: x.reshape(count, *x.shape[2:]), results)


def _select(mask: Array, new: Array, old: Array) -> Array:
    return jnp.where(mask.reshape(len(mask), *(1,) * (new.ndim - 1)), new, old)
