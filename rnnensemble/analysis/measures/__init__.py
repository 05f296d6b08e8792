"""What can be measured of a population besides its levels: one file a measure, known by name.

`Analysis.measures` names those that a run or a sweep takes; files, tables, findings and figures
find all that they show of one here.
"""

from rnnensemble._core.registry import Registry
from rnnensemble.analysis.measures.base import Measure
from rnnensemble.analysis.measures.representation import Representation

__all__ = ["Measure", "Representation", "find", "register", "registered"]

REGISTRY: Registry[type[Measure]] = Registry("measures", (Representation,))
TAKEN = frozenset(
    {
        "networks",
        "sigmas",
        "nulls",
        "losses",
        "disagreements",
        "trials",
        "grid",
        "topology",
        "dynamics",
        "weights",
        "behavior",
        "autocovariance",
        "disagreement",
        "ood_loss",
        "dsa",
        "pif",
        "weight_change",
        "relative_weight_change",
        "kernel_alignment",
        "representation_alignment",
    }
)
"""Names that files and tables use for what is always measured."""


def register(measure: type[Measure]) -> type[Measure]:
    """Makes a measure of your own known by its `name`; a decorator.

    Raises:
        ValueError: If the name is taken.
    """
    if measure.name in TAKEN:
        raise ValueError(f"`name` {measure.name!r} is taken by what is always measured.")
    return REGISTRY.register(measure)


registered = REGISTRY.registered
"""All known measures by name."""
find = REGISTRY.find
"""The measure called `name`; raises ValueError that suggests the nearest name."""
