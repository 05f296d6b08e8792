"""What distances and losses of populations allow to conclude."""

from rnnensemble.inference.comparison import (
    Comparison,
    Trend,
    compare_conditions,
    compare_jointly,
    trend,
)
from rnnensemble.inference.multiplicity import adjust
from rnnensemble.inference.nulls import NullComparison, against_null, trend_against_null
from rnnensemble.inference.power import networks_needed, power_curve

__all__ = [
    "Comparison",
    "NullComparison",
    "Trend",
    "adjust",
    "against_null",
    "compare_conditions",
    "compare_jointly",
    "networks_needed",
    "power_curve",
    "trend",
    "trend_against_null",
]
