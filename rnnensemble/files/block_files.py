"""Blocks of pairs on disk: parts of a large matrix, as they come.

runs/<name>/checkpoint/<metric>/
    <i>x<j>.npz             a block: its distances, what they are of, and their digest
    <i>x<j>.part.npz        the pairs done of a block that is being compared

From Python, FOLDER/<metric>-<digest> stands for runs/<name>, and holds the data as well (data.npy,
or data.npz where networks differ in shape).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnensemble.files import folders
from rnnensemble.files.arrays import CHECKPOINT, MatrixCheckpoint


def write_data(folder: Path, arrays: Sequence[np.ndarray]) -> Path:
    """Writes the arrays of all networks, unless they are there, for `arrays.read_arrays`."""
    alike = len({(x.shape, x.dtype) for x in arrays}) == 1
    file = folder / ("data.npy" if alike else "data.npz")
    if not file.exists():
        folders.make_folder(folder)
        with folders.whole_file(file) as partial, partial.open("wb") as opened:
            if alike:
                np.save(opened, np.stack(arrays), allow_pickle=False)
            else:
                np.savez(opened, *arrays, allow_pickle=False)
    return file


def block_file(folder: Path, metric: str, name: str) -> Path:
    """Where a block of a metric's matrix is, or will be."""
    return folder / CHECKPOINT / metric / f"{name}.npz"


def unfinished_block(file: Path) -> MatrixCheckpoint:
    """Keeps the pairs done of a block."""
    return MatrixCheckpoint(file.with_suffix(".part.npz"))


def write_block(file: Path, digest: str, distances: np.ndarray) -> None:
    """Writes a block's distances `[I, J]`, whole or not at all, and removes what was unfinished."""
    named = {"digest": np.array(digest), "check": np.array(_check(digest, distances))}
    with folders.whole_file(file) as partial, partial.open("wb") as opened:
        np.savez(opened, allow_pickle=False, distances=distances, **named)
    Path(unfinished_block(file).path).unlink(missing_ok=True)


def read_block(file: Path, digest: str) -> np.ndarray | None:
    """A block's distances; None if they are not there, or not as they were written.

    ValueError if the block is of other data or settings.
    """
    if not file.exists():
        return None
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            found, check = str(stored["digest"]), str(stored["check"])
            distances = stored["distances"]
    except Exception:  # a damaged archive raises whatever its bytes suggest
        return None
    if check != _check(found, distances):
        return None
    if found != digest:
        raise ValueError(f"`checkpoint` {file} belongs to other data or settings; remove it.")
    return distances


def _check(digest: str, distances: np.ndarray) -> str:
    """The digest of a block itself."""
    text = hashlib.sha256(f"{digest} {distances.shape} {distances.dtype}".encode())
    text.update(np.ascontiguousarray(distances).tobytes())
    return text.hexdigest()
