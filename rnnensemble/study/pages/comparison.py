"""Several runs side by side."""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study.conditions import Condition, as_table
from rnnensemble.study.pages import charts, measured
from rnnensemble.study.pages.charts import Drawn, Line, Point
from rnnensemble.study.pages.document import Chart, Document, Points, Section, Sheet, Text
from rnnensemble.study.pages.run import CARE
from rnnensemble.study.tables import Table
from rnnensemble.training.population import Population


class Side(NamedTuple):
    """One of the runs, by the name that the page calls it."""

    name: str
    condition: Condition
    population: Population
    degeneracy: Degeneracy


def comparison_document(sides: Sequence[Side]) -> Document:
    """Several measured runs side by side: numbers, what differs in their settings, learning."""
    differing = differences(sides)
    sections = [
        Section("How far apart their networks lie", [_chart(sides), _numbers(sides)]),
        Section("What differs in their settings", [_settings(sides, differing)]),
        Section("Learning", [_learning(sides)]),
        Section("What to keep in mind", [Points((*_more(differing), *CARE))]),
    ]
    names = ", ".join(side.name for side in sides)
    return Document(f"Side by side: {names}", summary(sides, differing), sections)


def summary(sides: Sequence[Side], differing: dict[str, list[str]]) -> list[str]:
    """What was trained, what was found, what to be careful about."""
    trained = "; ".join(f"{side.name}: {side.population.summary()}" for side in sides)
    every, found = _by_measure(sides), []
    for name in ("dsa", "pif", f"sigma_{sides[0].degeneracy.behavior.main}"):
        rows = [row for row in every.get(name, []) if row is not None]
        if len(rows) == len(sides):
            found.append(f"{name}: {', '.join(map(measured.value_text, rows))}")
    return [
        f"{trained}.",
        f"In this order, with 95% intervals over networks: {'; '.join(found)}.",
        f"Be careful. {_more(differing)[0]}",
    ]


def _more(differing: dict[str, list[str]]) -> list[str]:
    """What is to be said of runs that differ as these do."""
    own = [name for name in differing if name.startswith("analysis.")]
    if own:
        text = f"They were measured in different ways ({', '.join(own)}): their numbers do not "
        text += "compare."
    elif any(name.startswith("task.") for name in differing):
        text = "They learned different tasks, and distances compare within one task alone."
    else:
        text = "Intervals that overlap do not show that there is no difference; "
        text += "`compare_conditions` tests it."
    return [text]


def differences(sides: Sequence[Side]) -> dict[str, list[str]]:
    """The settings in which the runs differ, by path: a text a run, "" where it has none."""
    flat = [_flat(as_table(side.condition)) for side in sides]
    names = dict.fromkeys(name for each in flat for name in each)
    found = {name: [each.get(name, "") for each in flat] for name in names}
    return {name: texts for name, texts in found.items() if len(set(texts)) > 1}


def _flat(table: Any, start: str = "") -> dict[str, str]:
    if not isinstance(table, dict):
        return {start: table if isinstance(table, str) else json.dumps(table)}
    inner = (_flat(each, f"{start}.{name}" if start else name) for name, each in table.items())
    return {name: text for each in inner for name, text in each.items()}


def _settings(sides: Sequence[Side], differing: dict[str, list[str]]) -> Any:
    if not differing:
        return Text("All their settings are the same.")
    rows = [(name, *texts) for name, texts in differing.items()]
    head = ("setting", *(side.name for side in sides))
    return Sheet(Table(head, rows), "Settings that are not the same in all.")


def _by_measure(sides: Sequence[Side]) -> dict[str, list[dict[str, Any] | None]]:
    """The rows of every measure, one a run; None where it has no value."""
    tables = [{row["measure"]: row for row in side.degeneracy.table()} for side in sides]
    names = dict.fromkeys(name for table in tables for name in table)
    found = {name: [table.get(name) for table in tables] for name in names}
    return {
        name: [row if row and row["value"] is not None else None for row in rows]
        for name, rows in found.items()
        if any(row and row["value"] is not None for row in rows)
    }


def _title(rows: Sequence[dict[str, Any] | None]) -> str:
    return next(row["title"] for row in rows if row)


def _numbers(sides: Sequence[Side]) -> Sheet:
    """Every measure, a column a run."""
    counts = (str(len(side.degeneracy.networks)) for side in sides)
    cells = [("converged networks", *counts)]
    cells += [
        (_title(rows), *(measured.value_text(row) if row else "" for row in rows))
        for rows in _by_measure(sides).values()
    ]
    head = ("measure", *(side.name for side in sides))
    return Sheet(Table(head, cells), "Values with 95% intervals over networks.")


def _chart(sides: Sequence[Side]) -> Chart:
    """Every measure with its interval, a place a run."""
    drawn = []
    for rows in _by_measure(sides).values():
        places = zip(range(len(sides)), sides, rows, strict=True)
        points = [_point(float(place), side, row) for place, side, row in places if row]
        drawn.append(Drawn(_title(rows), _title(rows), [Line("runs", points)]))
    caption = "Choose a measure; bars are 95% intervals over networks, diamonds the nulls."
    data = charts.levels("runs side by side", "run", drawn, joined=False)
    return Chart("Measures side by side", caption, data)


def _point(place: float, side: Side, row: dict[str, Any]) -> Point:
    known = {name: math.nan if row[name] is None else row[name] for name in row}
    estimate = Estimate(known["value"], known["low"], known["high"])
    null = math.nan if row["level"] == "weights" else known["null"]
    notes = (f"{len(side.degeneracy.networks)} networks",)
    good = measured.is_measurable(row) is not False
    return Point(place, side.name, *estimate, null, measured.value_text(row), notes, good)


def _learning(sides: Sequence[Side]) -> Sheet:
    """How training went, a row a run."""
    rows = []
    for side in sides:
        stops = side.population.stop_epoch[side.population.converged]
        shown = f"{int(stops.min())} to {int(stops.max())}" if len(stops) else ""
        size, count = side.population.size, int(side.population.converged.sum())
        lost = int(side.population.diverged.sum())
        rows.append((side.name, str(size), str(count), str(lost) if lost else "", shown))
    head = ("run", "networks", "converged", "diverged", "epochs to the goal")
    return Sheet(Table(head, rows), "How training went.")
