"""A measure of one's own: do two networks see trials as alike? The CKA of their rates."""

import dataclasses
from typing import ClassVar

from rnnensemble.analysis import measures
from rnnensemble.analysis.measures import Measure, distances_on_trials
from rnnensemble.metrics import CKA


@measures.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Kernels(Measure):
    """Mean CKA distance of rates on shared in-distribution trials."""

    name: ClassVar[str] = "kernels"
    title: ClassVar[str] = "kernels (CKA)"
    symbol: ClassVar[str] = "CKA distance"
    claims: ClassVar[dict[str, str]] = {"gain": "up"}  # what somebody predicts, if anybody does

    trials: int = 16

    def check(self, task, width):
        CKA().check((self.trials, task.n_steps, width))

    def measure(self, task, subject, *, seed, progress=None):
        return distances_on_trials(
            CKA(), task, subject, trials=self.trials, seed=seed, progress=progress
        )
