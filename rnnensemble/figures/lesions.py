"""What lesions do to losses, and how much single units matter."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.analysis.importance import UnitImportance
from rnnensemble.analysis.lesions import Lesions
from rnnensemble.figures.canvas import Given, canvas, counted
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.stats.digits import with_interval
from rnnensemble.training.losses import unit as loss_unit


@ours()
def lesions_figure(lesions: Lesions, *, axes: Given = None) -> Figure:
    """Loss after each perturbation, a line a network, with the mean and its 95% interval.

    Perturbations of one kind that have shares stand at their shares, after the intact networks at
    0; others one after another.

    Args:
        lesions: What was measured.
        axes: Axes to draw into; a figure of its own unless given.
    """
    shares = [getattr(each, "share", None) for each in lesions.perturbations]
    rows, values = lesions.table(), np.vstack([lesions.intact.loss, lesions.perturbed.loss])
    curve = len({type(each) for each in lesions.perturbations}) == 1 and None not in shares
    places = np.array([0.0, *shares], float) if curve else np.arange(float(len(values)))
    order = np.argsort(places, kind="stable")
    made = canvas(axes, aspect=0.75 if curve else 0.95)
    (panel,) = made.axes
    lines = panel.plot(places[order], values[order], color="0.7", lw=0.7, marker=".", ms=2.5)
    lines[0].set_label("a network")
    mean, low, high = (
        np.array([np.nan if row[name] is None else row[name] for row in rows])[order]
        for name in ("loss", "loss_low", "loss_high")
    )
    errors = np.maximum([mean - low, high - mean], 0.0)
    form: Any = {"color": COLORS[0], "lw": 1.2, "marker": "o", "ms": 3, "capsize": 1.5}
    panel.errorbar(places[order], mean, errors, label="mean, 95% interval", **form)
    if (values > 0).all():
        panel.set_yscale("log")
        thin(panel, "xy" if curve else "y")
        least, most = values.min(), values.max()
        panel.set_ylim(least / 2, 3 * most)  # intervals of few networks may be far wider
    _name(panel, lesions, places, rows, curve=curve)
    panel.legend()
    caption = [
        f"Loss ({loss_unit(lesions.loss)}) of {counted(values.shape[1], 'network')} after each "
        "perturbation, a gray line a network; the colored line is the mean, its bars are 95% "
        "intervals over networks. Intact networks come first."
    ]
    networks = [
        row
        | {f"loss_of_{network}": loss for network, loss in zip(lesions.networks, each, strict=True)}
        for row, each in zip(rows, values, strict=True)
    ]
    return made.told(caption, networks)


def _name(
    axes: Axes, lesions: Lesions, places: np.ndarray, rows: list[dict[str, Any]], *, curve: bool
) -> None:
    """Names both axes."""
    if curve:
        what = lesions.perturbations[0].label.partition(" of ")[2].partition(",")[0]
        axes.set_xlabel(f"share of {what}")
    else:
        names = [plain(row["perturbation"]) for row in rows]
        axes.set_xticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_ylabel(f"loss ({loss_unit(lesions.loss)})")


@ours()
def importance_figure(importance: UnitImportance, *, axes: Given = None) -> Figure:
    """Shares of importance by rank of the unit, a line a network.

    Args:
        importance: What was measured.
        axes: Axes to draw into; a figure of its own unless given.
    """
    made = canvas(axes)
    (panel,) = made.axes
    profiles = importance.profiles
    ranks = np.arange(1, profiles.shape[1] + 1)
    for k, profile in enumerate(profiles):
        panel.plot(ranks, profile, color=COLORS[k % len(COLORS)], lw=0.8, marker=".", ms=2.5)
    carried, null = importance.participation, np.nanmean(importance.null)
    panel.set(xlabel="unit, by rank", ylabel="share of the importance of all units")
    panel.set_ylim(bottom=0)
    units = f"{np.nanmin(carried):.1f} to {np.nanmax(carried):.1f} units carry the function"
    below = ", below it" if importance.mean.value < null else ""
    distance = f"distance of profiles {with_interval(importance.mean)}"
    panel.set_title(f"{units}\n{distance}; null {null:.2g}{below}")
    caption = [
        f"Shares of the importance of all units by rank of the unit, in "
        f"{counted(len(profiles), 'network')}, a line each; {units}.",
        f"The mean {distance} (95% interval over networks) has a null of {null:.2g}: two draws of "
        "trials for the same network.",
    ]
    rows = [
        {"network": network, "rank": int(rank), "share": share}
        for network, profile in zip(importance.networks, profiles, strict=True)
        for rank, share in zip(ranks, profile, strict=True)
    ]
    return made.told(caption, rows)
