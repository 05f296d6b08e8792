"""Tiles whose program fits into a device's memory."""

from typing import Any

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble.training.recipe import group_key as group_key  # what can train together
from rnnensemble.training.slots import Slots, compacted, dealt, lowered_epoch


def fitted(slots: Slots, active: np.ndarray, *, asked: bool) -> Slots:
    """The slots in tiles whose program fits into a device's memory, by the compiler's own figure.

    It costs nothing where the tile fits: the program compiled here is the one that trains.

    Args:
        slots: Networks in their slots.
        active: Which of them will train, `[K]`.
        asked: Whether the tile is a wish of the user, which is not halved.

    Raises:
        ValueError: If the tile asked for does not fit, or not even a single network; says what
            does.
    """
    slots = now = compacted(slots, active)
    room = runtime.memory_bytes(slots.mesh)
    first = needed = _epoch_bytes(slots, active)
    while needed > room and now.tile > 1:
        now = dealt(now, active, now.tile // 2)
        needed = _epoch_bytes(now, active)
    if needed > room or (asked and now.tile < slots.tile):
        fits = needed <= room
        raise ValueError(
            f"`tile` of {slots.tile} networks needs {first / 1e9:.3g} GB, a device has "
            f"{room / 1e9:.3g} GB; "
            + (f"a tile of {now.tile} fits." if fits else "not even a tile of 1 fits: ")
            + ("" if fits else "lower `batch` or `width`, or give more devices.")
        )
    return now


def _epoch_bytes(slots: Slots, active: np.ndarray) -> int:
    """Memory of an epoch's program on each device, by its compiler; 0 where that does not say."""
    return program_bytes(lowered_epoch(slots, active).compile()) or 0


def program_bytes(program: jax.stages.Compiled) -> int | None:
    """Arguments, results and temporary arrays on each device; None where JAX does not say."""
    found: Any = program.memory_analysis()
    if found is None:
        return None
    whole = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return int(whole + found.temp_size_in_bytes)
