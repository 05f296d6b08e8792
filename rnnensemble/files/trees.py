"""Trees of arrays on disk, as orbax stores them.

orbax takes about a millisecond for each array, however small it is, and an analysis has sixty of
a few bytes. So it stores a list of arrays: first all small ones as bytes (flax's msgpack), in the
tree that they are of, where numbers stand for the large ones, which follow.
"""

import errno
import functools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from rnnensemble.files import records
from rnnensemble.files.stages import damaged

if TYPE_CHECKING:
    from orbax.checkpoint import PyTreeCheckpointHandler

SMALL = 2**16
"""Bytes of an array up to which it is stored together with others."""


def store(path: Path, tree: Any) -> None:
    """Writes a tree of arrays; OSError if that fails."""
    from orbax.checkpoint import args  # takes a second to load

    before = sys.unraisablehook
    sys.unraisablehook = functools.partial(_unless_late, before)
    try:
        path.mkdir()
        _handler().save(path, args=args.PyTreeSave(_few_arrays(records.plain(tree))))
        sys.unraisablehook = before  # if it failed, answers may still come
    except ValueError as error:  # as tensorstore tells whatever the system refused
        full = "RESOURCE_EXHAUSTED" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)[:200], str(path)) from None


def _unless_late(before: Callable[[Any], Any], told: Any) -> None:
    """Passes on what Python cannot raise, but for answers to an event loop that has ended.

    Of a write that the system refused TensorStore tells orbax once for each of its parts, after the
    first answer has ended orbax's loop; Python would print as many tracebacks.
    """
    if str(told.exc_value) != "Event loop is closed":
        before(told)


def restore(folder: Path, path: Path, target: Any) -> Any:
    """A tree of arrays in the structure and the types of a target, from a path in the run folder.

    Raises:
        ValueError: If it is not there whole.
    """
    from flax import serialization

    try:
        like = records.plain(target)
        stored = jax.tree.map(_of_type, like, _load(folder / path, like))
        return serialization.from_state_dict(target, stored)
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise damaged(folder, f"{path.as_posix()} cannot be read ({reason})") from None


def _of_type(like: np.ndarray, x: np.ndarray) -> np.ndarray:
    """An array in the type of another, to which one may write."""
    return np.require(x, like.dtype, "W")


def _load(path: Path, like: Any) -> Any:
    """The tree in a folder, which formats before 8 stored with an entry for each array."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # orbax warns of sharding; these are host arrays
        if (path / "orbax.checkpoint").exists():
            from orbax.checkpoint import v1

            return v1.load(str(path), like)
        return _all_arrays(_handler().restore(path))


@functools.cache
def _handler() -> "PyTreeCheckpointHandler":
    """What writes and reads arrays, a file for each: one database of all takes thrice as long."""
    from orbax.checkpoint import PyTreeCheckpointHandler

    return PyTreeCheckpointHandler(use_ocdbt=False)


def _few_arrays(tree: Any) -> list[np.ndarray]:
    """The arrays of a tree as the few that are stored."""
    from flax import serialization

    large: list[np.ndarray] = []

    def place(x: np.ndarray) -> np.ndarray | int:
        if x.nbytes <= SMALL:
            return x
        large.append(x)
        return len(large)

    packed = serialization.msgpack_serialize(jax.tree.map(place, tree))
    return [np.frombuffer(packed, np.uint8), *large]


def _all_arrays(stored: list[np.ndarray]) -> Any:
    """What `_few_arrays` took apart."""
    from flax import serialization

    tree = serialization.msgpack_restore(stored[0].tobytes())
    return jax.tree.map(lambda x: stored[x] if isinstance(x, int) else x, tree)
