"""The command line: a function for each command, and what a mistake prints.

Orbax, matplotlib and rich load only where they are used, so that `--help` is quick.
"""

import contextlib
import dataclasses
import errno
import os
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from rnnensemble._core import process, programs, runtime
from rnnensemble.analysis.over_training import require_snapshots
from rnnensemble.cli import exchange_options, look_options, options
from rnnensemble.cli.console import Reporter, output, printable, show_warnings
from rnnensemble.cli.flags import HELP, parse
from rnnensemble.files import folders, live, stages, storage
from rnnensemble.study import conditions, shards
from rnnensemble.study.toml import nearest

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
    sys.path.append("")  # modules of one's own in the current folder
    with output() as shown:
        try:
            with process.stopped_by_signals():
                _start(arguments)
            shown.flush()
        except (ValueError, FileExistsError) as error:
            _end(str(error))
        except KeyboardInterrupt as stop:
            _end(str(stop) or "interrupted; a saved run is as it was", process.STOPPED)
        except Exception as error:
            told = _told(error)
            if told is None and TRACEBACK in os.environ:
                raise
            words = f"{_last_words(error)} (a fault of this program; {TRACEBACK}=1 shows where)"
            _end(told or words, 2 if told else 1)
        finally:
            programs.drop_background()
        if shown.error is not None:
            _end(f"the output cannot be written ({shown.error.strerror}); all work was done.")


def _end(message: str, status: int = 2) -> None:
    """Says in one line why a command ends."""
    with contextlib.suppress(OSError):  # nobody can be told
        line = printable(" ".join(message.split()))
        print(f"rnnensemble: {line}", file=sys.stderr, flush=True)
    raise SystemExit(status) from None


def _start(arguments: list[str]) -> None:
    """Makes JAX ready, then runs a command; without one, says which there are."""
    if not arguments or arguments[0] in HELP:
        kinds = {name: kind for name, (kind, _) in COMMANDS.items()}
        about = "Train populations of RNNs, measure how far their solutions lie apart."
        tyro.extras.subcommand_cli_from_dict(
            kinds, prog="rnnensemble", description=about, args=["--help"]
        )
    if arguments[0] not in COMMANDS:
        near = nearest(arguments[0], list(COMMANDS))
        hint = f"did you mean `{near}`?" if near else f"commands are {', '.join(COMMANDS)}."
        raise ValueError(f"`{arguments[0]}` is not a command; {hint}")
    show_warnings()
    runtime.use_all_cores()
    runtime.use_compilation_cache()
    _run(*arguments)


TRACEBACK = "RNNENSEMBLE_TRACEBACK"
"""Variable of the environment that has an unexpected error shown whole."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def _told(error: Exception) -> str | None:
    """What an error of the system, or of JAX, means for the user; None for others."""
    if isinstance(error, MemoryError):
        return f"this machine has too little memory ({_last_words(error)})."
    if not isinstance(error, OSError):
        return runtime.explained(error)
    if error.errno in FULL:
        return (
            "`runs` cannot be written (no space left on the disk); what was there before is as it "
            "was. Free some space or choose another --runs folder."
        )
    where = f" of `{error.filename}`" if error.filename else ""
    return f"the system refused the use{where} ({error.strerror or error})."


def _last_words(error: Exception) -> str:
    """An error in one line, as the last one of a traceback."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _run(name: str, *arguments: str) -> None:
    kind, work = COMMANDS[name]
    if isinstance(work, str):
        given = parse(kind, name, list(arguments))
        pkgutil.resolve_name(f"rnnensemble.cli.{work}")(**vars(given))
    else:
        work(list(arguments))


def _first(arguments: list[str]) -> str | None:
    """The argument that must come before all flags, which depend on what it names."""
    return arguments[0] if arguments and not arguments[0].startswith("-") else None


def _quickstart(arguments: list[str]) -> None:
    condition = conditions.from_toml(QUICKSTART)
    given = parse(options.Quickstart, "quickstart", arguments, condition=condition)
    from rnnensemble.cli import train

    name = "quickstart" if given.resume and given.name is None else given.name
    train.train_and_analyse(given, name, explain=True)


def _train(arguments: list[str]) -> None:
    preset = _first(arguments)
    if preset is None:  # its settings' flags are not known: those of a flip-flop serve for help
        condition = conditions.from_toml(QUICKSTART)
        arguments = [each for each in arguments if each in HELP]
    else:
        condition = storage.read_preset(preset)
    given = parse(options.Train, "train", arguments, condition=condition)
    start = None if given.start_from is None else storage.load_run(given.start_from)
    if start is not None:
        given = dataclasses.replace(
            given, condition=conditions.started(given.condition, start.condition)
        )
    from rnnensemble.cli import train, train_shards

    name = given.preset.stem if given.name is None else given.name
    if given.shards is not None:
        train_shards.train_in_shards(given, name, given.shards, start=start)
    elif given.engine != "local" or given.engine_setting:
        raise ValueError("`shards` are missing: --shards N says in how many tasks to train.")
    elif given.shard is not None:
        train.train_shard(given, name, given.shard, start=start and start.population)
    else:
        train.train_and_analyse(given, name, explain=False, start=start and start.population)


def _analyse(arguments: list[str]) -> None:
    folder = _first(arguments)
    if folder is None:
        from rnnensemble.cli import distances

        distances.analyse_arrays(arguments)
        return
    if Path(folder).is_file():
        raise ValueError(f"`run` must be a run folder; give the file {folder} by --activity.")
    stages.read_manifest(folder)
    with folders.reserved(Path(folder)):
        run = storage.load_run(folder)
        given = parse(options.AnalyseRun, "analyse", arguments, analysis=run.condition.analysis)
        from rnnensemble.cli import train

        if run.manifest["status"] == stages.INTERRUPTED:
            raise ValueError(f"`run` {folder} was interrupted; {train.go_on(given.run)}")
        condition = dataclasses.replace(run.condition, analysis=given.analysis)
        folders.require_writable(given.run, "run")
        runtime.network_mesh(given.devices)
        train.require_measurable(condition)
        if given.over_training:
            require_snapshots(run.population)
        with Reporter(quiet=given.quiet) as reporter, reporter.watched_at(live.beside(given.run)):
            if run.damage:
                reporter.line(f"{run.damage}; they are measured again")
            population, shard = run.population, shards.noted(run.manifest)
            train.analyse_and_save(
                given.run,
                condition,
                population,
                reporter,
                given.devices,
                shard=shard,
                along=given.over_training,
            )


COMMANDS: dict[str, tuple[type, Callable[[list[str]], None] | str]] = {
    "quickstart": (options.Quickstart, _quickstart),
    "train": (options.Train, _train),
    "join": (options.Join, "join:join_shards"),
    "analyse": (options.Analyse, _analyse),
    "sweep": (options.Sweep, "sweep:run_sweep"),
    "deflate": (options.Deflate, "deflate:run_rounds"),
    "battery": (options.Battery, "deflate:write_battery"),
    "show": (look_options.Show, "show:show"),
    "watch": (look_options.Watch, "watch:watch"),
    "export": (exchange_options.Export, "exchange:export_run"),
    "import": (exchange_options.Import, "exchange:import_networks"),
    "report": (options.Report, "report:write_report"),
    "advise": (options.Advise, "report:advise"),
    "benchmark": (options.Benchmark, "benchmark:run"),
    "tasks": (options.Tasks, "task_list:run"),
}
"""What each command is told, and what it does: where flags depend on what comes before them, a
function of the arguments; else a function of the flags, by the file that loads for it."""
