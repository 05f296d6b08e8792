"""One run, from settings to a run folder: train, save, analyse, save."""

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rnnensemble._core import programs, runtime
from rnnensemble.analysis import degeneracy
from rnnensemble.analysis.degeneracy import Degeneracy, measure_degeneracy
from rnnensemble.analysis.feature_learning import FeatureAnalysis
from rnnensemble.analysis.over_training import OverTraining, measure_over_training
from rnnensemble.cli import over_training
from rnnensemble.cli.console import EXPLANATION, Reporter, population_line
from rnnensemble.cli.drawing import draw
from rnnensemble.cli.options import Quickstart
from rnnensemble.files import folders, live, stages, storage
from rnnensemble.study import shards
from rnnensemble.study.conditions import Condition
from rnnensemble.study.shards import Shard
from rnnensemble.training.memory import require_training_room
from rnnensemble.training.population import Population, require_resumable, require_two
from rnnensemble.training.recipe import with_epochs, without_own_values
from rnnensemble.training.train import TrainingInterrupted, train_populations
from rnnensemble.training.warm_start import warm_started

if TYPE_CHECKING:
    from rnnensemble.figures.style import Figure


def train_and_analyse(
    options: Quickstart, name: str | None, *, explain: bool, start: Population | None = None
) -> None:
    """Trains, saves, analyses, saves again; without a name under the first free `quickstart`."""
    condition, runs = options.condition, options.runs
    named = None if name is None else folders.named_folder(runs, name)
    if named and options.resume and (shard := shards.noted(stages.read_manifest(named))):
        _train_shard(named, condition, shard, options)
        return
    require_run(condition)
    require_training_room([condition.recipe], runtime.network_mesh(options.devices))
    require_measurable(condition)
    begun = _warm_started(condition, start, options)
    reserved = folders.reserved(named) if named else folders.reserved_free(runs, "quickstart")
    with reserved as folder, Reporter(quiet=options.quiet) as reporter:
        resumed = _begun(folder, condition, options, reporter)
        programs.in_background(partial(_compile_searches, condition, options.devices))
        with reporter.watched_at(live.beside(folder)):
            population = _train(folder, condition, resumed or begun, reporter, options)
            measure(folder, condition, population, reporter, options.devices)
        if explain:
            reporter.line(EXPLANATION)
            reporter.line(f"a page with all of it: rnnensemble report {folder}")


def _warm_started(
    condition: Condition, start: Population | None, options: Quickstart
) -> Population | None:
    """What starts from trained networks, before its first epoch; None where nothing does."""
    if options.resume or condition.start is None:
        return None
    if start is None:
        raise ValueError(
            "`start` of the preset names trained networks; give the run folder that holds them: "
            "--start-from RUN."
        )
    return warm_started(condition.recipe, start)


def train_shard(
    options: Quickstart, name: str, text: str, *, start: Population | None = None
) -> None:
    """Trains and saves a shard of the networks, `I/N`, without analysis, which needs them all."""
    shard = shards.read_shard(text, options.condition)
    require_run(options.condition)
    folder = folders.named_folder(options.runs, name + shard.suffix)
    rows = shards.networks_of(shard, options.condition.size)
    few = without_own_values(options.condition.recipe, size=len(rows))  # before starts are listed
    require_training_room([few], runtime.network_mesh(options.devices))
    condition = shards.cut(options.condition, shard)
    own = None if start is None else start[rows.start : rows.stop]
    _train_shard(folder, condition, shard, options, _warm_started(condition, own, options))


def _train_shard(
    folder: Path,
    condition: Condition,
    shard: Shard,
    options: Quickstart,
    begun: Population | None = None,
) -> None:
    """The same with the settings of the shard alone, as its run folder has them."""
    require_training_room([condition.recipe], runtime.network_mesh(options.devices))
    require_measurable(condition)
    with folders.reserved(folder), Reporter(quiet=options.quiet) as reporter:
        resumed = _begun(folder, condition, options, reporter)
        with reporter.watched_at(live.beside(folder)):
            _train(folder, condition, resumed or begun, reporter, options, shard)
        every = folder.name.removesuffix(shard.suffix) + f"-*-of-{shard.of}"
        reporter.line(
            f"shard {shard} is in {folder}; join all when they are trained: rnnensemble join "
            f"{folder.parent}/{every}"
        )


def require_run(condition: Condition) -> None:
    """Raises ValueError unless the settings are those of a single run."""
    if condition.deflation is not None:
        raise ValueError("`deflation` needs references: use `rnnensemble deflate`.")
    if condition.features != FeatureAnalysis():
        raise ValueError("`features` are measured by sweeps alone; leave them out of the preset.")
    if condition.size < 2:
        raise ValueError(f"`size` must be at least 2, to compare networks; got {condition.size}.")


