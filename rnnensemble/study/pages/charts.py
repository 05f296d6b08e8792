"""What the charts of a page draw, as plain values; `page.js` knows how."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble.stats.ordination import cluster_order, mds
from rnnensemble.tasks import Trials
from rnnensemble.training.losses import unit
from rnnensemble.training.population import Population

CURVE = 60
"""Epochs of a learning curve that are drawn at most, the last among them."""

Rows = Sequence[Mapping[str, Any]]


class Between(NamedTuple):
    """Distances `[M, M]` between networks as charts show them, by a measure of title and unit.

    `null` is the mean distance that no difference between networks would give; NaN if unknown.
    """

    title: str
    unit: str
    matrix: np.ndarray
    null: float


def maps(group: str, networks: Sequence[str], rows: Rows, shown: Sequence[Between]) -> dict:
    """Networks in two dimensions, a panel for each measure; colors and hovers show what rows know.

    Charts and tables of a group share what is selected.
    """
    columns = list(rows[0])
    panels = [
        {"title": x.title, "unit": x.unit, "xy": mds((x.matrix + x.matrix.T) / 2), "null": x.null}
        for x in shown
    ]
    cells = [[row[name] for name in columns] for row in rows]
    head = {"kind": "maps", "title": "maps of the networks", "group": group, "networks": networks}
    return head | {"columns": columns, "cells": cells, "panels": panels}


def matrices(
    group: str, networks: Sequence[str], shown: Sequence[Between], keys: Mapping[str, Any]
) -> dict:
    """Distances of all pairs, rows in the order of similarity, networks, or the keys `[M]`."""
    places = np.arange(len(networks))
    orders = {"similarity": places, "network": places}
    orders |= {name: np.argsort(np.asarray(values, float)) for name, values in keys.items()}
    tables = [
        {
            "title": each.title,
            "unit": each.unit,
            "values": _half(each.matrix),
            "order": cluster_order(each.matrix) if len(each.matrix) > 2 else places,
        }
        for each in shown
    ]
    title = "distances of all pairs"
    head = {"kind": "matrix", "title": title, "group": group, "networks": networks}
    return head | {"orders": orders, "matrices": tables}


def _half(matrix: np.ndarray) -> list[np.ndarray] | np.ndarray:
    """A symmetric matrix as its lower half, a row longer than the one before; another whole."""
    if np.array_equal(matrix, matrix.T, equal_nan=True):
        return [row[:k] for k, row in enumerate(matrix)]
    return matrix


def curves(group: str, population: Population) -> dict:
    """What decides when a network stops, by epoch: its training loss or accuracy."""
    training, accuracy = population.training, population.training.criterion == "accuracy"
    name = "accuracy" if accuracy else f"training {unit(training.loss)}"
    xs, ys = [], []
    for row, stop in zip(population.reached, population.stop_epoch, strict=True):
        last = max(1, min(int(stop), len(row)))
        chosen = np.unique(np.geomspace(1, last, CURVE).round().astype(int)) - 1
        chosen = chosen[np.isfinite(row[chosen])]
        xs.append(chosen + 1)
        ys.append(row[chosen])
    least = min((y.min() for y in ys if len(y)), default=0.0)
    return {
        "kind": "curves",
        "title": "learning curves",
        "group": group,
        "networks": [str(k) for k in range(population.size)],
        "x": xs,
        "y": ys,
        "states": states(population),
        "threshold": float(population.thresholds[0]),
        "log": bool(not accuracy and least > 0),
        "xname": "epoch",
        "yname": name + " of the worst task" * training.every_task,
    }


def states(population: Population) -> list[str]:
    """Of every network whether it converged, stopped without, or diverged."""
    both = zip(population.converged, population.diverged, strict=True)
    return ["converged" if a else "diverged" if b else "stopped" for a, b in both]


def trials(drawn: Trials, outputs: np.ndarray, network: int) -> dict:
    """Trials of a task, and what a network makes of them `[B, T, O]`; targets where they count."""
    counted = np.asarray(drawn.mask)[..., None] > 0
    targets = np.where(counted, np.asarray(drawn.targets), np.nan)
    parts = zip(np.asarray(drawn.inputs), targets, outputs, strict=True)
    shown = [{"inputs": x, "targets": y, "outputs": z} for x, y, z in parts]
    return {"kind": "trials", "title": "trials", "network": network, "trials": shown}


class Point(NamedTuple):
    """A number with its interval, where it stands along the factor, and how that place is called.

    Value and null are NaN where there is none. The text is how number and interval are read; notes
    are for those who ask; it is measurable if about solutions rather than trials.
    """

    x: float
    label: str
    value: float
    low: float
    high: float
    null: float
    text: str
    notes: tuple[str, ...] = ()
    measurable: bool = True
    link: str = ""


class Line(NamedTuple):
    """Points along one factor in one task."""

    name: str
    points: Sequence[Point]


class Drawn(NamedTuple):
    """One measure of a chart of levels."""

    title: str
    axis: str
    lines: Sequence[Line]


def levels(title: str, xname: str, measures: Sequence[Drawn], *, joined: bool = True) -> dict:
    """Measures along a factor, a line for each task; points alone unless `joined`."""
    drawn = [
        {
            "title": each.title,
            "axis": each.axis,
            "series": [
                {"name": line.name, "points": [point._asdict() for point in line.points]}
                for line in each.lines
            ],
        }
        for each in measures
    ]
    head = {"kind": "levels", "title": title, "xname": xname}
    return head | {"measures": drawn, "joined": joined}


class Cell(NamedTuple):
    """A colored cell: its column, row and number, what is said of it, and whether it is crossed."""

    x: int
    y: int
    value: float
    text: str
    notes: tuple[str, ...] = ()
    open: bool = False
    link: str = ""


def cells(
    title: str,
    across: tuple[str, Sequence[str]],
    up: tuple[str, Sequence[str]],
    measures: Mapping[str, Sequence[Cell]],
) -> dict:
    """Colored cells over two factors or settings, each a name and the labels of its values."""
    drawn = [
        {"title": name, "cells": [cell._asdict() for cell in found]}
        for name, found in measures.items()
    ]
    names = {"xname": across[0], "xs": across[1], "yname": up[0], "ys": up[1]}
    return {"kind": "cells", "title": title, "measures": drawn} | names


def scatter(
    group: str, networks: Sequence[str], groups: Sequence[str], rows: Rows, start: tuple[str, str]
) -> dict:
    """Numbers of networks against each other, or by group.

    `start` is what is drawn across ("group" for groups) and up before somebody chooses.
    """
    columns = list(rows[0])
    places = [-1 if name == "group" else columns.index(name) for name in start]
    title, cells = "numbers of the networks", [[row[name] for name in columns] for row in rows]
    head = {"kind": "scatter", "title": title, "group": group, "networks": networks}
    return head | {"groups": groups, "columns": columns, "cells": cells, "start": places}
