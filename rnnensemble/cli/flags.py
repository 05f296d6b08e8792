"""Settings as flags: every field of a condition is one."""

import contextlib
import dataclasses
import io
import re
from pathlib import Path
from typing import Annotated, Any

import tyro

from rnnensemble.study.conditions import Condition
from rnnensemble.study.toml import unknown_key


@dataclasses.dataclass
class RunOptions:
    """Where a run goes and what is shown.

    Attributes:
        name: Name of the run folder; None for the preset's name.
        runs: Folder that holds the run folders.
        resume: Go on with the run of this name, interrupted or, with more epochs, unconverged.
        devices: How many devices to use, None for all.
        quiet: Print nothing but errors.
    """

    name: str | None = None
    runs: Path = Path("runs")
    resume: bool = False
    devices: int | None = None
    quiet: bool = False


@dataclasses.dataclass
class SweepOptions:
    """What of a sweep runs, where, and what is shown.

    Attributes:
        preset: One of the file's presets; None for its first.
        only: Factors to run, each `FACTOR`, `FACTOR:TASK`, or either with `=VALUE,VALUE`; all
            unless given.
        group: The one group to run, by its name or number in --dry-run's list.
        dry_run: Print what would run and what it costs; start nothing.
        update: Go on in the folder of an earlier version of the file.
        runs: Folder that holds the sweep's folder.
        devices: How many devices to use, None for all.
        tile: Networks that a device trains at once, None for what fits.
        checkpoint_seconds: Seconds between checkpoints of a group that trains.
        quiet: Print nothing but errors.
    """

    preset: str | None = None
    only: tuple[str, ...] = ()
    group: str | None = None
    dry_run: bool = False
    update: bool = False
    runs: Path = Path("runs")
    devices: int | None = None
    tile: int | None = None
    checkpoint_seconds: float = 60.0
    quiet: bool = False


@dataclasses.dataclass
class BatteryOptions:
    """Measures standard networks and alternatives side by side.

    Attributes:
        folder: What `rnnensemble deflate` wrote.
        devices: How many devices to use, None for all.
        quiet: Print nothing but errors.
    """

    folder: Annotated[Path | None, tyro.conf.Positional] = None
    devices: int | None = None
    quiet: bool = False


NO_FLAGS = ("features", "deflation", "imports", "starts")
"""What is no flag: sweeps measure feature learning, plans deflate, presets name modules, and parts
of populations where their networks start."""


def parse_condition(
    prog: str, arguments: list[str], condition: Condition, *, name: str | None
) -> tuple[RunOptions, Condition]:
    """Flags over a condition: every field that one run uses is a flag."""
    described = [
        (field.name, type(getattr(condition, field.name)), getattr(condition, field.name))
        for field in dataclasses.fields(condition)
        if field.name not in NO_FLAGS
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
    given = parse(options, prog, arguments)
    values = {n: getattr(given, n) for n, _, _ in described}
    run = RunOptions(**{n: getattr(given, n) for n, _, _ in places})
    return run, dataclasses.replace(condition, **values)


def _attributes(config: type) -> list[str]:
    """The lines of a docstring's Attributes section."""
    text = (config.__doc__ or "").partition("Attributes:")[2]
    return [line for line in text.splitlines() if line.strip()]


def parse(options: type, prog: str, arguments: list[str]) -> Any:
    """Parses flags with tyro; its framed error becomes one line."""
    known = [f"--{each}" for each in _flags(options)]
    for argument in arguments:
        flag = argument.partition("=")[0].replace("_", "-")
        is_flag = flag.startswith("--") and flag not in ("--help",)
        if is_flag and flag not in known and "--" + flag[2:].replace("no-", "", 1) not in known:
            bare = [each for each in known if not each.startswith("--no-")]
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
