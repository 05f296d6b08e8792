"""How far folders have come, at a glance: from manifests, locks and files of progress alone.

No array is read and no digest of one is compared, so that a thousand folders take a second.
"""

import contextlib
import datetime
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from rnnensemble.files import folders, live, locks, stages, sweep_folder
from rnnensemble.study import shards
from rnnensemble.study.factors import Sweep

KINDS = {stages.SWEEP: "sweep", stages.ROUNDS: "plan"}
"""What folders of many runs are called, by the status in their manifests."""

LOG_END = 4096
"""Bytes at the end of a log among which its last line is looked for."""

DAMAGED = "damaged"
"""Status of a folder whose manifest cannot be read."""


class Work(NamedTuple):
    """Work under way of a group or run: what its file of progress says, when, and who works."""

    name: str
    state: dict[str, Any]
    age: float
    holder: str


class Entry(NamedTuple):
    """A folder in the list of all: run, shard, distances, sweep or plan.

    `converged` holds networks converged of networks trained as text, `bytes` what it takes on the
    disk, `age` the seconds since its manifest was written.
    """

    name: str
    kind: str
    status: str
    task: str
    converged: str
    bytes: int
    age: float


class Conditions(NamedTuple):
    """How far the conditions of a sweep have come, each by its digest, with its manifest.

    Attributes:
        sweep: The sweep.
        finished: Analysed, or with too few networks to compare.
        trained: Trained, and not analysed yet.
        begun: With networks that have still to train.
        damaged: Whose manifest cannot be read, with why instead.
    """

    sweep: Sweep
    finished: dict[str, dict[str, Any]]
    trained: dict[str, dict[str, Any]]
    begun: dict[str, dict[str, Any]]
    damaged: dict[str, str]

    @property
    def missing(self) -> int:
        """How many have no folder yet."""
        known = (self.finished, self.trained, self.begun, self.damaged)
        return len(self.sweep.conditions) - sum(map(len, known))


def work_at(progress: Path, lock: Path) -> Work | None:
    """The work whose file of progress this is; None if there is none, or its process is gone.

    Of a process on another machine that is only known by what it has not said for a day.
    """
    found, alive = live.read(progress), locks.is_alive(lock)
    if found is None or alive is False or (alive is None and found[1] > folders.DAY):
        return None
    name = progress.name.removesuffix(live.SUFFIX).removeprefix(".")
    return Work(name, *found, locks.holder(lock))


def work_on(folder: Path) -> Work | None:
    """The work on a run folder, which need not be there yet."""
    return work_at(live.beside(folder), lock_of(folder))


def lock_of(folder: Path) -> Path:
    """The lock of whoever writes to a folder (`folders.reserved`)."""
    place = folder.resolve()
    return place.with_name(f".{place.name}.lock")


def work_on_group(folder: Path, name: str) -> Work | None:
    """The work on a group of a plan: whoever works on it holds the plan's folder."""
    return work_at(live.beside(folder / name), lock_of(folder))


def work_on_groups(folder: Path) -> list[Work]:
    """The work on the groups of a sweep, and on their shards."""
    files = sorted((folder / "groups").glob(f"*{live.SUFFIX}"))
    found = (work_at(path, path.with_suffix(".lock")) for path in files)
    return [each for each in found if each is not None]


def conditions_of(folder: Path, sweep: Sweep | None = None) -> Conditions:
    """How far the conditions of a sweep have come; its folder is read unless the sweep is given.

    ValueError if it is no sweep's folder.
    """
    found = Conditions(sweep or sweep_folder.stored_sweep(folder), {}, {}, {}, {})
    for digest in found.sweep.conditions:
        path = sweep_folder.condition_folder(folder, digest)
        if not path.exists():
            continue
        try:
            manifest = stages.read_manifest(path)
        except ValueError as error:
            found.damaged[digest] = str(error)
            continue
        few = manifest["converged"] < sweep_folder.LEAST_CONVERGED
        if manifest["status"] == stages.INTERRUPTED:
            found.begun[digest] = manifest
        elif manifest["status"] == stages.TRAINED and not few:
            found.trained[digest] = manifest
        else:
            found.finished[digest] = manifest
    return found


