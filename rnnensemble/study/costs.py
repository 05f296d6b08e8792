"""What conditions cost: floating-point operations, memory and time, before anything is trained."""

import functools
import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Array
from rnnensemble.networks import count_of
from rnnensemble.study.conditions import Condition
from rnnensemble.study.factors import Sweep, trained_once
from rnnensemble.training import slots
from rnnensemble.training.memory import require_training_room
from rnnensemble.training.optimizer_base import kept_numbers

NEWTON_FLOPS = 50
"""Operations of one Newton step of a DSA alignment, over rank^3."""
PIF_FLOPS = 100
"""Operations of one start of a PIF search, over N^3."""
SHARES = {"training": 0.8, "rates": 0.8, "kernel": 1.0, "dynamics": 0.05, "weights": 0.1}
"""Share of the measured rate of products that each part reached (2 cores, 12 flip-flop networks of
32 to 128 units, T = 50): rough, and not measured on a GPU."""
COMPILE_SECONDS = {"cpu": 15.0}
"""Seconds that the programs of one shape compile, training and measuring together; 40 elsewhere."""


class Cost(NamedTuple):
    """What one condition costs in operations: of training, for the epochs given, and the rest."""

    training: float
    rates: float
    kernel: float
    dynamics: float
    weights: float

    @property
    def total(self) -> float:
        """All operations."""
        return sum(self)


