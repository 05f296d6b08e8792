"""Rounds of deflation, from a plan to a folder.

    runs/<name>/
        plan.toml               the plan, as given
        manifest.json           digest, versions, device
        standard/               an ordinary run folder
        alternative_1/ ...      one for each round
        battery.csv             one row for each network
        battery_groups.csv      one row for each measure, one column for each group
        predictivity.csv        how well each network predicts each other
        figures/battery.png     the page, and as SVG and PDF

Each run folder is interrupted, then trained; a second start goes on where the first one ended.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.config import require_seconds
from rnnensemble.analysis.battery import (
    OF_GROUPS,
    Battery,
    group_rows,
    measure_battery,
    predictivity_rows,
)
from rnnensemble.cli.console import Reporter, population_line
from rnnensemble.cli.drawing import draw
from rnnensemble.files import folders, live, manifests, stages, storage
from rnnensemble.files.folders import write_text
from rnnensemble.files.stages import read_text
from rnnensemble.study.conditions import Condition
from rnnensemble.study.deflation_plan import DeflationPlan, read_plan
from rnnensemble.training.deflate import Chosen, references_of
from rnnensemble.training.memory import require_training_room
from rnnensemble.training.population import Population
from rnnensemble.training.train import TrainingInterrupted, train_populations

TABLES = ("battery.csv", "battery_groups.csv", "predictivity.csv")
"""What the battery writes."""

MEANS = "mean (least to most) over networks"
"""What the battery's table of groups holds."""

STANDARD = "standard"
"""The group of networks that kept away from none."""


def run_rounds(
    plan: Path, *, runs: Path, devices: int | None, checkpoint_seconds: float, quiet: bool
) -> Path:
    """Trains the standard population and all rounds of alternatives, or goes on with them.

    Args are those of `options.Deflate`; returns the folder. ValueError if the plan does not fit,
    its folder is another's, or no network of a round converged; TrainingInterrupted on Ctrl-C,
    after a checkpoint.
    """
    if not plan.is_file():
        raise ValueError(f"`plan` must be a TOML file; {plan} does not exist.")
    text = read_text(plan, "plan")
    read = read_plan(text)
    require_seconds(checkpoint_seconds)
    mesh = runtime.network_mesh(devices)
    for condition in (read.standard, read.alternative):
        require_training_room([condition], mesh)
    folder = folders.named_folder(runs, read.name).absolute()
    with folders.reserved(folder), Reporter(quiet=quiet) as reporter:
        _start(folder, read, text)
        found = runtime.describe()["devices"]
        reporter.line(f"{read.name}: {read.rounds} rounds, {found} devices, into {folder}")
        _Rounds(folder, read, devices, checkpoint_seconds, reporter).run()
    return folder


def load_rounds(folder: Path) -> tuple[DeflationPlan, dict[str, Population]]:
    """A plan's folder: the plan, and its finished populations by group.

    ValueError if the folder is none, or a round is not finished.
    """
    manifest = stages.read_manifest(folder)
    if manifest["status"] != stages.ROUNDS:
        raise ValueError(f"`folder` must come from `rnnensemble deflate`; {folder} does not.")
    plan = stored_plan(folder, manifest)
    names = [STANDARD, *(alternative(r) for r in range(1, plan.rounds + 1))]
    found = {}
    for name in names:
        if not (folder / name).is_dir():
            raise ValueError(f"`folder` {folder} has no {name} yet; finish it by the same command.")
        run = storage.load_run(folder / name)
        if run.manifest["status"] == stages.INTERRUPTED:
            raise ValueError(f"`folder` {folder} has an unfinished {name}; finish it first.")
        found[name] = run.population
    return plan, found


def write_battery(folder: Path, *, devices: int | None = None, quiet: bool = False) -> None:
    """Measures the populations of a plan's folder side by side; writes and shows what came out."""
    runtime.network_mesh(devices)
    plan, groups = load_rounds(folder)
    folders.require_writable(folder, "folder")
    with folders.reserved(folder), Reporter(quiet=quiet) as reporter:

        def tell(level: str, done: int, total: int) -> None:
            of = "groups measured" if level == OF_GROUPS else "pairs compared"
            reporter.analysis(level, done, total, of=of)

        battery = measure_battery(groups, devices=devices, progress=tell)
        rows = group_rows(battery)
        tables = battery.table(), rows, predictivity_rows(battery)
        for name, table in zip(TABLES, tables, strict=True):
            folders.write_rows(folder / name, table)
        manifests.note_files(folder, stages.read_manifest(folder), TABLES)
        cells = [[str(cell) for cell in row.values()] for row in rows]
        reporter.table(MEANS, list(rows[0]), cells)
        title = f"{plan.standard.task.name}: standard networks and alternatives"
        draw(folder, lambda: _figures(battery, title))
        reporter.line(f"page: {folder}/figures/battery.png; tables: {folder}/battery.csv")


def _figures(battery: Battery, title: str) -> dict[str, Any]:
    from rnnensemble.figures.battery import battery_figure  # takes a second to load

    return {"battery": battery_figure(battery, title=title)}


