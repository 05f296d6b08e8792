"""Where networks rest: fixed points, lines and cycles, and how networks differ in them."""

from rnnensemble.analysis.fixed_points.points import FixedPoints, find_fixed_points, search_from
from rnnensemble.analysis.fixed_points.search import FixedPointSearch

__all__ = ["FixedPointSearch", "FixedPoints", "find_fixed_points", "search_from"]
