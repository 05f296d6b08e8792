"""All figures of a run."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.figures.dsa import settings_figure
from rnnensemble.figures.panels import (
    COLORS,
    channel_gap,
    counted_name,
    draw_mds,
    heatmap_figure,
    mark_stack,
    mds_figure,
    with_interval,
)
from rnnensemble.figures.style import Figure, ours, plain
from rnnensemble.tasks import Trials
from rnnensemble.training.evaluation import example_trials
from rnnensemble.training.losses import unit as loss_unit
from rnnensemble.training.population import Population

CONVERGED, STOPPED, DIVERGED = COLORS[0], "#999999", COLORS[1]

EXAMPLES = 3
"""Trials shown."""


@ours()
def trials_figure(trials: Trials, outputs: np.ndarray, *, title: str, shown: int = 3) -> Figure:
    """Example trials: inputs above, targets and outputs of one network below.

    Args:
        trials: Inputs `[B, T, I]`, targets `[B, T, O]`, mask `[B, T]`.
        outputs: Outputs of a network, `[B, T, O]`.
        title: Title.
        shown: Number of trials.
    """
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots(2, shown, sharex=True, sharey="row", squeeze=False)
    for column in range(shown):
        _draw_inputs(axes[0, column], np.asarray(trials.inputs[column]))
        _draw_outputs(axes[1, column], trials, outputs, column)
        axes[0, column].set_title(f"trial {column + 1}", fontsize=8)
        axes[1, column].set_xlabel("time step")
    axes[0, 0].set_ylabel(counted_name(trials.inputs.shape[2], "input"))
    axes[1, 0].set_ylabel(counted_name(trials.targets.shape[2], "output"))
    axes[1, -1].plot([], [], color="k", lw=1, ls="--", label="target")
    axes[1, -1].plot([], [], color=COLORS[0], lw=1.2, label="network")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(plain(title), fontsize=10)
    return figure


def _draw_inputs(axes: Axes, inputs: np.ndarray) -> None:
    """Draws the inputs `[T, I]` of a trial, channels stacked."""
    gap = channel_gap(inputs)
    for channel, values in enumerate(inputs.T):
        color = COLORS[channel % len(COLORS)]
        axes.step(np.arange(len(values)), values - gap * channel, color=color, lw=0.9, where="post")
    mark_stack(axes, inputs.shape[1])


def _draw_outputs(axes: Axes, trials: Trials, outputs: np.ndarray, trial: int) -> None:
    """Draws outputs and, where the loss counts, targets of a trial, channels stacked."""
    steps = np.arange(outputs.shape[1])
    counted = np.asarray(trials.mask[trial]) > 0
    targets = np.asarray(trials.targets[trial])
    gap = channel_gap(targets)
    for channel in range(outputs.shape[2]):
        shift = gap * channel
        target = np.where(counted, targets[:, channel], np.nan)
        color = COLORS[channel % len(COLORS)]
        axes.plot(steps, outputs[trial, :, channel] - shift, color=color, lw=1.4)
        axes.plot(steps, target - shift, color="k", lw=0.7, ls="--")
    mark_stack(axes, outputs.shape[2])


@ours()
def learning_figure(population: Population) -> Figure:
    """Learning curves with threshold and stopping points; the accuracy, where it is recorded."""
    accuracy = population.history.accuracy
    panels = 1 if accuracy is None else 2
    figure = Figure(figsize=(4.2, 3.0 if panels == 1 else 4.8), layout="constrained")
    axes = figure.subplots(panels, squeeze=False)[:, 0]
    draw_learning(axes[0], population)
    if accuracy is not None:
        _draw_accuracy(axes[1], population, accuracy)
    return figure


def _draw_accuracy(axes: Axes, population: Population, accuracy: np.ndarray) -> None:
    """Draws the accuracy `[K, E]` of every network by epoch."""
    for index, values in enumerate(accuracy):
        color = CONVERGED if population.converged[index] else STOPPED
        axes.plot(np.arange(1, len(values) + 1), values, color=color, lw=0.8, alpha=0.6)
    if population.training.criterion == "accuracy":
        axes.axhline(population.thresholds[0], color="k", lw=0.8, ls="--")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy on training trials")


def draw_learning(axes: Axes, population: Population) -> None:
    """Draws the loss of every network by epoch; a dot where it converged."""
    losses = population.history.loss
    for index, loss in enumerate(losses):
        color = CONVERGED if population.converged[index] else STOPPED
        color = DIVERGED if population.diverged[index] else color
        stop = int(population.stop_epoch[index])
        axes.plot(np.arange(1, stop + 1), loss[:stop], color=color, lw=0.8, alpha=0.6)
        marker = "o" if population.converged[index] else "x"
        axes.plot(stop, loss[stop - 1], marker, color=color, ms=3.5)
    if population.training.criterion == "loss":
        axes.axhline(population.thresholds[0], color="k", lw=0.8, ls="--")
        axes.text(1, population.thresholds[0], "threshold", fontsize=7, va="bottom")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"epoch ({population.training.epoch_steps} steps)")
    axes.set_ylabel(f"training {plain(loss_unit(population.training.loss))}")
    axes.set_title(f"{int(population.converged.sum())} of {population.size} converged", fontsize=9)


@ours()
def losses_figure(degeneracy: Degeneracy) -> Figure:
    """The loss of every network in and out of distribution."""
    figure = Figure(figsize=(3.8, 3.0), layout="constrained")
    draw_losses(figure.subplots(), degeneracy)
    return figure


def draw_losses(axes: Axes, degeneracy: Degeneracy) -> None:
    """Draws one dot a network and variant; a line joins the variants of a network."""
    losses = degeneracy.behavior.losses
    values = np.array(list(losses.values()))
    places = np.arange(len(values))
    axes.plot(places, values, color=STOPPED, lw=0.5, alpha=0.5)
    for place, row in zip(places, values, strict=True):
        axes.scatter(
            np.full(len(row), place), row, s=16, color=COLORS[place % len(COLORS)], zorder=3
        )
    axes.set_yscale("log")
    axes.set_xlim(-0.4, len(values) - 0.6)
    axes.set_xticks(places, [name.replace("_", "\n") for name in losses], fontsize=8)
    axes.set_xlabel("trials")
    axes.set_ylabel(plain(loss_unit(degeneracy.behavior.loss)))
    sigma = with_interval(degeneracy.behavior.sigma)
    axes.set_title(f"behavior: sigma_OOD\n{sigma}", fontsize=8)


@ours()
def overview_figure(
    population: Population, degeneracy: Degeneracy, trials: Trials, outputs: np.ndarray
) -> Figure:
    """A run at a glance: one trial, learning, and the three levels of degeneracy.

    Args:
        population: Trained networks.
        degeneracy: Their analysis.
        trials: Example trials.
        outputs: Outputs of one converged network on them, `[B, T, O]`.
    """
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots(2, 3)
    _draw_outputs(axes[0, 0], trials, outputs, 0)
    axes[0, 0].set_title("a trial: target (dashed) and output", fontsize=9)
    axes[0, 0].set_xlabel("time step")
    axes[0, 0].set_ylabel(counted_name(trials.targets.shape[2], "output"))
    draw_learning(axes[0, 1], population)
    draw_losses(axes[0, 2], degeneracy)
    draw_mds(axes[1, 0], degeneracy.dynamics.matrix, unit="DSA")
    axes[1, 0].set_title(f"dynamics: DSA\n{with_interval(degeneracy.dynamics.mean)}", fontsize=9)
    if "weights" in degeneracy.left_out:
        axes[1, 1].set_axis_off()
        axes[1, 1].set_title("weights: PIF\nnot measured", fontsize=9)
    else:
        draw_mds(axes[1, 1], degeneracy.weights.matrix, unit="PIF")
        axes[1, 1].set_title(f"weights: PIF\n{with_interval(degeneracy.weights.mean)}", fontsize=9)
    _draw_null(axes[1, 2], degeneracy)
    for axis in axes.flat:
        axis.tick_params(labelsize=7)
        axis.xaxis.label.set_size(8)
        axis.yaxis.label.set_size(8)
    task, network = population.task, population.network
    figure.suptitle(
        f"{task.name}: {len(degeneracy.networks)} converged networks of {network.width} units",
        fontsize=10,
    )
    return figure


def _draw_null(axes: Axes, degeneracy: Degeneracy) -> None:
    """Draws DSA distances between networks beside those of a network to itself."""
    matrix = degeneracy.dynamics.matrix
    between = matrix[np.triu_indices(len(matrix), 1)]
    between = between[np.isfinite(between)]
    bins = np.linspace(0, 1.05 * max(between.max(initial=0), 1e-6), 24)
    axes.hist(between, bins, color=COLORS[0], alpha=0.8, label="between networks")
    null = np.minimum(degeneracy.dynamics.null, bins[-1])
    axes.hist(null, bins, color=COLORS[1], alpha=0.8, label="same network,\nother trials")
    axes.set_xlabel("DSA distance")
    axes.set_ylabel("pairs")
    axes.margins(y=0.6)  # room for the legend
    axes.legend(fontsize=7, frameon=False, loc="upper left")
    axes.set_title("dynamics against its null", fontsize=9)


@ours()
def hold_figure(
    trials: Trials, outputs: np.ndarray, losses: np.ndarray, *, trained_steps: int
) -> Figure:
    """Outputs of one network over a long trial, and the error of every network over time.

    Args:
        trials: Long trials.
        outputs: Outputs of one network on them, `[B, T, O]`.
        losses: Squared error of every network at every step, averaged over trials, `[M, T]`.
        trained_steps: Trial length in training.
    """
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_outputs(above, trials, outputs, 0)
    above.set_ylabel(counted_name(outputs.shape[2], "output"))
    for index, row in enumerate(losses):
        below.plot(row, color=COLORS[index % len(COLORS)], lw=0.6)
    below.set_yscale("log")
    below.set_ylabel("MSE, each network")
    below.set_xlabel("time step")
    for axes in (above, below):
        axes.axvline(trained_steps, color="k", lw=0.8, ls=":")
    above.set_title(f"trained on {trained_steps} steps (dotted line)", fontsize=9)
    return figure


@ours()
def run_figures(population: Population, degeneracy: Degeneracy) -> dict[str, Figure]:
    """Every figure of an analysed run, by name."""
    task, shown = population.task, int(degeneracy.networks[0])
    seed = degeneracy.analysis.seed
    trials, outputs = example_trials(population, shown, count=EXAMPLES, seed=seed)
    levels = {
        "dynamics": (degeneracy.dynamics, "DSA", f"DSA, {degeneracy.analysis.dsa.score}"),
    }
    if "weights" not in degeneracy.left_out:
        levels["weights"] = degeneracy.weights, "PIF", "PIF"
    figures = {
        "overview": overview_figure(population, degeneracy, trials, outputs),
        "trials": trials_figure(
            trials, outputs, title=f"{task.name}, network {shown}", shown=EXAMPLES
        ),
        "learning": learning_figure(population),
        "losses": losses_figure(degeneracy),
        "settings": settings_figure(degeneracy.grid),
    }
    for level, (distances, name, unit) in levels.items():
        labels = {"name": name, "unit": unit, "networks": degeneracy.networks}
        figures[f"{level}_mds"] = mds_figure(distances.matrix, distances.mean, **labels)
        figures[f"{level}_matrix"] = heatmap_figure(distances.matrix, **labels)
    return figures
