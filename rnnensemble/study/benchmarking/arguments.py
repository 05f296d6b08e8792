"""What a benchmark is asked for, checked before anything runs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble._core.config import require_at_least

SIZES = {"cpu": (1, 4, 16, 64, 256)}
"""Networks K, by platform; others get `MANY`."""
MANY = (1, 16, 256, 1024, 4096)
FIRST = {"cpu": 16}
"""The K that comes first at every shape; 1,024 elsewhere."""
PLATFORMS = ("cpu", "gpu", "tpu")


class Asked(NamedTuple):
    """What is asked for, checked."""

    shapes: tuple[tuple[int, int, int], ...]
    sizes: tuple[int, ...]
    tile: int | None
    mesh: Mesh
    check: bool
    pairs: bool
    torch: bool


def require_platform(platform: str | None) -> None:
    """Raises ValueError unless JAX runs on this platform, or none is asked for."""
    if platform is None:
        return
    if platform not in PLATFORMS:
        raise ValueError(f"`platform` must be one of {', '.join(PLATFORMS)}; got {platform!r}.")
    try:
        there = runtime.describe()["platform"]
    except ValueError as error:  # JAX was told to use what is not there
        raise ValueError(f"`platform` {platform} is not here: {error}") from None
    if there != platform:
        raise ValueError(f"`platform` must be {there}, which JAX runs on here; got {platform!r}.")


def shapes_of(
    width: int | Sequence[int], batch: int | Sequence[int], steps: int
) -> tuple[tuple[int, int, int], ...]:
    """N, B and T of each shape; raises ValueError unless they are whole positive numbers."""
    widths, batches = _whole("width", width), _whole("batch", batch)
    (n_steps,) = _whole("steps", steps)
    if len(widths) != len(batches):
        raise ValueError(
            f"`batch` must hold one number for each of the {len(widths)} of `width`; "
            f"got {len(batches)}."
        )
    return tuple((n, b, n_steps) for n, b in zip(widths, batches, strict=True))


def _whole(name: str, value: Any) -> tuple[int, ...]:
    """Whole positive numbers."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    for each in values:
        require_at_least(name, each, 1)
    if not values:
        raise ValueError(f"`{name}` must hold at least one number; got none.")
    return values


def counts_of(sizes: int | Sequence[int] | None, mesh: Mesh) -> tuple[int, ...]:
    """Numbers of networks, the most telling one first."""
    platform = mesh.devices.flat[0].platform
    counts = SIZES.get(platform, MANY) if sizes is None else _whole("sizes", sizes)
    first = FIRST.get(platform, 1024)
    head = min(counts, key=lambda count: abs(math.log(count / first)))
    return (head, *(count for count in dict.fromkeys(counts) if count != head))


def require_tile(tile: int | None, counts: tuple[int, ...], mesh: Mesh) -> None:
    """Raises ValueError if no number of networks fills the tile."""
    runtime.require_tile(tile)
    most = math.ceil(max(counts) / mesh.size)
    if tile is not None and tile > most:
        raise ValueError(
            f"`tile` of {tile} networks is never full: {max(counts)} networks, the most of "
            f"`sizes`, are {most} on each of {mesh.size} devices."
        )
