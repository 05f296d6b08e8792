"""Trees of arrays on disk, as orbax stores them."""

import errno
import functools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rnnensemble.files import records
from rnnensemble.files.stages import damaged


def store(path: Path, tree: Any) -> None:
    """Writes a tree of arrays; OSError if that fails."""
    from orbax.checkpoint import v1 as ocp  # takes a second to load

    before = sys.unraisablehook
    sys.unraisablehook = functools.partial(_unless_late, before)
    try:
        ocp.save(str(path), jax.tree.map(_with_entries, records.plain(tree)))
        sys.unraisablehook = before  # if it failed, answers may still come
    except ValueError as error:  # as tensorstore tells whatever the system refused
        full = "RESOURCE_EXHAUSTED" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)[:200], str(path)) from None


def _with_entries(x: Any) -> Any:
    """What stands for an array: itself, or one entry if it has none, which orbax does not store."""
    return x if np.size(x) else np.zeros(1, np.asarray(x).dtype)


def _unless_late(before: Callable[[Any], Any], told: Any) -> None:
    """Passes on what Python cannot raise, but for answers to an event loop that has ended.

    Of a write that the system refused TensorStore tells orbax once for each of its parts, after the
    first answer has ended orbax's loop; Python would print as many tracebacks.
    """
    if str(told.exc_value) != "Event loop is closed":
        before(told)


def restore(folder: Path, path: Path, target: Any) -> Any:
    """A tree of arrays in the structure of a target, from a path in the run folder.

    Raises:
        ValueError: If it is not there whole.
    """
    from flax import serialization
    from orbax.checkpoint import v1 as ocp

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # orbax warns of sharding; these are host arrays
            shapes = records.plain(target)
            stored = ocp.load(str(folder / path), jax.tree.map(_with_entries, shapes))
            stored = jax.tree.map(lambda x, like: x if np.size(like) else like, stored, shapes)
        return serialization.from_state_dict(target, stored)
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise damaged(folder, f"{path.as_posix()} cannot be read ({reason})") from None
