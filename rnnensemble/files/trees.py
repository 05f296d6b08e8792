"""Trees of arrays on disk: a folder for each.

    <tree>/arrays.msgpack       the tree with its small arrays, as flax stores them
    <tree>/large/<number>/      a large array, as orbax stores it; in the tree stands its number

orbax takes milliseconds for each array, however small it is, and an analysis has sixty of a few
bytes. It copies what it writes, so that it is given one large array at a time.
"""

import errno
import functools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from rnnensemble.files import records
from rnnensemble.files.stages import damaged

ARRAYS, LARGE = "arrays.msgpack", "large"
"""What a tree's folder holds."""

SMALL = 2**16
"""Bytes of an array up to which it is stored with the tree."""


def store(path: Path, tree: Any) -> None:
    """Writes a tree of arrays; OSError if that fails."""
    from flax import serialization

    large: list[np.ndarray] = []

    def place(x: np.ndarray) -> np.ndarray | int:
        if x.nbytes <= SMALL:
            return x
        large.append(x)
        return len(large) - 1

    packed = serialization.msgpack_serialize(jax.tree.map(place, records.plain(tree)))
    path.mkdir()
    (path / ARRAYS).write_bytes(packed)
    for number, x in enumerate(large):
        _store_large(path / LARGE / str(number), x)


def _store_large(path: Path, x: np.ndarray) -> None:
    """Has orbax write an array as a file; its database (OCDBT) would take thrice as long."""
    from orbax.checkpoint import PyTreeCheckpointHandler, args  # takes a second to load

    before, place = sys.unraisablehook, cast(Any, path)  # its paths are of a library of its own
    sys.unraisablehook = functools.partial(_unless_late, before)
    try:
        path.mkdir(parents=True)
        PyTreeCheckpointHandler(use_ocdbt=False).save(place, args=args.PyTreeSave([x]))
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

    ValueError if it is not there whole.
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
    """The tree in a folder; formats before 8 have all arrays in orbax's database."""
    from flax import serialization

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # orbax warns of sharding; these are host arrays
        if not (path / ARRAYS).exists():
            from orbax.checkpoint import v1

            return v1.load(str(path), like)
        tree = serialization.msgpack_restore((path / ARRAYS).read_bytes())
        return jax.tree.map(lambda x: _large(path, x) if isinstance(x, int) else x, tree)


def _large(path: Path, number: int) -> np.ndarray:
    """A large array of the tree in a folder."""
    from orbax.checkpoint import PyTreeCheckpointHandler

    handler = PyTreeCheckpointHandler(use_ocdbt=False)
    (found,) = handler.restore(cast(Any, path / LARGE / str(number)))
    return found
