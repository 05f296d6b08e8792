"""The report on alternative solutions: what `rnnensemble battery` measured of a plan."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble.study.pages import charts, measured
from rnnensemble.study.pages.charts import Between
from rnnensemble.study.pages.document import (
    Chart,
    Document,
    Files,
    Points,
    Section,
    Settings,
    Sheet,
    Text,
)
from rnnensemble.study.pages.measured import Pictures, as_number
from rnnensemble.study.pages.run import CARE
from rnnensemble.study.tables import Table, words

START = "predictivity_to"
"""What the column begins with that is drawn first."""

MEANINGS = {
    "predictivity": "how well the rates of {group} networks predict this network's outside the "
    "readouts, from 0 (not at all) to 1",
    "potent": "the same for the part of the activity that the readouts see",
    "whole": "the same for all of the activity",
    "dynamics": "the DSA distance to {group} networks, from 0 (the same) to 2",
    "shapes": "the Procrustes distance of the states to those of {group} networks, in radians",
    "loss": "the loss on trials of this variant of the task",
    "decodability": "how well this variable can be read from the states, R² or share right",
}
"""Columns of the battery by what they begin with."""

COUNTS = {
    "stable_points": "stable fixed points under inputs of zero",
    "saddles": "fixed points with at least one unstable direction",
    "slow_points": "points where the state moves slowly without resting",
    "lines": "lines of fixed points",
    "cycle_period": "steps of a limit cycle, 0 without one",
}

PLAN_CARE = (
    "Alternatives are kept away from the networks named in the plan: that they differ from these "
    "is how they were made. What is found is in which way, and what it costs.",
    "The standard networks differ from one another as well: compare an alternative with that "
    "spread, not with one network.",
)


class BatteryTables(NamedTuple):
    """What `rnnensemble battery` writes, as rows of texts, and the plan of deflation.

    A row a network, a row a quantity with mean and range in each group, and a row a network that
    says how well it predicts each other.
    """

    networks: list[dict[str, str]]
    groups: list[dict[str, str]]
    predictivity: list[dict[str, str]]
    plan: str


def rounds_document(
    name: str, found: Mapping[str, BatteryTables], *, pictures: Pictures, files: Mapping[str, str]
) -> Document:
    """The report on one plan, or on several, by the name of the task or plan."""
    sections = [Section(words(key), _plan(key, tables, pictures)) for key, tables in found.items()]
    sections.append(Section("What to keep in mind", [Points((*PLAN_CARE, *CARE))]))
    sections.append(Section("Files", [Files(files)]))
    return Document(f"Alternative solutions: {name}", summary(found), sections)


def summary(found: Mapping[str, BatteryTables]) -> list[str]:
    """What was trained, what was found, what to be careful about."""
    trained, seen = [], []
    for key, tables in found.items():
        counts: dict[str, int] = {}
        for row in tables.networks:
            counts[row["group"]] = counts.get(row["group"], 0) + 1
        shown = ", ".join(f"{count} {words(group)}" for group, count in counts.items())
        trained.append(f"{words(key)}: {shown}")
        first = next(iter(counts))
        row = next((x for x in tables.groups if x["measure"] == f"{START}_{first}"), None)
        if row is not None:
            cells = ", ".join(f"{words(group)} {row[group]}" for group in counts)
            seen.append(f"{words(key)}: {cells}")
    least = min(
        sum(row["group"] == group for row in tables.networks)
        for tables in found.values()
        for group in {row["group"] for row in tables.networks}
    )
    network = "network" if least == 1 else "networks"
    return [
        f"Networks that converged, by group: {'; '.join(trained)}.",
        "How well standard networks predict the activity outside the readouts, mean (and range) "
        f"by group: {'; '.join(seen)}.",
        f"Be careful: the smallest group has {least} {network}; alternatives were made to differ, "
        "so that their distance is no finding by itself.",
    ]


def _plan(key: str, tables: BatteryTables, pictures: Pictures) -> list[Any]:
    """Charts and tables of one plan."""
    groups = [words(row["group"]) for row in tables.networks]
    names = [
        f"{group} {row['network']}" for group, row in zip(groups, tables.networks, strict=True)
    ]
    columns = [name for name in tables.networks[0] if name not in ("group", "network")]
    rows = [{words(name): as_number(row[name]) for name in columns} for row in tables.networks]
    legend = {words(name): meaning for name in columns if (meaning := meaning_of(name))}
    parts: list[Any] = []
    first = next((name for name in columns if name.startswith(START)), columns[0])
    caption = (
        "Each dot is a network. Choose what is drawn across and up; click a dot to mark its "
        "network in the other charts and the table."
    )
    drawn = charts.scatter(key, names, groups, rows, ("group", words(first)))
    title, kept = f"{words(key)}: numbers of the networks", measured.named(pictures, key)
    parts.append(Chart(title, caption, drawn, kept))
    if tables.predictivity:
        parts.append(_matrix(key, names, tables))
    cells = [tuple(row.values()) for row in tables.groups]
    head = tuple(map(words, tables.groups[0]))
    shown = [(words(row[0]), *row[1:]) for row in cells]
    caption = "Mean of each quantity in every group, with its range over networks."
    parts.append(Sheet(Table(head, shown), caption, legend=legend))
    parts.append(measured.networks_sheet(key, names, rows, "The networks.", legend))
    parts.append(Section("The plan", [Settings(tables.plan)], f"plan-{key}", folded=True))
    return parts


def _matrix(key: str, names: Sequence[str], tables: BatteryTables) -> Any:
    """How well each network predicts each other."""
    known = [row["network"] for row in tables.predictivity]
    matrix = np.array([[as_number(row[name]) for name in known] for row in tables.predictivity])
    if len(known) != len(names):
        return Text("The table of predictivity is of other networks.", careful=True)
    data = charts.matrices(key, names, [Between("predictivity", "share", 1 - matrix, math.nan)], {})
    shown = data["matrices"][0]
    data["matrices"] = [shown | {"values": matrix}]
    data["title"] = "predictivity of all pairs"
    caption = (
        "How well the network of a row predicts that of a column, outside the readouts: 1 is "
        "fully. It is not symmetric. The diagonal is left out."
    )
    return Chart(f"{words(key)}: predictivity of all pairs", caption, data)


def meaning_of(column: str) -> str:
    """What a column of the battery holds, in words; nothing if nobody said."""
    if column in COUNTS:
        return COUNTS[column]
    start, _, rest = column.partition("_")
    if start not in MEANINGS:
        return ""
    if start in ("loss", "decodability"):
        return f"{MEANINGS[start]}: {words(rest)}"
    most = rest.endswith("_max")
    group = words(rest.removeprefix("to_").removesuffix("_max"))
    text = MEANINGS[start].format(group=group)
    return f"the largest of {text}" if most else f"{text}; mean over these"
