"""What networks of a population do on shared fresh trials, and the distances that follow."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble import intervals, mapping, runtime
from rnnensemble.axes import Key
from rnnensemble.blocks import Preparation, compare_pairs
from rnnensemble.intervals import Estimate
from rnnensemble.learning.objective import task_loss
from rnnensemble.learning.recipe import shared
from rnnensemble.metrics import Metric
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.pif import AXES
from rnnensemble.pairwise import as_matrix, place_for
from rnnensemble.population import Population
from rnnensemble.tasks import Task

TRIALS = 2**32 - 1
"""Evaluation keys come from fold_in(key(seed), TRIALS - i), far from the networks' own."""


class Distances(NamedTuple):
    """Distances between M networks and what they are worth.

    Attributes:
        mean: Mean over pairs, with an interval over networks.
        matrix: Distances, `[M, M]`.
        lower_bound: What no alignment comes below, `[M, M]`; 0 if the metric knows none.
        reached: How many starts of the search came to the distance, `[M, M]`; 1 without a search.
        null: Distances of each network to itself, `[M]`: on other trials for dynamics, renumbered
            for weights (where 0 shows that the search finds it).
    """

    mean: Estimate
    matrix: np.ndarray
    lower_bound: np.ndarray
    reached: np.ndarray
    null: np.ndarray


class Subject(NamedTuple):
    """Converged networks of a population, and where they are evaluated.

    Attributes:
        params: Their parameters, leading axis M.
        network: Architecture.
        mesh: Devices.
        tile: Networks or pairs that a device handles at once; None for its default.
    """

    params: Any
    network: Any
    mesh: Any
    tile: int | None

    @property
    def size(self) -> int:
        """Number of networks M."""
        return len(jax.tree.leaves(self.params)[0])


def subject_of(
    population: Population, networks: np.ndarray, devices: int | None, tile: int | None
) -> Subject:
    """The networks of a population with these indices; ValueError if there is no such tile."""
    runtime.require_tile(tile)
    params = jax.tree.map(lambda x: np.asarray(x)[networks], population.params)
    return Subject(params, shared(population.network), runtime.network_mesh(devices), tile)


def evaluation_key(seed: int, draw: int) -> Key:
    """The key of evaluation trials, the same for every network."""
    return jax.random.fold_in(jax.random.key(seed), np.uint32(TRIALS - draw))


def _tile(mesh: Any, network: Any, trials: int, steps: int) -> int:
    """Networks that a device drives with trials at once; about three arrays `[T, B, N]` each."""
    numbers = trials * network.width
    return runtime.default_tile(mesh, numbers, item_bytes=3 * 4 * numbers * steps)


def losses(subject: Subject, task: Task, *, trials: int, key: Key) -> np.ndarray:
    """The MSE of every network on the same fresh trials, `[M]`."""
    tile = subject.tile or _tile(subject.mesh, subject.network, trials, task.n_steps)
    options = {"task": task, "batch": trials, "network": subject.network, "mesh": subject.mesh}
    return np.asarray(_losses(key, subject.params, tile=tile, **options))


@partial(jax.jit, static_argnames=("task", "batch", "network", "mesh", "tile"))
def _losses(key, params, *, task, batch, network, mesh, tile):  # noqa: ANN001, ANN202
    trials = task.sample(key, batch)
    loss = partial(task_loss, network=network)
    return mapping.map_items(loss, params, trials, mesh=mesh, tile=tile)


def prepared_rates(subject: Subject, task: Task, how: Preparation, *, trials: int, key: Key) -> Any:
    """What is kept of every network's rates on the same fresh trials: host arrays, axis M.

    The networks run where their rates are prepared (`runtime.factoring_mesh`).
    """
    mesh = runtime.factoring_mesh(subject.mesh)
    options = {"task": task, "batch": trials, "network": subject.network, "mesh": mesh}
    with runtime.one_blas_thread():
        return jax.tree.map(np.asarray, _prepared(key, subject.params, how=how, **options))


