"""What a sweep measured at each level of a factor, for every measure that findings are about."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnensemble.analysis import measures
from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.measures import LEVELS, Measure
from rnnensemble.analysis.measures.standard import STANDARD
from rnnensemble.stats import intervals, reliability
from rnnensemble.stats.intervals import Estimate
from rnnensemble.stats.reduction import LEAST
from rnnensemble.study import scales
from rnnensemble.study.factors import Axis, Factor, Grid, Level, Outcome, Sweep

ESTIMATES = {
    "mean_distance": intervals.mean_distance,
    "spread": intervals.spread,
    "mean": intervals.mean_value,
}


class Reading(NamedTuple):
    """One measure at one level of a factor: the statistic of distances `[M, M]` or values `[M]`.

    `null` is what they would be without differences between networks, `[M]` or one number.
    """

    level: Level
    degeneracy: Degeneracy
    data: np.ndarray
    null: np.ndarray | None
    estimate: Estimate


class Gap(NamedTuple):
    """A level of a factor that is left out of one measure, and why."""

    level: Level
    problem: str


def converged(outcome: Outcome) -> int:
    """Networks that converged."""
    if outcome.degeneracy is None:
        return int(outcome.manifest.get("converged", 0))
    return len(outcome.degeneracy.networks)


def measure_of(name: str) -> Measure:
    """The measure of a name, with its defaults."""
    return measures.find(name)()


def title_of(name: str) -> str:
    """The title of a measure; its name, if its module is not imported."""
    return measure_of(name).title if name in measures.registered() else name


def beside(names: Iterable[str]) -> list[str]:
    """Of these measures those that are no level of degeneracy, each once."""
    return [name for name in dict.fromkeys(names) if name not in LEVELS]


def asked_for(sweep: Sweep) -> list[str]:
    """Measures that findings of a sweep are about: topology only where some condition has it."""
    analyses = [condition.analysis for condition in sweep.conditions.values()]
    topology = any(analysis.fixed_points is not None for analysis in analyses)
    names = [each.name for each in STANDARD if each.name != "topology" or topology]
    return [*names, *dict.fromkeys(name for each in analyses for name in each.measures or ())]


def positions(part: Factor | Axis, values: Sequence[float]) -> np.ndarray:
    """Where some of a factor's values stand on the scale of its trends (`scales.scale_of`)."""
    return scales.places(part.values, values)


def read(factor: Factor, measure: Measure, outcomes: Mapping[str, Outcome]) -> list[Reading | Gap]:
    """A measure at every level of a factor, by rising value.

    PIF along widths is divided by the number of weights, N^2, since it grows with the number of
    units alone.
    """
    levels = sorted(factor.levels, key=lambda level: level.value)
    scaled = is_scaled(factor.name, measure.name)
    return [_read(level, measure, outcomes, scaled=scaled) for level in levels]


def read_grid(grid: Grid, measure: Measure, outcomes: Mapping[str, Outcome]) -> list[Reading | Gap]:
    """A measure at every combination of a grid, in its order; scaled as `read` does."""
    scaled = any(is_scaled(axis.name, measure.name) for axis in grid.axes)
    return [_read(level, measure, outcomes, scaled=scaled) for level in grid.levels]


def usable(readings: Sequence[Reading | Gap]) -> list[Reading]:
    """The readings without the gaps."""
    return [each for each in readings if isinstance(each, Reading)]


def above_its_share(reading: Reading) -> bool:
    """Whether trials are more of a number than the analysis asked for, however many it took."""
    analysis = reading.level.condition.analysis
    if reading.null is None or analysis.fixed_trials:
        return False
    return bool(np.mean(reading.null) / reading.estimate.value > analysis.null_share)


def is_measurable(reading: Reading, measure: Measure) -> bool:
    """Whether a number is about solutions rather than trials (`reliability.measurable`)."""
    share = 0.0
    if reading.null is not None:
        share = reliability.share(float(np.mean(reading.null)), reading.estimate.value)
    distances = reading.degeneracy.distances.get(measure.name)
    agreement = distances.reliability if distances else np.nan
    return bool(reliability.measurable(np.asarray(share), np.asarray(agreement)))


def is_scaled(factor: str, measure: str) -> bool:
    """Whether a measure along a factor is divided by N^2."""
    return (factor, measure) == ("width", "weights")


def _read(
    level: Level, measure: Measure, outcomes: Mapping[str, Outcome], *, scaled: bool
) -> Reading | Gap:
    outcome = outcomes.get(level.condition.digest)
    if outcome is None:
        return Gap(level, "not measured yet")
    count, least = converged(outcome), LEAST[measure.statistic]
    if outcome.degeneracy is None or count < least:
        return Gap(level, f"{count} converged, {least} needed")
    data = measure.data(outcome.degeneracy, outcome.features)
    if data is None:
        return Gap(level, "not measured")
    if not np.isfinite(data).all():
        return Gap(level, "numbers that are not finite")
    data, null = np.asarray(data, float), measure.null(outcome.degeneracy)
    if scaled:
        data = data / level.condition.network.width**2
    estimate = ESTIMATES[measure.statistic](data)
    if not estimate.value > 0:
        return Gap(level, f"a {measure.symbol} of 0")
    null = None if null is None else np.asarray(null, float)
    return Reading(level, outcome.degeneracy, data, null, estimate)
