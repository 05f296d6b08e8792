"""The battery's page: solutions of one task that came about differently, side by side."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.battery import Battery
from rnnensemble.figures.panels import COLORMAP, COLORS, draw_groups
from rnnensemble.figures.style import Figure, ours, plain

LEADING = 6
"""Eigenvalues drawn of each fixed point."""

VARIABLES = 3
"""Variables whose decodability is drawn."""


@ours()
def battery_figure(battery: Battery, *, title: str) -> Figure:
    """The page.

    Args:
        battery: What was measured.
        title: Title.
    """
    figure = Figure(figsize=(11.0, 10.4), layout="constrained")
    axes = figure.subplots(3, 3)
    found = battery.solutions
    colors: dict[str, str] = dict(zip(battery.decodability, COLORS, strict=False))
    _draw_matrix(figure, axes[0, 0], found.predictivity, found.groups, "outside the readouts")
    _draw_matrix(figure, axes[0, 1], found.potent, found.groups, "of what the readouts see")
    _draw_losses(axes[0, 2], battery, colors)
    draw_groups(axes[1, 0], found.dynamics, found.groups, colors, "dynamics: DSA")
    draw_groups(axes[1, 1], found.shapes, found.groups, colors, "shapes: Procrustes (radians)")
    _draw_counts(axes[1, 2], battery, colors)
    _draw_spectra(axes[2, 0], battery, colors)
    _draw_content(axes[2, 1:], battery, colors)
    handles = [
        axes[0, 2].plot([], [], "o", color=color, label=plain(name.replace("_", " ")))[0]
        for name, color in colors.items()
    ]
    names = {"loc": "outside lower center", "ncols": len(colors), "fontsize": 9}
    figure.legend(handles=handles, frameon=False, **names)
    figure.suptitle(plain(title), fontsize=11)
    return figure


def _draw_matrix(
    figure: Figure, axes: Axes, matrix: np.ndarray, groups: np.ndarray, where: str
) -> None:
    """Predictivity of each network (columns) from each other (rows)."""
    image = axes.imshow(np.clip(matrix, 0, 1), vmin=0, vmax=1, cmap=COLORMAP, aspect="equal")
    edges = np.flatnonzero(groups[1:] != groups[:-1]) + 0.5
    for edge in edges:
        axes.axhline(edge, color="white", lw=1)
        axes.axvline(edge, color="white", lw=1)
    axes.set_xlabel("predicted network")
    axes.set_ylabel("predicting network")
    axes.set_title(f"predictivity {where}", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8)


def _spread(count: int) -> np.ndarray:
    """Offsets that keep points of one group apart."""
    return np.linspace(-0.09, 0.09, count) if count > 1 else np.zeros(count)


def _draw_losses(axes: Axes, battery: Battery, colors: dict[str, str]) -> None:
    """Losses by variant of the task, one dot a network."""
    found = battery.solutions
    for place, values in enumerate(found.losses.values()):
        for number, (group, color) in enumerate(colors.items()):
            own = values[found.groups == group]
            x = place + 0.25 * (number - (len(colors) - 1) / 2) + _spread(len(own))
            axes.plot(x, own, "o", color=color, ms=3, alpha=0.8)
    axes.set_yscale("log")
    names = [plain(name.replace("_", " ")) for name in found.losses]
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=15)
    axes.set_ylabel("loss")
    axes.set_title("behavior: loss by variant of the task", fontsize=9)


def _draw_counts(axes: Axes, battery: Battery, colors: dict[str, str]) -> None:
    """Stable fixed points, saddles, lines and cycles, one dot a network."""
    groups = battery.solutions.groups
    counts = {
        "stable\npoints": lambda each: each.stable,
        "saddles": lambda each: each.saddles,
        "slow\npoints": lambda each: int((~each.fixed).sum()),
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
    axes.set_xticks(range(len(counts)), list(counts), fontsize=8)
    axes.set_ylabel("found, no input")
    axes.set_title("where networks rest", fontsize=9)


def _draw_spectra(axes: Axes, battery: Battery, colors: dict[str, str]) -> None:
    """The leading eigenvalues at all fixed points around the unit circle."""
    angles = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angles), np.sin(angles), color="k", lw=0.8)
    for group, color in colors.items():
        parts = [
            each.spectra[each.fixed, :LEADING].ravel()
            for each, name in zip(battery.fixed_points, battery.solutions.groups, strict=True)
            if name == group
        ]
        values = np.concatenate([np.zeros(0, complex), *parts])
        axes.scatter(np.real(values), np.imag(values), s=4, color=color, alpha=0.4, lw=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part")
    axes.set_title(f"{LEADING} leading eigenvalues at fixed points", fontsize=9)


def _draw_content(axes: Any, battery: Battery, colors: dict[str, str]) -> None:
    """Scores of variables over time, in two panels: mean and range over networks of a group."""
    first = next(iter(battery.decodability.values()))
    kinds = {
        "quantities (R²)": [name for name, guess in first.chance.items() if guess == 0],
        "categories (accuracy)": [name for name, guess in first.chance.items() if guess],
    }
    styles = ("-", "--", ":")
    for panel, (kind, names) in zip(axes, kinds.items(), strict=True):
        if not names:
            panel.set_axis_off()
            continue
        panel.set_title(f"decodability: {kind}", fontsize=9)
        panel.set_xlabel("time step")
        for name, style in zip(names[:VARIABLES], styles, strict=False):
            for group, color in colors.items():
                scores = battery.decodability[group].scores[name]
                steps = np.arange(scores.shape[1])
                panel.plot(steps, scores.mean(axis=0), style, color=color, lw=1.2)
                low, high = scores.min(axis=0), scores.max(axis=0)
                panel.fill_between(steps, low, high, color=color, alpha=0.12, lw=0)
            panel.plot([], [], style, color="k", lw=1.2, label=name.replace("_", " "))
        panel.legend(fontsize=7, frameon=False, loc="lower right")
        panel.set_ylim(-0.1 if kind.startswith("q") else 0, 1.05)
