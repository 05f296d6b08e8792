"""All figures of a run."""

from typing import TYPE_CHECKING

import jax
import numpy as np

from rnnensemble import plotting
from rnnensemble.degeneracy import Degeneracy
from rnnensemble.levels import evaluation_key
from rnnensemble.population import Population

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 3
"""Trials shown."""


def run_figures(population: Population, degeneracy: Degeneracy) -> "dict[str, Figure]":
    """Every figure of an analysed run, by name."""
    task, network = population.task, population.network
    shown = int(degeneracy.networks[0])
    trials = task.sample(evaluation_key(degeneracy.analysis.seed, 0), EXAMPLES)
    params = jax.tree.map(lambda x: x[shown], population.params)
    outputs = np.asarray(network.respond(params, trials.inputs)[1])
    levels = {
        "dynamics": (degeneracy.dynamics, "DSA", f"DSA, {degeneracy.analysis.dsa.score}"),
        "weights": (degeneracy.weights, "PIF", "PIF"),
    }
    figures = {
        "overview": plotting.overview_figure(population, degeneracy, trials, outputs),
        "trials": plotting.trials_figure(
            trials, outputs, title=f"{task.name}, network {shown}", shown=EXAMPLES
        ),
        "learning": plotting.learning_figure(population),
        "losses": plotting.losses_figure(degeneracy),
        "settings": plotting.settings_figure(degeneracy.grid),
    }
    for level, (distances, name, unit) in levels.items():
        labels = {"name": name, "unit": unit, "networks": degeneracy.networks}
        figures[f"{level}_mds"] = plotting.mds_figure(distances.matrix, distances.mean, **labels)
        figures[f"{level}_matrix"] = plotting.heatmap_figure(distances.matrix, **labels)
    return figures
