"""The command `show`: what a folder of any kind holds, or a list of all."""

from pathlib import Path

from rnnensemble.cli import deflate, distance_table, train
from rnnensemble.cli.console import Reporter, population_line
from rnnensemble.cli.notes import age, amount
from rnnensemble.files import overview, stages, storage, sweep_folder
from rnnensemble.stats.digits import number
from rnnensemble.study import shards


def show(run: Path | None, runs: Path) -> None:
    """Shows a run as a table, or lists all runs; see `look_options.Show`."""
    reporter = Reporter(quiet=False)
    if run is not None:
        _show_run(run, reporter)
        return
    found = overview.entries(runs)
    if not found:
        raise ValueError(f"`runs` folder {runs} holds no runs; `rnnensemble quickstart`.")
    rows = [
        (x.name, x.kind, x.status, x.task, x.converged, amount(x.bytes), age(x.age)) for x in found
    ]
    reporter.table("runs", ("name", "kind", "status", "task", "converged", "size", "age"), rows)
    count, left = overview.unfinished(runs)
    total = amount(sum(each.bytes for each in found) + left)
    half = f", {amount(left)} of it half written ({count})" if count else ""
    word = "folder" if len(found) == 1 else "folders"
    reporter.line(f"{len(found)} {word}, {total}{half}")


def _show_run(folder: Path, reporter: Reporter) -> None:
    manifest = stages.read_manifest(folder)
    if "inputs" in manifest:
        distance_table.show_distances(folder, manifest, reporter)
        return
    if manifest["status"] == stages.SWEEP:
        _show_sweep(folder, reporter)
        return
    if manifest["status"] == stages.ROUNDS:
        deflate.show_rounds(folder, manifest, reporter)
        return
    run = storage.load_run(folder)
    part = shards.noted(run.manifest)
    which = f", shard {part}" if part else ""
    reporter.line(f"{folder} ({run.manifest['status']}), {run.manifest['task']}{which}")
    reporter.line(population_line(run.population))
    if epochs := run.condition.training.snapshots:
        named = ", ".join(map(str, epochs))
        how = f"measure at them with: rnnensemble analyse {folder} --over-training"
        reporter.line(f"snapshots after epochs {named}; {how}")
    if run.manifest["status"] == stages.INTERRUPTED:
        reporter.line(train.go_on(folder))
    if run.damage:
        reporter.line(f"{run.damage}; measure it again: rnnensemble analyse {folder}")
    if run.degeneracy is not None:
        reporter.degeneracy(run.degeneracy)


def _show_sweep(folder: Path, reporter: Reporter) -> None:
    """Prints what a sweep's folder holds: the three levels of each finished level of a factor."""
    sweep = sweep_folder.stored_sweep(folder)
    sweep_folder.require_sound(folder, sweep)
    rows = sweep_folder.summary_rows(folder, sweep)
    finished = len({row["digest"] for row in rows})
    reporter.line(f"{folder}: {finished} of {len(sweep.conditions)} conditions finished")
    names = ("sigma_temporal", "dsa", "pif")
    cells = [
        (
            row["factor"],
            row["task"],
            row["label"],
            f"{row['converged']}/{row['size']}",
            *(number(float(row[name])) if name in row else "" for name in names),
        )
        for row in rows
    ]
    columns = ("factor", "task", "value", "converged", "sigma_OOD", "DSA", "PIF")
    reporter.table(sweep.folder_name, columns, cells)