@partial(jax.jit, static_argnames=("task", "batch", "network", "how", "mesh"))
def _prepared(key, params, *, task, batch, network, how, mesh):  # noqa: ANN001, ANN202
    """No rates outlive their network."""

    def one(params: Any, inputs: Any) -> Any:
        return how.prepare(network.respond(params, inputs)[0])

    inputs = task.sample(key, batch).inputs
    tile = _tile(mesh, network, *inputs.shape[:2])
    return mapping.map_items(one, params, inputs, mesh=mesh, tile=tile)


def responses(subject: Subject, task: Task, *, trials: int, key: Key) -> dict[str, np.ndarray]:
    """Rates `[M, B, T, N]`, outputs, and the trials' inputs and mask with the same axis M."""
    sampled = task.sample(key, trials)
    rates, outputs = _responses(
        sampled.inputs, subject.params, network=subject.network, mesh=subject.mesh
    )
    shared = {"inputs": sampled.inputs, "mask": sampled.mask}
    return {
        "activity": np.asarray(rates),
        "outputs": np.asarray(outputs),
        **{
            name: np.broadcast_to(np.asarray(x), (subject.size, *x.shape))
            for name, x in shared.items()
        },
    }


@partial(jax.jit, static_argnames=("network", "mesh"))
def _responses(inputs, params, *, network, mesh):  # noqa: ANN001, ANN202
    tile = _tile(mesh, network, *inputs.shape[:2])
    return mapping.map_items(network.respond, params, inputs, mesh=mesh, tile=tile)


def distances(
    metric: Metric,
    features: Any,
    others: Any,
    *,
    subject: Subject,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Distances:
    """Distances between networks, and of each to itself.

    Args:
        metric: What to compare by.
        features: What it keeps of each network, host arrays with leading axis M.
        others: What it keeps of the same networks otherwise (other trials, renumbered units).
        subject: The networks.
        seed: Seed of the searches' random starts.
        progress: Called with the pairs done and the pairs in all.
    """
    count = subject.size
    first, second = np.triu_indices(count, 1)
    own = np.arange(count)
    found = compare_pairs(
        metric,
        jax.tree.map(lambda *x: np.concatenate(x), features, others),
        (np.append(first, own), np.append(second, own + count)),
        where=place_for(metric, features, subject.mesh, tile=subject.tile),
        seed=seed,
        progress=progress,
    )
    values = distance_of(found)
    between = len(first)

    def evidence(name: str, otherwise: np.ndarray) -> np.ndarray:
        return as_matrix(getattr(found, name, otherwise)[:between], count)

    matrix = as_matrix(values[:between], count)
    return Distances(
        mean=intervals.mean_distance(matrix),
        matrix=matrix,
        lower_bound=evidence("lower_bound", np.zeros_like(values)),
        reached=evidence("reached", np.ones(len(values), np.int32)),
        null=values[between:],
    )


def renumbered(parameters: dict[str, np.ndarray], *, seed: int, signed: bool) -> dict[str, Any]:
    """The same networks with their units in another random order, signs flipped too if asked.

    Args:
        parameters: Arrays with leading axis M and further axes as in `pif.AXES`.
        seed: Seed of the orders.
        signed: Whether units also change their sign.
    """
    rng = np.random.default_rng(seed)
    count, units = parameters["recurrent_weights"].shape[:2]
    orders = np.array([rng.permutation(units) for _ in range(count)])
    signs = rng.choice([-1.0, 1.0], size=(count, units)) if signed else np.ones((count, units))
    found = {}
    for name, values in parameters.items():
        for axis, letter in enumerate(AXES[name], start=1):
            if letter == "N":
                shape = [count] + [1] * (values.ndim - 1)
                shape[axis] = units
                values = np.take_along_axis(values, orders.reshape(shape), axis)
                values = values * signs.reshape(shape).astype(values.dtype)
        found[name] = values
    return found
