"""How far the solutions of a population lie apart: `measure_degeneracy`."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble.analysis.by_task import losses_of_mixed
from rnnensemble.analysis.distances import Distances, Report, at_level, distances, renumbered
from rnnensemble.analysis.dynamics import measure_dynamics, sums_of
from rnnensemble.analysis.fixed_points.topology import measure_topology
from rnnensemble.analysis.perturb import perturb
from rnnensemble.analysis.result import Behavior, Degeneracy
from rnnensemble.analysis.settings import Analysis, at
from rnnensemble.metrics import Disagreement
from rnnensemble.metrics.blocks import compile_ahead
from rnnensemble.metrics.data import as_networks
from rnnensemble.metrics.pairwise import distance_matrix, mesh_for
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.networks import Network, require_weights, weights_of
from rnnensemble.stats import intervals, reliability
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.evaluation import Subject, evaluation_key
from rnnensemble.training.memory import require_fit
from rnnensemble.training.population import Population, require_two
from rnnensemble.training.recipe import Recipe


def measure_degeneracy(
    population: Population,
    *,
    analysis: Analysis | None = None,
    devices: int | None = None,
    tile: int | None = None,
    progress: Report | None = None,
) -> Degeneracy:
    """Measures how far the solutions of a population lie apart.

    Only converged networks count, and all are driven by the same fresh trials:

    - behavior: sigma_OOD = sqrt(mean_i (L_i - mean L)^2), L_i the loss of network i out of
      distribution, and the differences of outputs;
    - dynamics: mean over pairs of the DSA distance (see `DSA`), with the distances of each
      network to itself on other trials as a null, for one setting and for a grid of others, and
      of the distance of autocovariances (see `Autocovariance`), which has no rank to choose;
    - weights: mean over pairs of the PIF distance (see `PIF`) of recurrent weights; left out, and
      named in `left_out`, where a network has none;
    - topology, if `analysis.fixed_points` is set: mean over pairs of the distance of their sets of
      fixed points under inputs of zero (see `topology.set_distance`).

    Args:
        population: Trained networks.
        analysis: Settings, `Analysis()` unless given.
        devices: How many local devices to use, None for all.
        tile: Networks or pairs that a device handles at once, None for the device's default.
        progress: Called with the level's name, the items done and the items in all.

    Returns:
        The three levels with intervals, matrices and settings.

    Raises:
        ValueError: If fewer than 2 networks converged, or a setting does not fit the task.

    Source: Huang et al. (arXiv 2410.03972, section 2.3).
    """
    networks = np.flatnonzero(population.converged)
    require_two(population)
    analysis = (analysis or Analysis()).fitted(population.task, population.network)
    analysis.check(population.task, population.network.n_rates)
    left_out = analysis.left_out(population.task, population.network)
    subject = evaluation.subject_of(population, networks, devices, tile)
    compile_searches(
        population.task,
        population.network,
        analysis,
        count=subject.size,
        devices=devices,
        tile=tile,
    )
    dynamics, grid, autocovariance = measure_dynamics(population.task, subject, analysis, progress)
    search = analysis.search
    topology = search and measure_topology(population, search=search, devices=devices)
    weights = {}
    if "weights" not in left_out:
        weights["weights"] = _weights(subject, analysis, at_level(progress, "weights"))
    further = {
        name: each.measure(
            population.task, subject, seed=analysis.seed, progress=at_level(progress, name)
        )
        for name, each in analysis.further.items()
    }
    return Degeneracy(
        behavior=_behavior(population[networks], subject, analysis),
        distances={"dynamics": dynamics, "autocovariance": autocovariance, **weights, **further},
        grid=grid,
        topology=topology,
        networks=networks,
        size=population.size,
        analysis=analysis,
        left_out=left_out,
    )


def compile_searches(
    task: Task,
    network: Network,
    analysis: Analysis,
    *,
    count: int,
    devices: int | None = None,
    tile: int | None = None,
) -> None:
    """Starts to compile the searches of `count` networks, which take longest, while others work."""
    analysis = analysis.fitted(task, network)
    dsa, grid = analysis.dsa, analysis.grid_for(task, network.n_rates)
    steps = analysis.dynamics_trials, task.n_steps
    rates = np.broadcast_to(np.float32(0), (*steps, network.n_rates))
    searches = [(dsa, rates, 2 * count), (analysis.autocovariance, rates, 2 * count)]
    searches += [(at(dsa, rank, 1), rates, 2 * count * len(grid.delays)) for rank in grid.ranks]
    if not analysis.left_out(task, network):
        shapes = require_weights(network, task, analysis.pif_weights, "PIF")
        weights = shapes["recurrent_weights"] if len(shapes) == 1 else shapes
        searches += [(analysis.pif, weights, 2 * count)]
    mesh = runtime.network_mesh(devices)
    for metric, data, networks in searches:
        compile_ahead(metric, data, networks, mesh=mesh_for(metric, mesh), tile=tile)


def require_analysis_room(recipe: Recipe, analysis: Analysis) -> None:
    """Raises ValueError, before anything is made, if measuring cannot fit into memory."""
    task, network = recipe.task, recipe.network
    analysis = analysis.fitted(task, network)
    steps = max(each.n_steps for each in (task, *task.out_of_distribution().values()))
    channels = task.n_inputs + task.n_outputs
    found = {
        "behavior_trials": analysis.behavior_trials * steps * channels,
        "dynamics_trials": analysis.dynamics_trials * task.n_steps * (channels + network.n_rates),
        "output_trials": analysis.output_trials
        * steps
        * (channels + network.n_rates)
        * recipe.size,
    }
    for name, numbers in found.items():
        require_fit(f"`{name}` of {getattr(analysis, name):,}, of {steps:,} steps,", 4 * numbers)
    how = sums_of(task, network, analysis)
    rates = (analysis.dynamics_trials, task.n_steps, network.n_rates)
    sums = jax.eval_shape(how.begin, jax.ShapeDtypeStruct(rates, np.float32))
    each = sum(x.dtype.itemsize * x.size for x in jax.tree.leaves(sums))
    require_fit(
        f"`grid` of {len(how.operators.grid.delays)} `delays` for {recipe.size} networks of "
        f"{network.n_rates} units",
        2 * each * recipe.size,
    )


def _behavior(population: Population, subject: Subject, analysis: Analysis) -> Behavior:
    task, intact = population.task, subject
    shown = {"in_distribution": task, **task.out_of_distribution()}
    variants = {name: (intact, each) for name, each in shown.items()}
    for name, lesion in analysis.lesions.items():
        found = perturb(population, lesion, devices=subject.mesh.size)
        variants[name] = intact._replace(params=found.params, network=found.network), task
    losses, nulls, trials, disagreements = {}, {}, {}, {}
    for draw, (name, (subject, variant)) in enumerate(variants.items()):
        keys = [evaluation_key(analysis.seed, first + draw) for first in (10, 1000)]
        both = [
            evaluation.LossDraw(subject, variant, batch=analysis.behavior_trials, key=key)
            for key in keys
        ]
        trials[name] = analysis.behavior_trials
        if name == "in_distribution":
            losses[name] = both[0].losses(trials[name])
            continue
        share = partial(_share_of_spread, both)
        trials[name] = analysis.enough_trials(analysis.behavior_trials, share)
        losses[name], again = (draw.losses(trials[name]) for draw in both)
        nulls[name] = _null_of_spread(losses[name], again)
        found = evaluation.responses(subject, variant, trials=analysis.output_trials, key=keys[0])
        data = {"outputs": found["outputs"], "mask": found["mask"]}
        disagreements[name] = distance_matrix(
            Disagreement(), data, devices=subject.mesh.size, tile=subject.tile
        )
    for name, whole in (task.whole_sets or {}).items():
        losses[name], trials[name] = evaluation.losses_on(intact, whole), len(whole.mask)
    sigmas = {name: intervals.spread(losses[name]) for name in nulls}
    how = {"trials": analysis.behavior_trials, "seed": analysis.seed, "first": 2000}
    mixed = losses_of_mixed(intact, task, **how)
    return Behavior(sigmas, nulls, losses, disagreements, trials, intact.loss, mixed)


def _null_of_spread(first: np.ndarray, second: np.ndarray) -> float:
    """The spread of losses that trials alone make: what two draws do to all alike is none."""
    return float(np.std(first - second, ddof=1) / 2**0.5)


def _share_of_spread(draws: list[evaluation.LossDraw], trials: int) -> float:
    first, second = (draw.losses(trials) for draw in draws)
    return reliability.share(_null_of_spread(first, second), float(first.std()))


def _weights(
    subject: Subject, analysis: Analysis, progress: Callable[[int, int], None] | None
) -> Distances:
    pif, alone = analysis.pif, analysis.pif.parameters == "recurrent"
    names = analysis.pif_weights
    found = weights_of(subject.network, subject.params, names, "PIF")
    parameters = {name: np.asarray(each) for name, each in zip(names, found, strict=True)}
    again = renumbered(parameters, seed=analysis.seed, signed=pif.signed, fixed=pif.fixed or 0)
    mesh = mesh_for(pif, subject.mesh)
    features = [
        prepare_networks(pif, as_networks(each["recurrent_weights"] if alone else each), mesh=mesh)
        for each in (parameters, again)
    ]
    return distances(pif, *features, subject=subject, seed=analysis.seed, progress=progress)
