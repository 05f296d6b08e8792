"""Shards on disk: which division a group of a sweep has, and the run folders of shards.

runs/<sweep>/
    groups/<group>.shards               how many shards the group's networks are trained in
    shards/<recipe>-<I>-of-<N>/         an ordinary run folder, until the shards are joined
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from rnnensemble.files import folders, locks, stages, storage, sweep_folder
from rnnensemble.study import shards
from rnnensemble.study.conditions import Condition
from rnnensemble.study.factors import Group
from rnnensemble.study.shards import Piece, Shard
from rnnensemble.training.joining import one_after_another
from rnnensemble.training.population import Population


def begun(folder: Path, group: str) -> int | None:
    """How many shards a group was begun in; None if it was not.

    Raises:
        ValueError: If the file that says so is damaged.
    """
    file = _division(folder, group)
    if not file.exists():
        return None
    text = stages.read_text(file).strip()
    if not text.isdecimal() or int(text) < 2:
        raise ValueError(
            f"`sweep` file {file} is damaged; remove it and {folder / 'shards'}, which are trained "
            "again."
        )
    return int(text)


def begin(folder: Path, group: str, wanted: int) -> int:
    """How many shards a group is trained in: as it was begun, by whoever did, or else as wanted.

    A group that another process trains in one piece stays in one.
    """
    if wanted == 1:
        return 1
    with locks.held(folder / sweep_folder.LOCK, wait=True):
        found = begun(folder, group)
        if found is None:
            with locks.held(folder / "groups" / f"{group}.lock") as free:
                if not free:
                    return 1
                folders.write_text(_division(folder, group), str(wanted))
        return found or wanted


def discard(folder: Path, conditions: Sequence[Condition]) -> None:
    """Removes the shards of conditions, which are joined."""
    recipes = {condition.recipe_digest for condition in conditions}
    for path in (folder / "shards").glob("*-of-*"):
        if path.name.partition("-")[0] in recipes:
            shutil.rmtree(path, ignore_errors=True)


def _division(folder: Path, group: str) -> Path:
    return folder / "groups" / f"{group}.shards"


def shard_folder(folder: Path, condition: Condition, shard: Shard) -> Path:
    """Where the run folder of a shard of a condition's recipe is, or will be."""
    return folder / "shards" / f"{condition.recipe_digest}{shard.suffix}"


def is_trained(folder: Path, piece: Piece, trained: dict[str, Path]) -> bool:
    """Whether a shard of a group has been trained, alone or as part of whole conditions.

    Args:
        folder: The sweep's folder.
        piece: The shard.
        trained: Of the sweep's recipes, those that are trained whole (`Work.sources`).
    """
    for condition, shard in piece.shards():
        path = shard_folder(folder, condition, shard)
        folders.recover(path)
        if condition.recipe_digest not in trained and not (
            path.exists() and stages.read_manifest(path)["status"] != stages.INTERRUPTED
        ):
            return False
    return True


def joined_run(folder: Path, condition: Condition, of: int) -> storage.Run:
    """A condition's networks, joined of so many shards of its recipe."""
    pieces = [Piece(Group("", (condition,)), part, of) for part in range(1, of + 1)]
    found = [shard for piece in pieces for _, shard in piece.shards()]
    paths = [shard_folder(folder, condition, shard) for shard in found]
    seconds = sum(stages.read_manifest(path)["seconds"]["training"] for path in paths)
    population = _joined(paths, lambda _: None)
    return storage.Run(condition, population, None, None, {"seconds": {"training": seconds}})


def read_joined(ordered: Sequence[Path]) -> tuple[Condition, Population]:
    """The settings and networks of all shards of one population, read one at a time.

    Args:
        ordered: Their run folders, from the first networks to the last.

    Raises:
        ValueError: If a folder is damaged, or the shards differ in how they are measured.
    """
    conditions: list[Condition] = []

    def check(run: storage.Run) -> None:
        conditions.append(run.condition)
        shards.require_alike(run.condition, conditions[0], ordered[len(conditions) - 1])

    population = _joined(ordered, check)
    return shards.whole(conditions[0], population.recipe), population


def _joined(paths: Sequence[Path], check: Callable[[storage.Run], None]) -> Population:
    """The networks in run folders, of which one at a time is in memory beside all."""
    manifests = [stages.read_manifest(path) for path in paths]
    sizes, epochs = ([each[name] for each in manifests] for name in ("size", "epochs"))

    def read(path: Path) -> Population:
        run = storage.load_run(path)
        check(run)
        return run.population

    return one_after_another(map(read, paths), size=sum(sizes), epochs=max(epochs))
