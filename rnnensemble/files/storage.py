"""Run folders.

    runs/<name>/
        config.toml                 the condition, as resolved
        manifest.json               status, digest, versions, device
        population.msgpack          parameters and history; so too snapshots, degeneracy, topology,
                                    features, and state, from which unconverged networks go on
        population/                 its large arrays (`trees`)
        task/                       arrays of a task that are in no file
        summary.csv                 one row: the three levels
        figures/                    PNG, SVG and PDF, numbers (CSV), captions

A folder is written under a temporary name and renamed when it is whole. Nothing is unpickled.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnensemble._core import process
from rnnensemble._core.array_files import read_named
from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.files import folders, manifests, records, snapshot_trees, trees
from rnnensemble.files.stages import (
    ANALYSED,
    INTERRUPTED,
    NO_RUNS,
    TRAINED,
    broken_files,
    damaged,
    read_manifest,
    read_text,
    require_free,
    require_same_x64,
)
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from rnnensemble.study.shards import Shard
from rnnensemble.tasks.trial_arrays import checked
from rnnensemble.training.epoch import History
from rnnensemble.training.population import Population, require_population
from rnnensemble.training.recipe import Recipe


class Run(NamedTuple):
    """What a run folder holds.

    Attributes:
        condition: Its settings.
        population: Its networks.
        degeneracy: How far apart they lie, None before the analysis.
        features: How much they learned features, None where that was not measured.
        manifest: Status, digest, versions, device.
        damage: What of its analysis is damaged, in words; the run then counts as not analysed.
    """

    condition: Condition
    population: Population
    degeneracy: Degeneracy | None
    features: FeatureLearning | None
    manifest: dict[str, Any]
    damage: str = ""


@process.uninterrupted()
def save_run(
    folder: Path | str,
    condition: Condition,
    population: Population,
    *,
    degeneracy: Degeneracy | None = None,
    features: FeatureLearning | None = None,
    seconds: dict[str, float] | None = None,
    shard: Shard | None = None,
    replace: bool = False,
) -> Path:
    """Writes a run folder, whole or not at all.

    Args:
        folder: Where; must not exist unless `replace`.
        condition: Settings.
        population: Trained or interrupted networks.
        degeneracy: Its analysis, if there is one.
        features: Its feature learning, if that was measured.
        seconds: What took how long, for the manifest.
        shard: Which shard of a population it is, if it is one, for the manifest.
        replace: Swaps out an existing run folder (a later stage of the same run).

    Returns:
        The folder.

    Raises:
        ValueError: If the folder exists.
        OSError: If the disk is full or read-only.
    """
    folder = folders.as_path(folder, "folder").absolute()
    with folders.whole_folder(folder) as partial:
        if not replace:
            require_free(folder)
        _write(partial, condition, population, degeneracy, features)
        manifest = _manifest(condition, population, degeneracy, features)
        manifest |= {"seconds": seconds} if seconds else {}
        manifest |= {"shard": shard._asdict()} if shard else {}
        manifests.put_manifest(partial, manifest, manifests.files_below(partial))
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
    require_population(population)
    settings: dict[str, Any] = {}
    for name, found in (("analysis", degeneracy), ("features", features)):
        if found is not None:
            if not np.array_equal(found.networks, np.flatnonzero(population.converged)):
                raise ValueError(f"`{name}` must be of this population's converged networks.")
            settings[name] = found.analysis
    parts = {f.name: getattr(population.recipe, f.name) for f in dataclasses.fields(Recipe)}
    measures = degeneracy.analysis.further.values() if degeneracy else ()
    tasks = (each.task for each in population.recipe.lineage)
    imports = conditions.own_modules(*tasks, population.network, *measures)
    condition = Condition(**parts, **settings, imports=imports)
    return save_run(
        folder, condition, population, degeneracy=degeneracy, features=features, replace=replace
    )


def load_run(folder: Path | str) -> Run:
    """Reads a run folder; it may have been written with any number of devices.

    Every file is compared with its digest in the manifest. A damaged analysis is left out and named
    in `damage`: the networks are whole, and can be measured again.

    Raises:
        ValueError: If the folder is missing, half-written, damaged or of another format.
    """
    folder = folders.as_path(folder, "folder").absolute()
    manifest = read_manifest(folder)
    if "inputs" in manifest:
        raise ValueError(
            f"`run` {folder} holds distances of networks made elsewhere, no population; see "
            f"`rnnensemble show {folder}`."
        )
    if manifest["status"] in NO_RUNS:
        raise ValueError(f"`run` {folder} is {NO_RUNS[manifest['status']]}.")
    require_same_x64(folder, manifest)
    broken = {trees.part_of(name): name for name in broken_files(folder, manifest)}
    interrupted = manifest["status"] == INTERRUPTED
    parts = {"config", "population", "task", "snapshots", interrupted and "state"}
    for part in parts & broken.keys():
        raise damaged(folder, f"{broken[part]} is missing or damaged")
    # without states, trained networks are whole, and only go no further
    with_state = not broken.pop("state", "") and trees.is_stored(folder, "state")
    stored = sorted([*folder.glob("task/*.npz"), *folder.glob("conditions/*/task/*.npz")])
    given = [checked(read_named(path, "run")) for path in stored]  # found by their digests
    condition = conditions.from_toml(read_text(folder / "config.toml"))
    del given
    if condition.digest != manifest["digest"]:
        raise damaged(folder, "config.toml does not match the manifest's digest")
    shapes = records.population_shapes(condition, manifest["epochs"])
    stored = trees.restore(folder, "population", shapes)
    stored["history"] = History(**stored["history"])
    stored["snapshots"] = snapshot_trees.restore(folder, condition)
    state = None
    if with_state:
        shapes = records.state_tree(records.state_shapes(condition), condition)
        state = records.as_state(trees.restore(folder, "state", shapes), condition)
    population = Population(recipe=condition.recipe, state=state, **stored)
    for name, found in _counts(condition, population).items():
        if manifest[name] != found:
            raise damaged(folder, f"its manifest says {name} {manifest[name]}, not {found}")
    if broken:
        name = next(iter(broken.values()))
        damage = f"the analysis in {folder} is damaged ({name}), its networks are whole"
        manifest |= {"status": TRAINED, "features": False}
        return Run(condition, population, None, None, manifest, damage)
    return Run(condition, population, *load_analysis(folder, condition, manifest), manifest)


def load_analysis(
    folder: Path, condition: Condition, manifest: dict[str, Any]
) -> tuple[Degeneracy | None, FeatureLearning | None]:
    """What was measured of the run in a folder, without its population."""
    degeneracy = features = None
    converged = manifest["converged"]
    if manifest["status"] == ANALYSED:
        shapes = records.degeneracy_shapes(condition, converged, manifest.get("rules", ()))
        tree = trees.restore(folder, "degeneracy", shapes)
        degeneracy = records.as_degeneracy(tree, condition)
        if condition.analysis.search is not None:
            shapes = records.topology_shapes(condition, converged)
            topology = records.as_topology(trees.restore(folder, "topology", shapes))
            degeneracy = dataclasses.replace(degeneracy, topology=topology)
    if manifest.get("features"):
        tree = trees.restore(folder, "features", records.features_shapes(converged))
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
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(conditions.to_toml(condition), encoding="utf-8")
    given = [each.task.given_arrays for each in condition.lineage]
    for digest, named in {name: x for each in given for name, x in each.items()}.items():
        (folder / "task").mkdir(exist_ok=True)
        np.savez(folder / "task" / f"{digest}.npz", allow_pickle=False, **named)
    trees.store(folder, "population", records.population_tree(population))
    snapshot_trees.store(folder, population)
    if population.state is not None:
        trees.store(folder, "state", records.state_tree(population.state, condition))
    if degeneracy is not None:
        trees.store(folder, "degeneracy", records.degeneracy_tree(degeneracy))
        if degeneracy.topology is not None:
            trees.store(folder, "topology", records.topology_tree(degeneracy.topology))
        row = records.summary_row(condition, degeneracy, features)
        folders.put_rows(folder / "summary.csv", [row])
    if features is not None:
        trees.store(folder, "features", records.features_tree(features))


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
        **_counts(condition, population),
        "features": features is not None,
    } | ({"rules": [*degeneracy.behavior.by_task]} if degeneracy else {})


def _counts(condition: Condition, population: Population) -> dict[str, Any]:
    """What a manifest says of settings and arrays, which hold it too."""
    return {
        "recipe": condition.recipe_digest,
        "task": condition.task.name,
        "seed": condition.seed,
        "size": population.size,
        "converged": int(population.converged.sum()),
        "diverged": int(population.diverged.sum()),
        "epochs": int(population.history.loss.shape[1]),
    }
