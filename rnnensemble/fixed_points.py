"""Where networks rest: what `rnnensemble.analysis` has of it, under a name to import it by."""

from rnnensemble.analysis.fixed_points import (
    FixedPoints,
    FixedPointSearch,
    find_fixed_points,
    search_from,
)
from rnnensemble.analysis.fixed_points.attractors import Cycle, Line
from rnnensemble.analysis.fixed_points.topology import Topology, measure_topology, set_distance

__all__ = [
    "Cycle",
    "FixedPointSearch",
    "FixedPoints",
    "Line",
    "Topology",
    "find_fixed_points",
    "measure_topology",
    "search_from",
    "set_distance",
]
