"""The command line: a function for each command, and what a mistake prints.

Orbax, matplotlib and rich load only where they are used, so that `--help` is quick.
"""

import dataclasses
import errno
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from rnnensemble._core import process, runtime
from rnnensemble.cli import options
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.flags import HELP, parse
from rnnensemble.files import folders, stages, storage
from rnnensemble.study import conditions
from rnnensemble.study.toml import unknown_key

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
    if not arguments or arguments[0] in HELP:
        kinds = {name: kind for name, (kind, _) in COMMANDS.items()}
        about = "Train populations of RNNs, measure how far their solutions lie apart."
        tyro.extras.subcommand_cli_from_dict(
            kinds, prog="rnnensemble", description=about, args=["--help"]
        )
    sys.path.append("")  # modules of one's own in the current folder
    runtime.use_all_cores()
    runtime.use_compilation_cache()
    try:
        if arguments[0] not in COMMANDS:
            message = unknown_key(arguments[0], list(COMMANDS))
            raise ValueError(message.replace("a setting", "a command"))
        with process.stopped_by_signals():
            _run(*arguments)
    except (ValueError, FileExistsError) as error:
        _fail(str(error))
    except BrokenPipeError:  # the program that read our output has ended
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
        raise SystemExit(process.STOPPED) from None


def _run(name: str, *arguments: str) -> None:
    kind, work = COMMANDS[name]
    if isinstance(work, str):
        given = parse(kind, name, list(arguments))
        pkgutil.resolve_name(f"rnnensemble.cli.{work}")(**vars(given))
    else:
        work(list(arguments))


def _fail(message: str) -> None:
    print(f"rnnensemble: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def _first(arguments: list[str]) -> str | None:
    """The argument that must come before all flags, which depend on what it names."""
    return arguments[0] if arguments and not arguments[0].startswith("-") else None


def _quickstart(arguments: list[str]) -> None:
    condition = conditions.from_toml(QUICKSTART)
    given = parse(options.Quickstart, "quickstart", arguments, condition=condition)
    from rnnensemble.cli import train

    new = "quickstart" if given.resume else folders.free_folder(given.runs, "quickstart").name
    train.train_and_analyse(given, new if given.name is None else given.name, explain=True)


def _train(arguments: list[str]) -> None:
    preset = _first(arguments)
    if preset is None:  # its settings' flags are not known: those of a flip-flop serve for help
        condition = conditions.from_toml(QUICKSTART)
        arguments = [each for each in arguments if each in HELP]
    else:
        condition = storage.read_preset(preset)
    given = parse(options.Train, "train", arguments, condition=condition)
    from rnnensemble.cli import train

    name = given.preset.stem if given.name is None else given.name
    train.train_and_analyse(given, name, explain=False)


def _analyse(arguments: list[str]) -> None:
    folder = _first(arguments)
    if folder is None:
        from rnnensemble.cli import distances

        distances.analyse_arrays(arguments)
        return
    if Path(folder).is_file():
        raise ValueError(f"`run` must be a run folder; give the file {folder} by --activity.")
    run = storage.load_run(folder)
    given = parse(options.AnalyseRun, "analyse", arguments, analysis=run.condition.analysis)
    from rnnensemble.cli import train

    if run.manifest["status"] == stages.INTERRUPTED:
        raise ValueError(f"`run` {folder} was interrupted; {train.go_on(given.run)}")
    condition = dataclasses.replace(run.condition, analysis=given.analysis)
    folders.require_writable(given.run, "run")
    runtime.network_mesh(given.devices)
    train.require_measurable(condition)
    with Reporter(quiet=given.quiet) as reporter:
        train.analyse_and_save(given.run, condition, run.population, reporter, given.devices)


COMMANDS: dict[str, tuple[type, Callable[[list[str]], None] | str]] = {
    "quickstart": (options.Quickstart, _quickstart),
    "train": (options.Train, _train),
    "analyse": (options.Analyse, _analyse),
    "sweep": (options.Sweep, "sweep:run_sweep"),
    "deflate": (options.Deflate, "deflate:run_rounds"),
    "battery": (options.Battery, "deflate:write_battery"),
    "show": (options.Show, "show:show"),
    "report": (options.Report, "report:report"),
    "advise": (options.Advise, "report:advise"),
    "benchmark": (options.Benchmark, "benchmark:run"),
    "tasks": (options.Tasks, "task_list:run"),
}
"""What each command is told, and what it does: where flags depend on what comes before them, a
function of the arguments; else a function of the flags, by the file that loads for it."""
