"""How networks learned, and their losses in and out of distribution."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.figures.canvas import Given, canvas, counted
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORS
from rnnensemble.figures.style import Figure, ours, plain, small_size
from rnnensemble.stats.digits import number, with_interval
from rnnensemble.training.losses import unit as loss_unit
from rnnensemble.training.population import Population

CONVERGED, STOPPED, DIVERGED = COLORS[0], "#999999", COLORS[1]

MOST_FLAT = 4
"""Variants whose names stand side by side; those of more are turned."""


@ours()
def learning_figure(population: Population, *, axes: Given = None) -> Figure:
    """Learning curves with threshold and stopping points; the accuracy, where it is recorded.

    Where networks stop by something else than the mean loss, that is the second panel.

    Args:
        population: Trained networks.
        axes: Axes to draw into, 2 where there is more than a loss; a figure of its own unless
            given.
    """
    training = population.training
    name, values = "accuracy", population.history.accuracy
    if training.goal != "loss":
        name, values = training.goal, population.reached
    made = canvas(axes, 1 if values is None else 2, aspect=0.75 if values is None else 0.95)
    rows = draw_learning(made.axes[0], population)
    if values is not None:
        _draw_second(made.axes[1], population, name, values)
        for row in rows:
            key = "worst" if training.every_task else "accuracy"
            row[key] = values[row["network"], row["epoch"] - 1]
    return made.told(_told_learning(population), rows)


def _told_learning(population: Population) -> list[str]:
    """Sentences of captions."""
    converged, diverged = int(population.converged.sum()), int(population.diverged.sum())
    threshold = f"{population.training.goal}, {float(population.thresholds[0]):.3g}"
    return [
        f"Training loss of {counted(population.size, 'network')} by epoch of "
        f"{population.training.epoch_steps} steps, a line each.",
        f"Dots mark the epochs in which {converged} converged, crosses where "
        f"{population.size - converged} stopped without ({diverged} of them diverged, in orange; "
        "the others are gray).",
        f"The dashed line is the threshold of the {threshold}.",
    ]


def _color(population: Population, index: int) -> str:
    """Of a network's curve."""
    if population.diverged[index]:
        return DIVERGED
    return CONVERGED if population.converged[index] else STOPPED


def _draw_second(axes: Axes, population: Population, name: str, values: np.ndarray) -> None:
    """Draws what is recorded beside the loss, `[K, E]`, of every network by epoch."""
    for index, row in enumerate(values):
        stop = int(population.stop_epoch[index])
        color = _color(population, index)
        axes.plot(np.arange(1, stop + 1), row[:stop], color=color, lw=0.7, alpha=0.6)
    axes.set_yscale("log" if name.startswith("loss") else "linear")
    if name == population.training.goal:
        axes.axhline(population.thresholds[0], color="k", lw=0.7, ls="--")
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    label = name if "worst" in name else f"{name} on training trials"
    axes.set(xlabel="epoch", ylabel=label)


def draw_learning(axes: Axes, population: Population) -> list[dict[str, Any]]:
    """Draws the loss of every network by epoch, a dot where it converged; returns the numbers."""
    rows = []
    for index, loss in enumerate(population.history.loss):
        color, stop = _color(population, index), int(population.stop_epoch[index])
        epochs = np.arange(1, stop + 1)
        axes.plot(epochs, loss[:stop], color=color, lw=0.7, alpha=0.6)
        marker = "o" if population.converged[index] else "x"
        axes.plot(stop, loss[stop - 1], marker, color=color, ms=2.5)
        rows += [
            {"network": index, "epoch": int(epoch), "loss": float(value)}
            for epoch, value in zip(epochs, loss[:stop], strict=True)
        ]
    if population.training.goal == "loss":
        axes.axhline(population.thresholds[0], color="k", lw=0.7, ls="--")
        where = axes.get_yaxis_transform()
        form: Any = {"va": "bottom", "fontsize": small_size(), "transform": where}
        axes.text(0.01, population.thresholds[0], "threshold", **form)
    axes.set_yscale("log")
    thin(axes)
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    axes.set_xlabel(f"epoch ({population.training.epoch_steps} steps)")
    axes.set_ylabel(f"training {plain(loss_unit(population.training.loss))}")
    axes.set_title(f"{int(population.converged.sum())} of {population.size} converged")
    return rows


@ours()
def losses_figure(degeneracy: Degeneracy, *, axes: Given = None) -> Figure:
    """The loss of every network in and out of distribution.

    Args:
        degeneracy: What was measured.
        axes: Axes to draw into; a figure of its own unless given.
    """
    made = canvas(axes, aspect=0.75)
    rows = draw_losses(made.axes[0], degeneracy)
    return made.told(told_losses(degeneracy), rows)


def told_losses(degeneracy: Degeneracy) -> list[str]:
    """Sentences of captions."""
    behavior = degeneracy.behavior
    found = [
        f"Loss ({loss_unit(behavior.loss)}) of {counted(len(degeneracy.networks), 'network')} on "
        "trials as in training and on other variants: a dot a network, a line for the same network."
    ]
    if behavior.main is not None:
        found.append(
            f"sigma_OOD, the standard deviation over networks on {behavior.main} trials, is "
            f"{with_interval(behavior.sigma)} (95% interval over networks); its null, what a "
            f"finite number of trials alone adds, is {behavior.nulls[behavior.main]:.3g}."
        )
    return found


def draw_losses(axes: Axes, degeneracy: Degeneracy) -> list[dict[str, Any]]:
    """Draws one dot a network and variant, joined by lines; returns the numbers."""
    behavior = degeneracy.behavior
    values = np.array(list(behavior.losses.values()))
    places = np.arange(len(values))
    axes.plot(places, values, color=STOPPED, lw=0.4, alpha=0.5)
    for place, row in zip(places, values, strict=True):
        color = COLORS[place % len(COLORS)]
        axes.scatter(np.full(len(row), place), row, s=9, color=color, lw=0, zorder=3)
    axes.set(yscale="log", xlim=(-0.4, len(values) - 0.6))
    names = [plain(name.replace("_", " ")) for name in behavior.losses]
    if len(names) > MOST_FLAT:
        axes.set_xticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(places, [name.replace(" ", "\n") for name in names])
    thin(axes, "xy" if len(names) <= MOST_FLAT else "y")
    axes.set(xlabel="trials", ylabel=plain(loss_unit(behavior.loss)))
    if behavior.main is not None:
        null = number(behavior.nulls[behavior.main], 2)
        told = f"sigma_OOD {with_interval(behavior.sigma)}, null {null}".replace(" [", "\n[")
        axes.set_title(plain(f"behavior: {told}"))
    return [
        {"network": network, "trials": name, "loss": loss}
        for name, losses in behavior.losses.items()
        for network, loss in zip(degeneracy.networks, losses, strict=True)
    ]
