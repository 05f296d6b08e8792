"""Sweep folders: which conditions are finished, and what came out.

    runs/<sweep>-<preset>/
        sweep.toml              the sweep file, as given
        manifest.json           name, preset and digest of the sweep, versions, device
        conditions/<digest>/    an ordinary run folder: interrupted, trained, then analysed
        groups/<name>.lock      held by the process that works on a group
        probe, logs/            of engines: what workers must see, and what their tasks said
        summary.csv             one row for each level of each factor or grid that is finished

A condition goes through its three states in place, each written whole; what a kill leaves is the
state before. A condition is finished once it is analysed, or trained with fewer than 2 converged
networks, of which nothing can be measured.
"""

import functools
import secrets
from pathlib import Path
from typing import Any

from rnnensemble.files import folders, locks, manifests, records, stages, storage, trees
from rnnensemble.files.folders import write_text
from rnnensemble.files.stages import read_text
from rnnensemble.study.conditions import Condition
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.sweep_file import read_sweep

MISSING = "missing"
"""The stage of a condition that has no folder."""

LOCK = "lock"
"""Held while a process starts the folder or writes its summary."""

STARTING = (LOCK, ".manifest.json.")
"""What the names in a folder that is being started, without a manifest, begin with."""

LEAST_CONVERGED = 2
"""Networks without which nothing can be compared."""


def read_file(path: Path | str) -> str:
    """The text of a sweep file."""
    path = folders.as_path(path, "sweep")
    if not path.is_file():
        raise ValueError(f"`sweep` must be a sweep file; {path} does not exist.")
    return read_text(path, "sweep")


def sweep_manifest(folder: Path | str) -> dict[str, Any]:
    """The manifest of a sweep folder; ValueError if it is none."""
    try:
        manifest = stages.read_manifest(folder)
    except ValueError as error:
        raise ValueError(f"`sweep` must be a sweep's folder; {folder} is none ({error})") from None
    if manifest["status"] != stages.SWEEP:
        raise ValueError(f"`sweep` must be a sweep's folder; {folder} is another run's.")
    stages.require_same_x64(Path(folder), manifest)
    return manifest


def require_same(folder: Path, sweep: Sweep, *, update: bool = False) -> None:
    """Raises ValueError unless the folder is free, or this sweep's; `update` allows new levels."""
    if not folder.exists() or all(each.name.startswith(STARTING) for each in folder.iterdir()):
        return
    manifest = sweep_manifest(folder)
    theirs, ours = (manifest["sweep"], manifest["preset"]), (sweep.name, sweep.preset)
    if theirs != ours:
        raise ValueError(
            f"`sweep` {ours[0]!r} with preset {ours[1]!r} does not fit {folder}, which holds "
            f"{theirs[0]!r} with {theirs[1]!r}; choose another --runs."
        )
    if manifest["digest"] != sweep.digest and not update:
        raise ValueError(
            f"`sweep` has changed since {folder} was started; take the changed file over by "
            "--update (networks whose recipe stays the same are kept; what else changed is trained "
            "or measured anew), or choose another --runs."
        )


def open_folder(folder: Path, sweep: Sweep, text: str, *, update: bool = False) -> None:
    """Makes the folder of a whole sweep, or checks that it is its; several processes may."""
    _damage.cache_clear()
    require_same(folder, sweep, update=update)
    with locks.held(folder / LOCK, wait=True):
        require_same(folder, sweep, update=update)
        manifest = {
            "status": stages.SWEEP,
            "digest": sweep.digest,
            "sweep": sweep.name,
            "preset": sweep.preset,
            "task": f"({len(sweep.conditions)} conditions)",
            "size": sweep.networks,
        }
        known = (folder / "manifest.json").exists() and sweep_manifest(folder)
        if not known or known["digest"] != sweep.digest:
            manifests.write_manifest(folder, manifest)
        # after the manifest: a folder without one is somebody else's
        file = folder / "sweep.toml"
        if not file.exists() or read_text(file) != text:
            write_text(file, text)


def write_probe(folder: Path) -> str:
    """Writes what other machines must see of the folder, once; returns it."""
    file = folder / "probe"
    if not file.exists():
        write_text(file, secrets.token_hex(8))
    return read_text(file)


def has_engine(folder: Path) -> bool:
    """Whether tasks of an engine work in a folder, or did: a probe was written for them."""
    return (folder / "probe").is_file()


def sees(folder: Path, probe: str) -> bool:
    """Whether this machine sees what `write_probe` has written."""
    return (folder / "probe").is_file() and read_text(folder / "probe") == probe


def note(folder: Path, names: list[str]) -> None:
    """Notes files of a sweep's folder in its manifest, so that damage to them shows."""
    with locks.held(folder / LOCK, wait=True):
        manifests.note_files(folder, sweep_manifest(folder), names)


def condition_folder(folder: Path, digest: str) -> Path:
    """Where a condition's run folder is, or will be."""
    return folder / "conditions" / digest


def stage(folder: Path, digest: str) -> tuple[str, dict[str, Any]]:
    """How far a condition has come, as storage's words or `missing`, and its manifest.

    One whose analysis is damaged is trained, and nothing more. ValueError if its folder is damaged.
    """
    path = condition_folder(folder, digest)
    folders.recover(path)
    if not path.exists():
        return MISSING, {}
    manifest = stages.read_manifest(path)
    if manifest["digest"] != digest:
        raise ValueError(f"`sweep` folder {path} holds condition {manifest['digest']}; remove it.")
    few = manifest["converged"] < LEAST_CONVERGED
    if manifest["status"] == stages.TRAINED and few:
        return stages.ANALYSED, manifest
    if manifest["status"] == stages.ANALYSED and _damage(path, manifest["check"]):
        return stages.TRAINED, manifest
    return manifest["status"], manifest


