"""How much a population learned features: weight change, kernel and representation alignment."""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Array
from rnnensemble._core.config import Config, require_seed, require_whole
from rnnensemble.analysis.kernel_alignment import kernel_alignment, representation_alignment
from rnnensemble.analysis.result import table_row
from rnnensemble.networks import Network, Params, count_of
from rnnensemble.stats import intervals
from rnnensemble.tasks import Task, Trials
from rnnensemble.training.evaluation import evaluation_key
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import shared

DRAW = 2
"""Which evaluation trials; `measure_degeneracy` draws 0, 1 and 10 onward."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureAnalysis(Config):
    """How feature learning is measured; recorded with every number.

    Attributes:
        trials: In-distribution trials B, the same for every network.
        step_stride: The kernel is taken at every so many steps, the last one of each stride;
            1 for all steps.
        memory: Bytes that the kernel of one network may take (see `block_bytes`). Less memory
            takes more time; the values stay the same up to rounding.
        seed: Seed of the trials.
    """

    trials: int = 32
    step_stride: int = 10
    memory: int = 2**28
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "trials", "step_stride", "memory")
        require_seed(self.seed)


@dataclasses.dataclass(frozen=True)
class FeatureLearning:
    """How far M converged networks moved from where they started.

    Attributes:
        weight_change: ||W_T - W_0||_F of recurrent weights, of all gates, `[M]`; NaN for networks
            that name none.
        relative_weight_change: The same over ||W_0||_F, `[M]`.
        kernel_alignment: KA of the neural tangent kernels, in [0, 1], `[M]`.
        representation_alignment: The same of Gram matrices of rates, in [0, 1], `[M]`.
        networks: Indices of the M converged networks in their population, `[M]`.
        size: Networks in the population, converged or not.
        analysis: The settings.
    """

    weight_change: np.ndarray
    relative_weight_change: np.ndarray
    kernel_alignment: np.ndarray
    representation_alignment: np.ndarray
    networks: np.ndarray
    size: int
    analysis: FeatureAnalysis

    def table(self) -> list[dict[str, Any]]:
        """The means over networks, as rows like those of `Degeneracy.table`; of 2 or more."""
        names = ("weight_change", "kernel_alignment", "representation_alignment")
        means = {name: intervals.mean_value(getattr(self, name)) for name in names}
        return [
            table_row(name, "features", name.replace("_", " "), mean)
            for name, mean in means.items()
        ]


def measure_feature_learning(
    population: Population,
    *,
    analysis: FeatureAnalysis | None = None,
    devices: int | None = None,
    tile: int | None = None,
) -> FeatureLearning:
    """Measures how rich learning was: how far weights, kernel and rates moved.

        ||W_T - W_0||_F,   KA = Tr(K_T K_0) / (||K_T||_F ||K_0||_F)

    W are the recurrent weights and K the neural tangent kernel before (0) and after training (T):
    K = J J^T, J the Jacobian of the outputs with respect to all trained parameters. Its rows are
    trial, counted step and output channel. The representation alignment is the same formula with
    G = H H^T for K, the rows of H the rates of every trial and step, not centered. A larger
    weight change and lower alignments mean richer learning. Only converged networks count.

    Frozen parts (`Training.frozen`) are no trained parameters. Networks that started from others
    are compared with these.

    Args:
        population: Trained networks.
        analysis: Settings, `FeatureAnalysis()` unless given.
        devices: How many local devices to use, None for all.
        tile: Networks that a device handles at once, None for the device's default.

    Returns:
        One value of each measure for each converged network. An alignment is NaN where a
        kernel overflows float32, or is zero as for dead rectified units.

    Raises:
        ValueError: If no network converged, where they started is not known, or a setting does not
            fit task and network.

    Source: Huang et al. (arXiv 2410.03972, section 3.2).
    """
    analysis = analysis or FeatureAnalysis()
    runtime.require_tile(tile)
    block, trials = require_features(population, analysis)
    networks = np.flatnonzero(population.converged)
    network = shared(population.network)
    mesh = runtime.network_mesh(devices)
    before, after = (
        jax.tree.map(lambda x: x[networks], params)
        for params in (population.initial_params, population.params)
    )
    kernel, representation = _alignments(
        jax.tree.map(lambda *each: np.stack(each, axis=1), before, after),
        trials,
        network=network.plain(),  # whatever they trained with
        stride=analysis.step_stride,
        block=block,
        frozen=population.training.frozen,
        mesh=mesh,
        tile=tile
        or runtime.default_tile(mesh, block * network.n_rates, item_bytes=analysis.memory),
    )
    change, relative = weight_changes(*(_recurrent(network, x) for x in (before, after)))
    return FeatureLearning(
        weight_change=change,
        relative_weight_change=relative,
        kernel_alignment=np.asarray(kernel),
        representation_alignment=np.asarray(representation),
        networks=networks,
        size=population.size,
        analysis=analysis,
    )


def _recurrent(network: Network, params: Params) -> np.ndarray:
    """The recurrent weights, `[K, ..., N, N]`; NaN where the network names none."""
    count = len(jax.tree.leaves(params)[0])
    return np.asarray(network.weights(params).get("recurrent_weights", np.full((count, 1), np.nan)))


def require_features(population: Population, analysis: FeatureAnalysis) -> tuple[int, Trials]:
    """Raises ValueError unless feature learning can be measured.

    Returns:
        How many trials are taken at a time, and all trials.
    """
    require_converged(population)
    require_beginning(population)
    block = block_trials(analysis, population.task, shared(population.network))
    return block, evaluation_trials(analysis, population.task)


def require_converged(population: Population) -> None:
    """Raises ValueError unless a network converged."""
    if not population.converged.any():
        raise ValueError(
            f"`population` must have at least 1 converged network; got 0 of {population.size}; "
            "train longer or with another learning rate."
        )


def require_beginning(population: Population) -> None:
    """Raises ValueError unless it is known where the networks started."""
    if any(np.isnan(x).any() for x in jax.tree.leaves(population.initial_params)):
        raise ValueError(
            "`population` must have initial parameters, from which feature learning is measured; "
            "those of imported networks are not known."
        )


def require_counted(trials: Trials, stride: int) -> None:
    """Raises ValueError unless the loss counts at a step that the stride keeps."""
    if not np.asarray(trials.mask)[:, stride - 1 :: stride].any():
        raise ValueError(
            f"`step_stride` must keep a step at which the loss counts; got {stride}, which keeps "
            "masked steps only; lower it."
        )


def evaluation_trials(analysis: FeatureAnalysis, task: Task) -> Trials:
    """The trials that the kernel is taken at; ValueError if none of its steps counts."""
    trials = _sample(evaluation_key(analysis.seed, DRAW), task=task, batch=analysis.trials)
    require_counted(trials, analysis.step_stride)
    return trials


def block_bytes(block: int, *, kept_steps: int, task: Task, network: Network) -> int:
    """Memory that the kernel of one network takes with `block` trials at a time, in bytes.

        16 (R (P + T (S + I + O) + R) + 8 N^2),   R = block * kept_steps * O

    with N rates and S numbers kept of a step (`n_kept`); of a vanilla network S = N and
    P = N (N + I + O + 2).

    The terms are the Jacobians of two blocks of trials before and after training, each of
    R rows and P parameters; what the backward passes of one block store, T steps a row; and a
    block of the kernel, with copies; and products of rates. An upper bound of what XLA
    allocates (tests compare).

    Args:
        block: Trials at a time.
        kept_steps: Steps of a trial that the kernel is taken at.
        task: Gives T, I and O.
        network: Gives N, S and P.

    Returns:
        Bytes. The trials come on top.
    """
    steps, channels = task.n_steps, task.n_inputs + task.n_outputs
    rows, parameters = block * kept_steps * task.n_outputs, count_of(network, task)
    stored = steps * (network.n_kept + channels)
    return 16 * (rows * (parameters + stored + rows) + 8 * network.n_rates**2)


def block_trials(analysis: FeatureAnalysis, task: Task, network: Network) -> int:
    """Trials to take at a time: the most that divide all trials and fit into the memory.

    Raises:
        ValueError: If the stride leaves no step, or not even one trial fits.
    """
    stride = analysis.step_stride
    if stride > task.n_steps:
        raise ValueError(
            f"`step_stride` must be at most {task.n_steps}, the steps of a trial; got {stride}."
        )
    kept = task.n_steps // stride
    needed = partial(block_bytes, kept_steps=kept, task=task, network=network)
    if needed(1) > analysis.memory:
        raise ValueError(
            f"`memory` must be at least {needed(1):,} bytes, for the Jacobian of one trial "
            f"({kept} steps kept, {task.n_outputs} outputs, {network.width} units); got "
            f"{analysis.memory:,}; raise it or `step_stride` (now {stride})."
        )
    divisors = (b for b in range(1, analysis.trials + 1) if analysis.trials % b == 0)
    return max(b for b in divisors if needed(b) <= analysis.memory)


def weight_changes(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """||W_T - W_0||_F of recurrent weights `[M, ...]`, and the same over ||W_0||_F, `[M]` each."""
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    axes = tuple(range(1, before.ndim))
    change, size = (np.sqrt(np.sum(x**2, axis=axes)) for x in (after - before, before))
    return change, change / size


@partial(jax.jit, static_argnames=("task", "batch"))
def _sample(key, *, task, batch):  # noqa: ANN001, ANN202
    return task.sample(key, batch)


@partial(jax.jit, static_argnames=("network", "stride", "block", "frozen", "mesh", "tile"))
def _alignments(pairs, trials, *, network, stride, block, mesh, tile, frozen=()):  # noqa: ANN001, ANN202
    """Kernel and representation alignment of every network, `[M]` each."""

    def one(pair: Params, trials: Trials) -> tuple[Array, Array]:
        parts = jax.tree.map(lambda x: x.reshape(-1, block, *x.shape[1:]), trials)
        kernel = kernel_alignment(pair, parts, network=network, stride=stride, frozen=frozen)
        shown = parts.inputs, parts.valid
        return kernel, representation_alignment(pair, *shown, network=network)

    return mapping.map_items(one, pairs, trials, mesh=mesh, tile=tile)
