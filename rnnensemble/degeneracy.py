"""How far the solutions of a population lie apart: `measure_degeneracy`."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from rnnensemble import intervals, pairwise, runtime
from rnnensemble.axes import Key
from rnnensemble.intervals import Estimate
from rnnensemble.learning.objective import task_loss
from rnnensemble.metrics import DSA, PIF
from rnnensemble.population import Population

TRIALS = 2**32 - 1
"""Evaluation keys come from fold_in(key(seed), TRIALS - i), far from the networks' own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analysis:
    """How degeneracy is measured; recorded with every number.

    Attributes:
        dsa: Settings of the dynamics level.
        pif: Settings of the weights level.
        dynamics_trials: In-distribution trials that drive every network for DSA.
        behavior_trials: Trials of each out-of-distribution variant.
        resamples: Bootstrap resamples of networks.
        seed: Seed of the evaluation trials, of the searches' starts and of the bootstrap.
    """

    dsa: DSA = DSA()
    pif: PIF = PIF()
    dynamics_trials: int = 64
    behavior_trials: int = 512
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dynamics_trials", "behavior_trials", "resamples"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number of at least 1; got {value!r}.")


@dataclasses.dataclass(frozen=True)
class Behavior:
    """The behavior level: spread of the out-of-distribution loss.

    Attributes:
        sigma: The paper's sigma_OOD of temporal generalization, in squared output units.
        sigmas: The same for every variant, `temporal` included.
        losses: MSE of each network on each variant, `[M]`, and on `in_distribution` trials.
    """

    sigma: Estimate
    sigmas: dict[str, Estimate]
    losses: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Distances:
    """The dynamics or the weights level: a mean pairwise distance.

    Attributes:
        mean: Mean over pairs, with an interval over networks.
        matrix: Distances, `[M, M]`.
        null: For dynamics, distances of each network to itself on other trials, `[M]`.
    """

    mean: Estimate
    matrix: np.ndarray
    null: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Degeneracy:
    """How far M converged networks lie apart on three levels.

    Attributes:
        behavior: Spread of out-of-distribution loss.
        dynamics: DSA.
        weights: PIF.
        networks: Indices of the M converged networks in their population, `[M]`.
        size: Networks in the population, converged or not.
        analysis: The settings.
    """

    behavior: Behavior
    dynamics: Distances
    weights: Distances
    networks: np.ndarray
    size: int
    analysis: Analysis