@functools.cache
def _damage(path: Path, check: str) -> str:
    """A damaged file of a condition; found once for each time that its folder was written."""
    manifest = stages.read_manifest(path)
    broken = stages.broken_files(path, manifest) if manifest["check"] == check else []
    kept = "population", "state"
    return next((name for name in broken if trees.part_of(name) not in kept), "")


def damage(folder: Path, digest: str) -> str:
    """The damaged file of a condition's analysis; nothing if that is whole, or not there."""
    reached, manifest = stage(folder, digest)
    if reached != stages.TRAINED or manifest["status"] != stages.ANALYSED:
        return ""
    return _damage(condition_folder(folder, digest), manifest["check"])


def require_sound(folder: Path, sweep: Sweep) -> None:
    """Raises ValueError if what was measured of a condition is damaged."""
    _damage.cache_clear()
    for digest in sweep.conditions:
        name = damage(folder, digest)
        if name:
            why, remedy = f"{name} is missing or damaged", "start the sweep again to measure it"
            raise stages.damaged(condition_folder(folder, digest), why, remedy)


def trained_by(folder: Path) -> dict[str, Path]:
    """Run folders of the sweep whose training has ended, by the digest of the recipe.

    A condition that differs from an earlier one only in how it is measured finds its networks here.
    """
    return {
        manifest["recipe"]: path
        for path, manifest in stages.list_runs(folder / "conditions").items()
        if manifest["status"] != stages.INTERRUPTED and "recipe" in manifest
    }


def is_finished(folder: Path, digest: str) -> bool:
    """Whether there is nothing left to do for a condition."""
    return stage(folder, digest)[0] == stages.ANALYSED


def load_sweep(folder: Path | str) -> tuple[Sweep, dict[str, Outcome]]:
    """Reads a sweep folder.

    Args:
        folder: As `rnnensemble sweep` writes it, finished or not.

    Returns:
        The whole sweep, and what came out of each finished condition, by digest.

    Raises:
        ValueError: If it is no sweep folder, or a condition's folder is damaged.
    """
    folder = folders.as_path(folder, "folder").absolute()
    sweep, outcomes = stored_sweep(folder), {}
    require_sound(folder, sweep)
    for digest, condition in sweep.conditions.items():
        reached, manifest = stage(folder, digest)
        if reached == stages.ANALYSED:
            path = condition_folder(folder, digest)
            measured = storage.load_analysis(path, condition, manifest)
            outcomes[digest] = Outcome(condition, *measured, manifest)
    return sweep, outcomes


def stored_sweep(folder: Path) -> Sweep:
    """The sweep that a folder was started with."""
    manifest = sweep_manifest(folder)
    if not (folder / "sweep.toml").exists():  # a start that was cut off after the manifest
        why = "is missing; start the sweep again, which brings it back"
        raise ValueError(f"`sweep` file {folder}/sweep.toml {why}.")
    text = read_file(folder / "sweep.toml")
    try:
        sweep = _read_once(text, manifest["preset"] or None)
    except ValueError as error:
        raise ValueError(f"`sweep` file {folder}/sweep.toml is damaged: {error}") from None
    if sweep.digest != manifest["digest"]:
        raise ValueError(f"`sweep` file {folder}/sweep.toml does not match its manifest.")
    return sweep


_read_once = functools.lru_cache(maxsize=1)(read_sweep)
"""While a sweep runs its summary is written again and again, and its file is what it was."""


def write_summary(folder: Path) -> Path:
    """Writes summary.csv: a row for each level of each factor that is finished.

    Several processes may: each writes what is finished at that moment, one after the other.
    """
    path = folder / "summary.csv"
    with locks.held(folder / LOCK, wait=True):
        rows = summary_rows(folder, stored_sweep(folder))
        if rows:
            folders.write_rows(path, rows)
    return path


def summary_rows(folder: Path, sweep: Sweep) -> list[dict[str, Any]]:
    """The rows of summary.csv; `value` and `second` are the two values of a grid's level."""
    known = {digest: _row(folder, condition) for digest, condition in sweep.conditions.items()}
    return [
        {
            "factor": part.name,
            "task": part.task,
            "value": level.value,
            **({"second": level.second} if sweep.grids else {}),
            "label": level.label,
            **row | {"task": part.task},
        }
        for part in sweep.parts
        for level in part.levels
        if (row := known[level.condition.digest])
    ]


def _row(folder: Path, condition: Condition) -> dict[str, Any]:
    """What a finished condition contributes to its rows; nothing if it is not finished."""
    reached, manifest = stage(folder, condition.digest)
    if reached != stages.ANALYSED:
        return {}
    path = condition_folder(folder, condition.digest) / "summary.csv"
    row = records.settings_row(condition)
    measured = folders.read_rows(path)[0] if path.exists() else {}
    counts = {name: manifest[name] for name in ("converged", "diverged")}
    counts["unconverged"] = manifest["size"] - sum(counts.values())
    seconds = manifest.get("seconds", {})
    times = {f"seconds_{n}": round(seconds.get(n, 0.0), 2) for n in ("training", "analysis")}
    rest = {name: value for name, value in measured.items() if name not in row}
    return row | counts | {"epochs": manifest["epochs"]} | times | rest
