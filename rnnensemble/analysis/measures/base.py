"""What a measure is, and the usual one: distances of what networks do on shared trials."""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar

from rnnensemble._core.config import Config
from rnnensemble.analysis.distances import Distances, distances
from rnnensemble.metrics import Metric
from rnnensemble.metrics.blocks import prepare_networks
from rnnensemble.metrics.data import as_networks
from rnnensemble.metrics.pairwise import mesh_for
from rnnensemble.tasks import Task
from rnnensemble.training.evaluation import Subject, evaluation_key, responses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure(Config, abc.ABC):
    """Distances between the converged networks of a population, with all that tables say of them.

    Subclass it as a frozen dataclass; every setting must have a default.
    """

    name: ClassVar[str]
    """In files and tables."""
    title: ClassVar[str]
    """In figures and reports."""
    symbol: ClassVar[str]
    """Short, on axes."""
    claims: ClassVar[Mapping[str, str]] = {}
    """The way it goes when a factor is raised, "up" or "down", where somebody said so."""

    @abc.abstractmethod
    def check(self, task: Task, width: int) -> None:
        """Raises ValueError unless networks of this width can be measured on the task."""

    @abc.abstractmethod
    def measure(
        self,
        task: Task,
        subject: Subject,
        *,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Distances:
        """Measures the converged networks.

        Args:
            task: What they learned.
            subject: The networks, and where they run.
            seed: Seed of the trials and of searches.
            progress: Called with the pairs done and the pairs in all.
        """


def distances_on_trials(
    metric: Metric,
    task: Task,
    subject: Subject,
    *,
    trials: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Distances:
    """Distances by a metric of rates, whose null is each network on other trials.

    Args:
        metric: Takes rates `[B, T, N]`.
        task: Gives the trials, the same for all networks.
        subject: The networks.
        trials: How many trials either draw has.
        seed: Seed of the trials and of searches.
        progress: Called with the pairs done and the pairs in all.
    """
    mesh = mesh_for(metric, subject.mesh)
    features = []
    for draw in (0, 1):
        found = responses(subject, task, trials=trials, key=evaluation_key(seed, draw))
        features.append(prepare_networks(metric, as_networks(found["activity"]), mesh=mesh))
    return distances(
        metric, *features, subject=subject, seed=seed, trials=trials, progress=progress
    )
