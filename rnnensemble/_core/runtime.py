"""Devices, meshes and what they hold: the only file that knows them."""

import contextlib
import math
import os
import platform
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from rnnensemble._core import process, switches

AXIS = "net"
"""The only mesh axis: items (networks, pairs) are spread over it and never communicate."""

SPREAD, WHOLE = PartitionSpec(AXIS), PartitionSpec()
"""How arrays lie on a mesh: spread along their leading axis, or whole on every device."""

WORK, LEAST_WORK = 2**22, 2**20
"""Numbers that a GPU or TPU handles at a time by default, and below which no tile halves."""


def use_all_cores() -> None:
    """Makes every CPU core a JAX device; call it before JAX touches a device.

    Two single-core devices train about twice as fast as one two-core device, since small
    matrix products do not thread well. Beside GPUs and TPUs the cores are there for what is
    faster on them (`host_mesh`). Does nothing when the number of CPU devices was already chosen.
    """
    chosen = jax.config.jax_num_cpu_devices  # pyright: ignore[reportAttributeAccessIssue]
    counted = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if chosen < 0 and not counted:
        with contextlib.suppress(RuntimeError):  # a device was touched before: keep what there is
            jax.config.update("jax_num_cpu_devices", process.core_count())


def use_compilation_cache() -> None:
    """Keeps compiled programs on disk, so that the second start of a run is quick.

    They go to the folder that JAX_COMPILATION_CACHE_DIR names, or else to `rnnensemble` in the
    user's cache folder, under keys of program, machine and versions.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(caches, "rnnensemble")
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:  # no home, or one that cannot be written: compiled anew each time
            return
        if os.path.isabs(folder) and os.access(folder, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def network_mesh(devices: int | None = None) -> Mesh:
    """A mesh over the local devices.

    Args:
        devices: How many of them, None for all.

    Returns:
        A mesh with the single axis `net`.

    Raises:
        ValueError: If there are fewer devices, JAX cannot start the platform asked for, or one of
            its switches is set that must not be (`switches`).
    """
    switches.require_switches()
    local = _local_devices()
    count = len(local) if devices is None else devices
    whole = isinstance(count, int) and not isinstance(count, bool)
    if not whole or not 1 <= count <= len(local):
        raise ValueError(
            f"`devices` must lie between 1 and the {len(local)} local devices; got {count!r}."
        )
    return _mesh_of(local[:count])


def _local_devices() -> list[Any]:
    """This process's devices; ValueError if JAX cannot start the platform asked for."""
    try:
        return jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # jax 0.10 asserts that a GPU is there
        raise ValueError(_not_started(error)) from None


def _not_started(error: Exception) -> str:
    asked = jax.config.jax_platforms  # pyright: ignore[reportAttributeAccessIssue]
    reason = " ".join(str(error).split())[:160] or "there is no such device"
    return (
        f"`JAX_PLATFORMS` asks for {asked!r}, which JAX cannot start here ({reason}); unset it to "
        "use what there is, or install what it needs: docs/accelerators.md."
    )


def explained(error: Exception) -> str | None:
    """What an error of JAX's start or of a device's memory means for the user; None for others."""
    text = " ".join(str(error).split())
    if "nable to initialize backend" in text or "nknown backend" in text:
        return _not_started(error)
    if "RESOURCE_EXHAUSTED" in text or "ut of memory" in text:
        return (
            f"a device has too little memory ({text[:160]}); choose a smaller `tile`, fewer trials "
            "or units, or more devices."
        )
    return None


def factoring_mesh(mesh: Mesh) -> Mesh:
    """A mesh for work that consists of factorizations: the host's cores, one for each accelerator.

    A GPU factors the matrices of a tile one after another, among them an SVD of 1,280 columns for
    each network of 128 units at 10 delays (docs/performance.md, "GPUs").
    """
    return host_mesh(mesh, cores=1)


def host_mesh(mesh: Mesh, *, cores: float) -> Mesh:
    """All cores of the host, if at least `cores` are there for each accelerator; else the mesh.

    `use_all_cores` makes every core a device, beside accelerators too; there is one otherwise,
    and none where JAX_PLATFORMS leaves the CPU out.
    """
    host = _host_devices()
    enough = len(host) >= max(cores * mesh.size, 1)
    return mesh if on_cpu(mesh) or not enough else _mesh_of(host)


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Arrays made inside the block lie on the host's CPU, and programs of theirs run there."""
    cores = _host_devices()
    with jax.default_device(cores[0]) if cores else contextlib.nullcontext():
        yield


def _host_devices() -> list[Any]:
    """The host's CPU devices; none where JAX_PLATFORMS leaves them out."""
    try:
        return jax.local_devices(backend="cpu")
    except RuntimeError:
        return []


def on_cpu(mesh: Mesh) -> bool:
    """Whether the devices are the host's cores."""
    return mesh.devices.flat[0].platform == "cpu"


def _mesh_of(devices: list[Any]) -> Mesh:
    return jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))


def default_tile(
    mesh: Mesh, work: float, *, item_bytes: float = 0.0, within: tuple[float, float] = (1, math.inf)
) -> int:
    """Items that a device handles at once: the one rule for networks, pairs and states.

    On a CPU one, whose arrays stay in its cache (docs/performance.md measures others). Elsewhere
    every operation of a program costs its launch, about 5 microseconds, however little it does: the
    smallest power of two with tile * work >= 2^22, at which small networks reach half of what an
    H100 could do (an estimate, docs/performance.md), halved until it fits into half of the device's
    memory. `work` counts the numbers that one item's operations handle at a time, B N for a network
    on B trials, and `item_bytes` its memory, where that matters; `within` are the least (as memory
    allows) and the most, for items whose work is not all there is to say.
    """
    if mesh.devices.flat[0].platform == "cpu":
        return 1
    tile = _power_of_two(min(max(WORK / work, within[0]), within[1]))
    while tile > 1 and tile * item_bytes > memory_bytes(mesh) / 2:
        tile //= 2
    return tile


def least_tile(mesh: Mesh, work: float) -> int:
    """Where a tile stops halving as its items finish: below, an operation takes no less time."""
    if mesh.devices.flat[0].platform == "cpu":
        return 1
    return _power_of_two(LEAST_WORK / work)


def _power_of_two(least: float) -> int:
    """The smallest power of two that is at least this."""
    return 1 << max(0, math.ceil(math.log2(least)))


def require_tile(tile: int | None) -> None:
    """Raises ValueError unless this can be a tile; None stands for the default."""
    if tile is None:
        return
    if not isinstance(tile, int) or isinstance(tile, bool) or tile < 1:
        raise ValueError(f"`tile` must be at least 1; got {tile!r}.")


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
    return NamedSharding(mesh, WHOLE)


def cache_bytes(mesh: Mesh) -> float:
    """Memory within which an item's arrays had better stay: CPU caches; no limit elsewhere."""
    return 2 * 2**20 if mesh.devices.flat[0].platform == "cpu" else math.inf


def spread_over(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays whose leading axis is spread over the mesh."""
    return NamedSharding(mesh, SPREAD)


def describe() -> dict[str, str | int]:
    """What this computation runs on, for manifests and benchmark files."""
    devices = _local_devices()
    return {
        "platform": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "x64": switches.x64(),
    }
