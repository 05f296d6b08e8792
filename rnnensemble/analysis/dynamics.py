"""The level of dynamics: DSA, its other settings and autocovariances, on the same trials."""

from functools import partial
from typing import Any, NamedTuple

from rnnensemble._core.axes import Array
from rnnensemble.analysis.distances import Distances, Report, at_level, distances, probed_share
from rnnensemble.analysis.dsa_grid import GridDistances, GridOperators, compare_grid
from rnnensemble.analysis.settings import Analysis
from rnnensemble.metrics import Autocovariance
from rnnensemble.networks import Network
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.evaluation import Subject, evaluation_key


class DynamicsSums(NamedTuple):
    """Sums over the trials of a network: of DSA, for each number of delays, and of the other way.

    DSA at its main setting and the grid of others share theirs.
    """

    operators: GridOperators
    other: Autocovariance

    def columns(self, units: int) -> int:
        return self.operators.columns(units) + self.other.columns(units)

    def begin(self, data: Array) -> Any:
        return self.operators.begin(data), self.other.begin(data)

    def add(self, running: Any, data: Array) -> Any:
        return self.operators.add(running[0], data), self.other.add(running[1], data)


def sums_of(task: Task, network: Network, analysis: Analysis) -> DynamicsSums:
    """What is summed over trials, of fitted settings."""
    grid = analysis.grid_for(task, network.n_rates).covering(analysis.dsa)
    return DynamicsSums(GridOperators(analysis.dsa, grid), analysis.autocovariance)


def measure_dynamics(
    task: Task, subject: Subject, analysis: Analysis, progress: Report | None
) -> tuple[Distances, GridDistances, Distances]:
    """Both measures, on as many trials as their nulls ask for, and other settings on the same."""
    dsa, second = analysis.dsa, analysis.autocovariance
    grid = analysis.grid_for(task, subject.network.n_rates)
    how, first = sums_of(task, subject.network, analysis), analysis.dynamics_trials
    operators = how.operators
    draws = [
        evaluation.Draw(subject, task, how, batch=first, key=evaluation_key(analysis.seed, draw))
        for draw in (0, 1)
    ]

    def sums_for(way: Any, running: Any) -> Any:
        """The part of the sums that is a way's own."""
        if way == second:
            return running[1]
        if way == dsa:
            return running[0][operators.grid.delays.index(dsa.n_delays)]
        return tuple(running[0][operators.grid.delays.index(d)] for d in grid.delays)

    def made(way: Any) -> list[Any]:
        """What a way makes of the sums of both draws."""
        return [draw.finished(way, partial(sums_for, way)) for draw in draws]

    def prepared(trials: int, way: Any = dsa) -> list[Any]:
        """What one of the ways makes of so many trials of both draws."""
        for draw in draws:
            draw.extend(trials)
        return made(way)

    def share(trials: int, way: Any = dsa) -> float:
        found = prepared(trials, way)
        return probed_share(way, *found, subject=subject, seed=analysis.seed)

    def measured(trials: int, way: Any = dsa, level: str = "dynamics") -> Distances:
        return distances(
            way,
            *prepared(trials, way),
            subject=subject,
            seed=analysis.seed,
            trials=trials,
            progress=at_level(progress, level),
        )

    def both(trials: int) -> tuple[Distances, Distances]:
        return measured(trials), measured(trials, second, "autocovariances")

    def largest(found: tuple[Distances, Distances]) -> float:
        return max(each.null_share for each in found)

    trials = analysis.enough_trials(first, share)
    trials = analysis.enough_trials(trials, partial(share, way=second))
    found = both(trials)
    while analysis.asks_for_more(trials, largest(found)):  # all pairs say what some did not
        trials = analysis.more_trials(trials, largest(found))
        found = both(trials)
    others = compare_grid(
        made,
        dsa=dsa,
        grid=grid,
        mesh=subject.mesh,
        known=(found[0].matrix, found[0].null, found[0].again),
        tile=subject.tile,
        seed=analysis.seed,
        progress=at_level(progress, "dynamics, other settings"),
    )
    return found[0], others, found[1]
