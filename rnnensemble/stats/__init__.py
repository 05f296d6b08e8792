"""What distances and losses of populations allow to conclude: intervals, tests, power.

Numbers in, numbers out, in NumPy on the host. Everything here resamples networks and never pairs,
since pairs that share a network are not independent.
"""

from rnnensemble.stats.binomial import binomial_interval
from rnnensemble.stats.classes import ClassAccuracy, class_accuracy, solution_classes
from rnnensemble.stats.comparison import (
    Comparison,
    Trend,
    compare_conditions,
    compare_jointly,
    trend,
)
from rnnensemble.stats.intervals import (
    Estimate,
    mean_cross_distance,
    mean_distance,
    mean_value,
    spread,
)
from rnnensemble.stats.multiplicity import adjust
from rnnensemble.stats.nulls import NullComparison, against_null, trend_against_null
from rnnensemble.stats.power import networks_needed, power_curve
from rnnensemble.stats.ratios import heavy_tailed, log_spread
from rnnensemble.stats.separation import Separation, separation
from rnnensemble.stats.signed import signed_mean
from rnnensemble.stats.two_way import Effect, TwoWay, two_way

__all__ = [
    "ClassAccuracy",
    "Comparison",
    "Effect",
    "Estimate",
    "NullComparison",
    "Separation",
    "Trend",
    "TwoWay",
    "adjust",
    "against_null",
    "binomial_interval",
    "class_accuracy",
    "compare_conditions",
    "compare_jointly",
    "heavy_tailed",
    "log_spread",
    "mean_cross_distance",
    "mean_distance",
    "mean_value",
    "networks_needed",
    "power_curve",
    "separation",
    "signed_mean",
    "solution_classes",
    "spread",
    "trend",
    "trend_against_null",
    "two_way",
]
