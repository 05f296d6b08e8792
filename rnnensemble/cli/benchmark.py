"""The command `benchmark`: rows as they come, then a table, JSON and a figure."""

import contextlib
import json
from pathlib import Path
from typing import Any

import jax

from rnnensemble._core import runtime
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.drawing import draw
from rnnensemble.files import folders
from rnnensemble.files.folders import write_text
from rnnensemble.study.benchmarking import Benchmark, Row, benchmark
from rnnensemble.study.benchmarking.arguments import PLATFORMS
from rnnensemble.study.benchmarking.result import cells

NAMES = {"gpu": "cuda"}
"""What JAX calls a platform when it is told to use one."""


def run(*, runs: Path, name: str, quiet: bool, platform: str | None, **settings: Any) -> Benchmark:
    """Runs the command; see `options.Benchmark`.

    What was found is also in benchmark.json, figures/benchmark.png, .svg and .pdf of the folder.
    ValueError if a setting is out of range, before anything is measured; SystemExit with status 1
    if scan or kernel differ from float64.
    """
    if platform in PLATFORMS:
        jax.config.update("jax_platforms", NAMES.get(platform, platform))
    rows: list[Row] = []
    with folders.reserved_free(runs, name) as folder, Reporter(quiet=quiet) as reporter:

        def report(row: Row) -> None:
            rows.append(row)
            if len(rows) == 1:
                folders.make_folder(folder)
            write(folder, Benchmark(runtime.describe(), tuple(rows), sum(r.seconds for r in rows)))
            if not row.left_out:
                reporter.line(line_of(row))

        found = benchmark(**settings, platform=platform, report=report)
        write(folder, found)
        reporter.table(f"benchmark of {machine_line(found)}", *found.table())
        left_out = sum(row.left_out for row in found.rows)
        if left_out:
            reporter.line(f"{left_out} rows were left out for want of time; --seconds allows more")
        draw(folder, lambda: _figures(found))
        reporter.line(f"{found.seconds:.0f} s; {folder}/benchmark.json, {folder}/figures")
    if any(row.problem.startswith("wrong") for row in found.rows):
        raise SystemExit(1)
    return found


def _figures(found: Benchmark) -> dict[str, Any]:
    from rnnensemble.figures.benchmark import benchmark_figure  # takes a second to load

    with contextlib.suppress(ValueError):  # no row has a speed to draw
        return {"benchmark": benchmark_figure(found)}
    return {}


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
