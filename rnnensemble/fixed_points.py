"""Where networks rest, under the name that users import it by; its room is `rnnensemble.analysis`."""

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
