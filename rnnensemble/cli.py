"""The command line: quickstart, train, analyse, show, tasks."""

import contextlib
import dataclasses
import errno
import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from rnnensemble import runtime
from rnnensemble.tasks import registered

if TYPE_CHECKING:
    from rnnensemble.conditions import Condition
    from rnnensemble.console import Reporter
    from rnnensemble.degeneracy import Degeneracy
    from rnnensemble.population import Population

USAGE = """\
rnnensemble: train populations of RNNs, measure how far their solutions lie apart

  rnnensemble quickstart              train 16 flip-flop networks, analyse them, draw the overview
  rnnensemble train PRESET [flags]    train a population, then analyse it (see experiments/)
  rnnensemble analyse RUN [flags]     measure a trained run again, with other settings
  rnnensemble show [RUN]              a run as a table; without RUN, all runs
  rnnensemble tasks                   tasks, their knobs, thresholds and OOD variants

`rnnensemble COMMAND --help` lists the flags of a command; every field of a preset is one.
"""

QUICKSTART = """\
size = 16
[task]
kind = "flipflop"
n_bits = 3
n_steps = 50
[network]
width = 32
[training]
learning_rate = 5e-3
max_epochs = 100
[analysis]
dynamics_trials = 32
"""


@dataclasses.dataclass
class RunOptions:
    """Where a run goes and what is shown.

    Attributes:
        name: Name of the run folder; None for the preset's name.
        runs: Folder that holds the run folders.
        resume: Go on with an interrupted run of this name.
        devices: How many devices to use, None for all.
        quiet: Print nothing but errors.
    """

    name: str | None = None
    runs: Path = Path("runs")
    resume: bool = False
    devices: int | None = None
    quiet: bool = False


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a user's mistake is one line on standard error and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {
        "quickstart": quickstart,
        "train": train,
        "analyse": analyse,
        "show": show,
        "tasks": tasks,
    }
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    runtime.use_all_cores()
    try:
        if arguments[0] not in commands:
            from rnnensemble.conditions import unknown_key

            message = unknown_key(arguments[0], list(commands))
            raise ValueError(message.replace("a setting", "a command"))
        commands[arguments[0]](arguments[1:])
    except (ValueError, FileExistsError) as error:
        _fail(str(error))
    except BrokenPipeError:  # whoever read us has seen enough
        sys.stderr.close()
    except OSError as error:
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else str(error)
        _fail(f"nothing was written: {reason}; free some space or choose another --runs folder.")