def measure_degeneracy(
    population: Population,
    *,
    analysis: Analysis | None = None,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Degeneracy:
    """Measures how far the solutions of a population lie apart.

    Only converged networks count, and all are driven by the same fresh trials:

    - behavior: sigma_OOD = sqrt(mean_i (L_i - mean L)^2), L_i the MSE of network i out of
      distribution;
    - dynamics: mean over pairs of the DSA distance (see `DSA`), with the distances of each
      network to itself on other trials as a null;
    - weights: mean over pairs of the PIF distance (see `PIF`) of recurrent weights.

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
    analysis = analysis or Analysis()
    networks = np.flatnonzero(population.converged)
    require_two(population)
    task = population.task
    analysis.dsa.check((analysis.dynamics_trials, task.n_steps, population.network.width))
    mesh = runtime.network_mesh(devices)
    where: dict[str, Any] = {"mesh": mesh, "tile": tile or runtime.default_tile(mesh)}
    params = jax.tree.map(lambda x: x[networks], population.params)
    pairs = {"seed": analysis.seed, **where}
    return Degeneracy(
        behavior=_behavior(population, params, analysis, where),
        dynamics=_dynamics(population, params, analysis, pairs, _at_level(progress, "dynamics")),
        weights=_weights(params, analysis, pairs, _at_level(progress, "weights")),
        networks=networks,
        size=population.size,
        analysis=analysis,
    )


def require_two(population: Population) -> None:
    """Raises ValueError, with the losses reached, unless two networks converged."""
    count = int(population.converged.sum())
    if count >= 2:
        return
    best = np.nanmin(population.history.loss, axis=1)
    shown = ", ".join(f"{loss:.3g}" for loss in best[:8]) + (", ..." if len(best) > 8 else "")
    raise ValueError(
        f"`population` must have at least 2 converged networks; got {count} of "
        f"{population.size} (lowest epoch losses {shown}; threshold "
        f"{population.thresholds[0]:g}); train longer or with another learning rate."
    )


def _at_level(
    progress: Callable[[str, int, int], None] | None, level: str
) -> Callable[[int, int], None] | None:
    """The callback of one level."""
    return None if progress is None else partial(progress, level)


def evaluation_key(seed: int, draw: int) -> Key:
    """The key of evaluation trials, the same for every network."""
    return jax.random.fold_in(jax.random.key(seed), np.uint32(TRIALS - draw))


@partial(jax.jit, static_argnames=("task", "batch", "network", "mesh", "tile"))
def _losses(key, params, *, task, batch, network, mesh, tile):  # noqa: ANN001, ANN202
    """The MSE of every network on the same fresh trials, `[M]`."""
    trials = task.sample(key, batch)
    loss = partial(task_loss, network=network)
    return runtime.map_items(loss, params, trials, mesh=mesh, tile=tile)


@partial(jax.jit, static_argnames=("task", "batch", "network", "dsa", "mesh"))
def _operators(key, params, *, task, batch, network, dsa, mesh):  # noqa: ANN001, ANN202
    """The DSA operator of every network on the same trials; no rates outlive their network."""

    def one(params: Any, inputs: Any) -> Any:
        return dsa.prepare(network.respond(params, inputs)[0])

    inputs = task.sample(key, batch).inputs
    tile = runtime.default_tile(mesh)  # of 1 on a CPU, where batched LAPACK calls can deadlock
    return runtime.map_items(one, params, inputs, mesh=mesh, tile=tile)


def _behavior(
    population: Population, params: Any, analysis: Analysis, where: dict[str, Any]
) -> Behavior:
    network = dataclasses.replace(population.network, gain=1.0)
    variants = {"in_distribution": population.task, **population.task.out_of_distribution()}
    losses = {}
    for draw, (name, variant) in enumerate(variants.items()):
        key = evaluation_key(analysis.seed, 10 + draw)
        settings = {"task": variant, "batch": analysis.behavior_trials, "network": network}
        losses[name] = np.asarray(_losses(key, params, **settings, **where))
    options = {"resamples": analysis.resamples, "seed": analysis.seed}
    sigmas = {
        name: intervals.spread(values, **options)
        for name, values in losses.items()
        if name != "in_distribution"
    }
    return Behavior(sigmas["temporal"], sigmas, losses)


def _dynamics(
    population: Population,
    params: Any,
    analysis: Analysis,
    pairs: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Distances:
    network = dataclasses.replace(population.network, gain=1.0)
    settings = {
        "task": population.task,
        "batch": analysis.dynamics_trials,
        "network": network,
        "dsa": analysis.dsa,
        "mesh": pairs["mesh"],
    }
    # the second draw of trials serves the null alone
    draws = [_operators(evaluation_key(analysis.seed, draw), params, **settings) for draw in (0, 1)]
    operators = jax.tree.map(lambda *each: np.concatenate(each), *draws)
    count = len(draws[0].matrix)
    first, second = np.triu_indices(count, 1)
    itself = np.arange(count)
    both = (np.append(first, itself), np.append(second, count + itself))
    values = pairwise.compare_pairs(analysis.dsa, operators, both, progress=progress, **pairs)
    matrix = pairwise.as_matrix(values[: len(first)], count)
    mean = intervals.mean_distance(matrix, resamples=analysis.resamples, seed=analysis.seed)
    return Distances(mean, matrix, null=values[len(first) :])


def _weights(
    params: Any,
    analysis: Analysis,
    pairs: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Distances:
    pif = analysis.pif
    data = params._asdict() if pif.parameters == "all" else params.recurrent_weights
    weights = pairwise.prepare_all(data, metric=pif, mesh=pairs["mesh"])
    first, second = np.triu_indices(len(params.recurrent_weights), 1)
    values = pairwise.compare_pairs(pif, weights, (first, second), progress=progress, **pairs)
    matrix = pairwise.as_matrix(values, len(params.recurrent_weights))
    mean = intervals.mean_distance(matrix, resamples=analysis.resamples, seed=analysis.seed)
    return Distances(mean, matrix)
