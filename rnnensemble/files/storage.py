"""Run folders.

    runs/<name>/
        config.toml                 the condition, as resolved
        manifest.json               status, digest, versions, device
        conditions/<digest>/        orbax: parameters, history, matrices; what unconverged networks
                                    go on from
        summary.csv                 one row: the three levels
        figures/                    PNG and SVG

A folder is written under a temporary name and renamed when it is whole. Nothing is unpickled.
"""

import dataclasses
import errno
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnnensemble._core import process
from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.files import folders, records
from rnnensemble.files.stages import (
    ANALYSED,
    INTERRUPTED,
    NO_RUNS,
    TRAINED,
    damaged,
    read_manifest,
    read_text,
    require_free,
    require_same_x64,
)
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


@process.uninterrupted()
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


def save(
    folder: Path | str,
    population: Population,
    *,
    degeneracy: Degeneracy | None = None,
    features: FeatureLearning | None = None,
    replace: bool = False,
) -> Path:
    """Writes a population, and what was measured of it, into a run folder.

    `rnnensemble show FOLDER` and `load` read it, and import the modules of a task, network and
    measures of your own. It is written whole or not at all.

    Args:
        folder: Where; must not exist unless `replace`.
        population: Trained or interrupted networks.
        degeneracy: What `measure_degeneracy` found.
        features: What `measure_feature_learning` found.
        replace: Replaces an existing run folder.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder exists, or what was measured is of another population.
        OSError: If the disk is full or read-only.

    Example:
        >>> import tempfile
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = rnne.save(f"{folder}/mine", population)
        ...     rnne.load(f"{folder}/mine").population == population
        True
    """
    settings: dict[str, Any] = {}
    for name, found in (("analysis", degeneracy), ("features", features)):
        if found is not None:
            if not np.array_equal(found.networks, np.flatnonzero(population.converged)):
                raise ValueError(f"`{name}` must be of this population's converged networks.")
            settings[name] = found.analysis
    parts = {f.name: getattr(population.recipe, f.name) for f in dataclasses.fields(Recipe)}
    measures = degeneracy.analysis.further.values() if degeneracy else ()
    imports = conditions.own_modules(population.task, population.network, *measures)
    condition = Condition(**parts, **settings, imports=imports)
    return save_run(
        folder, condition, population, degeneracy=degeneracy, features=features, replace=replace
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
    if manifest["status"] in NO_RUNS:
        raise ValueError(f"`run` {folder} is {NO_RUNS[manifest['status']]}.")
    require_same_x64(folder, manifest)
    condition = conditions.from_toml(read_text(folder / "config.toml"))
    if condition.digest != manifest["digest"]:
        raise damaged(folder, "config.toml does not match the manifest's digest")
    arrays = folder / "conditions" / condition.digest
    stored = _restore(
        folder, arrays / "population", records.population_shapes(condition, manifest["epochs"])
    )
    state = None
    if (arrays / "state").exists() or manifest["status"] == INTERRUPTED:
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


def read_preset(path: Path | str) -> Condition:
    """Reads a condition from a TOML file."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"`preset` must be a TOML file; {path} does not exist.")
    return conditions.from_toml(read_text(path, "preset"))


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
    _store(arrays / "population", records.population_tree(population))
    if population.state is not None:
        _store(arrays / "state", population.state)
    if degeneracy is not None:
        _store(arrays / "degeneracy", records.degeneracy_tree(degeneracy))
        if degeneracy.topology is not None:
            _store(arrays / "topology", records.topology_tree(degeneracy.topology))
        row = records.summary_row(condition, degeneracy, features)
        folders.write_rows(folder / "summary.csv", [row])
    if features is not None:
        _store(arrays / "features", records.features_tree(features))


def _manifest(
    condition: Condition,
    population: Population,
    degeneracy: Degeneracy | None,
    features: FeatureLearning | None,
) -> dict[str, Any]:
    status = TRAINED if degeneracy is None else ANALYSED
    return {
        "status": INTERRUPTED if population.unfinished and population.state else status,
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


def _store(path: Path, tree: Any) -> None:
    """Writes a tree of arrays; OSError if that fails."""
    from orbax.checkpoint import v1 as ocp  # takes a second to load

    try:
        ocp.save(str(path), records.plain(tree))
    except ValueError as error:  # as tensorstore tells whatever the system refused
        full = "RESOURCE_EXHAUSTED" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)[:200], str(path)) from None


def _restore(folder: Path, path: Path, target: Any) -> Any:
    """A tree of arrays in the structure of a target; ValueError if it is not there whole."""
    from flax import serialization
    from orbax.checkpoint import v1 as ocp

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # orbax warns of sharding; these are host arrays
            stored = ocp.load(str(path), records.plain(target))
        return serialization.from_state_dict(target, stored)
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise damaged(folder, f"{path.relative_to(folder)} cannot be read ({reason})") from None
