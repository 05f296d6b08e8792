"""The command line: a function for each command, and what a mistake prints.

Orbax, matplotlib and rich load only where they are used, so that `--help` is quick.
"""

import dataclasses
import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from rnnensemble._core import runtime
from rnnensemble.cli.flags import BatteryOptions, SweepOptions, parse, parse_condition
from rnnensemble.files import folders
from rnnensemble.study import conditions
from rnnensemble.study.toml import unknown_key

if TYPE_CHECKING:
    from rnnensemble.cli.console import Reporter

USAGE = """\
rnnensemble: train populations of RNNs, measure how far their solutions lie apart

  rnnensemble quickstart              train 16 flip-flop networks, analyse them, draw the overview
  rnnensemble train PRESET [flags]    train a population, then analyse it (see experiments/)
  rnnensemble analyse RUN [flags]     measure a trained run again, with other settings
  rnnensemble analyse --activity A.npy --weights W.npy [flags]
                                      measure networks made elsewhere, from arrays
  rnnensemble sweep FILE [flags]      many conditions, resumable; --dry-run prints what they cost
  rnnensemble deflate PLAN [flags]    alternative solutions, kept away from standard ones
  rnnensemble battery FOLDER [flags]  what deflate found, side by side: a page and tables
  rnnensemble show [RUN]              a run as a table; without RUN, all runs
  rnnensemble report FOLDER           a sweep's findings: report.html, findings.csv, figures
  rnnensemble advise [flags]          what to raise or lower for more or less alike solutions
  rnnensemble benchmark [flags]       how fast this machine is; at most 3 minutes
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
[analysis.grid]
ranks = [3, 5, 10]
delays = [1, 3]
"""


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; a user's mistake is one line on standard error and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {
        "quickstart": quickstart,
        "train": train,
        "analyse": analyse,
        "sweep": sweep,
        "deflate": deflate,
        "battery": battery,
        "show": show,
        "report": report,
        "advise": advise,
        "benchmark": benchmark,
        "tasks": tasks,
    }
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    sys.path.append("")  # modules of one's own in the current folder
    runtime.use_all_cores()
    runtime.use_compilation_cache()
    try:
        if arguments[0] not in commands:
            message = unknown_key(arguments[0], list(commands))
            raise ValueError(message.replace("a setting", "a command"))
        commands[arguments[0]](arguments[1:])
    except (ValueError, FileExistsError) as error:
        _fail(str(error))
    except BrokenPipeError:  # whoever read us has seen enough
        sys.stderr.close()
    except OSError as error:
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else str(error)
        _fail(
            f"`runs` cannot be written ({reason}); what was there before is as it was. "
            "Free some space or choose another --runs folder."
        )
    except RuntimeError as error:
        told = runtime.explained(error)
        if told is None:
            raise
        _fail(told)
    except KeyboardInterrupt as stop:
        message = str(stop) or "interrupted; a saved run is as it was"
        print(f"rnnensemble: {message}", file=sys.stderr)
        raise SystemExit(130) from None


