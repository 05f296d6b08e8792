"""Devices, meshes and interrupts: the only file that knows them."""

import contextlib
import gc
import math
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from threadpoolctl import threadpool_limits

from rnnensemble.axes import Array

Tree: TypeAlias = Any
"""A pytree of arrays."""

AXIS = "net"
"""The only mesh axis: items (networks, pairs) are spread over it and never communicate."""


def use_all_cores() -> None:
    """Makes every CPU core a JAX device; call it before JAX touches a device.

    Two single-core devices train about twice as fast as one two-core device, since small
    matrix products do not thread well. Does nothing on GPUs and TPUs, or when the number of
    CPU devices was already chosen.
    """
    chosen = jax.config.jax_num_cpu_devices  # pyright: ignore[reportAttributeAccessIssue]
    if chosen < 0 and "XLA_FLAGS" not in os.environ:
        with contextlib.suppress(RuntimeError):  # a device was touched before: keep what there is
            jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def use_compilation_cache() -> None:
    """Keeps compiled programs on disk, so that the second start of a run is quick.

    They go to the folder that JAX_COMPILATION_CACHE_DIR names, or else to `rnnensemble` in the
    user's cache folder, under keys of program, machine and versions.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(caches, "rnnensemble"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def forget_programs() -> None:
    """Frees the memory of compiled programs, for work of many shapes; those on disk stay."""
    jax.clear_caches()
    gc.collect()


def network_mesh(devices: int | None = None) -> Mesh:
    """A mesh over the local devices.

    Args:
        devices: How many of them, None for all.

    Returns:
        A mesh with the single axis `net`.

    Raises:
        ValueError: If there are fewer devices.
    """
    local = jax.local_devices()
    count = len(local) if devices is None else devices
    if not 1 <= count <= len(local):
        raise ValueError(
            f"`devices` must lie between 1 and the {len(local)} local devices; got {count}."
        )
    return jax.make_mesh((count,), (AXIS,), devices=local[:count], axis_types=(AxisType.Auto,))


def default_tile(mesh: Mesh, item_bytes: int = 0) -> int:
    """Items that a device handles at once.

    On a CPU one, whose arrays stay in its cache (docs/performance.md measures others); elsewhere
    64, or as many as fit into half of the device's memory.

    Args:
        mesh: Devices, as `network_mesh` makes it.
        item_bytes: Memory that one item takes, where it matters.

    Returns:
        A power of two.
    """
    device = mesh.devices.flat[0]
    if device.platform == "cpu":
        return 1
    memory = memory_bytes(mesh)
    tile = 64
    while tile > 1 and tile * item_bytes > memory / 2:
        tile //= 2
    return tile


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Factorizations inside the block use one thread each; they must end inside it.

    On CPUs JAX factors by SciPy's BLAS, whose threads spin while they wait for one another. Among
    JAX's own threads they spin for threads that have no core: preparing 128 networks of
    `[20, 50, 64]` rates for CKA on 2 cores took 11 to 40 s with two threads and 0.2 s with one.
    """
    import scipy.linalg  # noqa: F401  loads that BLAS: only then can its threads be limited

    with threadpool_limits(1, user_api="blas"):
        yield


def host_bytes() -> float:
    """The host's memory; no limit where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def memory_bytes(mesh: Mesh) -> float:
    """The memory of each device; CPU devices share the host's."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu":
        return host_bytes() / mesh.size
    return (device.memory_stats() or {}).get("bytes_limit", math.inf)


