"""DSA under many settings: distances, and what operators predict."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.dsa_prediction import Prediction
from rnnensemble.figures.canvas import Given, canvas, counted, line
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import BELOW, COLORS
from rnnensemble.figures.style import Figure, ours


@ours()
def settings_figure(found: GridDistances, *, axes: Given = None) -> Figure:
    """Mean DSA distance, and its ratio to the null, by rank and number of delays.

    Shares of variance are diamonds at the rank that they came to.

    Args:
        found: Distances under all settings.
        axes: Two Axes to draw into, or one where there are no nulls; a figure of its own unless
            given.
    """
    known = bool(np.isfinite(found.nulls).any())
    made = canvas(axes, 1 + known, aspect=0.85, extra=12.0, width="single")
    means, nulls = found.means, found.nulls.mean(axis=-1)
    below = means < nulls
    for j, delays in enumerate(found.grid.delays):
        color = COLORS[j % len(COLORS)]
        name = "no delays" if delays == 1 else f"{delays} delays"
        fixed = slice(len(found.grid.ranks))
        if known:
            made.axes[0].plot(found.grid.ranks, nulls[fixed, j], color=color, ls=":")
        drawn = (means, found.null_ratios)[: 1 + known]
        for panel, values in zip(made.axes, drawn, strict=True):
            _draw_ranks(panel, found, values[:, j], below[:, j], color=color, label=name)
    made.axes[0].set_ylabel("mean DSA distance")
    made.axes[0].set_ylim(bottom=0)
    handles, _ = made.axes[0].get_legend_handles_labels()
    if known:
        made.axes[1].axhline(1, color="0.35", ls=":")
        made.axes[1].set_ylabel("mean distance / mean null")
        handles.append(line("null: same network, other trials", ls=":"))
    for panel in made.axes:
        panel.set_xlabel("rank")
        panel.set_xticks(found.grid.ranks)
        thin(panel)
    made.legend(handles, columns=2)
    caption = [
        f"Mean DSA distance of {counted(found.matrices.shape[-1], 'network')} by rank and number "
        "of delays" + (", and the same over its null." if known else "."),
        "Diamonds stand at the ranks that shares of variance came to." if found.grid.shares else "",
        "Dotted lines are nulls, the distance of a network to itself on other trials." * known,
        BELOW if below.any() else "",
    ]
    return made.told(caption, found.table())


def _draw_ranks(
    axes: Axes,
    found: GridDistances,
    values: np.ndarray,
    below: np.ndarray,
    *,
    color: str,
    label: str,
) -> None:
    """Values `[R]` by rank: ranks joined by a line, shares of variance as diamonds."""
    count = len(found.grid.ranks)
    form: Any = {"color": color, "label": label, "markersize": 3.5}
    faces = np.where(below, "white", color)
    axes.plot(found.grid.ranks, values[:count], **form, marker="o", zorder=2)
    for number, (rank, value) in enumerate(zip(found.ranks, values, strict=True)):
        marker = "o" if number < count else "D"
        axes.plot(
            rank, value, marker, color=color, ms=3.5, mfc=str(faces[number]), mew=0.8, zorder=3
        )


@ours()
def predictions_figure(found: dict[str, Prediction], *, axes: Given = None) -> Figure:
    """Held-out prediction error by rank and number of delays, one panel a name.

    Rings mark what `Prediction.recommended` names; bars are standard errors over networks.

    Args:
        found: Predictions by name.
        axes: Axes to draw into, one a name; a figure of its own unless given.
    """
    made = canvas(axes, len(found), aspect=0.85, extra=12.0)
    rows: list[dict[str, Any]] = []
    for panel, (name, each) in zip(made.axes, found.items(), strict=True):
        rows += [{"panel": name} | row for row in _draw_prediction(panel, each)]
        panel.set_title(name.replace("_", " "))
    made.axes[0].set_ylabel("held-out error / variance")
    made.legend()
    caption = [
        "Error of predictions of held-out activity, over its variance, by rank and number of "
        "delays; bars are standard errors over networks.",
        "The dashed line is the error of predicting that nothing changes; rings mark the least "
        "rank within a standard error of the best.",
    ]
    return made.told(caption, rows)


def _draw_prediction(axes: Axes, found: Prediction) -> list[dict[str, Any]]:
    mean, count = found.errors.mean(axis=0), len(found.errors)
    error = found.errors.std(axis=0, ddof=1) / count**0.5 if count > 1 else np.zeros(mean.shape)
    for j, delays in enumerate(found.grid.delays):
        name = "no delays" if delays == 1 else f"{delays} delays"
        style: Any = {"color": COLORS[j % len(COLORS)], "marker": "o", "ms": 2.5, "elinewidth": 0.7}
        axes.errorbar(found.grid.ranks, mean[:, j], error[:, j], label=name, **style)
    persistence = found.persistence.mean()
    axes.axhline(persistence, color="k", lw=0.7, ls="--", label="nothing changes")
    rank, delays = found.recommended()
    place = found.grid.ranks.index(rank), found.grid.delays.index(delays)
    ring: Any = {"ms": 7, "mfc": "none", "mec": "k", "ls": ""}
    axes.plot(rank, mean[place], "o", label="recommended", **ring)
    axes.set_xscale("log")
    axes.set_xticks(found.grid.ranks, [str(rank) for rank in found.grid.ranks])
    axes.minorticks_off()
    thin(axes)
    axes.set_ylim(0, 1.1 * min(max(mean.max(), persistence), 2 * mean.max()))
    axes.set_xlabel("rank")
    return [
        {
            "rank": rank,
            "delays": delays,
            "error": mean[i, j],
            "standard_error": error[i, j],
            "nothing_changes": persistence,
        }
        for i, rank in enumerate(found.grid.ranks)
        for j, delays in enumerate(found.grid.delays)
    ]
