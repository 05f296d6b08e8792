"""What a measure is, and the usual one: distances of what networks do on shared trials."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from rnnensemble._core.config import Config
from rnnensemble.analysis.distances import Distances, distances
from rnnensemble.metrics import Metric
from rnnensemble.metrics.data import networks_of, stack_padded
from rnnensemble.metrics.pairwise import mesh_for
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.stats.reduction import Statistic
from rnnensemble.tasks import Task
from rnnensemble.training.evaluation import Subject, evaluation_key, responses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure(Config):
    """One number of the converged networks of a population, with all that tables say of it.

    Subclass it as a frozen dataclass; every setting must have a default. Give `measure`, and
    `check` if a setting may not fit.
    """

    name: ClassVar[str]
    """In files and tables."""
    title: ClassVar[str]
    """In figures and reports."""
    symbol: ClassVar[str]
    """Short, on axes."""
    column: ClassVar[str] = ""
    """In summaries; the name unless given."""
    statistic: ClassVar[Statistic] = "mean_distance"
    """What summarizes the networks."""
    level: ClassVar[str] = ""
    """The level of degeneracy that it is about."""
    standard: ClassVar[bool] = False
    """Whether it is always measured, together with others."""
    claims: ClassVar[Mapping[str, str]] = {}
    """The way it goes when a factor is raised, "up" or "down", where somebody besides the paper
    said so."""

    def check(self, task: Task, width: int) -> None:
        """Raises ValueError unless networks of this width can be measured on the task."""

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
        raise NotImplementedError(f"{self.name} is measured with others, or lacks `measure`.")

    def data(self, found: Any, features: Any) -> np.ndarray | None:
        """What the statistic is of.

        Args:
            found: What `measure_degeneracy` returned.
            features: What `measure_feature_learning` returned, None if nothing.

        Returns:
            Distances `[M, M]` or values `[M]`; None if they were not measured.
        """
        del features
        return found.distances[self.name].matrix if self.name in found.distances else None

    def null(self, found: Any) -> np.ndarray | float | None:
        """What the data would be without differences between networks, `[M]` or one number."""
        return found.distances[self.name].null


def distances_on_trials(
    metric: Metric,
    task: Task,
    subject: Subject,
    *,
    trials: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Distances:
    """Distances by a metric of rates `[B, T, N]` on so many trials of a task, which all share.

    The null is each network on another draw of as many trials.
    """
    mesh = mesh_for(metric, subject.mesh)
    draws = []
    for draw in (0, 1):
        found = responses(subject, task, trials=trials, key=evaluation_key(seed, draw))
        mask = found["valid"][0].astype(bool) if "valid" in found else None
        draws.append(networks_of(metric, found["activity"], "activity", mask))
    features = [prepare_networks(metric, networks, mesh=mesh) for networks in draws]
    if len({jax.tree.leaves(each)[0].shape for each in features}) > 1:  # of more valid steps
        leaves = zip(*map(jax.tree.leaves, features), strict=True)
        both = [stack_padded(pair) for pair in leaves]
        tree = jax.tree.structure(features[0])
        features = [jax.tree.unflatten(tree, [x[draw] for x in both]) for draw in (0, 1)]
    return distances(
        metric, *features, subject=subject, seed=seed, trials=trials, progress=progress
    )
