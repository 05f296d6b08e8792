"""What can be measured of a population besides its levels: one file a measure, known by name.

`Analysis.measures` names those that a run or a sweep takes; files, tables, findings and figures
find all that they show of one here.
"""

from rnnensemble._core.registry import Registry
from rnnensemble.analysis.measures.base import Measure
from rnnensemble.analysis.measures.representation import Representation

__all__ = ["Measure", "Representation", "find", "register", "registered"]

REGISTRY: Registry[type[Measure]] = Registry("measures", (Representation,))
register = REGISTRY.register
"""Makes a measure of your own known by its `name`; a decorator."""
registered = REGISTRY.registered
"""All known measures by name."""
find = REGISTRY.find
"""The measure called `name`; raises ValueError that suggests the nearest name."""
