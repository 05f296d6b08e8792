"""What a benchmark found, as a value and as a table."""

import dataclasses
from typing import Any

from rnnensemble.study.benchmarking.ceilings import TRAFFIC_NAME
from rnnensemble.study.benchmarking.rows import Row


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """How fast a machine is.

    Attributes:
        machine: Platform, device, devices, cores, versions.
        rows: What was measured, in that order; rows that failed or were left out say why.
        seconds: What all of it took.
    """

    machine: dict[str, str | int]
    rows: tuple[Row, ...]
    seconds: float

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Column names and cells, a line for each row that was not left out, by kind and shape."""
        shown = sorted((row for row in self.rows if not row.left_out), key=_place)
        return COLUMNS, [cells(row) for row in shown]

    def as_dict(self) -> dict[str, Any]:
        """All of it as a tree of plain values, for JSON."""
        rows = [row.as_dict() for row in self.rows]
        return {"machine": self.machine, "seconds": round(self.seconds, 1), "rows": rows}


COLUMNS = (
    *("what", "N", "B", "T", "K", "tile"),
    *("a second", "of peak", "of roofline", "compile s", "memory"),
)

KINDS = ("check", "ceiling", "training", "rival", "pairs")
"""In the order of the table."""


def _place(row: Row) -> tuple[int, int, int, int]:
    """Where a row stands in the table; rows that compare equal stay in their order."""
    kind = KINDS.index(row.kind) if row.kind in KINDS else len(KINDS)
    if row.kind != "training":
        return kind, 0, 0, 0
    return kind, -(row.width or 0), -(row.batch or 0), row.size or 0


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, a cell for each column."""
    name = f"{row.name} pairs" if row.kind == "pairs" else row.name
    name += "" if row.precision in (None, "float32") else f", {row.precision}"
    numbers = (row.width, row.batch, row.steps, row.size, row.tile)
    shown = tuple("" if number is None else f"{number:,}" for number in numbers)
    if row.problem:
        return (name, *shown, row.problem, "", "", "", "")
    memory = "" if row.memory_bytes is None else f"{row.memory_bytes / 2**20:,.0f} MiB"
    compiling = "" if row.compile_seconds is None else f"{row.compile_seconds:.1f}"
    parts = ("" if x is None else f"{x:.0%}" for x in (row.of_peak, row.of_roofline))
    return (name, *shown, _speed(row), *parts, compiling, memory)


def _speed(row: Row) -> str:
    """The number of a row with its unit."""
    if row.error is not None:
        return f"error {row.error:.1e}"
    if row.speed is None:
        return ""
    if row.kind == "ceiling":
        unit = "GB" if row.name == TRAFFIC_NAME else "GFLOP"
        return f"{row.speed / 1e9:,.0f} {unit}"
    unit = "pairs" if row.kind == "pairs" else "net-steps"
    return f"{row.speed:,.0f} {unit}" if row.speed >= 10 else f"{row.speed:.2g} {unit}"