def whole_on(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays that every device holds whole."""
    return NamedSharding(mesh, _WHOLE)


def cache_bytes(mesh: Mesh) -> float:
    """Memory within which an item's arrays had better stay: CPU caches; no limit elsewhere."""
    return 2 * 2**20 if mesh.devices.flat[0].platform == "cpu" else math.inf


def spread_over(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays whose leading axis is spread over the mesh."""
    return NamedSharding(mesh, _SPREAD)


def map_items(
    function: Callable[..., Tree], items: Tree, shared: Tree = (), *, mesh: Mesh, tile: int
) -> Tree:
    """Applies a function to all items: sharded over devices, `tile` at a time on each.

    Args:
        function: Pure function of one item and what all items share.
        items: Tree whose leaves share a leading axis of any length.
        shared: Tree that every call sees whole.
        mesh: Devices, as `network_mesh` makes it.
        tile: Items that a device handles at once.

    Returns:
        The results, stacked along the leading axis.
    """
    count = jax.tree.leaves(items)[0].shape[0]
    slots = -(-count // (mesh.size * tile)) * mesh.size * tile
    padded = jnp.minimum(jnp.arange(slots), count - 1)  # padding repeats the last item

    def one_device(items: Tree, shared: Tree) -> Tree:
        one_item = partial(_with, function, shared)
        if tile == 1:
            return jax.lax.map(one_item, items)
        return _in_rows(jax.vmap(one_item), items, tile)

    items = jax.tree.map(lambda x: x[padded], items)
    results = _shard_map(one_device, mesh, _SPREAD, _WHOLE)(items, shared)
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
    """As `map_items` for the first items alone; one program does for any number of them.

    Args:
        function: Pure function of one item and what all items share.
        items: Tree whose leaves share a leading axis that divides by devices * tile.
        shared: Tree that every call sees whole.
        count: How many items count, a scalar: these are spread evenly over devices.
        mesh: Devices.
        tile: Items that a device handles at once.

    Returns:
        The results along the leading axis; what stands beyond the first `count` has no meaning.
    """
    slots = jax.tree.leaves(items)[0].shape[0]
    rows = -(-count // (mesh.size * tile))  # of each device
    device, place = jnp.divmod(jnp.arange(slots), slots // mesh.size)
    chosen = jnp.minimum(device * rows * tile + place, slots - 1)

    def one_device(items: Tree, rows: Array, shared: Tree) -> Tree:
        items = jax.tree.map(lambda x: x.reshape(-1, tile, *x.shape[1:]), items)
        one_row = jax.vmap(partial(_with, function, shared))
        if tile == 1:
            one_row = partial(_one_by_one, partial(_with, function, shared))
        shapes = jax.eval_shape(one_row, jax.tree.map(lambda x: x[0], items))
        into = jax.tree.map(
            lambda x: jnp.zeros((slots // mesh.size, *x.shape[1:]), x.dtype), shapes
        )

        def row(k: Array, into: Tree) -> Tree:
            found = one_row(jax.tree.map(lambda x: x[k], items))
            put = partial(jax.lax.dynamic_update_slice_in_dim, start_index=k * tile, axis=0)
            return jax.tree.map(put, into, found)

        return jax.lax.fori_loop(0, rows, row, into)

    items = jax.tree.map(lambda x: x[chosen], items)
    specs = _SPREAD, _WHOLE, _WHOLE
    results = _shard_map(one_device, mesh, *specs)(items, rows, shared)
    device, place = jnp.divmod(jnp.arange(slots), jnp.maximum(rows * tile, 1))
    where = jnp.minimum(device * (slots // mesh.size) + place, slots - 1)
    return jax.tree.map(lambda x: x[where], results)


def _one_by_one(function: Callable[[Tree], Tree], row: Tree) -> Tree:
    """A row of one item, without the traces that a vmap leaves."""
    found = function(jax.tree.map(lambda x: x[0], row))
    return jax.tree.map(lambda x: x[None], found)


def _with(function: Callable[..., Tree], shared: Tree, item: Tree) -> Tree:
    return function(item, shared)


_SPREAD, _WHOLE = PartitionSpec(AXIS), PartitionSpec()


def _shard_map(function: Callable, mesh: Mesh, *specs: PartitionSpec) -> Callable:
    """Spreads a function over the devices; products are float32 unless they say otherwise.

    NVIDIA GPUs would round their operands to 11 bits, TPUs to 8.
    """

    def exact(*args: Tree) -> Tree:
        with jax.default_matmul_precision("highest"):
            return function(*args)

    return jax.shard_map(exact, mesh=mesh, in_specs=specs, out_specs=_SPREAD, check_vma=False)


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

    Args:
        function: Pure function of one item, what is fixed for it and what all share, to the
            changed item.
        items: Tree whose leaves share a leading axis that divides by devices * tile.
        fixed: Tree with the same leading axis that the function reads and does not change.
        active: Which items to change, bool; the others come back as they are.
        mesh: Devices, as `network_mesh` makes it.
        tile: Items that a device handles at once.
        shared: Tree that every call sees whole.

    Returns:
        The items, changed where active.
    """

    def change_tile(shared: Tree, items: Tree, fixed: Tree, active: Array) -> Tree:
        changed = jax.vmap(function, (0, 0, None))(items, fixed, shared)
        return jax.tree.map(partial(_select, active), changed, items)

    def change_one(shared: Tree, items: Tree, fixed: Tree, active: Array) -> Tree:
        del active
        return function(items, fixed, shared)

    def one_tile(shared: Tree, args: tuple[Tree, Tree, Array]) -> Tree:
        change = partial(change_one if tile == 1 else change_tile, shared)
        return jax.lax.cond(jnp.any(args[2]), change, lambda items, *_: items, *args)

    def one_device(items: Tree, fixed: Tree, active: Array, shared: Tree) -> Tree:
        one, args = partial(one_tile, shared), (items, fixed, active)
        return jax.lax.map(one, args) if tile == 1 else _in_rows(one, args, tile)

    specs = _SPREAD, _SPREAD, _SPREAD, _WHOLE
    return _shard_map(one_device, mesh, *specs)(items, fixed, active, shared)


def _in_rows(function: Callable[[Tree], Tree], items: Tree, tile: int) -> Tree:
    """Maps over rows of `tile` items each; the function takes and returns whole rows."""
    rows = jax.tree.map(lambda x: x.reshape(-1, tile, *x.shape[1:]), items)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), jax.lax.map(function, rows))


def _select(mask: Array, new: Array, old: Array) -> Array:
    return jnp.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C inside the block into an answer; a second one interrupts at once.

    Yields:
        A function that says whether Ctrl-C was pressed. Outside the main thread, where Python
        delivers no signals, it always says no.
    """
    pressed: list[bool] = []

    def note(signum: int, frame: object) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def describe() -> dict[str, str | int]:
    """What this computation runs on, for manifests and benchmark files."""
    devices = jax.local_devices()
    return {
        "platform": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
