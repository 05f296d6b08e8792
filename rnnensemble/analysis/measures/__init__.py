"""What is measured of a population: one class a measure, known by name.

Files, tables, findings and figures find all that they show of a measure here. `Analysis.measures`
names what a run or a sweep takes besides the standard ones.
"""

from rnnensemble._core.registry import Registry
from rnnensemble.analysis.measures.base import Measure, distances_on_trials
from rnnensemble.analysis.measures.representation import Representation
from rnnensemble.analysis.measures.standard import STANDARD

__all__ = [
    "LEVELS",
    "Measure",
    "Representation",
    "distances_on_trials",
    "find",
    "register",
    "registered",
]

REGISTRY: Registry[type[Measure]] = Registry("measures", (*STANDARD, Representation))
LEVELS = tuple(each.name for each in STANDARD if each.level == each.name)
"""The levels of degeneracy, in the order of the paper's table; topology where it was asked for."""
TAKEN = {
    *("networks", "sigmas", "nulls", "losses", "disagreements", "trials", "grid"),
    *("relative_weight_change", "representation_alignment"),
    *(each.column for each in STANDARD if each.column),
}
"""Further names that files use."""
registered = REGISTRY.registered
"""All known measures by name."""
find = REGISTRY.find
"""The measure called `name`; raises ValueError that suggests the nearest name."""


def register(measure: type[Measure]) -> type[Measure]:
    """Makes a measure of your own known by its `name`; a decorator.

    Raises:
        ValueError: If the name is taken.
    """
    taken = TAKEN | {each.name for each in STANDARD}
    for field, names in (("name", TAKEN), ("column", taken)):
        if getattr(measure, field) in names:
            raise ValueError(f"`{field}` {getattr(measure, field)!r} is taken by files.")
    return REGISTRY.register(measure)
