"""Degeneracy along training."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.over_training import ClassPrediction, OverTraining
from rnnensemble.figures.canvas import Given, canvas
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import BELOW, COLORS
from rnnensemble.figures.style import Figure, ours, plain

COLUMNS = 3
"""Panels side by side."""


@ours()
def over_training_figure(
    found: OverTraining,
    prediction: ClassPrediction | None = None,
    *,
    title: str = "",
    axes: Given = None,
) -> Figure:
    """Each measure by epoch, with 95% intervals over networks and nulls; ticks where networks stop.

    Args:
        found: Degeneracy along training.
        prediction: From when on classes can be told, for a last panel.
        title: Title.
        axes: Axes to draw into, one for each measure that is shown (and the prediction); a figure
            of its own unless given.
    """
    shown = _shown(found)
    count = len(shown) + (prediction is not None)
    made = canvas(axes, count, columns=min(count, COLUMNS), width="double", extra=8.0)
    drawn: list[dict[str, Any]] = []
    for panel, rows in zip(made.axes, shown, strict=False):
        drawn += _draw(panel, rows)
        panel.set_title(plain(rows[0]["title"].partition(" (")[0]))
    if prediction is not None:
        drawn += _draw_prediction(made.axes[-1], prediction)
    for panel in made.axes:
        _draw_epochs(panel, found.stop_epochs)
        panel.legend()
    made.title(title)
    below = any(row["below_null"] for row in drawn)
    return made.told(_told(found, prediction, below=below), drawn)


def _told(found: OverTraining, prediction: ClassPrediction | None, *, below: bool) -> list[str]:
    """Sentences of the caption."""
    last = "The last panel: how well the class in which a network ends is told, with the mean and "
    return [
        f"Degeneracy of {len(found.networks)} networks by epochs of training (0: before any).",
        "Bands are 95% intervals over networks, dashed lines nulls: the same networks on other "
        "trials. Ticks at the bottom mark where networks stop.",
        last + "95th percentile of shuffled classes." if prediction is not None else "",
        BELOW if below else "",
    ]


def _draw_prediction(axes: Axes, prediction: ClassPrediction) -> list[dict[str, Any]]:
    """Draws from when on classes can be told; returns the numbers."""
    rows = _draw(axes, prediction.table(), null="shuffled classes", color=COLORS[1])
    high = [each.null_high for each in prediction.accuracy]
    axes.plot(prediction.epochs, high, color="k", lw=0.6, ls=":", label="its 95th percentile")
    axes.set_ylim(0, 1.02)
    names = len(np.unique(prediction.classes))
    axes.set_title(f"balanced accuracy, final class of {names}")
    return rows


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
) -> list[dict[str, Any]]:
    """Draws values by epoch with intervals, where there are some, and nulls; returns them."""
    epochs = [row["epoch"] for row in rows]
    values, low, high, nulls = (
        np.array([row[name] for row in rows], float) for name in ("value", "low", "high", "null")
    )
    axes.fill_between(epochs, low, high, color=color, alpha=0.25, lw=0, label="95% interval")
    below = (values < nulls) & (nulls > 0)
    axes.plot(epochs, values, color=color, marker="o", ms=2.5)
    axes.plot(np.array(epochs)[below], values[below], "o", ms=2.5, mfc="white", mec=color)
    if (nulls > 0).any():  # renumbered units, at distance 0, are no null of weights
        axes.plot(epochs, nulls, color="k", lw=0.8, ls="--", label=null)
    if rows[0].get("level") == "behavior" and (values > 0).all():
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    names = ("epoch", "measure", "value", "low", "high", "null")
    return [
        {name: row[name] for name in names} | {"below_null": bool(mark)}
        for row, mark in zip(rows, below, strict=True)
    ]


def _draw_epochs(axes: Axes, stop_epochs: np.ndarray) -> None:
    """A logarithmic axis of epochs on which 0 has a place."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    axes.set_xlim(-0.1, 1.2 * stop_epochs.max())
    axes.xaxis.set_major_formatter("{x:g}")
    where = axes.get_xaxis_transform()
    axes.plot(stop_epochs, 0 * stop_epochs + 0.02, "|", color="#666666", ms=4, transform=where)
    thin(axes)
    axes.set_xlabel("epochs trained (0: start)")
