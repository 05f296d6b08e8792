"""How far a run folder has come, and what its manifest says."""

import contextlib
import json
from pathlib import Path
from typing import Any

from rnnensemble._core import switches
from rnnensemble.files import folders, manifests
from rnnensemble.files.manifests import FORMAT, OLDEST

INTERRUPTED, TRAINED, ANALYSED = "interrupted", "trained", "analysed"
"""How far a run has come."""

SWEEP, ROUNDS = "sweep", "rounds"
"""What stands for it in folders that hold many runs."""

NO_RUNS = {
    SWEEP: "a sweep's folder; its runs are the folders in `conditions`, its page is written by "
    "`rnnensemble report`",
    ROUNDS: "the folder of a plan, from `rnnensemble deflate`; its runs are the folders in it",
}
"""What such a folder is."""


def require_free(folder: Path | str) -> None:
    """Raises ValueError if something already has this name; says what to do about it."""
    folder = Path(folder)
    folders.recover(folder)
    if not folder.exists():
        return
    with contextlib.suppress(ValueError):
        manifest = read_manifest(folder)
        if manifest["status"] == INTERRUPTED and "inputs" not in manifest:
            raise FileExistsError(
                f"`name` {folder.name!r} is an interrupted run in {folder}; go on with it by "
                "--resume, or choose another --name."
            )
    raise FileExistsError(
        f"`name` {folder.name!r} is taken by {folder}; look at it with `rnnensemble show "
        f"{folder}`, or choose another --name."
    )


def list_runs(root: Path | str = "runs") -> dict[Path, dict[str, Any]]:
    """The manifests of all whole run folders below `root`, by folder."""
    found = {}
    folders.recover_all(Path(root))
    for path in sorted(Path(root).glob("*/manifest.json")):
        if not path.parent.name.startswith("."):
            with contextlib.suppress(ValueError):
                found[path.parent] = read_manifest(path.parent)
    return found


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """The manifest of a run folder; ValueError if it is no whole run folder."""
    folder = Path(folder)
    folders.recover(folder)
    if not folder.is_dir():
        raise ValueError(f"`run` must be a run folder; {folder} does not exist.")
    if not (folder / "manifest.json").is_file():
        raise damaged(folder, "manifest.json is missing")
    text = read_text(folder / "manifest.json")
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged(folder, "manifest.json cannot be read") from None
    known = {"format", "status", "digest"}
    if not isinstance(manifest, dict) or not known <= manifest.keys():
        raise damaged(folder, "manifest.json is incomplete")
    if type(manifest["format"]) is not int:
        raise damaged(folder, "manifest.json is incomplete")
    if manifest["format"] < OLDEST:
        raise ValueError(
            f"`run` {folder} has format {manifest['format']} of an earlier version; this one "
            f"reads {OLDEST} to {FORMAT}: train it again."
        )
    if manifest["format"] > FORMAT:
        raise ValueError(
            f"`run` {folder} has format {manifest['format']}, this version reads up to {FORMAT}; "
            "update rnnensemble."
        )
    if manifests.check_of(manifest) != manifest.get("check"):
        raise damaged(folder, "manifest.json does not match its own digest")
    return manifest


def broken_files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """The files of a folder that are missing or not as they were written."""
    return [name for name, digest in manifest["files"].items() if _digest(folder / name) != digest]


def require_whole(folder: Path, manifest: dict[str, Any]) -> None:
    """Raises ValueError if a file of a folder of distances is not as it was written."""
    broken = broken_files(folder, manifest)
    if broken:
        why, remedy = f"{broken[0]} is missing or damaged", "remove it and compare again"
        raise damaged(folder, why, remedy)


def is_noted(path: Path) -> bool:
    """Whether a file is as the manifest beside it says, if there is one that names it."""
    try:
        noted = read_manifest(path.parent)["files"]
    except ValueError:  # a file alone is what its owner says it is
        return True
    return path.name not in noted or noted[path.name] == _digest(path)


def _digest(path: Path) -> str:
    """The digest of a file; nothing if it cannot be read."""
    try:
        return manifests.file_digest(path)
    except OSError:
        return ""


def damaged(folder: Path, why: str, remedy: str = "train it again") -> ValueError:
    return ValueError(f"`run` {folder} is no whole run folder: {why}; {remedy}.")


def require_same_x64(folder: Path, manifest: dict[str, Any]) -> None:
    """Raises ValueError if JAX computes with other numbers now than when a folder was written."""
    then = manifest.get("machine", {}).get("x64", False)
    if then != switches.x64():
        raise ValueError(
            f"`jax_enable_x64` was {then} when {folder} was made; set it so, also by "
            f"JAX_ENABLE_X64={int(then)}, or make another."
        )


def read_text(path: Path, argument: str = "run") -> str:
    """The text of a file; ValueError, naming the argument it is for, if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows may begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"`{argument}` file {path} cannot be read ({error}).") from None