def _fail(message: str) -> None:
    print(f"rnnensemble: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def quickstart(arguments: list[str]) -> None:
    """Trains and analyses 16 three-bit flip-flop networks."""
    from rnnensemble.cli import train

    condition = conditions.from_toml(QUICKSTART)
    options, condition = parse_condition("quickstart", arguments, condition, name="quickstart")
    if options.name == "quickstart" and not options.resume:
        options.name = folders.free_folder(options.runs, "quickstart").name
    train.train_and_analyse(options, condition, explain=True)


def train(arguments: list[str]) -> None:
    """Trains a population from a preset, then analyses it."""
    from rnnensemble.cli import train
    from rnnensemble.files import storage

    if not arguments or arguments[0].startswith("-"):
        if arguments and arguments[0] in ("-h", "--help"):
            print("usage: rnnensemble train PRESET [flags]; these are the flags for a flip-flop:")
            parse_condition("train PRESET", ["--help"], conditions.from_toml(QUICKSTART), name=None)
        raise ValueError("`preset` is missing: rnnensemble train PRESET, see experiments/*.toml.")
    condition = storage.read_preset(arguments[0])
    name = Path(arguments[0]).stem
    options, condition = parse_condition(
        f"train {arguments[0]}", arguments[1:], condition, name=name
    )
    train.train_and_analyse(options, condition, explain=False)


def analyse(arguments: list[str]) -> None:
    """Measures a trained run again with the settings given as flags, or arrays from elsewhere."""
    from rnnensemble.cli import distances, train
    from rnnensemble.cli.console import Reporter
    from rnnensemble.files import stages, storage

    if not arguments:
        raise ValueError(
            "`run` is missing: rnnensemble analyse RUN, see `rnnensemble show`; or, for networks "
            "made elsewhere, rnnensemble analyse --activity A.npy."
        )
    if arguments[0].startswith("-"):
        distances.analyse_arrays(arguments)
        return
    folder = Path(arguments[0])
    if folder.is_file():
        raise ValueError(f"`run` must be a run folder; give the file {folder} by --activity.")
    run = storage.load_run(folder)
    if run.manifest["status"] == stages.INTERRUPTED:
        raise ValueError(f"`run` {folder} was interrupted; {train.go_on(folder)}")

    @dataclasses.dataclass
    class Options:
        analysis: type(run.condition.analysis) = run.condition.analysis  # type: ignore[valid-type]
        devices: int | None = None
        quiet: bool = False

    given = parse(Options, f"analyse {folder}", arguments[1:])
    condition = dataclasses.replace(run.condition, analysis=given.analysis)
    with Reporter(quiet=given.quiet) as reporter:
        train.analyse_and_save(folder, condition, run.population, reporter, given.devices)


def sweep(arguments: list[str]) -> None:
    """Runs the conditions of a sweep file, or goes on with them."""
    if not arguments or arguments[0].startswith("-"):
        if arguments and arguments[0] in ("-h", "--help"):
            parse(SweepOptions, "sweep FILE", ["--help"])
        raise ValueError("`sweep` is missing: rnnensemble sweep FILE, see experiments/study.")
    options = parse(SweepOptions, f"sweep {arguments[0]}", arguments[1:])
    from rnnensemble.cli.sweep import run_sweep

    run_sweep(Path(arguments[0]), options)


def deflate(arguments: list[str]) -> None:
    """Trains standard networks and alternatives to them, or goes on with them."""
    from rnnensemble.cli.deflate import RoundsOptions, run_rounds

    if not arguments or arguments[0].startswith("-"):
        if arguments and arguments[0] in ("-h", "--help"):
            parse(RoundsOptions, "deflate PLAN", ["--help"])
        raise ValueError("`plan` is missing: rnnensemble deflate PLAN, see experiments/deflation.")
    options = parse(RoundsOptions, f"deflate {arguments[0]}", arguments[1:])
    run_rounds(Path(arguments[0]), options)


def battery(arguments: list[str]) -> None:
    """Measures what `deflate` found, side by side."""
    from rnnensemble.cli.deflate import write_battery

    options = parse(BatteryOptions, "battery", arguments)
    if options.folder is None:
        raise ValueError("`folder` is missing: rnnensemble battery FOLDER, from `deflate`.")
    write_battery(options.folder, devices=options.devices, quiet=options.quiet)


def show(arguments: list[str]) -> None:
    """Shows a run as a table, or lists all runs."""
    from rnnensemble.cli.console import Reporter
    from rnnensemble.files import stages

    @dataclasses.dataclass
    class Options:
        """Shows a run as a table, or lists all runs.

        Attributes:
            run: Run folder; None to list all.
            runs: Folder that holds the run folders.
        """

        run: Annotated[Path | None, tyro.conf.Positional] = None
        runs: Path = Path("runs")

    options = parse(Options, "show", arguments)
    reporter = Reporter(quiet=False)
    if options.run is not None:
        _show_run(options.run, reporter)
        return
    found = stages.list_runs(options.runs)
    if not found:
        raise ValueError(f"`runs` folder {options.runs} holds no runs; `rnnensemble quickstart`.")
    rows = [
        (
            path.name,
            m["status"],
            m.get("task", "(arrays)"),
            f"{m['converged']}/{m['size']}" if "converged" in m else f"{m['size']}",
            m["written"][:16],
        )
        for path, m in found.items()
    ]
    reporter.table("runs", ("name", "status", "task", "converged", "written"), rows)


def _show_run(folder: Path, reporter: "Reporter") -> None:
    from rnnensemble.cli import deflate, distances, train
    from rnnensemble.cli.console import population_line
    from rnnensemble.cli.sweep import show_sweep
    from rnnensemble.files import stages, storage, sweep_folder

    manifest = stages.read_manifest(folder)
    if "inputs" in manifest:
        distances.show_distances(folder, manifest, reporter)
        return
    if manifest["status"] == sweep_folder.STATUS:
        show_sweep(folder, reporter)
        return
    if manifest["status"] == deflate.STATUS:
        deflate.show_rounds(folder, reporter)
        return
    run = storage.load_run(folder)
    reporter.line(f"{folder} ({run.manifest['status']}), {run.manifest['task']}")
    reporter.line(population_line(run.population))
    if run.manifest["status"] == stages.INTERRUPTED:
        reporter.line(train.go_on(folder))
    if run.degeneracy is not None:
        reporter.degeneracy(run.degeneracy)


def report(arguments: list[str]) -> None:
    """Writes the report on a sweep folder."""
    from rnnensemble.cli import report as command

    command.report(arguments)


def advise(arguments: list[str]) -> None:
    """Says what to raise or lower for a wish, from measured effects."""
    from rnnensemble.cli import report as command

    command.advise(arguments)


def benchmark(arguments: list[str]) -> None:
    """Measures how fast this machine trains and compares networks."""
    from rnnensemble.cli import benchmark

    benchmark.run(arguments)


def tasks(arguments: list[str]) -> None:
    """Lists the tasks, their knobs, thresholds and out-of-distribution variants."""
    from rnnensemble.cli import task_list

    task_list.run(arguments)
