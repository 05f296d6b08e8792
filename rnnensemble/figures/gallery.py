"""All figures of a run."""

from functools import partial
from typing import TYPE_CHECKING

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.figures import plotting
from rnnensemble.training.evaluation import evaluation_key
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import shared

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 3
"""Trials shown."""


@partial(runtime.compiled_fast, static_argnames=("task", "network"))
def _examples(key, params, *, task, network):  # noqa: ANN001, ANN202
    """Trials, and the outputs of a network on them."""
    trials = task.sample(key, EXAMPLES)
    return trials, network.respond(params, trials.inputs)[1]


def run_figures(population: Population, degeneracy: Degeneracy) -> "dict[str, Figure]":
    """Every figure of an analysed run, by name."""
    task, shown = population.task, int(degeneracy.networks[0])
    params = jax.tree.map(lambda x: x[shown], population.params)
    key = evaluation_key(degeneracy.analysis.seed, 0)
    found = _examples(key, params, task=task, network=shared(population.network))
    trials, outputs = jax.tree.map(np.asarray, found)
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
