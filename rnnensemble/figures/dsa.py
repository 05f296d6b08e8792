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
from rnnensemble.stats.intervals import mean_distance


@ours()
def settings_figure(found: GridDistances, *, axes: Given = None) -> Figure:
    """Mean DSA distance, and its ratio to the null, by rank and number of delays.

    Bars are 95% intervals over networks. Shares of variance are diamonds at the rank that they came
    to.

    Args:
        found: Distances under all settings.
        axes: Two Axes to draw into, or one where there are no nulls; a figure of its own unless
            given.
    """
    known = bool(np.isfinite(found.nulls).any())
    made = canvas(axes, 1 + known, aspect=1.0, extra=12.0, width="single")
    nulls = np.maximum(found.nulls.mean(axis=-1), 1e-12)  # as `null_ratios` has them
    estimates = _estimates(found)
    for j, delays in enumerate(found.grid.delays):
        color = COLORS[j % len(COLORS)]
        name = "no delays" if delays == 1 else f"{delays} delays"
        below = estimates[:, j, 0] < nulls[:, j]
        _draw_ranks(made.axes[0], found, estimates[:, j], below, color=color, label=name)
        if known:
            fixed = slice(len(found.grid.ranks))
            made.axes[0].plot(found.grid.ranks, nulls[fixed, j], color=color, ls=":")
            ratios = estimates[:, j] / nulls[:, j, None]
            _draw_ranks(made.axes[1], found, ratios, below, color=color, label=name)
    made.axes[0].set_ylabel("mean DSA distance")
    handles, _ = made.axes[0].get_legend_handles_labels()
    if known:
        made.axes[1].axhline(1, color="0.35", ls=":")
        made.axes[1].set_ylabel("mean distance / mean null")
        handles.append(line("null: same network, other trials", ls=":"))
    for panel in made.axes:
        most = max(np.nanmax(each.get_ydata(), initial=0.0) for each in panel.lines)
        panel.set_ylim(0, min(panel.get_ylim()[1], 3 * most or 1.0))  # few networks: wide intervals
        panel.set_xlabel("rank")
        panel.set_xticks(found.grid.ranks)
        thin(panel)
    made.legend(handles, columns=2)
    ends = estimates[..., 1:].reshape(-1, 2)
    rows = [
        row | {"low": low, "high": high}
        for row, (low, high) in zip(found.table(), ends, strict=True)
    ]
    below = bool((estimates[..., 0] < nulls).any())
    return made.told(_told(found, known=known, below=below), rows)


def _told(found: GridDistances, *, known: bool, below: bool) -> list[str]:
    """Sentences of the caption."""
    return [
        f"Mean DSA distance of {counted(found.matrices.shape[-1], 'network')} by rank and number "
        f"of delays{', and the same over its null' * known}; bars are 95% intervals over networks.",
        "Diamonds stand at the ranks that shares of variance came to." if found.grid.shares else "",
        "Dotted lines are nulls, the distance of a network to itself on other trials." * known,
        BELOW * below,
    ]


def _estimates(found: GridDistances) -> np.ndarray:
    """Means and the ends of their intervals, `[R, D, 3]`; no ends where there are none."""
    estimates = np.stack([found.means, *[np.full(found.means.shape, np.nan)] * 2], axis=-1)
    for place in np.ndindex(found.means.shape):
        if np.isfinite(found.matrices[place]).all():
            estimates[place] = mean_distance(found.matrices[place])
    return np.where(np.isinf(estimates), np.nan, estimates)


def _draw_ranks(
    axes: Axes,
    found: GridDistances,
    estimates: np.ndarray,
    below: np.ndarray,
    *,
    color: str,
    label: str,
) -> None:
    """Estimates `[R, 3]` by rank: ranks joined by a line, shares of variance as diamonds."""
    count, values = len(found.grid.ranks), estimates[:, 0]
    axes.plot(found.grid.ranks, values[:count], "o-", color=color, label=label, zorder=2)
    axes.vlines(found.ranks, estimates[:, 1], estimates[:, 2], color=color, lw=0.8)
    for number, (rank, value) in enumerate(zip(found.ranks, values, strict=True)):
        form: Any = {"mfc": "white" if below[number] else color, "mew": 0.8, "zorder": 3}
        axes.plot(rank, value, "o" if number < count else "D", color=color, **form)


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
    axes.set(ylim=(0, 1.1 * min(max(mean.max(), persistence), 2 * mean.max())), xlabel="rank")
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
