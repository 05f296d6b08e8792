"""How far the solutions of a population lie apart: `measure_degeneracy`."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import intervals, levels
from rnnensemble.axes import Array
from rnnensemble.blocks import prepare_networks
from rnnensemble.dynamics import DSAGrid, GridDistances, GridOperators, compare_grid
from rnnensemble.fixed_points import FixedPointSearch
from rnnensemble.intervals import Estimate
from rnnensemble.levels import Distances, Subject, evaluation_key
from rnnensemble.metrics import DSA, PIF, Disagreement
from rnnensemble.metrics.data import as_networks
from rnnensemble.metrics.pif import AXES
from rnnensemble.pairwise import distance_matrix, mesh_for
from rnnensemble.population import Population
from rnnensemble.tasks import Task
from rnnensemble.topology import Topology, measure_topology


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analysis:
    """How degeneracy is measured; recorded with every number.

    Attributes:
        dsa: Settings of the dynamics level.
        grid: Ranks and delays that dynamics is measured with besides, those that the task allows.
        pif: Settings of the weights level.
        dynamics_trials: In-distribution trials that drive every network for DSA.
        behavior_trials: Trials of each out-of-distribution variant.
        output_trials: Trials of each variant on which outputs are compared.
        seed: Seed of the evaluation trials and of the searches' starts.
        fixed_points: Starts from which fixed points are searched in each network, for the level of
            topology; None leaves it out.
    """

    dsa: DSA = DSA()
    grid: DSAGrid = DSAGrid()
    pif: PIF = PIF()
    dynamics_trials: int = 64
    behavior_trials: int = 512
    output_trials: int = 64
    seed: int = 0
    fixed_points: int | None = None

    def __post_init__(self) -> None:
        for name in ("dynamics_trials", "behavior_trials", "output_trials"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a whole number of at least 1; got {value!r}.")
        if self.fixed_points is not None:
            FixedPointSearch(starts=self.fixed_points)

    @property
    def search(self) -> FixedPointSearch | None:
        """How fixed points are searched, if they are."""
        if self.fixed_points is None:
            return None
        return FixedPointSearch(starts=self.fixed_points, seed=self.seed)

    def check(self, task: Task, width: int) -> None:
        """Raises ValueError unless the settings fit a task and a number of units."""
        self.dsa.check(self._shape(task, width))

    def grid_for(self, task: Task, width: int) -> DSAGrid:
        """The part of the grid that a task and a number of units allow."""
        return self.grid.within(self.dsa, self._shape(task, width))

    def _shape(self, task: Task, width: int) -> tuple[int, int, int]:
        return self.dynamics_trials, task.n_steps, width


@dataclasses.dataclass(frozen=True)
class Behavior:
    """The behavior level: spread of the out-of-distribution loss, and how far outputs differ.

    Attributes:
        sigma: The paper's sigma_OOD of temporal generalization, in squared output units.
        sigmas: The same for every variant, `temporal` included.
        nulls: What a finite number of trials alone contributes to each sigma: the root of half
            the mean squared difference of the networks' losses on two draws of trials.
        losses: MSE of each network on each variant, `[M]`, and on `in_distribution` trials.
        disagreements: For each variant the root mean squared differences of outputs on the same
            trials, `[M, M]`, in output units.
    """

    sigma: Estimate
    sigmas: dict[str, Estimate]
    nulls: dict[str, float]
    losses: dict[str, np.ndarray]
    disagreements: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Degeneracy:
    """How far M converged networks lie apart on three levels, or four.

    Attributes:
        behavior: Spread of out-of-distribution loss.
        dynamics: DSA.
        grid: DSA under other ranks and delays.
        weights: PIF.
        networks: Indices of the M converged networks in their population, `[M]`.
        size: Networks in the population, converged or not.
        analysis: The settings.
        topology: How their fixed points differ, if that was asked for.
    """

    behavior: Behavior
    dynamics: Distances
    grid: GridDistances
    weights: Distances
    networks: np.ndarray
    size: int
    analysis: Analysis
    topology: Topology | None = None


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
      distribution, and the differences of outputs;
    - dynamics: mean over pairs of the DSA distance (see `DSA`), with the distances of each
      network to itself on other trials as a null, for one setting and for a grid of others;
    - weights: mean over pairs of the PIF distance (see `PIF`) of recurrent weights;
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
    analysis = analysis or Analysis()
    networks = np.flatnonzero(population.converged)
    require_two(population)
    analysis.check(population.task, population.network.width)
    subject = levels.subject_of(population, networks, devices, tile)
    dynamics, grid = _dynamics(population.task, subject, analysis, progress)
    search = analysis.search
    topology = search and measure_topology(population, search=search, devices=devices)
    return Degeneracy(
        topology=topology,
        behavior=_behavior(population.task, subject, analysis),
        dynamics=dynamics,
        grid=grid,
        weights=_weights(subject, analysis, _at_level(progress, "weights")),
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


def _behavior(task: Task, subject: Subject, analysis: Analysis) -> Behavior:
    variants = {"in_distribution": task, **task.out_of_distribution()}
    losses, nulls, disagreements = {}, {}, {}
    for draw, (name, variant) in enumerate(variants.items()):
        keys = [evaluation_key(analysis.seed, first + draw) for first in (10, 1000)]
        trials = analysis.behavior_trials
        both = [levels.losses(subject, variant, trials=trials, key=key) for key in keys]
        losses[name] = both[0]
        nulls[name] = float(np.sqrt(np.mean((both[0] - both[1]) ** 2) / 2))
        found = levels.responses(subject, variant, trials=analysis.output_trials, key=keys[0])
        data = {"outputs": found["outputs"], "mask": found["mask"]}
        disagreements[name] = distance_matrix(
            Disagreement(), data, devices=subject.mesh.size, tile=subject.tile
        )
    outside = [name for name in variants if name != "in_distribution"]
    sigmas = {name: intervals.spread(losses[name]) for name in outside}
    return Behavior(
        sigmas["temporal"],
        sigmas,
        {name: nulls[name] for name in outside},
        losses,
        {name: disagreements[name] for name in outside},
    )


class _Dynamics(NamedTuple):
    """Prepares a network for the main settings and for the grid."""

    dsa: DSA
    grid: GridOperators

    def prepare(self, data: Array) -> Any:
        return self.dsa.prepare(data), self.grid.prepare(data)


def _dynamics(
    task: Task,
    subject: Subject,
    analysis: Analysis,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[Distances, GridDistances]:
    grid = analysis.grid_for(task, subject.network.width)
    how = _Dynamics(analysis.dsa, GridOperators(analysis.dsa, grid))
    # the second draw of trials serves the null alone
    draws = [
        levels.prepared_rates(
            subject,
            task,
            how,
            trials=analysis.dynamics_trials,
            key=evaluation_key(analysis.seed, draw),
        )
        for draw in (0, 1)
    ]
    (main, operators), (other_main, other_operators) = draws
    found = levels.distances(
        analysis.dsa,
        main,
        other_main,
        subject=subject,
        seed=analysis.seed,
        progress=_at_level(progress, "dynamics"),
    )
    others = compare_grid(
        operators,
        other_operators,
        dsa=analysis.dsa,
        grid=grid,
        mesh=subject.mesh,
        tile=subject.tile,
        seed=analysis.seed,
        progress=_at_level(progress, "dynamics, other settings"),
    )
    return found, others


def _weights(
    subject: Subject, analysis: Analysis, progress: Callable[[int, int], None] | None
) -> Distances:
    pif, alone = analysis.pif, analysis.pif.parameters == "recurrent"
    names = ("recurrent_weights",) if alone else AXES
    effective = subject.network.effective(subject.params)
    parameters = {name: getattr(effective, name) for name in names}
    again = levels.renumbered(parameters, seed=analysis.seed, signed=pif.signed)
    mesh = mesh_for(pif, subject.mesh)
    features = [
        prepare_networks(pif, as_networks(each["recurrent_weights"] if alone else each), mesh=mesh)
        for each in (parameters, again)
    ]
    return levels.distances(pif, *features, subject=subject, seed=analysis.seed, progress=progress)
