"""Writing to disk so that a kill at any moment leaves what was there, or what was to come."""

import contextlib
import csv
import ctypes
import errno
import glob
import itertools
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnensemble.files import locks

DAY = 86400.0
"""Seconds after which an unfinished file is a killed process's."""

_RESERVED: set[tuple[int, Path]] = set()
"""The folders whose names this process has reserved."""


@contextlib.contextmanager
def reserved(folder: Path) -> Iterator[Path]:
    """Keeps a folder's name for this process inside the block, which may reserve it again.

    What killed processes left beside the folder is brought back or removed. That there was one
    shows in its lock, which all others remove. FileExistsError, which says who, if another process
    has reserved it.
    """
    place = _place(folder)
    mine, lock = (os.getpid(), place), place.with_name(f".{place.name}.lock")
    if mine in _RESERVED:
        yield folder
        return
    missing = [above for above in place.parents if not above.exists()]
    killed = lock.exists()  # to search the folder each time would be slow among thousands
    try:
        with locks.held(lock) as ours:
            if not ours:
                raise FileExistsError(
                    f"`name` {folder.name!r} is in use: {locks.holder(lock)} writes to {folder}; "
                    "wait for it, or choose another --name."
                )
            _RESERVED.add(mine)
            try:
                recover(place)
                for left in _unfinished(place) if killed else ():
                    shutil.rmtree(left, ignore_errors=True)
                yield folder
            finally:
                _RESERVED.discard(mine)
                with contextlib.suppress(OSError):  # Windows keeps it
                    lock.unlink()
    finally:
        for above in missing:  # nothing came of it: no folders are left either
            with contextlib.suppress(OSError):
                above.rmdir()


@contextlib.contextmanager
def reserved_free(root: Path, name: str) -> Iterator[Path]:
    """Reserves the folder of a name, or the first free one of the name and a number.

    ValueError if folders cannot be made in `root`.
    """
    first = named_folder(root, name)
    for number in itertools.count(1):
        folder = first if number == 1 else root / f"{name}-{number}"
        recover(folder)
        if folder.exists():
            continue
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(reserved(folder))
            except FileExistsError:
                continue
            if not folder.exists():  # another process may have made it in the meantime
                yield folder
                return


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the folder's place when the block has ended well."""
    folder = _place(folder)
    with reserved(folder):
        partial = _partial(folder)
        try:
            yield partial
            for path in [*partial.rglob("*"), partial]:
                _flush(path)
            _put(partial, folder)
            _flush(folder.parent)
        finally:
            _discard(partial)


def _discard(folder: Path) -> None:
    """Removes a folder, into which threads of orbax may write for a moment after a failure."""
    for pause in (0.0, 0.1, 0.2):
        if folder.exists():
            time.sleep(pause)
            shutil.rmtree(folder, ignore_errors=True)


def _put(partial: Path, folder: Path) -> None:
    """Puts a folder in the place of another, in one step where the system can."""
    old = folder.with_name(f".{folder.name}.old")
    while folder.exists():
        if _exchanged(partial, folder):
            return
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        with contextlib.suppress(OSError):  # a reader may have brought the old one back
            partial.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
            return
    partial.rename(folder)


def _exchanged(first: Path, second: Path) -> bool:
    """Whether two paths were exchanged, which Linux and macOS do in one step."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        if sys.platform == "linux":
            here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
            return ctypes.CDLL(None).renameat2(here, names[0], here, names[1], exchange) == 0
        if sys.platform == "darwin":
            return ctypes.CDLL(None).renamex_np(*names, 2) == 0  # RENAME_SWAP
    except (AttributeError, OSError):  # an older C library
        pass
    return False


def recover(folder: Path) -> None:
    """Brings back a folder whose replacement was cut off between two renames."""
    if folder.exists():  # found sooner than where it really is
        return
    place = _place(folder)
    old = place.with_name(f".{place.name}.old")
    if old.exists():
        with contextlib.suppress(OSError):  # another process has done it, or nobody may write
            old.rename(place)


def recover_all(root: Path) -> None:
    """Brings back all such folders in another one."""
    for old in root.glob(".*.old"):
        recover(root / old.name.removeprefix(".").removesuffix(".old"))


def _place(folder: Path) -> Path:
    """Where a folder really is: what a link points to is replaced, not the link."""
    return folder.resolve()


def _partial(path: Path) -> Path:
    """A name beside a path that no other process and no other thread has."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")


def _unfinished(path: Path) -> Iterator[Path]:
    """What killed processes left under such names."""
    digits = "[0-9a-f]" * 12  # names of other folders may begin in the same way
    return path.parent.glob(f".{glob.escape(path.name)}.{digits}.partial")


def _flush(path: Path) -> None:
    """Waits until a file or the names in a folder are on the disk."""
    with contextlib.suppress(PermissionError):  # Windows opens no folders
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EBADF, errno.ENOTSUP}:  # some filesystems
                raise
        finally:
            os.close(opened)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The same for a file; of several processes that write it, the last one wins."""
    for left in _unfinished(path):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > DAY:
                left.unlink()
    partial = _partial(path)
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


LONGEST_NAME = 200
"""Bytes of a folder's name, which temporary ones are longer than; systems allow 255."""


def as_path(value: Any, name: str) -> Path:
    """A path; ValueError, naming the argument, if this is none."""
    if not isinstance(value, (str, os.PathLike)):
        told = repr(value).splitlines()[0][:80]
        raise ValueError(f"`{name}` must be a path, such as 'runs/first'; got {told}.")
    return Path(value)


def named_folder(root: Path, name: str) -> Path:
    """The folder of a name in `root`, checked before anything is computed for it.

    ValueError if the name is none of a single folder, or folders cannot be made in `root`.
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
    """Raises ValueError unless one can write to a folder, or to where it will be made."""
    above = (root.absolute(), *root.absolute().parents)
    try:
        there = next(each for each in above if each.is_symlink() or each.exists())
        tempfile.TemporaryFile(dir=there).close()  # without a name, of which a kill leaves nothing
    except OSError as error:
        raise ValueError(f"`{argument}` {root} cannot be written ({error.strerror}).") from None


def discard(descriptor: int) -> None:
    """Has all that is still written to an open file go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def remove_folder(folder: Path) -> None:
    """Removes a folder, which in the eyes of others is there whole or not at all."""
    place = _place(folder)
    if place.exists():
        place = place.rename(_partial(place))
        _discard(place)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it."""
    folder.mkdir(parents=True, exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a file of text, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows as CSV, whole or not at all: all columns, empty where a row has no such one."""
    with whole_file(path) as partial:
        put_rows(partial, rows)


def put_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes them to a file that nobody reads yet."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def remove(path: Path) -> None:
    """Removes a file, if it is there."""
    path.unlink(missing_ok=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as text."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def images(folder: Path) -> dict[str, tuple[bytes, str]]:
    """The PNG files of a folder and the captions beside them, by name without the ending."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        caption = path.with_suffix(".txt")
        words = caption.read_text(encoding="utf-8").strip() if caption.is_file() else ""
        found[path.stem] = (path.read_bytes(), words)
    return found
