"""Manifests: what a folder says of itself, with the digests of its files and of this too."""

import datetime
import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rnnensemble._core import runtime
from rnnensemble.files.folders import whole_folder, write_text

NAME = "manifest.json"
"""Its file."""

FORMAT, OLDEST = 8, 7
"""Version of the layout of run folders, folders of distances and sweep folders; the oldest read."""


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes a folder's manifest with what all have: format, time, versions, machine, digests."""
    _write_checked(folder, _with_common(folder, manifest))


def put_manifest(folder: Path, manifest: dict[str, Any], files: Iterable[Path] = ()) -> None:
    """Writes it, with digests of these files, into a folder that nobody reads yet."""
    text = _checked(_with_common(folder, manifest, files))
    (folder / NAME).write_text(text, encoding="utf-8")


def _with_common(
    folder: Path, manifest: dict[str, Any], files: Iterable[Path] = ()
) -> dict[str, Any]:
    """A manifest with what all have."""
    packages = ("rnnensemble", "jax", "flax", "optax", "numpy", "orbax-checkpoint")
    return {
        "format": FORMAT,
        **manifest,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: _version(name) for name in packages},
        "machine": runtime.describe(),
        "files": {path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(files)},
    }


@functools.cache
def _version(package: str) -> str:
    """The version of an installed package, which takes a millisecond to find."""
    return importlib.metadata.version(package)


def note_files(folder: Path, manifest: dict[str, Any], names: Iterable[str]) -> None:
    """Notes the digests of files that were written since in a folder's manifest."""
    digests = {name: file_digest(folder / name) for name in names}
    _write_checked(folder, manifest | {"files": manifest["files"] | digests})


def _write_checked(folder: Path, manifest: dict[str, Any]) -> None:
    """Puts a manifest in the place of the one that is there, whole or not at all."""
    write_text(folder / NAME, _checked(manifest))


def _checked(manifest: dict[str, Any]) -> str:
    """The text of a manifest with the digest of itself."""
    return json.dumps(manifest | {"check": check_of(manifest)}, indent=1) + "\n"


def check_of(manifest: dict[str, Any]) -> str:
    """The digest of all that a manifest says beside this digest."""
    rest = {name: value for name, value in manifest.items() if name != "check"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path | str) -> str:
    """The SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and those below it."""
    return [path for path in folder.rglob("*") if path.is_file()]


def start_folder(folder: Path, texts: dict[str, str], manifest: dict[str, Any]) -> None:
    """Makes a folder of these texts, by file name, and a manifest: whole or not at all."""
    with whole_folder(folder) as partial:
        partial.mkdir(parents=True)
        for name, text in texts.items():
            (partial / name).write_text(text, encoding="utf-8")
        put_manifest(partial, manifest, files_below(partial))
