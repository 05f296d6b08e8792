"""Where networks rest: fixed points, lines and cycles, and how networks differ in them."""

from rnnensemble.analysis.fixed_points.points import (
    FixedPoints,
    FixedPointSearch,
    find_fixed_points,
    search_from,
)

__all__ = ["FixedPointSearch", "FixedPoints", "find_fixed_points", "search_from"]