def cost_of(condition: Condition, epochs: float | None = None) -> Cost:
    """Floating-point operations of a condition; those of analyses are rough (see `SHARES`).

    `epochs` are those that each network trains; None for `max_epochs`, an upper bound.
    """
    task, training = condition.task, condition.training
    network, k = condition.network, condition.size
    units, rates = network.width, network.n_rates
    analysis = condition.analysis.fitted(task, condition.network)
    step = 2 * count_of(network, task, axes=2)  # of one trial, forward
    epochs = training.max_epochs if epochs is None else min(epochs, training.max_epochs)
    steps = epochs * training.epoch_steps
    behavior, dynamics = analysis.behavior_trials, analysis.dynamics_trials
    if not analysis.fixed_trials:
        behavior = dynamics = analysis.most_trials
    trials = 2 * behavior + analysis.output_trials
    variants = [task, *task.out_of_distribution().values(), *(task for _ in analysis.lesions)]
    shown = trials * sum(each.n_steps for each in variants)
    shown += 2 * dynamics * task.n_steps
    rows = condition.features.trials * (task.n_steps // condition.features.step_stride)
    rows *= task.n_outputs
    jacobian = rows * 2 * task.n_steps * step
    pairs = k * (k - 1) / 2 + 3 * k  # and each network's null, and those that are repeated
    grid = analysis.grid_for(task, rates)
    most = [max(grid.ranks)] * len(grid.shares)  # a share of variance needs no more
    ranks = np.array([*(*grid.ranks, *most) * len(grid.delays), analysis.dsa.rank], float)
    second = analysis.autocovariance
    sizes = len(second.lags) * min(second.components, rates) ** 3
    climbs = (analysis.dsa, np.sum(ranks**3)), (second, sizes)
    newton = sum(each.starts * each.early_steps * size for each, size in climbs)
    return Cost(
        training=3.0 * k * steps * training.batch * task.n_steps * step,
        rates=float(k * shown * step),
        kernel=2.0 * k * (jacobian + 2 * rows**2 * (units**2 + step / 2)),
        dynamics=float(pairs * NEWTON_FLOPS * newton),
        weights=pairs * PIF_FLOPS * analysis.pif.count(units) * float(units) ** 3,
    )


def expected_costs(
    sweep: Sweep, conditions: Sequence[Condition], trained: Collection[str] = ()
) -> dict[str, Cost]:
    """What each condition costs, by digest, if networks train for the epochs of its level.

    Of conditions that share a recipe, the first one trains it, unless the recipe is among those
    that are `trained` already.
    """
    levels = [level for part in sweep.parts for level in part.levels]
    epochs: dict[str, float | None] = {}
    for level in levels:
        digest = level.condition.digest
        epochs[digest] = epochs.get(digest) or level.expected_epochs
    costs = {c.digest: cost_of(c, epochs[c.digest]) for c in conditions}
    training = {c.digest for c in trained_once(conditions) if c.recipe_digest not in trained}
    shared = {digest: costs[digest]._replace(training=0.0) for digest in costs.keys() - training}
    return costs | shared


def group_bytes(conditions: Sequence[Condition], mesh: Mesh, tile: int) -> float:
    """Memory that training conditions as one group takes on each device, in bytes.

    Every network's parameters, what its optimizer keeps, gradient and copies, and for each of a
    tile about three arrays `[T, B, N]`.
    """
    first = conditions[0]
    task, network = first.task, first.network
    parameters = count_of(network, task)
    networks = sum(condition.size for condition in conditions) / mesh.size
    trials = 3 * first.training.batch * task.n_steps * network.n_kept
    kept = 3 + kept_numbers(first.training.optimizer)
    return 4.0 * (kept * parameters * networks + tile * (trials + 2 * parameters))


def tile_for(conditions: Sequence[Condition], mesh: Mesh, tile: int | None) -> int:
    """Networks of a group that a device trains at once, before anything is compiled.

    They are as many as the user asks for, or `slots.default_tile`, or the most that fit; training
    asks the compiler once more (`memory.fitted`). ValueError, which says which tile fits, if the
    devices are too small for it.
    """
    runtime.require_tile(tile)
    require_training_room(conditions, mesh)
    memory = runtime.memory_bytes(mesh)
    fixed = group_bytes(conditions, mesh, 0)
    each = group_bytes(conditions, mesh, 1) - fixed
    most, needed = int((memory - fixed) // each), fixed + (tile or 1) * each
    if needed > memory:
        advice = f"a tile of {most} fits" if most >= 1 else "not even a tile of 1 fits"
        raise ValueError(
            f"`tile` of {tile or 1} networks needs {needed / 1e9:.3g} GB for "
            f"{conditions[0].network.width} units on {conditions[0].task.name}, a device has "
            f"{memory / 1e9:.3g} GB; {advice}: lower `batch`, or give more devices."
        )
    return tile or min(slots.default_tile(conditions[0], mesh), most)


class Speed:
    """How fast this machine multiplies, measured once for each shape.

    The measured program is the recurrence's forward step, tanh(h W) for a batch of `[B, N]`
    states, on all devices at once with the tile that training uses.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.rate = functools.cache(self._measure)
        self.measured: list[float] = []

    def seconds(self, condition: Condition, cost: Cost, tile: int) -> float:
        """Expected seconds of a condition, compilation apart."""
        batch = min(condition.training.batch, 64)
        rate = self.rate(condition.network.width, batch, tile)
        return sum(
            operations / (SHARES[name] * rate) for name, operations in cost._asdict().items()
        )

    def _measure(self, units: int, batch: int, tile: int) -> float:
        """Operations a second of all devices."""
        slots = self.mesh.size * tile
        weights = np.full((slots, units, units), 1 / units, np.float32)
        states = np.ones((slots, batch, units), np.float32)
        once = 2.0 * slots * batch * units**2
        steps = max(8, int(2e8 / (once / slots)))  # some milliseconds on a CPU
        run = functools.partial(_steps, weights, states, steps=steps, mesh=self.mesh, tile=tile)
        jax.block_until_ready(run())
        started = time.perf_counter()
        jax.block_until_ready(run())
        self.measured.append(once * steps / (time.perf_counter() - started))
        return self.measured[-1]


@functools.partial(jax.jit, static_argnames=("mesh", "tile"))
def _steps(weights, states, *, steps, mesh, tile):  # noqa: ANN001, ANN202
    """States after some steps of the recurrence alone, `[S, B, N]`."""

    def one(item: tuple[Array, Array], steps: Array) -> Array:
        return jax.lax.fori_loop(0, steps, lambda _, h: jnp.tanh(h @ item[0]), item[1])

    return mapping.map_items(one, (weights, states), steps, mesh=mesh, tile=tile)


def compile_seconds(conditions: Sequence[Condition], mesh: Mesh) -> float:
    """Seconds to compile all programs once: about the same for every task, width and size."""
    shapes = {(c.task, c.network.width, c.size) for c in conditions}
    platform = mesh.devices.flat[0].platform
    return len(shapes) * COMPILE_SECONDS.get(platform, 40.0)


class Budget:
    """How much of a sweep is done, and how long the rest takes at the speed so far.

    Args:
        costs: What is left of each condition, by digest (`expected_costs`).
    """

    def __init__(self, costs: Mapping[str, Cost]) -> None:
        self.parts = {}
        for digest, cost in costs.items():
            parts = {n: value / SHARES[n] for n, value in cost._asdict().items()}
            training = parts.pop("training")
            self.parts[digest] = {"training": training, "analysis": sum(parts.values())}
        self.rest = math.fsum(x for parts in self.parts.values() for x in parts.values())
        self.spent, self.started = 0.0, time.monotonic()

    def skip(self, condition: Condition) -> None:
        """Takes out what is left of a condition: somebody else does or did it."""
        self.rest -= sum(self.parts.pop(condition.digest, {}).values())

    def finish(self, condition: Condition, part: str, *, share: float = 1.0) -> None:
        """Counts `training` or `analysis` of a condition as done, or a share of what is left."""
        parts = self.parts.get(condition.digest, {})
        spent = share * parts.get(part, 0.0)
        self.spent += spent
        self.rest -= spent
        if part in parts:
            parts[part] -= spent

    def seconds_left(self) -> float:
        """How long the rest takes; infinity before anything is done."""
        elapsed = time.monotonic() - self.started
        rest = max(self.rest, 0.0)  # rounding may leave less than nothing
        return elapsed * rest / self.spent if self.spent else math.inf
