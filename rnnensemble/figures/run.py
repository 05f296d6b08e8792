"""All figures of a run."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.figures.canvas import Given, canvas, counted
from rnnensemble.figures.dsa import settings_figure
from rnnensemble.figures.learning import (
    draw_learning,
    draw_losses,
    learning_figure,
    losses_figure,
    told_losses,
)
from rnnensemble.figures.maps import draw_mds, mds_figure, told_null
from rnnensemble.figures.matrices import heatmap_figure
from rnnensemble.figures.panels import COLORS, counted_name
from rnnensemble.figures.style import Figure, ours
from rnnensemble.figures.trials import draw_outputs, trial_rows, trials_figure
from rnnensemble.stats.digits import with_interval
from rnnensemble.tasks import Trials
from rnnensemble.training.evaluation import example_trials
from rnnensemble.training.population import Population

EXAMPLES = 3
"""Trials shown."""


@ours()
def overview_figure(
    population: Population,
    degeneracy: Degeneracy,
    trials: Trials,
    outputs: np.ndarray,
    *,
    axes: Given = None,
) -> Figure:
    """A run at a glance: one trial, learning, and the three levels of degeneracy.

    Args:
        population: Trained networks.
        degeneracy: Their analysis.
        trials: Example trials.
        outputs: Outputs of one converged network on them, `[B, T, O]`.
        axes: Axes to draw into, 6, or 5 where weights are not measured; a figure of its own unless
            given.
    """
    levels = _levels(degeneracy)
    made = canvas(axes, 4 + len(levels), columns=3, aspect=0.9, extra=8.0)
    trial, learning, losses, *maps, last = made.axes
    draw_outputs(trial, trials, outputs, 0)
    trial.set_title("a trial: target (dashed), output")
    trial.set_xlabel("time step")
    trial.set_ylabel(counted_name(trials.targets.shape[2], "output"))
    panels = {
        "trial": trial_rows(trials, outputs, 0),
        "learning": draw_learning(learning, population),
        "losses": draw_losses(losses, degeneracy),
    }
    for panel, (level, (found, name, _)) in zip(maps, levels.items(), strict=True):
        numbers = {"unit": name, "networks": degeneracy.networks, "null": found.null}
        panels[level] = draw_mds(panel, found.matrix, **numbers)
        panel.set_title(f"{level}: {name}\n{with_interval(found.mean)}")
    panels["null"] = _draw_null(last, degeneracy)
    task, count = population.task, len(degeneracy.networks)
    made.title(f"{task.name}: {count} converged networks of {population.network.width} units")
    rows = [{"panel": panel} | row for panel, each in panels.items() for row in each]
    return made.told(_told_overview(population, degeneracy), rows)


def _told_overview(population: Population, degeneracy: Degeneracy) -> list[str]:
    """Sentences of the caption."""
    levels = " and ".join(
        f"{name} {with_interval(found.mean)}" for found, name, _ in _levels(degeneracy).values()
    )
    return [
        f"{counted(population.size, 'network')} of {population.network.width} units trained on the "
        f"task {population.task.name}, of which {int(population.converged.sum())} converged: a "
        "trial, learning curves with the threshold, losses, and maps in which each dot is a "
        "network and close dots are similar ones.",
        *told_losses(degeneracy)[1:],
        f"Mean distances with 95% intervals over networks: {levels}.",
        told_null(degeneracy.dynamics.null),
        "The last panel shows all DSA distances beside the null.",
        f"Left out: {', '.join(degeneracy.left_out)}." if degeneracy.left_out else "",
    ]


def _draw_null(axes: Axes, degeneracy: Degeneracy) -> list[dict[str, Any]]:
    """Draws DSA distances between networks beside those of a network to itself."""
    matrix = degeneracy.dynamics.matrix
    between = matrix[np.triu_indices(len(matrix), 1)]
    between = between[np.isfinite(between)]
    bins = np.linspace(0, 1.05 * max(between.max(initial=0), 1e-6), 24)
    null = np.minimum(degeneracy.dynamics.null, bins[-1])
    kinds = {
        "between networks": (between, COLORS[0]),
        "null: same network, other trials": (null, COLORS[1]),
    }
    rows = []
    for kind, (values, color) in kinds.items():
        heights, _, _ = axes.hist(values, bins, color=color, alpha=0.8, label=kind)
        rows += [
            {"kind": kind, "from": low, "to": high, "pairs": float(count)}
            for low, high, count in zip(bins, bins[1:], np.asarray(heights), strict=False)
        ]
    axes.set(xlabel="DSA distance", ylabel="pairs")
    axes.yaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    axes.set_ylim(0, 1.45 * axes.get_ylim()[1])  # room for the legend
    axes.legend(loc="upper left")
    axes.set_title("dynamics against its null")
    return rows


def _levels(degeneracy: Degeneracy) -> dict[str, Any]:
    """Distances, name and unit of the levels that have a map."""
    unit = f"DSA, {degeneracy.analysis.dsa.score}"
    levels = {"dynamics": (degeneracy.dynamics, "DSA", unit)}
    if "weights" not in degeneracy.left_out:
        levels["weights"] = degeneracy.weights, "PIF", "PIF"
    return levels


@ours()
def run_figures(population: Population, degeneracy: Degeneracy) -> dict[str, Figure]:
    """Every figure of an analysed run, by name.

    Args:
        population: Trained networks.
        degeneracy: Their analysis.
    """
    task, shown = population.task, int(degeneracy.networks[0])
    seed = degeneracy.analysis.seed
    trials, outputs = example_trials(population, shown, count=EXAMPLES, seed=seed)
    figures = {
        "overview": overview_figure(population, degeneracy, trials, outputs),
        "trials": trials_figure(
            trials, outputs, title=f"{task.name}, network {shown}", shown=EXAMPLES
        ),
        "learning": learning_figure(population),
        "losses": losses_figure(degeneracy),
        "settings": settings_figure(degeneracy.grid),
    }
    for level, (distances, name, unit) in _levels(degeneracy).items():
        labels = {"name": name, "unit": unit, "networks": degeneracy.networks}
        labels["null"] = distances.null
        figures[f"{level}_mds"] = mds_figure(distances.matrix, distances.mean, **labels)
        figures[f"{level}_matrix"] = heatmap_figure(distances.matrix, **labels)
    return figures
