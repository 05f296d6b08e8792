"""What is always measured: the levels of degeneracy and what stands beside them.

OOD is temporal generalization, or the first variant of a task that has no such one.
"""

from typing import Any

from rnnensemble.analysis.measures.base import Measure


class Standard(Measure):
    """A measure that `measure_degeneracy` or `measure_feature_learning` takes with others."""

    standard = True


class WithoutNull(Standard):
    """One of which nobody knows what it would be without differences between networks."""

    def null(self, found: Any) -> None:
        return None


class Dynamics(Standard):
    """Mean DSA distance."""

    name, title, symbol, column = "dynamics", "dynamics (DSA)", "DSA distance", "dsa"
    level = "dynamics"


class Weights(WithoutNull):
    """Mean PIF distance; renumbered units are no null of it, but show what the search misses."""

    name, title, symbol, column = "weights", "weights (PIF)", "PIF distance", "pif"
    level = "weights"


class Behavior(Standard):
    """Spread of the out-of-distribution losses."""

    name, title, symbol = "behavior", "behavior (sigma_OOD)", "sigma_OOD"
    level, statistic = "behavior", "spread"

    def data(self, found: Any, features: Any) -> Any:
        return found.behavior.losses.get(found.behavior.main)

    def null(self, found: Any) -> Any:
        return found.behavior.nulls.get(found.behavior.main)


class OutputDisagreement(WithoutNull):
    """Mean difference of outputs out of distribution."""

    name, title, symbol = "disagreement", "disagreement of outputs, OOD", "disagreement"
    level = "behavior"

    def data(self, found: Any, features: Any) -> Any:
        return found.behavior.disagreements.get(found.behavior.main)


class Autocovariances(Standard):
    """Mean distance of autocovariances."""

    name, title, symbol = "autocovariance", "autocovariances", "autocovariance distance"
    level = "dynamics"


class OODLoss(Behavior):
    """Mean out-of-distribution loss."""

    name, title, symbol = "ood_loss", "mean OOD loss", "mean OOD loss"
    statistic = "mean"

    def null(self, found: Any) -> None:
        return None


class WeightChange(WithoutNull):
    """Mean distance of weights from their start."""

    name, title, symbol = "weight_change", "weight change", "weight change"
    statistic = "mean"

    def data(self, found: Any, features: Any) -> Any:
        if self.name == "weight_change" and "weights" in found.left_out:
            return None
        return getattr(features, self.name, None)


class KernelAlignment(WeightChange):
    """Mean alignment of tangent kernels before and after training."""

    name, title, symbol = "kernel_alignment", "kernel alignment", "kernel alignment"


class FixedPoints(WithoutNull):
    """Mean distance of sets of fixed points, where they were searched."""

    name, title, symbol = "topology", "fixed points (OSPA)", "fixed-point distance"
    level = "topology"

    def data(self, found: Any, features: Any) -> Any:
        return found.topology and found.topology.matrix


STANDARD = (
    Dynamics,
    Weights,
    Behavior,
    OutputDisagreement,
    Autocovariances,
    OODLoss,
    WeightChange,
    KernelAlignment,
    FixedPoints,
)
"""In the order of tables."""
