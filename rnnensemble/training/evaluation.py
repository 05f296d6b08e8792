"""What networks of a population do on fresh trials that all of them share."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import mapping, process, runtime
from rnnensemble._core.axes import Key
from rnnensemble._core.config import require_seed
from rnnensemble._core.programs import compiled_fast
from rnnensemble.metrics.masks import Counted
from rnnensemble.metrics.preparation import WORKSPACE
from rnnensemble.tasks import Task, Trials
from rnnensemble.training.objective import task_loss
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import shared
from rnnensemble.training.respond import respond, tile_of

TRIALS = 2**32 - 1
"""Evaluation keys come from fold_in(key(seed), TRIALS - i), far from the networks' own."""

PART = 1024
"""Trials of a given set that networks see at once."""


class Subject(NamedTuple):
    """Converged networks of a population, and where they are evaluated.

    Attributes:
        params: Their parameters, leading axis M.
        network: Architecture.
        mesh: Devices.
        tile: Networks or pairs that a device handles at once; None for its default.
        loss: What they lowered, which behavior is measured by.
    """

    params: Any
    network: Any
    mesh: Any
    tile: int | None
    loss: str = "mse"

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
    mesh, loss = runtime.network_mesh(devices), population.training.loss
    return Subject(params, shared(population.network), mesh, tile, loss)


def evaluation_key(seed: int, draw: int) -> Key:
    """The key of evaluation trials, the same for every network."""
    require_seed(seed)
    return jax.random.fold_in(jax.random.key(seed), np.uint32(TRIALS - draw))


def example_trials(
    population: Population, network: int, *, count: int, seed: int = 0
) -> tuple[Trials, np.ndarray]:
    """A few fresh trials of the task, and the outputs of one network on them, `[B, T, O]`."""
    params = jax.tree.map(lambda x: x[network], population.params)
    known = {"task": population.task, "network": shared(population.network), "count": count}
    return jax.tree.map(np.asarray, _examples(evaluation_key(seed, 0), params, **known))


@compiled_fast(static_argnames=("task", "network", "count"))
def _examples(key, params, *, task, network, count):  # noqa: ANN001, ANN202
    """Trials, and the outputs of a network on them."""
    trials = task.sample(key, count)
    return trials, network.respond(params, trials.inputs)[1]


def losses(subject: Subject, task: Task, *, trials: int, key: Key) -> np.ndarray:
    """The loss of every network on the same fresh trials, `[M]`."""
    return LossDraw(subject, task, batch=trials, key=key).losses(trials)


def losses_on(subject: Subject, trials: Trials) -> np.ndarray:
    """The loss of every network over all these trials, `[M]`, in parts of so many as fit well."""
    total, counted = np.zeros(subject.size), 0.0
    for start in range(0, len(trials.mask), PART):
        part = jax.tree.map(lambda x, start=start: x[start : start + PART], trials)
        tile = subject.tile or tile_of(subject.mesh, subject.network, *part.mask.shape)
        where = {"network": subject.network, "mesh": subject.mesh, "tile": tile}
        where |= {"loss": subject.loss}
        weight = float(part.mask.sum())
        total += weight * np.asarray(_losses(part, subject.params, **where), float)
        counted += weight
    return (total / counted).astype(np.float32)


class LossDraw:
    """Losses on fresh trials, as many as are asked for; memory is that of a batch."""

    def __init__(self, subject: Subject, task: Task, *, batch: int, key: Key) -> None:
        self.subject, self.task, self.batch, self.key = subject, task, batch, key
        self.batches, self.total = 0, np.zeros(subject.size)

    def losses(self, trials: int) -> np.ndarray:
        """The loss of every network, `[M]`, on this number of trials, a multiple of the batch."""
        subject, steps = self.subject, self.task.n_steps
        tile = subject.tile or tile_of(subject.mesh, subject.network, self.batch, steps)
        where = {"network": subject.network, "mesh": subject.mesh, "tile": tile}
        where |= {"loss": subject.loss}
        while self.batches * self.batch < trials:
            key = batch_key(self.key, self.batches)
            drawn = sampled(self.task, key, self.batch)
            self.total += np.asarray(_losses(drawn, subject.params, **where), float)
            self.batches += 1
        return (self.total / self.batches).astype(np.float32)


def sampled(task: Task, key: Key, batch: int) -> Trials:
    """Trials, apart from what they are for: tasks of one shape share the other programs."""
    return _sampled(key, task.operands, task=task, batch=batch)


@compiled_fast(static_argnames=("task", "batch"))
def _sampled(key, operands, *, task, batch):  # noqa: ANN001, ANN202
    return task.bound(operands).sample(key, batch)


@partial(jax.jit, static_argnames=("network", "mesh", "tile", "loss"))
def _losses(trials, params, *, network, mesh, tile, loss):  # noqa: ANN001, ANN202
    one = partial(task_loss, network=network, loss=loss)
    return mapping.map_items(one, params, trials, mesh=mesh, tile=tile)


def accuracies(subject: Subject, task: Task, *, trials: int, key: Key) -> np.ndarray:
    """The accuracy of every network on the same fresh trials, `[M]`."""
    drawn = sampled(task, key, trials)
    tile = subject.tile or tile_of(subject.mesh, subject.network, *drawn.mask.shape)
    where = {"network": subject.network, "mesh": subject.mesh, "tile": tile}
    return np.asarray(_accuracies(drawn, subject.params, task=task, **where))


