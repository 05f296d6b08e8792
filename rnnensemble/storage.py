"""Run folders. This file and `arrays` are the only ones that touch the disk.

    runs/<name>/
        config.toml                 the condition, as resolved
        manifest.json               status, digest, versions, device
        conditions/<digest>/        orbax: parameters, history, matrices
        summary.csv                 one row: the three levels
        figures/                    PNG and SVG

A folder is written under a temporary name and renamed when it is whole. Nothing is unpickled.
"""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orbax.checkpoint import v1 as ocp

from rnnensemble import conditions, records, runtime
from rnnensemble.conditions import Condition
from rnnensemble.degeneracy import Degeneracy
from rnnensemble.population import Population

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = 2
"""Version of the run folder's layout."""

INTERRUPTED, TRAINED, ANALYSED = "interrupted", "trained", "analysed"
"""How far a run has come."""


class Run(NamedTuple):
    """What a run folder holds.

    Attributes:
        condition: Its settings.
        population: Its networks.
        degeneracy: How far apart they lie, None before the analysis.
        manifest: Status, digest, versions, device.
    """

    condition: Condition
    population: Population
    degeneracy: Degeneracy | None
    manifest: dict[str, Any]


def save_run(
    folder: Path | str,
    condition: Condition,
    population: Population,
    *,
    degeneracy: Degeneracy | None = None,
    figures: "dict[str, Figure] | None" = None,
    replace: bool = False,
) -> Path:
    """Writes a run folder, whole or not at all.

    Args:
        folder: Where; must not exist unless `replace`.
        condition: Settings.
        population: Trained or interrupted networks.
        degeneracy: Its analysis, if there is one.
        figures: Figures by name, each saved as PNG and SVG.
        replace: Swaps out an existing run folder (a later stage of the same run).

    Returns:
        The folder.

    Raises:
        ValueError: If the folder exists.
        OSError: If the disk is full or read-only.
    """
    folder = Path(folder).absolute()
    if folder.exists() and not replace:
        require_free(folder)
    with whole_folder(folder) as partial:
        _write(partial, condition, population, degeneracy, figures or {})
    return folder


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the folder's place when the block has ended well."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_free(folder: Path | str) -> None:
    """Raises ValueError if something already has this name; says what to do about it."""
    folder = Path(folder)
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


def load_run(folder: Path | str) -> Run:
    """Reads a run folder; it may have been written with any number of devices.

    Raises:
        ValueError: If the folder is missing, half-written, damaged or of a later format.
    """
    folder = Path(folder).absolute()
    manifest = read_manifest(folder)
    if "inputs" in manifest:
        raise ValueError(
            f"`run` {folder} holds distances of networks made elsewhere, no population; see "
            f"`rnnensemble show {folder}`."
        )
    condition = conditions.from_toml(_read(folder / "config.toml"))
    if condition.digest != manifest["digest"]:
        raise _damaged(folder, "config.toml does not match the manifest's digest")
    arrays = folder / "conditions" / condition.digest
    stored = _restore(
        folder, arrays / "population", records.population_shapes(condition, manifest["epochs"])
    )
    state = None
    if manifest["status"] == INTERRUPTED:
        state = _restore(folder, arrays / "state", records.state_shapes(condition))
    population = Population(
        task=condition.task,
        network=condition.network,
        training=condition.training,
        seed=condition.seed,
        state=state,
        **stored,
    )
    degeneracy = None
    if manifest["status"] == ANALYSED:
        shapes = records.degeneracy_shapes(condition, manifest["converged"])
        tree = _restore(folder, arrays / "degeneracy", shapes)
        degeneracy = records.as_degeneracy(tree, condition)
    return Run(condition, population, degeneracy, manifest)


def list_runs(root: Path | str = "runs") -> dict[Path, dict[str, Any]]:
    """The manifests of all whole run folders below `root`, by folder."""
    found = {}
    for path in sorted(Path(root).glob("*/manifest.json")):
        if not path.parent.name.startswith("."):
            with contextlib.suppress(ValueError):
                found[path.parent] = read_manifest(path.parent)
    return found


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """The manifest of a run folder; ValueError if it is no whole run folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"`run` must be a run folder; {folder} does not exist.")
    if not (folder / "manifest.json").is_file():
        raise _damaged(folder, "manifest.json is missing")
    try:
        manifest = json.loads(_read(folder / "manifest.json"))
    except json.JSONDecodeError:
        raise _damaged(folder, "manifest.json cannot be read") from None
    if not isinstance(manifest, dict) or not {"format", "status", "digest"} <= manifest.keys():
        raise _damaged(folder, "manifest.json is incomplete")
    if manifest["format"] < FORMAT:
        raise ValueError(
            f"`run` {folder} has format {manifest['format']} of an earlier version; this one "
            f"reads {FORMAT}: train it again."
        )
    if manifest["format"] > FORMAT:
        raise ValueError(
            f"`run` {folder} has format {manifest['format']}, this version reads up to {FORMAT}; "
            "update rnnensemble."
        )
    return manifest


def read_preset(path: Path | str) -> Condition:
    """Reads a condition from a TOML file."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"`preset` must be a TOML file; {path} does not exist.")
    return conditions.from_toml(_read(path))


def _damaged(folder: Path, why: str) -> ValueError:
    return ValueError(f"`run` {folder} is no whole run folder: {why}; train it again.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"`run` file {path} cannot be read ({error}).") from None


def _write(
    folder: Path,
    condition: Condition,
    population: Population,
    degeneracy: Degeneracy | None,
    figures: "dict[str, Figure]",
) -> None:
    """Writes all files of a run; the manifest last."""
    arrays = folder / "conditions" / condition.digest
    arrays.mkdir(parents=True)
    (folder / "config.toml").write_text(conditions.to_toml(condition), encoding="utf-8")
    ocp.save(str(arrays / "population"), records.population_tree(population))
    if population.state is not None:
        ocp.save(str(arrays / "state"), records.plain(population.state))
    if degeneracy is not None:
        ocp.save(str(arrays / "degeneracy"), records.degeneracy_tree(degeneracy))
        write_rows(folder / "summary.csv", [records.summary_row(condition, degeneracy)])
    write_figures(folder, figures)
    write_manifest(folder, _manifest(condition, population, degeneracy))


def write_figures(folder: Path, figures: "dict[str, Figure]") -> None:
    """Writes each figure as PNG and SVG into the folder's `figures`."""
    if figures:
        (folder / "figures").mkdir()
    for name, figure in figures.items():
        for suffix in ("png", "svg"):
            figure.savefig(folder / "figures" / f"{name}.{suffix}", dpi=200)


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
    (folder / "manifest.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _manifest(
    condition: Condition, population: Population, degeneracy: Degeneracy | None
) -> dict[str, Any]:
    status = TRAINED if degeneracy is None else ANALYSED
    return {
        "status": INTERRUPTED if population.state is not None else status,
        "digest": condition.digest,
        "task": condition.task.name,
        "seed": condition.seed,
        "size": population.size,
        "converged": int(population.converged.sum()),
        "diverged": int(population.diverged.sum()),
        "epochs": int(population.history.loss.shape[1]),
    }


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows of the same columns as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _restore(folder: Path, path: Path, target: Any) -> Any:
    """A tree of arrays in the structure of a target; ValueError if it is not there whole."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # orbax warns of sharding; these are host arrays
            stored = ocp.load(str(path), records.plain(target))
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise _damaged(folder, f"{path.relative_to(folder)} cannot be read ({reason})") from None
    return records.like(target, stored)
