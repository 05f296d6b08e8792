"""What lesions do to losses, and how much single units matter."""

import numpy as np

from rnnensemble.analysis.importance import UnitImportance
from rnnensemble.analysis.lesions import Lesions
from rnnensemble.figures.panels import COLORS, with_interval
from rnnensemble.figures.style import Figure, ours
from rnnensemble.training.losses import unit as loss_unit


@ours()
def lesions_figure(lesions: Lesions) -> Figure:
    """Loss after each perturbation, a line a network, with the mean and its 95% interval.

    Perturbations of one kind that have shares stand at their shares, after the intact networks at
    0; others one after another.
    """
    shares = [getattr(each, "share", None) for each in lesions.perturbations]
    rows, values = lesions.table(), np.vstack([lesions.intact.loss, lesions.perturbed.loss])
    curve = len({type(each) for each in lesions.perturbations}) == 1 and None not in shares
    places = np.array([0.0, *shares], float) if curve else np.arange(float(len(values)))
    order = np.argsort(places, kind="stable")
    figure = Figure(figsize=(4.4, 3.2), layout="constrained")
    axes = figure.subplots()
    lines = axes.plot(places[order], values[order], color="0.7", lw=0.8, marker=".", ms=3)
    lines[0].set_label("a network")
    mean, low, high = (
        np.array([np.nan if row[name] is None else row[name] for row in rows])[order]
        for name in ("loss", "loss_low", "loss_high")
    )
    errors = np.maximum([mean - low, high - mean], 0.0)
    form = {"color": COLORS[0], "lw": 1.4, "marker": "o", "ms": 4, "capsize": 2}
    axes.errorbar(places[order], mean, errors, label="mean, 95% interval", **form)
    if (values > 0).all():
        axes.set_yscale("log")
        least, most = values.min(), values.max()
        axes.set_ylim(least / 2, 3 * most)  # intervals of few networks may be far wider
    if curve:
        what = lesions.perturbations[0].label.partition(" of ")[2].partition(",")[0]
        axes.set_xlabel(f"share of {what}")
    else:
        axes.set_xticks(places, [row["perturbation"] for row in rows], rotation=25, ha="right")
        axes.tick_params("x", labelsize=7)
    axes.set_ylabel(f"loss ({loss_unit(lesions.loss)})")
    axes.legend(frameon=False, fontsize=8)
    return figure


@ours()
def importance_figure(importance: UnitImportance) -> Figure:
    """Shares of importance by rank of the unit, a line a network."""
    figure = Figure(figsize=(4.4, 3.2), layout="constrained")
    axes = figure.subplots()
    ranks = np.arange(1, importance.profiles.shape[1] + 1)
    for k, profile in enumerate(importance.profiles):
        color = COLORS[k % len(COLORS)]
        axes.plot(ranks, profile, color=color, lw=0.9, marker=".", ms=3)
    carried = importance.participation
    axes.set_xlabel("unit, by rank")
    axes.set_ylabel("share of the importance of all units")
    axes.set_ylim(bottom=0)
    axes.set_title(
        f"{np.nanmin(carried):.1f} to {np.nanmax(carried):.1f} units carry the function;\n"
        f"distance of profiles {with_interval(importance.mean)}; null "
        f"{np.nanmean(importance.null):.2g}",
        fontsize=8,
    )
    return figure
