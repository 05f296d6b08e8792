"""Representation: do the main directions of the networks' rates span the same space?"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

from rnnensemble.analysis.distances import Distances
from rnnensemble.analysis.measures.base import Measure, distances_on_trials
from rnnensemble.metrics import SVCCA
from rnnensemble.tasks import Task
from rnnensemble.training.evaluation import Subject


@dataclasses.dataclass(frozen=True, kw_only=True)
class Representation(Measure):
    """Mean SVCCA distance of rates on shared in-distribution trials (see `metrics.SVCCA`).

    Source: Huang et al. (arXiv 2410.03972, App. G), who find that their factors do not act on it
    as they act on dynamics, and give no directions. The number of trials is ours: up to 256 are
    needed for a null of a tenth (docs/metrics/svcca.md).

    Attributes:
        svcca: Settings of the metric.
        trials: Trials that drive every network.
    """

    name: ClassVar[str] = "representation"
    title: ClassVar[str] = "representation (SVCCA)"
    symbol: ClassVar[str] = "SVCCA distance"

    svcca: SVCCA = SVCCA()
    trials: int = 256

    def check(self, task: Task, width: int) -> None:
        self.svcca.check((self.trials, task.n_steps, width))

    def measure(
        self,
        task: Task,
        subject: Subject,
        *,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Distances:
        return distances_on_trials(
            self.svcca, task, subject, trials=self.trials, seed=seed, progress=progress
        )