@partial(jax.jit, static_argnames=("task", "network", "mesh", "tile"))
def _accuracies(trials, params, *, task, network, mesh, tile):  # noqa: ANN001, ANN202
    def one(params: Any, trials: Trials) -> Any:
        outputs = network.respond(params, trials.inputs)[1]
        return jnp.mean(task.accuracy(outputs, trials))

    return mapping.map_items(one, params, trials, mesh=mesh, tile=tile)


class Accumulation(Protocol):
    """What reduces a network's rates to sums that further trials are added to; hashable."""

    def columns(self, units: int) -> int:
        """Numbers that a step of a trial becomes, of so many units: what memory is needed for."""
        ...

    def begin(self, data: Any) -> Any:
        """Sums of no trials yet, of a form that the first of them decide.

        These are rates `[B, T, N]`, or `Counted` ones where not all steps count.
        """
        ...

    def add(self, running: Any, data: Any) -> Any:
        """The sums with further trials, `[B, T, N]`."""
        ...


class Draw:
    """Fresh trials that drive every network, as many as are asked for; no rates outlive a batch.

    Trials are summed on the devices; `begin` and `finish`, which factor matrices, run where that is
    fast (`runtime.factoring_mesh`). Memory does not grow with the number of trials, and none is
    drawn twice.

    Attributes:
        trials: How many there were so far.
        running: The sums of every network, leading axis M; None before the first trial.
    """

    def __init__(
        self, subject: Subject, task: Task, how: Accumulation, *, batch: int, key: Key
    ) -> None:
        self.host = runtime.factoring_mesh(subject.mesh)
        self.subject, self.task, self.how, self.batch, self.key = subject, task, how, batch, key
        self.trials, self.running = 0, None

    def extend(self, trials: int) -> None:
        """Goes on to this number of trials, a multiple of the batch."""
        params, network, mesh, *_ = self.subject
        options: dict[str, Any] = {"network": network, "how": self.how, "mesh": mesh}
        with process.one_blas_thread():
            while self.trials < trials:
                key = batch_key(self.key, self.trials // self.batch)
                drawn = sampled(self.task, key, self.batch)
                shown = drawn.inputs, drawn.valid
                if self.running is None:
                    begun = _begun(shown, params, **{**options, "mesh": self.host})
                    self.running = _on_host(begun)
                self.running = _on_host(_added(shown, params, self.running, **options))
                self.trials += self.batch

    def finished(self, how: Any, part: Callable[[Any], Any] = lambda running: running) -> Any:
        """What `how.finish` makes of a part of each network's sums: host arrays, leading axis M."""
        with process.one_blas_thread():
            return _on_host(_finished(part(self.running), how=how, mesh=self.host))


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
def _begun(shown, params, *, network, how, mesh):  # noqa: ANN001, ANN202
    def one(params: Any, shown: tuple[Any, Any]) -> Any:
        return how.begin(_rates(network, params, *shown))

    tile = _tile_of(mesh, network, how, shown[0])
    return mapping.map_items(one, params, shown, mesh=mesh, tile=tile)


def _rates(network: Any, params: Any, inputs: Any, valid: Any) -> Any:
    """The rates of one network, with what says which steps count where not all do."""
    rates = network.respond(params, inputs)[0]
    return rates if valid is None else Counted(rates, valid)


def _tile_of(mesh: Any, network: Any, how: Accumulation, inputs: Any) -> int:
    """Networks that a device drives, and whose trials it sums, at once."""
    trials, steps, _ = inputs.shape
    each = 4 * trials * steps * (3 * network.n_rates + 2 * how.columns(network.n_rates))
    return runtime.default_tile(mesh, trials * network.width, item_bytes=each)


@partial(jax.jit, static_argnames=("network", "how", "mesh"))
def _added(shown, params, running, *, network, how, mesh):  # noqa: ANN001, ANN202
    def one(item: tuple[Any, Any], shown: tuple[Any, Any]) -> Any:
        params, running = item
        return how.add(running, _rates(network, params, *shown))

    tile = _tile_of(mesh, network, how, shown[0])
    return mapping.map_items(one, (params, running), shown, mesh=mesh, tile=tile)


@compiled_fast(static_argnames=("how", "mesh"))
def _finished(running, *, how, mesh):  # noqa: ANN001, ANN202
    numbers = sum(x.size / len(x) for x in jax.tree.leaves(running))
    tile = runtime.default_tile(mesh, numbers, item_bytes=4 * WORKSPACE * numbers)
    return mapping.map_items(lambda one, _: how.finish(one), running, mesh=mesh, tile=tile)


def responses(subject: Subject, task: Task, *, trials: int, key: Key) -> dict[str, np.ndarray]:
    """Rates `[M, B, T, N]`, outputs, and the trials' inputs and mask with the same axis M.

    So are, where trials are of unequal length, the steps that are `valid`.
    """
    drawn = sampled(task, key, trials)
    rates, outputs = respond(
        drawn.inputs, subject.params, network=subject.network, mesh=subject.mesh
    )
    shared = {"inputs": drawn.inputs, "mask": drawn.mask}
    shared |= {} if drawn.valid is None else {"valid": drawn.valid}
    return {
        "activity": np.asarray(rates),
        "outputs": np.asarray(outputs),
        **{
            name: np.broadcast_to(np.asarray(x), (subject.size, *x.shape))
            for name, x in shared.items()
        },
    }
