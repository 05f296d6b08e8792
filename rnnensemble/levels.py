"""What networks of a population do on shared fresh trials, and the distances that follow."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Key
from rnnensemble.blocks import WORKSPACE, compare_pairs
from rnnensemble.learning.objective import task_loss
from rnnensemble.learning.recipe import shared
from rnnensemble.metrics import Metric
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.pif import AXES
from rnnensemble.pairwise import place_for
from rnnensemble.population import Population
from rnnensemble.stats import intervals, reliability
from rnnensemble.stats.intervals import Estimate
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
        again: Distances measured a second time, on other trials, `[M, M]`; NaN where they were not.
        across: Distances of the same pairs, either network on other trials than the other.
        ranks: How many coordinates a network's operator uses, `[M]`; 0 if the metric has none.
        left_out: By how much what a network's components leave out may change its distances at
            most, `[M, M]`; 0 where nothing is left out.
        trials: How many trials a measurement took; 0 where none are needed.
    """

    mean: Estimate
    matrix: np.ndarray
    lower_bound: np.ndarray
    reached: np.ndarray
    null: np.ndarray
    again: np.ndarray
    across: np.ndarray
    ranks: np.ndarray
    left_out: np.ndarray
    trials: int

    @property
    def null_share(self) -> float:
        """Mean null over mean distance: how much of it is trials."""
        return share_of(self.null, self.matrix)

    @property
    def reliability(self) -> float:
        """Agreement of both measurements of the repeated pairs (intraclass correlation)."""
        return float(reliability.of_repeated(self.matrix, self.again))

    @property
    def corrected(self) -> float:
        """Mean distance without what trials add to it (`reliability.corrected`); NaN if unknown."""
        return reliability.corrected(self.matrix, self.null, self.across)


def share_of(null: np.ndarray, matrix: np.ndarray) -> float:
    """Mean null over mean distance (`reliability.share`)."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    return reliability.share(float(np.mean(null)), float(pairs.mean()))


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
    return LossDraw(subject, task, batch=trials, key=key).losses(trials)


class LossDraw:
    """Losses on fresh trials, as many as are asked for; memory is that of a batch."""

    def __init__(self, subject: Subject, task: Task, *, batch: int, key: Key) -> None:
        self.subject, self.task, self.batch, self.key = subject, task, batch, key
        self.batches, self.total = 0, np.zeros(subject.size)

    def losses(self, trials: int) -> np.ndarray:
        """The MSE of every network, `[M]`, on this number of trials, a multiple of the batch."""
        subject, steps = self.subject, self.task.n_steps
        tile = subject.tile or _tile(subject.mesh, subject.network, self.batch, steps)
        where = {"network": subject.network, "mesh": subject.mesh, "tile": tile}
        while self.batches * self.batch < trials:
            key = batch_key(self.key, self.batches)
            drawn = _sampled(key, task=self.task, batch=self.batch)
            self.total += np.asarray(_losses(drawn, subject.params, **where), float)
            self.batches += 1
        return (self.total / self.batches).astype(np.float32)


@partial(runtime.compiled_fast, static_argnames=("task", "batch"))
def _sampled(key, *, task, batch):  # noqa: ANN001, ANN202
    """Trials, apart from what they are for: tasks of one shape share the other programs."""
    return task.sample(key, batch)


@partial(jax.jit, static_argnames=("network", "mesh", "tile"))
def _losses(trials, params, *, network, mesh, tile):  # noqa: ANN001, ANN202
    loss = partial(task_loss, network=network)
    return mapping.map_items(loss, params, trials, mesh=mesh, tile=tile)


class Accumulation(Protocol):
    """What reduces a network's rates to sums that further trials are added to; hashable."""

    def begin(self, data: Any) -> Any:
        """Sums of no trials yet, of a form that the first of them, `[B, T, N]`, decide."""
        ...

    def add(self, running: Any, data: Any) -> Any:
        """The sums with further trials, `[B, T, N]`."""
        ...


