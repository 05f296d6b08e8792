"""Run folders.

    runs/<name>/
        config.toml                 the condition, as resolved
        manifest.json               status, digest, versions, device
        conditions/<digest>/        orbax: parameters, history, matrices
        summary.csv                 one row: the three levels
        figures/                    PNG and SVG

A folder is written under a temporary name and renamed when it is whole. Nothing is unpickled.
"""

import contextlib
import dataclasses
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from orbax.checkpoint import v1 as ocp

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.files import folders, records
from rnnensemble.files.folders import FORMAT
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from rnnensemble.training.population import Population

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERRUPTED, TRAINED, ANALYSED = "interrupted", "trained", "analysed"
"""How far a run has come."""


class Run(NamedTuple):
    """What a run folder holds.

    Attributes:
        condition: Its settings.
        population: Its networks.
        degeneracy: How far apart they lie, None before the analysis.
        features: How much they learned features, None where that was not measured.
        manifest: Status, digest, versions, device.
    """

    condition: Condition
    population: Population
    degeneracy: Degeneracy | None
    features: FeatureLearning | None
    manifest: dict[str, Any]


def save_run(
    folder: Path | str,
    condition: Condition,
    population: Population,
    *,
    degeneracy: Degeneracy | None = None,
    features: FeatureLearning | None = None,
    figures: "dict[str, Figure] | None" = None,
    seconds: dict[str, float] | None = None,
    replace: bool = False,
) -> Path:
    """Writes a run folder, whole or not at all.

    Args:
        folder: Where; must not exist unless `replace`.
        condition: Settings.
        population: Trained or interrupted networks.
        degeneracy: Its analysis, if there is one.
        features: Its feature learning, if that was measured.
        figures: Figures by name, each saved as PNG and SVG.
        seconds: What took how long, for the manifest.
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
    with folders.whole_folder(folder) as partial:
        _write(partial, condition, population, degeneracy, features)
        folders.write_figures(partial, figures or {})
        manifest = _manifest(condition, population, degeneracy, features)
        folders.write_manifest(partial, manifest | ({"seconds": seconds} if seconds else {}))
    return folder


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
    condition = conditions.from_toml(read_text(folder / "config.toml"))
    if condition.digest != manifest["digest"]:
        raise _damaged(folder, "config.toml does not match the manifest's digest")
    arrays = folder / "conditions" / condition.digest
    stored = _restore(
        folder, arrays / "population", records.population_shapes(condition, manifest["epochs"])
    )
    state = None
    if manifest["status"] == INTERRUPTED:
        state = _restore(folder, arrays / "state", records.state_shapes(condition))
    population = Population(recipe=condition.recipe, state=state, **stored)
    return Run(condition, population, *load_analysis(folder, condition, manifest), manifest)


def load_analysis(
    folder: Path, condition: Condition, manifest: dict[str, Any]
) -> tuple[Degeneracy | None, FeatureLearning | None]:
    """What was measured of the run in a folder, without its population."""
    arrays, converged = folder / "conditions" / condition.digest, manifest["converged"]
    degeneracy = features = None
    if manifest["status"] == ANALYSED:
        shapes = records.degeneracy_shapes(condition, converged)
        tree = _restore(folder, arrays / "degeneracy", shapes)
        degeneracy = records.as_degeneracy(tree, condition)
        if condition.analysis.search is not None:
            shapes = records.topology_shapes(converged, condition.network.width)
            topology = records.as_topology(_restore(folder, arrays / "topology", shapes))
            degeneracy = dataclasses.replace(degeneracy, topology=topology)
    if manifest.get("features"):
        tree = _restore(folder, arrays / "features", records.features_shapes(converged))
        features = records.as_features(tree, condition)
    return degeneracy, features


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
        manifest = json.loads(read_text(folder / "manifest.json"))
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
    return conditions.from_toml(read_text(path))


def _damaged(folder: Path, why: str) -> ValueError:
    return ValueError(f"`run` {folder} is no whole run folder: {why}; train it again.")


def read_text(path: Path) -> str:
    """The text of a file; ValueError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"`run` file {path} cannot be read ({error}).") from None


def _write(
    folder: Path,
    condition: Condition,
    population: Population,
    degeneracy: Degeneracy | None,
    features: FeatureLearning | None,
) -> None:
    """Writes settings, arrays and summary of a run."""
    arrays = folder / "conditions" / condition.digest
    arrays.mkdir(parents=True)
    (folder / "config.toml").write_text(conditions.to_toml(condition), encoding="utf-8")
    ocp.save(str(arrays / "population"), records.population_tree(population))
    if population.state is not None:
        ocp.save(str(arrays / "state"), records.plain(population.state))
    if degeneracy is not None:
        ocp.save(str(arrays / "degeneracy"), records.degeneracy_tree(degeneracy))
        if degeneracy.topology is not None:
            ocp.save(str(arrays / "topology"), records.topology_tree(degeneracy.topology))
        row = records.summary_row(condition, degeneracy, features)
        folders.write_rows(folder / "summary.csv", [row])
    if features is not None:
        ocp.save(str(arrays / "features"), records.features_tree(features))


def _manifest(
    condition: Condition,
    population: Population,
    degeneracy: Degeneracy | None,
    features: FeatureLearning | None,
) -> dict[str, Any]:
    status = TRAINED if degeneracy is None else ANALYSED
    return {
        "status": INTERRUPTED if population.state is not None else status,
        "digest": condition.digest,
        "recipe": condition.recipe_digest,
        "task": condition.task.name,
        "seed": condition.seed,
        "size": population.size,
        "converged": int(population.converged.sum()),
        "diverged": int(population.diverged.sum()),
        "epochs": int(population.history.loss.shape[1]),
        "features": features is not None,
    }


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
