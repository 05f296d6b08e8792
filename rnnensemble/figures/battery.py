"""The battery's page: solutions of one task that came about differently, side by side."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rnnensemble.analysis.battery import Battery
from rnnensemble.figures.canvas import Given, canvas, line
from rnnensemble.figures.labels import thin
from rnnensemble.figures.maps import draw_groups
from rnnensemble.figures.matrices import draw_matrix, matrix_rows
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.study.tables import words

LEADING = 6
"""Eigenvalues drawn of each fixed point."""

VARIABLES = 3
"""Variables whose decodability is drawn."""


@ours()
def battery_figure(battery: Battery, *, title: str, axes: Given = None) -> Figure:
    """The page.

    Args:
        battery: What was measured.
        title: Title.
        axes: Axes to draw into: 7, and one for each kind of variable that is decoded (quantities,
            categories); a figure of its own unless given.
    """
    found, kinds = battery.solutions, _kinds(battery)
    made = canvas(axes, 7 + len(kinds), columns=3, aspect=0.88, extra=10.0)
    colors: dict[str, str] = dict(zip(battery.decodability, COLORS, strict=False))
    matrices = {"predictivity": found.predictivity, "potent predictivity": found.potent}
    places = ("outside the readouts", "of what the readouts see")
    panels = iter(made.axes)
    data: list[dict[str, Any]] = []
    for (name, matrix), where in zip(matrices.items(), places, strict=True):
        axes_here = next(panels)
        _draw_predictivity(axes_here, matrix, found.groups, where)
        data += _named(name, matrix_rows(matrix, range(len(matrix))))
    data += _named("losses", _draw_losses(next(panels), battery, colors))
    for name, matrix in (
        ("dynamics: DSA", found.dynamics),
        ("shapes: Procrustes (radians)", found.shapes),
    ):
        rows = draw_groups(next(panels), matrix, found.groups, colors, name)
        data += _named(name, rows)
    data += _named("counts", _draw_counts(next(panels), battery, colors))
    data += _named("spectra", _draw_spectra(next(panels), battery, colors))
    for (kind, names), panel in zip(kinds.items(), panels, strict=True):
        data += _named(kind, _draw_content(panel, battery, colors, kind, names))
    form: Any = {"marker": "o", "ls": "", "ms": 3.5}
    handles = [line(plain(words(name)), color=color, **form) for name, color in colors.items()]
    made.legend(handles, columns=len(colors))
    made.title(title)
    return made.told(_told(battery, title), data)


def _named(panel: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"panel": panel} | row for row in rows]


def _told(battery: Battery, title: str) -> list[str]:
    """Sentences of the caption."""
    groups = battery.solutions.groups.tolist()
    counts = ", ".join(f"{groups.count(name)} {words(name)}" for name in dict.fromkeys(groups))
    return [
        f"{title}: solutions of one task that came about differently ({counts} networks), a color "
        "a group.",
        "Above: how well each network predicts each other's activity (colors range over different "
        "networks, the diagonal is gray; numbers below 0 count as 0), and losses. Middle: maps in "
        "which close dots are similar networks, and where networks rest without input. Below: "
        "leading eigenvalues at fixed points, and how well variables can be decoded (mean and "
        "range over networks).",
    ]


def _draw_predictivity(axes: Axes, matrix: np.ndarray, groups: np.ndarray, where: str) -> None:
    """Predictivity of each network (columns) from each other (rows)."""
    draw_matrix(axes, np.clip(matrix, 0, 1), label="share of variance")
    edges = np.flatnonzero(groups[1:] != groups[:-1]) + 0.5
    for edge in edges:
        axes.axhline(edge, color="white", lw=0.8)
        axes.axvline(edge, color="white", lw=0.8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("predicted network")
    axes.set_ylabel("predicting network")
    axes.set_title(f"predictivity\n{where}")


def _spread(count: int) -> np.ndarray:
    """Offsets that keep points of one group apart."""
    return np.linspace(-0.09, 0.09, count) if count > 1 else np.zeros(count)


def _draw_losses(axes: Axes, battery: Battery, colors: dict[str, str]) -> list[dict[str, Any]]:
    """Draws losses by variant of the task, one dot a network; returns the numbers."""
    found = battery.solutions
    for place, values in enumerate(found.losses.values()):
        for number, (group, color) in enumerate(colors.items()):
            own = values[found.groups == group]
            x = place + 0.25 * (number - (len(colors) - 1) / 2) + _spread(len(own))
            axes.plot(x, own, "o", color=color, ms=3, alpha=0.8)
    axes.set_yscale("log")
    thin(axes, "y")
    names = [plain(name.replace("_", " ")) for name in found.losses]
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right", rotation_mode="anchor")
    axes.set(ylabel="loss", title="behavior: loss by variant")
    return [
        {"group": group, "network": int(network), "trials": name, "loss": loss}
        for name, losses in found.losses.items()
        for group, network, loss in zip(found.groups, found.networks, losses, strict=True)
    ]


def _draw_counts(axes: Axes, battery: Battery, colors: dict[str, str]) -> list[dict[str, Any]]:
    """Draws stable fixed points, saddles, lines and cycles, one dot a network."""
    groups = battery.solutions.groups
    counts = {
        "stable points": lambda each: each.stable,
        "saddles": lambda each: each.saddles,
        "slow points": lambda each: int((~each.fixed).sum()),
        "lines": lambda each: len(each.lines),
        "cycle": lambda each: int(each.cycle is not None),
    }
    for place, count in enumerate(counts.values()):
        for number, (group, color) in enumerate(colors.items()):
            own = [
                count(each)
                for each, name in zip(battery.fixed_points, groups, strict=True)
                if name == group
            ]
            x = place + 0.25 * (number - (len(colors) - 1) / 2) + _spread(len(own))
            axes.plot(x, own, "o", color=color, ms=3, alpha=0.8)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=-0.3)
    axes.set_xticks(range(len(counts)), [*counts], rotation=30, ha="right", rotation_mode="anchor")
    axes.set(ylabel="found, no input", title="where networks rest")
    return [
        {"group": name} | {kind.replace("\n", " "): count(each) for kind, count in counts.items()}
        for each, name in zip(battery.fixed_points, groups, strict=True)
    ]


def _draw_spectra(axes: Axes, battery: Battery, colors: dict[str, str]) -> list[dict[str, Any]]:
    """Draws the leading eigenvalues at all fixed points around the unit circle."""
    angles = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angles), np.sin(angles), color="k", lw=0.8)
    rows = []
    for group, color in colors.items():
        parts = [
            each.spectra[each.fixed, :LEADING].ravel()
            for each, name in zip(battery.fixed_points, battery.solutions.groups, strict=True)
            if name == group
        ]
        values = np.concatenate([np.zeros(0, complex), *parts])
        axes.scatter(np.real(values), np.imag(values), s=3, color=color, alpha=0.4, lw=0)
        rows += [{"group": group, "real": each.real, "imaginary": each.imag} for each in values]
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part")
    axes.set_title(f"{LEADING} leading eigenvalues at fixed points")
    return rows


def _kinds(battery: Battery) -> dict[str, list[str]]:
    """The variables that are decoded, by kind; without kinds that have none."""
    first = next(iter(battery.decodability.values()))
    kinds = {
        "quantities (R²)": [name for name, guess in first.chance.items() if guess == 0],
        "categories (accuracy)": [name for name, guess in first.chance.items() if guess],
    }
    return {kind: names[:VARIABLES] for kind, names in kinds.items() if names}


def _draw_content(
    axes: Axes, battery: Battery, colors: dict[str, str], kind: str, names: list[str]
) -> list[dict[str, Any]]:
    """Draws scores of variables over time: mean and range over networks of a group."""
    rows = []
    for name, style in zip(names, ("-", "--", ":"), strict=False):
        for group, color in colors.items():
            scores = battery.decodability[group].scores[name]
            steps = np.arange(scores.shape[1])
            mean, low, high = scores.mean(axis=0), scores.min(axis=0), scores.max(axis=0)
            axes.plot(steps, mean, style, color=color)
            axes.fill_between(steps, low, high, color=color, alpha=0.12, lw=0)
            rows += [
                {"group": group, "variable": name, "step": int(step)}
                | {"mean": mean[step], "low": low[step], "high": high[step]}
                for step in steps
            ]
        axes.plot([], [], style, color="k", label=words(name))
    axes.set(title=f"decodability: {kind}", xlabel="time step")
    axes.legend(loc="lower right")
    axes.set_ylim(-0.1 if kind.startswith("q") else 0, 1.05)
    return rows
