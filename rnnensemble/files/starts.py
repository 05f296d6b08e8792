"""Trained networks that conditions of a sweep start from: named by run folders, kept in its own.

    runs/<sweep>/starts/<recipe>/       an ordinary run folder, without analysis

The sweep's own file says them as recipes, so that it does not matter where the named folders lie.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rnnensemble.files import locks, storage, sweep_folder
from rnnensemble.files.storage import Run
from rnnensemble.study import toml
from rnnensemble.study.conditions import Condition, as_table, digest_of
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import Recipe
from rnnensemble.training.warm_start import require_ended

CONFIGS = ("task", "network", "training", "analysis", "features", "deflation")
"""Tables of a condition, in which `start` would be a setting of theirs."""


def resolved(text: str) -> tuple[str, dict[str, Run]]:
    """A sweep's text in which each `start` is a recipe, and the runs that were named.

    Args:
        text: A sweep file, in which `start` may name a run folder.

    Returns:
        The text, as it was if it names none; the runs, by the digest of their recipe.

    Raises:
        ValueError: If a run folder cannot be read, or networks in it diverged or have still to
            train.
    """
    named: dict[str, Run] = {}
    table = _with_recipes(toml.parse(text, "sweep"), named)
    if not named:
        return text, {}
    modules = [name for run in named.values() for name in run.condition.imports]
    table["import"] = list(dict.fromkeys([*table.get("import", []), *modules]))
    return toml.write(table), {run.condition.recipe_digest: run for run in named.values()}


def _with_recipes(value: Any, named: dict[str, Run]) -> Any:
    """A table in which recipes stand for run folders, which are read into `named`."""
    if isinstance(value, list):
        return [_with_recipes(each, named) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        if key == "start" and isinstance(each, str):
            if each not in named:
                named[each] = storage.load_run(each)
                require_ended(named[each].population)
            found[key] = as_table(named[each].condition.recipe)
        else:
            found[key] = each if key in CONFIGS else _with_recipes(each, named)
    return found


def require_known(
    folder: Path, conditions: Iterable[Condition], runs: Mapping[str, Run]
) -> dict[str, Run]:
    """The runs that conditions start from and that a sweep's folder does not hold yet.

    Raises:
        ValueError: If networks that a condition starts from are neither there nor among the runs.
    """
    starts = {digest_of(each.start): each for each in conditions if each.start is not None}
    lacking = {
        digest: each for digest, each in starts.items() if not _place(folder, digest).exists()
    }
    for digest, condition in lacking.items():
        if digest not in runs:
            raise ValueError(
                f"`start` of a condition on {condition.task.name} is a recipe, whose networks are "
                f'not in {folder}; name their run folder in the sweep file: start = "runs/NAME".'
            )
    return {digest: runs[digest] for digest in lacking}


def keep(folder: Path, runs: Mapping[str, Run]) -> None:
    """Writes networks that conditions start from into a sweep's folder; several processes may."""
    for digest, run in runs.items():
        with locks.held(folder / sweep_folder.LOCK, wait=True):
            if not _place(folder, digest).exists():
                storage.save_run(_place(folder, digest), run.condition, run.population)


def population_of(folder: Path, recipe: Recipe) -> Population:
    """The networks of a recipe that conditions of the sweep in a folder start from."""
    return storage.load_run(_place(folder, digest_of(recipe))).population


def _place(folder: Path, digest: str) -> Path:
    return folder / "starts" / digest
