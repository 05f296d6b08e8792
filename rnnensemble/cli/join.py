"""The command `join`: the shards of a population, trained apart, as one run folder."""

from collections.abc import Sequence
from pathlib import Path

from rnnensemble._core import runtime
from rnnensemble.cli import train
from rnnensemble.cli.console import Reporter, population_line
from rnnensemble.files import folders, stages, storage
from rnnensemble.files.shard_folders import read_joined
from rnnensemble.study import shards as parts
from rnnensemble.study.shards import Shard


def join_shards(
    *,
    shards: Sequence[Path],
    name: str | None,
    analyse: bool,
    runs: Path,
    devices: int | None,
    quiet: bool,
) -> None:
    """Joins run folders of `train --shard`, saves and measures; see `options.Join`."""
    if not shards:
        raise ValueError(
            "`shards` are missing: rnnensemble join FOLDER... [flags]; see `rnnensemble join "
            "--help`."
        )
    found = [(_trained_shard(folder), folder) for folder in shards]
    ordered = parts.in_order(found)
    first = min(shard for shard, _ in found)
    name = ordered[0].resolve().name.removesuffix(first.suffix) if name is None else name
    folder = folders.named_folder(runs, name)
    runtime.network_mesh(devices)
    with folders.reserved(folder), Reporter(quiet=quiet) as reporter:
        stages.require_free(folder)
        condition, population = read_joined(ordered)
        if analyse:
            train.require_measurable(condition)
        storage.save_run(folder, condition, population)
        reporter.line(f"joined {len(ordered)} shards, {population.size} networks, into {folder}")
        reporter.line(population_line(population))
        if analyse:
            train.measure(folder, condition, population, reporter, devices)
        else:
            reporter.line(f"measure them with: rnnensemble analyse {folder}")


def _trained_shard(folder: Path) -> Shard:
    """Which shard a run folder holds; ValueError unless it is one, and trained."""
    manifest = stages.read_manifest(folder)
    shard = parts.noted(manifest)
    if shard is None:
        raise ValueError(
            f"`shards` must be run folders of `rnnensemble train PRESET --shard I/N`; {folder} is "
            "none."
        )
    if manifest["status"] == stages.INTERRUPTED:
        raise ValueError(f"`shards` must be trained; {folder} is not: {train.go_on(folder)}")
    return shard