def show_rounds(folder: Path, manifest: dict[str, Any], reporter: Reporter) -> None:
    """Shows how far a plan has come, and its battery if that was measured."""
    plan = stored_plan(folder, manifest)
    reporter.line(f"{folder} ({stages.ROUNDS}), {plan.standard.task.name}")
    for name in (STANDARD, *(alternative(r) for r in range(1, plan.rounds + 1))):
        if not (folder / name).is_dir():
            reporter.line(f"{name}: not started")
            continue
        run = storage.load_run(folder / name)
        reporter.line(f"{name} ({run.manifest['status']}): {population_line(run.population)}")
    broken = stages.broken_files(folder, manifest)
    if broken:
        reporter.line(f"{broken[0]} is damaged; measure again: rnnensemble battery {folder}")
    elif set(TABLES) <= manifest["files"].keys():
        rows = folders.read_rows(folder / "battery_groups.csv")
        reporter.table(MEANS, list(rows[0]), [list(row.values()) for row in rows])


def stored_plan(folder: Path, manifest: dict[str, Any]) -> DeflationPlan:
    """The plan that a folder was started with."""
    if "plan.toml" in stages.broken_files(folder, manifest):
        remedy = "start its plan again, which brings it back"
        raise stages.damaged(folder, "plan.toml is missing or damaged", remedy)
    return read_plan(read_text(folder / "plan.toml"))


def alternative(number: int) -> str:
    """The group of a round, from 1."""
    return f"alternative_{number}"


def _start(folder: Path, plan: DeflationPlan, text: str) -> None:
    """Makes the folder, or checks that it is this plan's."""
    if folder.exists():
        manifest = stages.read_manifest(folder)
        stages.require_same_x64(folder, manifest)
        if manifest["status"] != stages.ROUNDS or manifest["digest"] != plan.digest:
            raise ValueError(
                f"`name` {plan.name!r} is taken by {folder}, which another plan made; choose "
                "another name or --runs."
            )
        if "plan.toml" in stages.broken_files(folder, manifest):
            write_text(folder / "plan.toml", text)
            manifests.note_files(folder, manifest, ["plan.toml"])
        return
    size = plan.standard.size + plan.rounds * plan.alternative.size
    about = {
        "status": stages.ROUNDS,
        "digest": plan.digest,
        "size": size,
        "task": plan.standard.task.name,
    }
    manifests.start_folder(folder, {"plan.toml": text}, about)


class _Rounds(NamedTuple):
    """The work of one plan."""

    folder: Path
    plan: DeflationPlan
    devices: int | None
    checkpoint_seconds: float
    reporter: Reporter

    def run(self) -> None:
        """All populations, one after another; each needs those before."""
        plan = self.plan
        standard = self._finished(STANDARD, plan.standard)
        indices = plan.references or tuple(int(k) for k in np.flatnonzero(standard.converged))
        chosen = [Chosen(standard, indices)]
        names = tuple(f"{STANDARD}:{k}" for k in indices)
        for number in range(1, plan.rounds + 1):
            name, condition = alternative(number), plan.round_condition(number, names)
            population = self._finished(name, condition, chosen)
            kept = np.flatnonzero(population.converged)[: plan.kept]
            if not len(kept):
                raise ValueError(
                    f"`rounds` ended at {name}: {population.summary()}; lower "
                    "`alternative.deflation.strength`, raise its `target` or train longer."
                )
            chosen.append(Chosen(population, tuple(int(k) for k in kept)))
            names += tuple(f"{name}:{k}" for k in kept)

    def _finished(
        self, name: str, condition: Condition, references: Sequence[Chosen] = ()
    ) -> Population:
        """The population of a group: from its folder, or trained there."""
        folder, resume = self.folder / name, None
        folders.recover(folder)
        if folder.exists():
            run = storage.load_run(folder)
            if run.condition.digest != condition.digest:
                raise ValueError(f"`{name}` in {self.folder} has other settings; remove it.")
            run = run._replace(
                population=dataclasses.replace(run.population, recipe=condition.recipe)
            )
            if run.manifest["status"] != stages.INTERRUPTED:
                self.reporter.line(f"{name}: {population_line(run.population)} (there already)")
                return run.population
            resume = run.population

        def save(populations: Sequence[Population]) -> None:
            storage.save_run(folder, condition, populations[0], replace=True)

        self.reporter.section(f"{name}: {condition.size} networks")
        recipe = condition.recipe
        try:
            with self.reporter.watched_at(live.beside(folder)):
                (population,) = train_populations(
                    [recipe],
                    references=references_of(recipe, references) if references else None,
                    devices=self.devices,
                    resume=[resume],
                    progress=self.reporter.training,
                    checkpoint=save,
                    checkpoint_seconds=self.checkpoint_seconds,
                )
        except TrainingInterrupted as stop:
            save(stop.populations)
            done = f"interrupted: {stop.population.summary()}, saved in {folder}"
            stop.args = (f"{done}; start it again to go on",)
            raise
        save([population])
        self.reporter.line(f"{name}: {population_line(population)}")
        return population