def _fail(message: str) -> None:
    print(f"rnnensemble: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def quickstart(arguments: list[str]) -> None:
    """Trains and analyses 16 three-bit flip-flop networks."""
    from rnnensemble import conditions

    condition = conditions.from_toml(QUICKSTART)
    options, condition = _parse("quickstart", arguments, condition, name="quickstart")
    if options.name == "quickstart" and not options.resume:
        options.name = _fresh_name(options.runs, "quickstart")
    _train_and_analyse(options, condition, explain=True)


def _fresh_name(runs: Path, name: str) -> str:
    """The name, or the name with the first free number: quickstart is run again and again."""
    taken, number = runs / name, 2
    while taken.exists():
        taken, number = runs / f"{name}-{number}", number + 1
    return taken.name


def train(arguments: list[str]) -> None:
    """Trains a population from a preset, then analyses it."""
    from rnnensemble import storage

    if not arguments or arguments[0].startswith("-"):
        if arguments and arguments[0] in ("-h", "--help"):
            print("usage: rnnensemble train PRESET [flags]; these are the flags for a flip-flop:")
            from rnnensemble import conditions

            _parse("train PRESET", ["--help"], conditions.from_toml(QUICKSTART), name=None)
        raise ValueError("`preset` is missing: rnnensemble train PRESET, see experiments/*.toml.")
    condition = storage.read_preset(arguments[0])
    name = Path(arguments[0]).stem
    options, condition = _parse(f"train {arguments[0]}", arguments[1:], condition, name=name)
    _train_and_analyse(options, condition, explain=False)


def analyse(arguments: list[str]) -> None:
    """Measures a trained run again, with the settings given as flags."""
    from rnnensemble import storage

    if not arguments or arguments[0].startswith("-"):
        raise ValueError("`run` is missing: rnnensemble analyse RUN, see `rnnensemble show`.")
    folder = Path(arguments[0])
    run = storage.load_run(folder)
    if run.manifest["status"] == storage.INTERRUPTED:
        raise ValueError(
            f"`run` {folder} was interrupted; finish it first: rnnensemble train "
            f"{folder}/config.toml --name {folder.name} --resume"
        )

    @dataclasses.dataclass
    class Options:
        analysis: type(run.condition.analysis) = run.condition.analysis  # type: ignore[valid-type]
        devices: int | None = None
        quiet: bool = False

    given = _cli(Options, f"analyse {folder}", arguments[1:])
    condition = dataclasses.replace(run.condition, analysis=given.analysis)
    from rnnensemble.console import Reporter

    with Reporter(quiet=given.quiet) as reporter:
        _analyse_and_save(folder, condition, run.population, reporter, given.devices)


def show(arguments: list[str]) -> None:
    """Shows a run as a table, or lists all runs."""
    from rnnensemble import storage
    from rnnensemble.console import Reporter

    @dataclasses.dataclass
    class Options:
        """Shows a run as a table, or lists all runs.

        Attributes:
            run: Run folder; None to list all.
            runs: Folder that holds the run folders.
        """

        run: Annotated[Path | None, tyro.conf.Positional] = None
        runs: Path = Path("runs")

    options = _cli(Options, "show", arguments)
    reporter = Reporter(quiet=False)
    if options.run is not None:
        _show_run(options.run, reporter)
        return
    found = storage.list_runs(options.runs)
    if not found:
        raise ValueError(f"`runs` folder {options.runs} holds no runs; `rnnensemble quickstart`.")
    rows = [
        (path.name, m["status"], m["task"], f"{m['converged']}/{m['size']}", m["written"][:16])
        for path, m in found.items()
    ]
    reporter.table("runs", ("name", "status", "task", "converged", "written"), rows)


def _show_run(folder: Path, reporter: "Reporter") -> None:
    from rnnensemble import storage
    from rnnensemble.console import population_line

    run = storage.load_run(folder)
    reporter.line(f"{folder} ({run.manifest['status']}), {run.manifest['task']}")
    reporter.line(population_line(run.population))
    if run.manifest["status"] == storage.INTERRUPTED:
        reporter.line(
            f"go on with: rnnensemble train {folder}/config.toml --name {folder.name} "
            f"--runs {folder.parent} --resume"
        )
    if run.degeneracy is not None:
        _show_degeneracy(run.degeneracy, reporter)


def _show_degeneracy(degeneracy: "Degeneracy", reporter: "Reporter") -> None:
    from rnnensemble.console import degeneracy_rows

    columns = ("level", "measure", "value", "95% interval")
    reporter.table("degeneracy", columns, degeneracy_rows(degeneracy))


def tasks(arguments: list[str]) -> None:
    """Lists the tasks, their knobs, thresholds and out-of-distribution variants."""
    from rnnensemble.console import Reporter

    @dataclasses.dataclass
    class Options:
        """Lists the tasks, their knobs, thresholds and out-of-distribution variants."""

    _cli(Options, "tasks", arguments)
    reporter = Reporter(quiet=False)
    for name, task in registered().items():
        example = task()
        low, high = task.output_range
        variants = ", ".join(example.out_of_distribution())
        reporter.line(
            f"{name}: {(task.__doc__ or '').splitlines()[0]} Threshold {task.threshold:g}, "
            f"outputs in [{low:g}, {high:g}], OOD variants {variants}."
        )
        rows = [
            (field.name, str(field.default), _knob_help(task, field.name))
            for field in dataclasses.fields(task)
        ]
        reporter.table(f"  knobs of {name}", ("knob", "default", "meaning"), rows)


def _knob_help(task: type, name: str) -> str:
    """The knob's line in the class's docstring, or its parent's."""
    for owner in task.__mro__:
        found = re.search(rf"^ +{name}: (.*(?:\n {{12}}.*)*)", owner.__doc__ or "", re.MULTILINE)
        if found:
            return " ".join(found.group(1).split())
    return ""


def _parse(
    prog: str, arguments: list[str], condition: "Condition", *, name: str | None
) -> tuple[RunOptions, "Condition"]:
    """Flags over a condition: every field of the condition is a flag."""
    described = [
        (field.name, type(getattr(condition, field.name)), getattr(condition, field.name))
        for field in dataclasses.fields(condition)
    ]
    places = [
        (f.name, f.type, getattr(RunOptions(), f.name)) for f in dataclasses.fields(RunOptions)
    ]
    fields = [
        (n, t, dataclasses.field(default=name if n == "name" else d))
        for n, t, d in described + places
    ]
    options = dataclasses.make_dataclass("Options", fields)
    options.__doc__ = "Settings of the run.\n\n" + "\n".join(
        ["Attributes:", *_attributes(type(condition)), *_attributes(RunOptions)]
    )
    given = _cli(options, prog, arguments)
    values = {n: getattr(given, n) for n, _, _ in described}
    run = RunOptions(**{n: getattr(given, n) for n, _, _ in places})
    return run, type(condition)(**values)


def _attributes(config: type) -> list[str]:
    """The lines of a docstring's Attributes section."""
    text = (config.__doc__ or "").partition("Attributes:")[2]
    return [line for line in text.splitlines() if line.strip()]


def _cli(options: type, prog: str, arguments: list[str]) -> Any:
    """Parses flags with tyro; its framed error becomes one line."""
    known = [f"--{each}" for each in _flags(options)]
    for argument in arguments:
        flag = argument.partition("=")[0].replace("_", "-")
        is_flag = flag.startswith("--") and flag not in ("--help",)
        if is_flag and flag not in known and "--" + flag[2:].replace("no-", "", 1) not in known:
            bare = [each for each in known if not each.startswith("--no-")]
            from rnnensemble.conditions import unknown_key

            raise ValueError(unknown_key(flag, bare))
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(options, prog=f"rnnensemble {prog}", args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
        text = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", printed.getvalue())
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        kept = [line for line in lines if "For full helptext" not in line]
        raise ValueError(" ".join(kept)[:300]) from None


def _flags(options: Any, prefix: str = "") -> list[str]:
    """The names of all flags of a dataclass, nested ones with dots."""
    names = []
    for field in dataclasses.fields(options):
        default = field.default
        name = prefix + field.name.replace("_", "-")
        nested = dataclasses.is_dataclass(default) and not isinstance(default, type)
        names += _flags(default, f"{name}.") if nested else [name]
        if isinstance(default, bool):
            names.append(f"{prefix}no-{field.name}".replace("_", "-"))
    return names


def _train_and_analyse(options: RunOptions, condition: "Condition", *, explain: bool) -> None:
    """Trains, saves, analyses, saves again; resumes and can be interrupted."""
    from rnnensemble import storage
    from rnnensemble.console import Reporter, population_line
    from rnnensemble.population import TrainingInterrupted, train_population

    folder = options.runs / str(options.name)
    resumed = None
    if options.resume:
        run = storage.load_run(folder)
        if run.condition != condition:
            raise ValueError(
                f"`resume` must continue with the same settings; {folder}/config.toml differs: "
                f"use it as the preset, or another --name."
            )
        resumed = run.population
    else:
        storage.require_free(folder)
    task, analysis = condition.task, condition.analysis
    analysis.dsa.check((analysis.dynamics_trials, task.n_steps, condition.network.width))
    with Reporter(quiet=options.quiet) as reporter:
        network = condition.network
        reporter.line(
            f"training {condition.size} networks of {network.width} units on "
            f"{condition.task.name}, {runtime.describe()['devices']} devices, into {folder}"
        )

        def save(population: "Population") -> None:
            storage.save_run(folder, condition, population, replace=True)

        try:
            population = train_population(
                condition.task,
                network=network,
                training=condition.training,
                size=condition.size,
                seed=condition.seed,
                devices=options.devices,
                resume=resumed,
                progress=reporter.training,
                checkpoint=save,
            )
        except TrainingInterrupted as stop:
            save(stop.population)
            reporter.line(f"interrupted: {stop.population.summary()}, saved in {folder}")
            reporter.line(
                f"go on with: rnnensemble train {folder}/config.toml --name {folder.name} "
                f"--runs {options.runs} --resume"
            )
            raise SystemExit(130) from None
        save(population)
        reporter.line(population_line(population))
        _analyse_and_save(folder, condition, population, reporter, options.devices)
        if explain:
            reporter.line(EXPLANATION)


EXPLANATION = """\
what the numbers mean: sigma_OOD is how much the networks' losses differ on trials they never
  trained on (twice the length; noisy inputs). The DSA distance compares their dynamics up to
  rotation and reflection, from 0 (the same) to 2; its null is what other trials alone do to it.
  The PIF distance compares their recurrent weights up to a renumbering of units.
  Larger means more degenerate: more ways to solve the task. Compare only equal settings."""


def _analyse_and_save(
    folder: Path,
    condition: "Condition",
    population: "Population",
    reporter: "Reporter",
    devices: int | None,
) -> None:
    """Measures, draws, saves and shows."""
    from rnnensemble import storage
    from rnnensemble.degeneracy import measure_degeneracy
    from rnnensemble.gallery import run_figures

    degeneracy = measure_degeneracy(
        population, analysis=condition.analysis, devices=devices, progress=reporter.analysis
    )
    figures = run_figures(population, degeneracy)
    storage.save_run(
        folder, condition, population, degeneracy=degeneracy, figures=figures, replace=True
    )
    _show_degeneracy(degeneracy, reporter)
    reporter.line(f"figures: {folder}/figures/overview.png and others; run folder: {folder}")
