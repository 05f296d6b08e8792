"""Figures: arrays in, Figure out. The only file that imports matplotlib."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.dsa_prediction import Prediction
from rnnensemble.stats.intervals import Estimate
from rnnensemble.tasks import Trials
from rnnensemble.training.population import Population

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe & Ito (2008): distinct for all common kinds of color vision."""
CONVERGED, STOPPED, DIVERGED = COLORS[0], "#999999", COLORS[1]
COLORMAP = "cividis"


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
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_inputs(axes: Axes, inputs: np.ndarray) -> None:
    """Draws the inputs `[T, I]` of a trial, channels stacked."""
    gap = channel_gap(inputs)
    for channel, values in enumerate(inputs.T):
        color = COLORS[channel % len(COLORS)]
        axes.step(np.arange(len(values)), values - gap * channel, color=color, lw=0.9, where="post")
    _mark_stack(axes, inputs.shape[1])


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
    _mark_stack(axes, outputs.shape[2])


def channel_gap(values: np.ndarray) -> float:
    """Distance at which channels `[T, C]` stack without touching; 0 for one channel."""
    return 1.25 * float(np.ptp(values)) if values.shape[1] > 1 else 0.0


def counted_name(count: int, name: str) -> str:
    """The label of an axis that shows one channel, or several stacked ones."""
    return name if count == 1 else f"{count} {name}s, stacked"


def _mark_stack(axes: Axes, channels: int) -> None:
    if channels > 1:
        axes.set_yticks([])


def learning_figure(population: Population) -> Figure:
    """Learning curves with the threshold and each network's stopping point."""
    figure = Figure(figsize=(4.2, 3.0), layout="constrained")
    draw_learning(figure.subplots(), population)
    return figure


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
    axes.axhline(population.thresholds[0], color="k", lw=0.8, ls="--")
    axes.text(1, population.thresholds[0], "threshold", fontsize=7, va="bottom")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"epoch ({population.training.epoch_steps} steps)")
    axes.set_ylabel("training MSE")
    axes.set_title(f"{int(population.converged.sum())} of {population.size} converged", fontsize=9)


def mds(matrix: np.ndarray) -> np.ndarray:
    """Classical multidimensional scaling of distances `[M, M]` to coordinates `[M, 2]`.

    Eigenvectors of -J D^2 J / 2 with J = I - 1/M; negative eigenvalues count as 0.
    Source: Torgerson (1952).
    """
    count = len(matrix)
    center = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * center @ matrix.astype(float) ** 2 @ center)
    size = np.sqrt(np.maximum(values[::-1][:2], 0))
    coordinates = vectors[:, ::-1][:, : len(size)] * size
    return np.pad(coordinates, ((0, 0), (0, 2 - coordinates.shape[1])))


def mds_figure(
    matrix: np.ndarray, mean: Estimate, *, name: str, unit: str, networks: Sequence[int]
) -> Figure:
    """Classical MDS of a distance matrix, one dot a network."""
    figure = Figure(figsize=(3.4, 3.2), layout="constrained")
    axes = figure.subplots()
    draw_mds(axes, matrix, unit=unit)
    for (x, y), network in zip(mds(matrix), networks, strict=True):
        axes.annotate(str(network), (x, y), fontsize=6, xytext=(3, 3), textcoords="offset points")
    axes.set_title(f"{name}: mean {_shown(mean)}", fontsize=9)
    return figure


def draw_mds(axes: Axes, matrix: np.ndarray, *, unit: str) -> None:
    """Draws the networks in two dimensions at the same scale on both axes."""
    x, y = mds(matrix).T
    axes.scatter(x, y, s=22, color=COLORS[0], edgecolor="white", lw=0.5)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.15)
    axes.set_xlabel(f"MDS 1 ({unit})")
    axes.set_ylabel(f"MDS 2 ({unit})")


def heatmap_figure(matrix: np.ndarray, *, name: str, unit: str, networks: Sequence[int]) -> Figure:
    """The distance matrix, networks ordered so that close ones stand together."""
    figure = Figure(figsize=(3.8, 3.2), layout="constrained")
    axes = figure.subplots()
    order = cluster_order(matrix)
    image = axes.imshow(matrix[np.ix_(order, order)], cmap=COLORMAP, vmin=0)
    figure.colorbar(image, ax=axes, label=f"distance ({unit})")
    axes.set_title(f"{name}, networks by similarity", fontsize=9)
    if len(order) <= 24:
        labels = [str(networks[i]) for i in order]
        axes.set_xticks(range(len(order)), labels, fontsize=6)
        axes.set_yticks(range(len(order)), labels, fontsize=6)
    axes.set_xlabel("network")
    axes.set_ylabel("network")
    return figure


def cluster_order(matrix: np.ndarray) -> np.ndarray:
    """Order of the leaves of average-linkage clustering, neighbors as close as can be."""
    condensed = squareform(matrix, checks=False)
    tree = hierarchy.linkage(condensed, method="average", optimal_ordering=True)
    return hierarchy.leaves_list(tree)


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
    axes.set_ylabel("MSE")
    sigma = _shown(degeneracy.behavior.sigma)
    axes.set_title(f"behavior: sigma_OOD\n{sigma}", fontsize=8)


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
    axes[1, 0].set_title(f"dynamics: DSA\n{_shown(degeneracy.dynamics.mean)}", fontsize=9)
    draw_mds(axes[1, 1], degeneracy.weights.matrix, unit="PIF")
    axes[1, 1].set_title(f"weights: PIF\n{_shown(degeneracy.weights.mean)}", fontsize=9)
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
    bins = np.linspace(0, 1.05 * max(between.max(), 1e-6), 24)
    axes.hist(between, bins, color=COLORS[0], alpha=0.8, label="between networks")
    null = np.minimum(degeneracy.dynamics.null, bins[-1])
    axes.hist(null, bins, color=COLORS[1], alpha=0.8, label="same network,\nother trials")
    axes.set_xlabel("DSA distance")
    axes.set_ylabel("pairs")
    axes.margins(y=0.6)  # room for the legend
    axes.legend(fontsize=7, frameon=False, loc="upper left")
    axes.set_title("dynamics against its null", fontsize=9)


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


def _shown(estimate: tuple[float, float, float]) -> str:
    value, low, high = estimate
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"
