"""DSA under many settings: distances, and what operators predict."""

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.dsa_prediction import Prediction
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours


@ours()
def settings_figure(found: GridDistances) -> Figure:
    """Mean DSA distance, and its ratio to the null, by rank and number of delays.

    Shares of variance are diamonds at the rank that they came to.
    """
    figure = Figure(figsize=(6.8, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    ranks = found.grid.ranks
    fixed, shares = slice(len(ranks)), slice(len(ranks), None)
    for j, delays in enumerate(found.grid.delays):
        name = "no delays" if delays == 1 else f"{delays} delays"
        style = {"color": COLORS[j % len(COLORS)], "marker": "o", "ms": 4, "lw": 1.2}
        null = found.nulls[:, j].mean(axis=-1)
        left.plot(ranks, null[fixed], **(style | {"ls": ":", "marker": "", "lw": 1.0}))
        for axes, values in ((left, found.means[:, j]), (right, found.null_ratios[:, j])):
            axes.plot(ranks, values[fixed], label=name if axes is left else None, **style)
            axes.plot(found.ranks[shares], values[shares], **(style | {"marker": "D", "ls": ""}))
    left.plot([], [], color="k", ls=":", lw=1.0, label="null: same network,\nother trials")
    right.axhline(1, color="k", lw=0.8, ls="--")
    left.set_ylabel("mean DSA distance")
    right.set_ylabel("mean distance / mean null")
    left.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("rank")
        axes.set_xticks(ranks)
    figure.legend(loc="outside right center", fontsize=7, frameon=False)
    return figure


@ours()
def predictions_figure(found: dict[str, Prediction]) -> Figure:
    """Held-out prediction error by rank and number of delays, one panel a name.

    Rings mark what `Prediction.recommended` names; bars are standard errors over networks.
    """
    count = len(found)
    figure = Figure(figsize=(2.6 * count + 1.2, 2.8), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    for axes, (name, each) in zip(panels, found.items(), strict=True):
        _draw_prediction(axes, each)
        axes.set_title(name.replace("_", " "), fontsize=9)
    panels[0].set_ylabel("held-out error / variance")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=7, frameon=False)
    return figure


def _draw_prediction(axes: Axes, found: Prediction) -> None:
    mean, count = found.errors.mean(axis=0), len(found.errors)
    error = found.errors.std(axis=0, ddof=1) / count**0.5 if count > 1 else np.zeros(mean.shape)
    for j, delays in enumerate(found.grid.delays):
        name = "no delays" if delays == 1 else f"{delays} delays"
        style = {"color": COLORS[j % len(COLORS)], "marker": "o", "ms": 3, "lw": 1.0}
        axes.errorbar(found.grid.ranks, mean[:, j], error[:, j], label=name, **style)
    persistence = found.persistence.mean()
    axes.axhline(persistence, color="k", lw=0.8, ls="--", label="nothing changes")
    rank, delays = found.recommended()
    place = found.grid.ranks.index(rank), found.grid.delays.index(delays)
    axes.plot(rank, mean[place], "o", ms=10, mfc="none", mec="k", ls="", label="recommended")
    axes.set_xscale("log")
    axes.set_xticks(found.grid.ranks, [str(rank) for rank in found.grid.ranks])
    axes.minorticks_off()
    axes.set_ylim(0, 1.1 * min(max(mean.max(), persistence), 2 * mean.max()))
    axes.set_xlabel("rank")