def entries(root: Path) -> list[Entry]:
    """All folders of runs in another one, those that cannot be read too, and runs under way."""
    whole = stages.list_runs(root)
    found = {path.name: _entry(path, manifest) for path, manifest in whole.items()}
    for path in sorted(root.glob("*/manifest.json")):
        name = path.parent.name
        if name not in found and not name.startswith("."):
            age = time.time() - path.stat().st_mtime
            found[name] = Entry(name, "?", DAMAGED, "", "", size_of(path.parent), age)
    for path in root.glob(f".*{live.SUFFIX}"):  # before the first checkpoint there is no folder
        name = path.name.removeprefix(".").removesuffix(live.SUFFIX)
        work = work_on(root / name)
        if work is not None and name not in found:
            converged = f"{work.state.get('converged', 0)}/{work.state.get('size', '?')}"
            found[name] = Entry(name, "run", "under way", "", converged, 0, work.age)
    return [found[name] for name in sorted(found)]


def _entry(path: Path, manifest: dict[str, Any]) -> Entry:
    """A whole folder."""
    status, part = manifest["status"], shards.noted(manifest)
    kind = KINDS.get(status, "distances" if "inputs" in manifest else "run")
    networks = {"converged": manifest.get("converged"), "size": manifest.get("size")}
    if part:
        kind, status = "shard", f"{status}, shard {part}"
    if kind == "sweep":
        status, networks = _of_conditions(path)
    elif kind == "plan":
        runs = stages.list_runs(path).values()
        groups = [each for each in runs if each["status"] != stages.INTERRUPTED]
        status = f"{len(groups)} trained"
        networks = {name: sum(each[name] for each in groups) for name in networks}
    if locks.is_alive(lock_of(path)) or work_on(path) or work_on_groups(path):
        status += ", under way"
    counted = networks["converged"] is not None
    converged = "{converged}/{size}" if counted else "{size}"
    task = manifest.get("task", "(arrays)")
    text, age = converged.format(**networks), age_of(manifest)
    return Entry(path.name, kind, status, task, text, size_of(path), age)


def age_of(manifest: dict[str, Any]) -> float:
    """Seconds since a manifest was written."""
    written = datetime.datetime.fromisoformat(manifest["written"])
    return max((datetime.datetime.now(datetime.UTC) - written).total_seconds(), 0.0)


def _of_conditions(folder: Path) -> tuple[str, dict[str, Any]]:
    """How many conditions of a sweep are finished, and the networks of these."""
    try:
        found = conditions_of(folder)
    except ValueError:  # without its file, or of other numbers
        return DAMAGED, {"converged": None, "size": "?"}
    manifests = found.finished.values()
    networks = {name: sum(each[name] for each in manifests) for name in ("converged", "size")}
    broken = f", {len(found.damaged)} damaged" if found.damaged else ""
    return f"{len(found.finished)} of {len(found.sweep.conditions)} finished{broken}", networks


def last_line(logs: Path) -> str:
    """The last line that was written into a folder of logs; nothing if there is none."""
    files = [path for path in logs.glob("*") if path.is_file()]
    if not files:
        return ""
    newest = max(files, key=lambda path: path.stat().st_mtime)
    with newest.open("rb") as file:
        file.seek(max(newest.stat().st_size - LOG_END, 0))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def unfinished(root: Path) -> tuple[int, int]:
    """How many folders and files are half written in a folder, and their bytes.

    They are being written, or were when a process was killed.
    """
    found = list(root.glob(".*.partial"))
    return len(found), sum(map(size_of, found))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder and those below it."""
    total = 0
    with contextlib.suppress(OSError):  # gone in the meantime
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as found:
            for each in found:
                if each.is_dir(follow_symlinks=False):
                    total += size_of(Path(each.path))
                else:
                    total += each.stat(follow_symlinks=False).st_size
    return total