class Draw:
    """Fresh trials that drive every network, as many as are asked for; no rates outlive a batch.

    The networks run where factorizations run (`runtime.factoring_mesh`). Memory does not grow with
    the number of trials, and none is drawn twice.

    Attributes:
        trials: How many there were so far.
        running: The sums of every network, leading axis M; None before the first trial.
    """

    def __init__(
        self, subject: Subject, task: Task, how: Accumulation, *, batch: int, key: Key
    ) -> None:
        self.mesh = runtime.factoring_mesh(subject.mesh)
        self.subject, self.task, self.how, self.batch, self.key = subject, task, how, batch, key
        self.trials, self.running = 0, None

    def extend(self, trials: int) -> None:
        """Goes on to this number of trials, a multiple of the batch."""
        network, params = self.subject.network, self.subject.params
        options: dict[str, Any] = {"network": network, "how": self.how, "mesh": self.mesh}
        with runtime.one_blas_thread():
            while self.trials < trials:
                key = batch_key(self.key, self.trials // self.batch)
                inputs = _sampled(key, task=self.task, batch=self.batch).inputs
                if self.running is None:
                    self.running = _on_host(_begun(inputs, params, **options))
                self.running = _on_host(_added(inputs, params, self.running, **options))
                self.trials += self.batch

    def finished(self, how: Any, part: Callable[[Any], Any] = lambda running: running) -> Any:
        """What is made of every network's sums: host arrays with leading axis M.

        Args:
            how: Has `finish`, from one network's sums; pure, hashable.
            part: Takes from the sums what it is for.
        """
        with runtime.one_blas_thread():
            return _on_host(_finished(part(self.running), how=how, mesh=self.mesh))


def _on_host(tree: Any) -> Any:
    """Host arrays.

    Left spread over CPU devices, sums would be gathered by the next program, and devices that wait
    for one another while several programs are under way deadlock.
    """
    return jax.tree.map(np.asarray, tree)


def batch_key(key: Key, number: int) -> Key:
    """The key of a batch of evaluation trials; the first has the key itself."""
    return key if number == 0 else jax.random.fold_in(key, number)


@partial(jax.jit, static_argnames=("network", "how", "mesh"))
def _begun(inputs, params, *, network, how, mesh):  # noqa: ANN001, ANN202
    def one(params: Any, inputs: Any) -> Any:
        return how.begin(network.respond(params, inputs)[0])

    tile = _tile(mesh, network, *inputs.shape[:2])
    return mapping.map_items(one, params, inputs, mesh=mesh, tile=tile)


@partial(jax.jit, static_argnames=("network", "how", "mesh"))
def _added(inputs, params, running, *, network, how, mesh):  # noqa: ANN001, ANN202
    def one(item: tuple[Any, Any], inputs: Any) -> Any:
        params, running = item
        return how.add(running, network.respond(params, inputs)[0])

    tile = _tile(mesh, network, *inputs.shape[:2])
    return mapping.map_items(one, (params, running), inputs, mesh=mesh, tile=tile)


@partial(runtime.compiled_fast, static_argnames=("how", "mesh"))
def _finished(running, *, how, mesh):  # noqa: ANN001, ANN202
    numbers = sum(x.size / len(x) for x in jax.tree.leaves(running))
    tile = runtime.default_tile(mesh, numbers, item_bytes=4 * WORKSPACE * numbers)
    return mapping.map_items(lambda one, _: how.finish(one), running, mesh=mesh, tile=tile)


def responses(subject: Subject, task: Task, *, trials: int, key: Key) -> dict[str, np.ndarray]:
    """Rates `[M, B, T, N]`, outputs, and the trials' inputs and mask with the same axis M."""
    sampled = _sampled(key, task=task, batch=trials)
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


def probed_share(
    metric: Metric, features: Any, others: Any, *, subject: Subject, seed: int
) -> float:
    """About what share of the mean distance the null has: by each network with its next one.

    Args:
        metric: What to compare by.
        features: What it keeps of each network, host arrays with leading axis M.
        others: What it keeps of the same networks on other trials.
        subject: The networks.
        seed: Seed of the searches' random starts.
    """
    count = subject.size
    own = np.arange(count)
    found = compare_pairs(
        metric,
        jax.tree.map(lambda *x: np.concatenate(x), features, others),
        (np.append(own, own), np.append((own + 1) % count, own + count)),
        where=place_for(metric, features, subject.mesh, tile=subject.tile),
        seed=seed,
    )
    between, null = distance_of(found).reshape(2, count).mean(axis=1)
    return reliability.share(null, between)


def distances(
    metric: Metric,
    features: Any,
    others: Any,
    *,
    subject: Subject,
    seed: int,
    trials: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Distances:
    """Distances between networks, of each to itself, and of some pairs once more.

    Args:
        metric: What to compare by.
        features: What it keeps of each network, host arrays with leading axis M.
        others: What it keeps of the same networks otherwise (other trials, renumbered units).
        subject: The networks.
        seed: Seed of the searches' random starts.
        trials: How many trials each of both took; 0 where they are no draws of trials, and
            nothing is to be measured again.
        progress: Called with the pairs done and the pairs in all.
    """
    count = subject.size
    left, right = reliability.pairs_of_both(count, again=trials > 0, across=trials > 0)
    found = compare_pairs(
        metric,
        jax.tree.map(lambda *x: np.concatenate(x), features, others),
        (left, right),
        where=place_for(metric, features, subject.mesh, tile=subject.tile),
        seed=seed,
        progress=progress,
    )
    matrix, null, again, across = reliability.split(distance_of(found), count)

    def evidence(name: str, otherwise: np.ndarray) -> np.ndarray:
        return reliability.split(getattr(found, name, otherwise), count)[0]

    nothing = np.zeros(len(left), np.int32)
    with_itself = np.arange(count) + count * (count - 1) // 2
    ranks = getattr(found, "ranks", np.zeros((len(left), 2), np.int32))[with_itself, 0]
    return Distances(
        mean=intervals.mean_distance(matrix),
        matrix=matrix,
        lower_bound=evidence("lower_bound", nothing.astype(np.float32)),
        reached=evidence("reached", nothing + 1),
        null=null,
        again=again,
        across=across,
        ranks=ranks,
        left_out=evidence("left_out", nothing.astype(np.float32)),
        trials=trials,
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
