"""Arrays of networks made elsewhere: their files, unfinished matrices, folders of distances.

    runs/<name>/
        manifest.json               status, digest, inputs, settings, versions, device
        distances.csv               one row a metric: mean, interval, settings
        matrices.npz                one matrix a metric
        figures/                    PNG, SVG and PDF, numbers (CSV), captions
        checkpoint/                 only while unfinished: one file a metric

Nothing is unpickled.
"""

import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core import process
from rnnensemble._core.array_files import needs_safetensors, reason
from rnnensemble.files import folders, manifests, stages
from rnnensemble.study.pages.arrays import Row

COMPARED = "compared"
"""Status of a whole folder of distances; an unfinished one is `stages.INTERRUPTED`."""
CHECKPOINT = "checkpoint"
"""Folder of the unfinished matrices."""


class MatrixCheckpoint(NamedTuple):
    """Keeps the pairs done of an unfinished distance matrix in a .npz file.

    Attributes:
        path: The file; made when there is something to keep.
    """

    path: Path | str

    def load(self, digest: str) -> list[np.ndarray] | None:
        """Arrays of these data and settings; ValueError if the file holds others, or is damaged."""
        path = Path(self.path)
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                found = str(stored["digest"])
                arrays = [stored[f"array{i}"] for i in range(int(stored["count"]))]
        except Exception:  # a damaged archive raises whatever its bytes suggest
            raise ValueError(f"`checkpoint` {path} cannot be read; remove it.") from None
        if found != digest:
            raise ValueError(
                f"`checkpoint` {path} belongs to other data or settings; name another."
            )
        return arrays

    def save(self, digest: str, arrays: list[np.ndarray]) -> None:
        """Writes the arrays, whole or not at all."""
        named = {f"array{i}": x for i, x in enumerate(arrays)} | {"count": np.array(len(arrays))}
        with folders.whole_file(Path(self.path)) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, digest=np.array(digest), **named)


def read_arrays(
    path: Path | str, *, name: str = "path", bools: bool = False
) -> np.ndarray | list[np.ndarray]:
    """Reads the data of networks from a file.

    Args:
        path: A `.npy` file with leading axis K; or a `.npz` or `.safetensors` file that holds one
            such array, or several, one a network, which may then differ in N. Those of a `.npz`
            are taken in the archive's order, those of a `.safetensors`, which keeps none, by
            name (`net2` before `net10`).
        name: What to call it in messages.
        bools: Whether it may hold bools, as masks do.

    Returns:
        What `distance_matrix` takes: an array, or a list of each network's own.

    Raises:
        ValueError: If the file cannot be read, would have to be unpickled, or holds no numbers.
    """
    path = Path(path)
    readers = {".npy": _read_npy, ".npz": _read_npz, ".safetensors": _read_safetensors}
    if path.suffix not in readers:
        raise ValueError(f"`{name}` must be a .npy, .npz or .safetensors file; got {path}.")
    if not path.is_file():
        raise ValueError(f"`{name}` file {path} does not exist.")
    try:
        arrays = readers[path.suffix](path)
    except ImportError:
        raise ValueError(needs_safetensors(path, name)) from None
    except Exception as error:  # each format has its own
        raise ValueError(f"`{name}` file {path} cannot be read: {reason(error)}") from None
    if not arrays:
        raise ValueError(f"`{name}` file {path} holds no arrays.")
    kinds = (np.floating, np.integer, *((np.bool_,) if bools else ()))
    for x in arrays:
        if not x.size:
            raise ValueError(f"`{name}` file {path} holds an array without numbers, {x.shape}.")
        if not any(jnp.issubdtype(x.dtype, kind) for kind in kinds):
            raise ValueError(f"`{name}` file {path} must hold real numbers; got {x.dtype}.")
    return arrays[0] if len(arrays) == 1 else arrays


def _read_npy(path: Path) -> list[np.ndarray]:
    """The array of a .npy file, read from the disk where it is used."""
    return [np.load(path, mmap_mode="r", allow_pickle=False)]


def _read_npz(path: Path) -> list[np.ndarray]:
    """The arrays of a .npz file in the archive's order."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return [stored[name] for name in stored.files]


def _read_safetensors(path: Path) -> list[np.ndarray]:
    """The arrays of a .safetensors file by name, digits read as numbers."""
    from safetensors.numpy import load_file  # the extra `safetensors`

    stored = load_file(path)
    parts = {name: re.split(r"(\d+)", name) for name in stored}
    order = sorted(stored, key=lambda name: [int(x) if x.isdecimal() else x for x in parts[name]])
    return [stored[name] for name in order]


def start_distances(folder: Path, manifest: dict[str, Any]) -> bool:
    """Makes the folder of an unfinished analysis, or goes on with one; whether that was there.

    ValueError if the folder holds something else than what the manifest's `digest` names.
    """
    if _is_unfinished(folder):
        found = stages.read_manifest(folder)
        stages.require_same_x64(folder, found)
        if found["digest"] == manifest["digest"]:
            return True
        raise FileExistsError(
            f"`name` {folder.name!r} is an unfinished analysis of other data or settings in "
            f"{folder}; choose another --name, or remove that folder."
        )
    stages.require_free(folder)
    with folders.whole_folder(folder) as partial:
        (partial / CHECKPOINT).mkdir(parents=True)
        manifests.put_manifest(partial, {"status": stages.INTERRUPTED, **manifest})
    return False


def _is_unfinished(folder: Path) -> bool:
    """Whether a folder holds an interrupted analysis of arrays."""
    try:
        manifest = stages.read_manifest(folder)
    except ValueError:
        return False
    return "inputs" in manifest and manifest["status"] == stages.INTERRUPTED


@process.uninterrupted()
def save_distances(
    folder: Path, manifest: dict[str, Any], *, rows: Sequence[Row], matrices: dict[str, np.ndarray]
) -> None:
    """Puts a whole folder of distances in the unfinished one's place."""
    with folders.whole_folder(folder) as partial:
        partial.mkdir(parents=True)
        folders.write_rows(partial / "distances.csv", [row._asdict() for row in rows])
        np.savez(partial / "matrices.npz", allow_pickle=False, **matrices)
        files = manifests.files_below(partial)
        manifests.put_manifest(partial, {"status": COMPARED, **manifest}, files)


def read_distances(folder: Path) -> list[Row]:
    """The rows of `distances.csv`; ValueError if the folder is not whole."""
    stages.require_whole(folder, stages.read_manifest(folder))
    kinds = typing.get_type_hints(Row)
    try:
        lines = folders.read_rows(folder / "distances.csv")
        return [Row(**{name: kind(line[name]) for name, kind in kinds.items()}) for line in lines]
    except (OSError, KeyError, TypeError, ValueError):
        raise ValueError(f"`run` {folder} is damaged: distances.csv cannot be read.") from None


def read_matrices(folder: Path) -> dict[str, np.ndarray]:
    """The distance matrices of a folder of distances, by metric; ValueError if it is not whole."""
    stages.require_whole(folder, stages.read_manifest(folder))
    with np.load(folder / "matrices.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
