"""Shards of a group of a sweep: a range of its networks, trained apart."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from rnnensemble.cli.work import Work, stored_run, train
from rnnensemble.files import live, locks, shard_folders, storage
from rnnensemble.study import shards
from rnnensemble.study.conditions import Condition
from rnnensemble.study.factors import Group
from rnnensemble.study.shards import Piece
from rnnensemble.training.population import Population


def run_shard(work: Work, piece: Piece, title: str) -> None:
    """Trains a shard of a group's networks unless another process does, or has."""
    lock = work.folder / "groups" / f"{piece.name}.lock"
    with locks.held(lock) as ours, contextlib.ExitStack() as stack:
        if not ours or not work.left(piece):
            return
        stack.enter_context(work.reporter.watched_at(lock.with_suffix(live.SUFFIX)))
        trained = work.sources(piece.group)
        held = [each for each in piece.shards() if each[0].recipe_digest not in trained]
        cuts = [shards.cut(*each) for each in held]
        paths = [shard_folders.shard_folder(work.folder, *each) for each in held]
        networks = sum(cut.size for cut in cuts)
        about = f"shard {piece.part}/{piece.of}, {networks} networks"
        work.reporter.section(f"{title}, {piece.group.name}: {about}")
        stored = [
            _stored_shard(work, piece.group, *each, path)
            for each, path in zip(held, paths, strict=True)
        ]

        def save(populations: Sequence[Population], seconds: Sequence[float]) -> None:
            for at in range(len(held)):
                storage.save_run(
                    paths[at],
                    cuts[at],
                    populations[at],
                    seconds={"training": seconds[at]},
                    shard=held[at][1],
                    replace=True,
                )

        train(work, [cut.recipe for cut in cuts], stored, save)


def _stored_shard(
    work: Work, group: Group, condition: Condition, shard: shards.Shard, path: Path
) -> storage.Run | None:
    """What a shard goes on from: its own folder, or that of a condition trained in one piece."""
    rows = shards.networks_of(shard, condition.size)
    if path.exists():
        return storage.load_run(path)
    same = [c for c in group.conditions if c.recipe_digest == condition.recipe_digest]
    run = stored_run(work, same, None)
    if run is None:
        return None
    spent = run.manifest.get("seconds", {}).get("training", 0.0) * len(rows) / condition.size
    part = run.population[rows.start : rows.stop]
    return run._replace(population=part, manifest={"seconds": {"training": spent}})
