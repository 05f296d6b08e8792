"""The command `benchmark`: rows as they come, then a table, JSON and a figure."""

import contextlib
import dataclasses
import json
from pathlib import Path

import jax

from rnnensemble._core import runtime
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.flags import parse
from rnnensemble.figures.benchmark import benchmark_figure
from rnnensemble.files import folders
from rnnensemble.files.folders import write_text
from rnnensemble.study.benchmarking import Benchmark, Row, benchmark
from rnnensemble.study.benchmarking.arguments import PLATFORMS
from rnnensemble.study.benchmarking.measure import BATCHES, SECONDS, STEPS, WIDTHS
from rnnensemble.study.benchmarking.result import cells

NAMES = {"gpu": "cuda"}
"""What JAX calls a platform when it is told to use one."""


@dataclasses.dataclass
class BenchmarkOptions:
    """Measures how fast this machine trains and compares networks.

    Attributes:
        width: Units N of each shape.
        batch: Trials B of each shape.
        steps: Steps of a trial T.
        sizes: Numbers of networks K; None for 1 to 256 on a CPU, 1 to 4,096 elsewhere.
        tile: Networks that a device trains at once, None for the default.
        devices: How many devices to use, None for all.
        platform: `cpu`, `gpu` or `tpu` to insist on it, None for what JAX finds.
        seconds: Most that it may take; rows that would not end in time are left out.
        check: Compare scan and GPU kernel with float64 first.
        pairs: Compare networks by DSA and PIF.
        torch: Time PyTorch beside it, where it is installed.
        runs: Folder that holds the folder of results.
        name: Name of the folder of results; the first free number is added to it.
        quiet: Print nothing but errors.
    """

    width: tuple[int, ...] = WIDTHS
    batch: tuple[int, ...] = BATCHES
    steps: int = STEPS
    sizes: tuple[int, ...] | None = None
    tile: int | None = None
    devices: int | None = None
    platform: str | None = None
    seconds: float = SECONDS
    check: bool = False
    pairs: bool = True
    torch: bool = True
    runs: Path = Path("runs")
    name: str = "benchmark"
    quiet: bool = False


def run(arguments: list[str]) -> Benchmark:
    """Runs the command.

    Returns:
        What was found, also in benchmark.json, figures/benchmark.png and .svg of the folder.

    Raises:
        ValueError: If a flag is unknown or out of range, before anything is measured.
        SystemExit: With status 1 if scan or kernel differ from float64.
    """
    options = parse(BenchmarkOptions, "benchmark", arguments)
    if options.platform in PLATFORMS:
        jax.config.update("jax_platforms", NAMES.get(options.platform, options.platform))
    folder = folders.free_folder(options.runs, options.name)
    settings = dataclasses.asdict(options)
    asked = {name: settings[name] for name in settings if name not in ("runs", "name", "quiet")}
    rows: list[Row] = []
    with Reporter(quiet=options.quiet) as reporter:

        def report(row: Row) -> None:
            rows.append(row)
            if len(rows) == 1:
                folders.make_folder(folder)
            write(folder, Benchmark(runtime.describe(), tuple(rows), sum(r.seconds for r in rows)))
            if not row.left_out:
                reporter.line(line_of(row))

        found = benchmark(**asked, report=report)
        write(folder, found)
        reporter.table(f"benchmark of {machine_line(found)}", *found.table())
        left_out = sum(row.left_out for row in found.rows)
        if left_out:
            reporter.line(f"{left_out} rows were left out for want of time; --seconds allows more")
        with contextlib.suppress(ValueError):  # no row has a speed to draw
            folders.replace_figures(folder, {"benchmark": benchmark_figure(found)})
        reporter.line(f"{found.seconds:.0f} s; {folder}/benchmark.json, {folder}/figures")
    if any(row.problem.startswith("wrong") for row in found.rows):
        raise SystemExit(1)
    return found


def write(folder: Path, found: Benchmark) -> None:
    """Writes what has been found so far."""
    text = json.dumps(found.as_dict(), indent=1)
    write_text(folder / "benchmark.json", text + "\n")


def line_of(row: Row) -> str:
    """A row in words."""
    name, width, batch, steps, size, _, number, *_ = cells(row)
    letters = zip("NBTK", (width, batch, steps, size), strict=True)
    shape = " ".join(f"{letter}={value}" for letter, value in letters if value)
    unit = "" if row.problem or row.error is not None else " a second"
    return f"{name} {shape}".strip() + f": {number}{unit}"


def machine_line(found: Benchmark) -> str:
    """What was measured, in words."""
    machine = found.machine
    return (
        f"{machine['devices']} {machine['device']} device(s), {machine['cores']} cores, "
        f"jax {machine['jax']}"
    )
