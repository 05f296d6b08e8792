"""Trees of arrays in a run folder: a file for each, and a folder where arrays are large.

    <tree>.msgpack      the tree with its small arrays, as flax stores them
    <tree>/<number>/    a large array, as orbax stores it; in the tree stands its number

orbax takes milliseconds for each array, however small it is, and an analysis has sixty of a few
bytes. It copies what it writes, so that it is given one large array at a time. Each file and each
folder is one more that the system is asked to write out.
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

SMALL = 2**16
"""Bytes of an array up to which it is stored with the tree."""


def store(folder: Path, name: str, tree: Any) -> None:
    """Writes a tree of arrays into a folder; OSError if that fails."""
    from flax import serialization

    large: list[np.ndarray] = []

    def place(x: np.ndarray) -> np.ndarray | int:
        if x.nbytes <= SMALL:
            return x
        large.append(x)
        return len(large) - 1

    packed = serialization.msgpack_serialize(jax.tree.map(place, records.plain(tree)))
    _file(folder, name).write_bytes(packed)
    for number, x in enumerate(large):
        _store_large(folder / name / str(number), x)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.msgpack"


def is_stored(folder: Path, name: str) -> bool:
    """Whether a run folder has a tree of this name."""
    return _file(folder, name).exists() or _before(folder, name) is not None


def _before(folder: Path, name: str) -> Path | None:
    """Where formats before 8 have a tree, all its arrays in orbax's database; None without one."""
    return next(folder.glob(f"conditions/*/{name}"), None)


def part_of(file: str) -> str:
    """The tree, or the table, to which a file belongs, by its path in a run folder."""
    place = Path(file).parts
    return place[2] if place[0] == "conditions" else Path(place[0]).stem


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


def restore(folder: Path, name: str, target: Any) -> Any:
    """A tree of arrays of a run folder in the structure and the types of a target.

    ValueError if it is not there whole.
    """
    from flax import serialization

    try:
        like = records.plain(target)
        stored = jax.tree.map(_of_type, like, _load(folder, name, like))
        return serialization.from_state_dict(target, stored)
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise damaged(folder, f"its {name} cannot be read ({reason})") from None


def _of_type(like: np.ndarray, x: np.ndarray) -> np.ndarray:
    """An array in the type of another, to which one may write."""
    return np.require(x, like.dtype, "W")


def _load(folder: Path, name: str, like: Any) -> Any:
    """A tree of a run folder, in dictionaries."""
    from flax import serialization

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # orbax warns of sharding; these are host arrays
        before = _before(folder, name)
        if before is not None:
            from orbax.checkpoint import v1

            return v1.load(str(before), like)
        tree = serialization.msgpack_restore(_file(folder, name).read_bytes())
        return jax.tree.map(lambda x: _large(folder / name, x) if isinstance(x, int) else x, tree)


def _large(path: Path, number: int) -> np.ndarray:
    """A large array of a tree."""
    from orbax.checkpoint import PyTreeCheckpointHandler

    (found,) = PyTreeCheckpointHandler(use_ocdbt=False).restore(cast(Any, path / str(number)))
    return found
