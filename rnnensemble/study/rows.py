"""Findings as rows of a file and back, and their summary over tasks."""

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnnensemble.analysis.measures import LEVELS
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study.findings import AGREES, DISAGREES, DOWN, NO_CLAIM, UNDECIDED, UP, Finding
from rnnensemble.study.grid_findings import GridFinding

TYPES = typing.get_type_hints(Finding)
NAMES = [field.name for field in dataclasses.fields(Finding)]
ENDS = ("", "_low", "_high")
"""Columns of an estimate."""


def row(finding: Finding) -> dict[str, Any]:
    """A finding as one row of findings.csv; `finding_of` reads it back."""
    found: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(finding, name)
        if isinstance(value, Estimate):
            found |= {name + end: f"{x:.6g}" for end, x in zip(ENDS, value, strict=True)}
        elif isinstance(value, tuple):
            found[name] = ";".join(value)
        else:
            found[name] = f"{value:.6g}" if isinstance(value, float) else value
    return found


def finding_of(cells: Mapping[str, str]) -> Finding:
    """The finding of a row as it stands in a file.

    Raises:
        ValueError: If a column is missing or holds no number where one belongs.
    """
    try:
        return Finding(**{name: _value(name, cells) for name in NAMES})
    except KeyError as error:
        raise ValueError(f"column {error.args[0]!r} is missing") from None


def _value(name: str, cells: Mapping[str, str]) -> Any:
    """A field from its columns."""
    kind = TYPES[name]
    if kind is Estimate:
        return Estimate(*(float(cells[name + end]) for end in ENDS))
    if kind in (float, int, str):
        return kind(cells[name])
    return tuple(filter(None, cells[name].split(";")))


class Overall(NamedTuple):
    """One measure along one factor, over all tasks that were measured.

    Attributes:
        factor: The factor's name.
        level: The measure's name.
        paper: The paper's direction, "" where it says nothing.
        up: Tasks in which the measure rises.
        down: Tasks in which it falls.
        tasks: Tasks in which it was measured at two values or more.
        verdict: "agrees" or "disagrees" where that is so in more than half of the tasks, else
            "undecided"; "no claim" where the paper says nothing.
    """

    factor: str
    level: str
    paper: str
    up: int
    down: int
    tasks: int
    verdict: str

    @property
    def text(self) -> str:
        """The cell of the table, as "down (3 of 4 tasks), agrees"."""
        if not self.tasks:
            return f"too little measured, {self.verdict}"
        word = "task" if self.tasks == 1 else "tasks"
        if self.up and self.down:
            shown = f"down in {self.down}, up in {self.up} of {self.tasks} {word}"
        elif self.up or self.down:
            direction, count = (UP, self.up) if self.up else (DOWN, self.down)
            shown = f"{direction} ({count} of {self.tasks} {word})"
        else:
            shown = f"no trend ({self.tasks} {word})"
        return f"{shown}, {self.verdict}"


def levels_of(cells: Sequence[Finding] | Sequence[GridFinding]) -> list[str]:
    """The levels of degeneracy that findings are about."""
    return [level for level in LEVELS if any(cell.level == level for cell in cells)]


def overall(cells: Sequence[Finding], levels: Sequence[str]) -> list[list[Overall]]:
    """The table over tasks: a row for each factor, a column for each level."""
    factors = list(dict.fromkeys(cell.factor for cell in cells))
    return [
        [
            over_tasks([c for c in cells if (c.factor, c.level) == (factor, level)])
            for level in levels
        ]
        for factor in factors
    ]


def over_tasks(cells: Sequence[Finding]) -> Overall:
    """One measure along one factor over all its tasks, at least one."""
    measured = [cell for cell in cells if not math.isnan(cell.p_value)]
    directions = [cell.direction for cell in measured]
    verdicts = [cell.verdict for cell in measured]
    majority = [v for v in (AGREES, DISAGREES) if 2 * verdicts.count(v) > len(measured) > 0]
    paper = cells[0].paper
    return Overall(
        cells[0].factor,
        cells[0].level,
        paper,
        directions.count(UP),
        directions.count(DOWN),
        len(measured),
        (majority or [UNDECIDED])[0] if paper else NO_CLAIM,
    )