def require_measurable(condition: Condition) -> None:
    """Raises ValueError, before anything is measured or trained, unless it can be measured."""
    task, network, analysis = condition.task, condition.network, condition.analysis
    analysis.check(task, network.n_rates)
    analysis.left_out(task, network)
    degeneracy.require_analysis_room(condition, analysis)


def _compile_searches(condition: Condition, devices: int | None) -> None:
    """While networks train; what is wrong is said when they are measured."""
    with contextlib.suppress(ValueError):
        degeneracy.compile_searches(
            condition.task,
            condition.network,
            condition.analysis,
            count=condition.size,
            devices=devices,
        )


def _begun(
    folder: Path, condition: Condition, options: Quickstart, reporter: Reporter
) -> Population | None:
    """Says what trains; returns what it goes on from. A new run needs a free name."""
    resumed = _resumed(folder, condition, reporter) if options.resume else None
    if resumed is None:
        stages.require_free(folder)
    reporter.line(
        f"training {condition.size} networks of {condition.network.width} units on "
        f"{condition.task.name}, {runtime.describe()['devices']} devices, into {folder}"
    )
    return resumed


def _resumed(folder: Path, condition: Condition, reporter: Reporter) -> Population:
    """The population in a run folder, to go on with."""
    run, recipe = storage.load_run(folder), condition.recipe
    if with_epochs(run.condition.recipe, recipe.training.max_epochs) != recipe:
        raise ValueError(
            f"`resume` must go on with the same recipe; {folder}/config.toml differs: use it as "
            "the preset, or another --name. (Only how networks are measured may change, and "
            "`max_epochs` may be higher.)"
        )
    require_resumable(run.population, recipe)
    if run.damage:
        reporter.line(f"{run.damage}; they are measured again")
    return run.population


def _train(
    folder: Path,
    condition: Condition,
    resumed: Population | None,
    reporter: Reporter,
    options: Quickstart,
    shard: Shard | None = None,
) -> Population:
    """Trains and saves; Ctrl-C saves what is there, says how to go on and is raised."""

    def save(populations: Sequence[Population]) -> None:
        storage.save_run(folder, condition, populations[0], shard=shard, replace=True)

    try:
        (population,) = train_populations(
            [condition.recipe],
            devices=options.devices,
            resume=[resumed],
            progress=reporter.training,
            checkpoint=save,
            checkpoint_seconds=options.checkpoint_seconds,
        )
    except TrainingInterrupted as stop:
        save(stop.populations)
        done = f"interrupted: {stop.population.summary()}, saved in {folder}"
        stop.args = (f"{done}; {go_on(folder)}",)
        raise
    save([population])
    reporter.line(population_line(population))
    return population


def go_on(folder: Path) -> str:
    """The command that finishes an interrupted run."""
    return (
        f"go on with: rnnensemble train {folder}/config.toml --name {folder.name} "
        f"--runs {folder.parent} --resume"
    )


def measure(
    folder: Path,
    condition: Condition,
    population: Population,
    reporter: Reporter,
    devices: int | None,
) -> None:
    """Measures what was just saved; Ctrl-C says that it is."""
    try:
        analyse_and_save(folder, condition, population, reporter, devices)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; the trained networks are in {folder}; measure them with: "
            f"rnnensemble analyse {folder}"
        ) from None


def analyse_and_save(
    folder: Path,
    condition: Condition,
    population: Population,
    reporter: Reporter,
    devices: int | None,
    *,
    shard: Shard | None = None,
    along: bool = False,
) -> None:
    """Measures, saves, shows and draws; along training too if asked for."""
    try:
        require_two(population)
    except ValueError as error:
        if not population.going.any():
            raise
        epochs = 2 * population.training.max_epochs
        raise ValueError(f"{error} To {go_on(folder)} --training.max-epochs {epochs}") from None
    how = {"analysis": condition.analysis, "devices": devices, "progress": reporter.analysis}
    if along:
        features = over_training.features_of(population, condition.features, reporter)
        every = measure_over_training(population, features=features, **how)
    else:
        every = measure_degeneracy(population, **how)
    found = every.degeneracy[-1] if isinstance(every, OverTraining) else every
    storage.save_run(folder, condition, population, degeneracy=found, shard=shard, replace=True)
    reporter.degeneracy(found)
    more = over_training.write(folder, every, reporter) if isinstance(every, OverTraining) else dict
    if draw(folder, lambda: _figures(population, found) | more()):
        reporter.line(f"figures: {folder}/figures/overview.png and others")
    reporter.line(f"run folder: {folder}")


def _figures(population: Population, found: Degeneracy) -> "dict[str, Figure]":
    from rnnensemble.figures.run import run_figures  # takes a second to load

    return run_figures(population, found)
