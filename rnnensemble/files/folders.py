"""Writing to disk so that a kill at any moment leaves what was there, or what was to come."""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnensemble._core import runtime

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = 6
"""Version of the layout of run folders, folders of distances and sweep folders."""


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the folder's place when the block has ended well."""
    folder = folder.resolve()  # a link stays one; what it leads to is replaced
    recover(folder)
    partial, old = _beside(folder, "partial"), _beside(folder, "old")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recover(folder: Path) -> None:
    """Brings back a folder whose replacement was cut off between its two renames."""
    old = _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}.{suffix}")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The same for a file."""
    partial = _beside(path, "partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def held(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Holds a lock inside the block; yields whether it is ours.

    The kernel holds it and lets go when the process ends, however that happens; the file itself
    stays. On one machine this always holds. Between machines it holds where the network filesystem
    passes flock on: NFS 4 and NFS 3 with lockd do, Lustre if mounted with `flock`. A filesystem
    without flock raises OSError.

    Args:
        path: The lock's file, made with its folder if missing.
        wait: Waits until it is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # without `preserve_lock_file`, a filesystem without flock would get a lock that outlives a kill
    import filelock  # the GPU machine has none, and takes no lock

    lock = filelock.FileLock(path, blocking=wait, preserve_lock_file=True)
    with contextlib.suppress(filelock.Timeout):
        lock.acquire()
    try:
        yield lock.is_locked
    finally:
        lock.release()


LONGEST_NAME = 200
"""Bytes of a folder's name, which temporary ones are longer than; systems allow 255."""


def named_folder(root: Path, name: str) -> Path:
    """The folder of a name in `root`, checked before anything is computed for it.

    Raises:
        ValueError: If the name is none of a single folder, or folders cannot be made in `root`.
    """
    plain = name.isprintable() and name == name.strip() and not set(name) & {"/", "\\"}
    if not plain or not name or name[0] == "." or len(name.encode()) > LONGEST_NAME:
        raise ValueError(
            f"`name` must be the name of one folder, without / and \\ and no dot at its start, of "
            f"at most {LONGEST_NAME} bytes; got {name!r}. Where the folder lies is said by --runs."
        )
    require_writable(root)
    return root / name


def require_writable(root: Path, argument: str = "runs") -> None:
    """Raises ValueError unless folders can be made in a folder, or where it will be made."""
    above = (root.absolute(), *root.absolute().parents)
    try:
        there = next(each for each in above if each.is_symlink() or each.exists())
        os.rmdir(tempfile.mkdtemp(prefix=".", dir=there))
    except OSError as error:
        raise ValueError(f"`{argument}` {root} cannot be written ({error.strerror}).") from None


def free_folder(root: Path, name: str) -> Path:
    """The folder of a name, or the first free one of the name and a number; makes neither."""
    folder, number = named_folder(root, name), 2
    while folder.exists():
        folder, number = root / f"{name}-{number}", number + 1
    return folder


def discard(descriptor: int) -> None:
    """Has all that is still written to an open file go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it."""
    folder.mkdir(parents=True, exist_ok=True)


def replace_figures(folder: Path, figures: "dict[str, Figure]") -> None:
    """Puts these figures, each as PNG and SVG, in the place of the folder's `figures`."""
    with whole_folder(folder / "figures") as partial:
        partial.mkdir()
        _save_figures(partial, figures, dpi=150)


def write_figures(folder: Path, figures: "dict[str, Figure]") -> None:
    """Writes each figure as PNG and SVG into the folder's `figures`."""
    if figures:
        (folder / "figures").mkdir()
        _save_figures(folder / "figures", figures, dpi=200)


def _save_figures(folder: Path, figures: "dict[str, Figure]", *, dpi: int) -> None:
    for name, figure in figures.items():
        for suffix in ("png", "svg"):
            figure.savefig(folder / f"{name}.{suffix}", dpi=dpi)
            figure.set_layout_engine("none")  # laid out once; it takes as long as to draw


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest with what all have in common: format, time, versions, machine."""
    packages = ("rnnensemble", "jax", "flax", "optax", "numpy", "orbax-checkpoint")
    whole = {
        "format": FORMAT,
        **manifest,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "machine": runtime.describe(),
    }
    write_text(folder / "manifest.json", json.dumps(whole, indent=1) + "\n")


def start_folder(folder: Path, texts: dict[str, str], manifest: dict[str, Any]) -> None:
    """Makes a folder of these texts, by file name, and a manifest: whole or not at all."""
    with whole_folder(folder) as partial:
        partial.mkdir(parents=True)
        for name, text in texts.items():
            write_text(partial / name, text)
        write_manifest(partial, manifest)


def write_text(path: Path, text: str) -> None:
    """Writes a file of text, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows as CSV: all columns of all rows, empty where a row has no such column."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as text."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
