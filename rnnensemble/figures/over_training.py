"""Degeneracy along training."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.over_training import ClassPrediction, OverTraining
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours, plain

COLUMNS = 3
"""Panels side by side."""


@ours()
def over_training_figure(
    found: OverTraining, prediction: ClassPrediction | None = None, *, title: str = ""
) -> Figure:
    """Each measure by epoch, with 95% intervals over networks and nulls; ticks where networks stop.

    Args:
        found: Degeneracy along training.
        prediction: From when on classes can be told, for a last panel.
        title: Title.
    """
    shown = _shown(found)
    count = len(shown) + (prediction is not None)
    lines = -(-count // COLUMNS)
    figure = Figure(figsize=(3.1 * min(count, COLUMNS), 2.5 * lines + 0.5), layout="constrained")
    panels = figure.subplots(lines, min(count, COLUMNS), squeeze=False).ravel()
    for axes, rows in zip(panels, shown, strict=False):
        _draw(axes, rows)
        axes.set_title(plain(rows[0]["title"].partition(" (")[0]), fontsize=8)
    if prediction is not None:
        axes = panels[len(shown)]
        _draw(axes, prediction.table(), null="shuffled classes", color=COLORS[1])
        high = [each.null_high for each in prediction.accuracy]
        axes.plot(prediction.epochs, high, color="k", lw=0.6, ls=":", label="its 95th percentile")
        axes.set_ylim(0, 1.02)
        names = len(np.unique(prediction.classes))
        axes.set_title(f"balanced accuracy, final class of {names}", fontsize=8)
    for axes in panels[:count]:
        _draw_epochs(axes, found.stop_epochs)
        axes.legend(fontsize=6, frameon=False)
    for axes in panels[count:]:
        axes.remove()
    figure.suptitle(plain(title), fontsize=10)
    return figure


def _shown(found: OverTraining) -> list[list[dict[str, Any]]]:
    """The rows by epoch of each measure that is shown: of behavior the main variant's spread."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in found.table():
        rows.setdefault(row["measure"], []).append(row)
    main = f"sigma_{found.degeneracy[-1].behavior.main}"
    return [
        each
        for name, each in rows.items()
        if (name == main or each[0]["level"] != "behavior") and each[0]["value"] is not None
    ]


def _draw(
    axes: Axes, rows: list[dict[str, Any]], *, null: str = "null", color: str = COLORS[0]
) -> None:
    """Values by epoch with their intervals, where there are some, and nulls."""
    epochs = [row["epoch"] for row in rows]
    values, low, high, nulls = (
        np.array([row[name] for row in rows], float) for name in ("value", "low", "high", "null")
    )
    axes.fill_between(epochs, low, high, color=color, alpha=0.25, lw=0, label="95% interval")
    axes.plot(epochs, values, color=color, lw=1.2, marker="o", ms=3)
    if (nulls > 0).any():  # renumbered units, at distance 0, are no null of weights
        axes.plot(epochs, nulls, color="k", lw=0.9, ls="--", label=null)
    if rows[0].get("level") == "behavior" and (values > 0).all():
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)


def _draw_epochs(axes: Axes, stop_epochs: np.ndarray) -> None:
    """A logarithmic axis of epochs on which 0 has a place."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_xlim(-0.1, 1.2 * stop_epochs.max())
    axes.xaxis.set_major_formatter("{x:g}")
    where = axes.get_xaxis_transform()
    axes.plot(stop_epochs, 0 * stop_epochs + 0.02, "|", color="#666666", ms=6, transform=where)
    axes.set_xlabel("epochs trained (0: start)")
