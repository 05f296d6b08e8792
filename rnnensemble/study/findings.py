"""The table of findings: where each factor moves degeneracy, and what the paper says of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import stats
from rnnensemble.analysis.measures import Measure
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study.dsa_trends import SettingsTrend, common_settings, trend_over_settings
from rnnensemble.study.factors import Factor, Outcome, Sweep
from rnnensemble.study.grid_findings import GridFinding, find_in_grids
from rnnensemble.study.readings import (
    Gap,
    Reading,
    above_its_share,
    asked_for,
    is_measurable,
    is_scaled,
    measure_of,
    positions,
    read,
    usable,
)
from rnnensemble.study.scales import scale_of

SIGNIFICANT = 0.05
"""Adjusted p-value up to which a direction counts."""

UP, DOWN, NONE = "up", "down", "none"
AGREES, DISAGREES, UNDECIDED, NO_CLAIM = "agrees", "disagrees", "undecided", "no claim"


def _claims(dynamics: str, weights: str, behavior: str, **more: str) -> dict[str, str]:
    return {"dynamics": dynamics, "weights": weights, "behavior": behavior, **more}


PAPER: dict[str, dict[str, str]] = {
    "channels": _claims(DOWN, UP, DOWN, weight_change=UP, kernel_alignment=DOWN),
    "delay": _claims(DOWN, UP, DOWN),
    "auxiliary": _claims(DOWN, UP, DOWN),
    "gamma": _claims(DOWN, UP, UP, ood_loss=UP, weight_change=UP, kernel_alignment=DOWN),
    "width": _claims(DOWN, DOWN, DOWN),
    "nuclear_norm": _claims(DOWN, DOWN, DOWN),
    "l1": _claims(DOWN, DOWN, DOWN),
}
"""Which way a measure goes when a factor is raised, by factor and measure.

Source: Huang et al. (arXiv 2410.03972): sections 3.1 (channels, delay, auxiliary loss), 3.2
(gamma; there larger gamma is richer, hence more weight change and less kernel alignment), 3.3
(width at fixed gamma), 3.4 (nuclear norm, L1).
"""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One cell: a measure along a factor, in one task.

    Attributes:
        factor: The factor's name.
        task: The task's name.
        level: The measure's name: a level of degeneracy, or what stands beside it.
        values: Labels of the factor's values that count, rising.
        converged: Networks converged of networks trained at each of these.
        first: The statistic at the lowest value.
        last: The statistic at the highest value.
        direction: "up" or "down" if the adjusted p-value is at most 0.05, else "none".
        change: Factor by which the statistic changes for each `per`, with a 95% interval.
        per: "doubling", "next level" or "unit" of the factor, or "lowest to highest" of its values.
        ratio: `last` over `first`, with a 95% interval; the levels between do not count.
        rank_correlation: Kendall's tau-b of the factor and the networks' own numbers.
        p_value: Two-sided, by permutation of networks.
        p_adjusted: Holm's, over all factors and tasks of this measure.
        paper: The paper's direction, "" where it says nothing.
        unmeasurable: Labels of the values at which the measure is trials rather than solutions:
            with any, there is no direction, and nothing is decided.
        verdict: "agrees", "disagrees", "undecided", or "no claim".
        settings: DSA settings (ranks and shares of variance x delays) tested besides that are
            measurable at every level; 0 but for dynamics.
        settings_up: Share of them in which the distance rises (p at most 0.05 in each).
        settings_down: Share of them in which it falls.
        null_first: The statistic over its null at the lowest value; NaN where there is none.
        null_last: The same at the highest value.
        null_change: As `change`, of mean distance over mean null; measures of distance alone.
        null_p_value: Its p-value, not adjusted.
        note: What is left out, and why.
    """

    factor: str
    task: str
    level: str
    values: tuple[str, ...] = ()
    converged: tuple[str, ...] = ()
    first: float = np.nan
    last: float = np.nan
    direction: str = NONE
    change: Estimate = Estimate(np.nan, np.nan, np.nan)
    per: str = ""
    ratio: Estimate = Estimate(np.nan, np.nan, np.nan)
    rank_correlation: float = np.nan
    p_value: float = np.nan
    p_adjusted: float = np.nan
    paper: str = ""
    unmeasurable: tuple[str, ...] = ()
    verdict: str = UNDECIDED
    settings: int = 0
    settings_up: float = np.nan
    settings_down: float = np.nan
    null_first: float = np.nan
    null_last: float = np.nan
    null_change: Estimate = Estimate(np.nan, np.nan, np.nan)
    null_p_value: float = np.nan
    note: str = ""

    @property
    def settings_share(self) -> float:
        """Share of the DSA settings in which the direction found holds."""
        if self.direction == NONE:
            return 1 - self.settings_up - self.settings_down
        return self.settings_up if self.direction == UP else self.settings_down


class Findings(NamedTuple):
    """All cells, trends of DSA under every setting, by factor and task, and those of grids."""

    cells: list[Finding]
    settings: dict[tuple[str, str], SettingsTrend]
    grids: list[GridFinding]


def find(
    sweep: Sweep,
    outcomes: Mapping[str, Outcome],
    *,
    permutations: int = 9999,
    progress: Callable[[int, int], None] | None = None,
) -> Findings:
    """The trend of every measure along every factor, and whether it is the paper's.

    Trends are those of `stats.trend`, on the scale that the factor's values ask for
    (`scales.scale_of`): along log2 of values that are spread over ratios, along the order of values
    from 0 on, along the values of the others. With two levels this is `stats.compare_conditions`.
    Levels with too few converged networks, or not measured yet, are left out and noted. Each DSA
    setting takes a fifth of the permutations; `progress` is called with the factors done and all.

    Source: Huang et al. (arXiv 2410.03972, section 3) for the factors and directions; p-values
        are adjusted by Holm (1979), since the table is one question with many cells.
    """
    cells, settings = [], {}
    for done, factor in enumerate(sweep.factors, 1):
        found = {
            name: _cell(factor, measure_of(name), outcomes, permutations)
            for name in asked_for(sweep)
        }
        used = usable(read(factor, measure_of("dynamics"), outcomes))
        if len(used) > 1:
            places = list(positions(factor, [each.level.value for each in used]))
            grids = common_settings([each.degeneracy.grid for each in used])
            trends = trend_over_settings(places, grids, permutations=max(1, permutations // 5))
            settings[factor.name, factor.task] = trends
            found["dynamics"] = _with_settings(found["dynamics"], trends)
        cells += found.values()
        if progress is not None:
            progress(done, len(sweep.factors))
    crossed = find_in_grids(sweep, outcomes, permutations=permutations)
    return Findings(_adjusted(cells), settings, crossed)


def _cell(
    factor: Factor, measure: Measure, outcomes: Mapping[str, Outcome], permutations: int
) -> Finding:
    """One finding, before its p-value is adjusted."""
    readings = read(factor, measure, outcomes)
    used = usable(readings)
    cell = Finding(
        factor.name,
        factor.task,
        measure.name,
        values=tuple(each.level.label for each in used),
        converged=tuple(f"{len(each.data)}/{each.degeneracy.size}" for each in used),
        per=scale_of(factor.values),
        paper=PAPER.get(factor.name, {}).get(measure.name, measure.claims.get(factor.name, "")),
        unmeasurable=tuple(x.level.label for x in used if not is_measurable(x, measure)),
        note=_note(factor, measure, readings),
    )
    if len(used) < 2:
        return cell
    places = list(positions(factor, [each.level.value for each in used]))
    data, statistic = [each.data for each in used], measure.statistic
    found = stats.trend(places, data, statistic=statistic, permutations=permutations)
    ends = stats.compare_conditions(data[0], data[-1], statistic=statistic, permutations=1)
    return dataclasses.replace(
        cell,
        first=used[0].estimate.value,
        last=used[-1].estimate.value,
        change=found.change,
        ratio=ends.ratio,
        rank_correlation=found.rank_correlation,
        p_value=found.p_value,
        **_against_nulls(measure, used, places, permutations),
    )


def _note(factor: Factor, measure: Measure, readings: Sequence[Reading | Gap]) -> str:
    """What is left out, and what the numbers are divided by."""
    gaps = [f"{x.level.label} ({x.problem})" for x in readings if isinstance(x, Gap)]
    notes = ["divided by N^2"] if is_scaled(factor.name, measure.name) else []
    noisy = [x.level.label for x in usable(readings) if above_its_share(x)]
    notes += [f"null above its share at {', '.join(noisy)}"] if noisy else []
    trials = [x.level.label for x in usable(readings) if not is_measurable(x, measure)]
    notes += [f"not measurable at {', '.join(trials)}"] if trials else []
    return "; ".join(notes + ([f"without {', '.join(gaps)}"] if gaps else []))


def _against_nulls(
    measure: Measure, used: Sequence[Reading], places: list[float], permutations: int
) -> dict[str, Any]:
    """How the statistic stands to its null at both ends, and the trend of their ratio."""
    nulls = [each.null for each in used if each.null is not None and each.null.mean() > 0]
    if len(nulls) < len(used):
        return {}
    ratios = [x.estimate.value / null.mean() for x, null in zip(used, nulls, strict=True)]
    fields: dict[str, Any] = {"null_first": float(ratios[0]), "null_last": float(ratios[-1])}
    if measure.statistic == "mean_distance":
        matrices = [each.data for each in used]
        nulls = _on_one_number_of_trials(measure, used)
        found = stats.trend_against_null(places, matrices, nulls, permutations=permutations)
        fields |= {"null_change": found.change, "null_p_value": found.p_value}
    return fields


def _on_one_number_of_trials(measure: Measure, used: Sequence[Reading]) -> list[np.ndarray]:
    """Nulls as the fewest trials of all levels would give, or the stopping rule made the trend."""
    counts = [max(1, each.degeneracy.distances[measure.name].trials) for each in used]
    fewest = min(counts)
    return [np.asarray(x.null) * (n / fewest) ** 0.5 for x, n in zip(used, counts, strict=True)]


def _adjusted(cells: list[Finding]) -> list[Finding]:
    """The cells with p-values adjusted within each measure, directions and verdicts."""
    adjusted = np.full(len(cells), np.nan)
    for name in {cell.level for cell in cells}:
        places = [i for i, c in enumerate(cells) if c.level == name and np.isfinite(c.p_value)]
        adjusted[places] = stats.adjust([cells[i].p_value for i in places])
    return [_judged(cell, float(p)) for cell, p in zip(cells, adjusted, strict=True)]


def _judged(cell: Finding, p_adjusted: float) -> Finding:
    significant = p_adjusted <= SIGNIFICANT and cell.change.value != 1  # NaN is not
    significant = significant and not cell.unmeasurable
    direction = (UP if cell.change.value > 1 else DOWN) if significant else NONE
    verdict = UNDECIDED if direction == NONE else AGREES if direction == cell.paper else DISAGREES
    verdict = verdict if cell.paper else NO_CLAIM
    return dataclasses.replace(cell, p_adjusted=p_adjusted, direction=direction, verdict=verdict)


def _with_settings(cell: Finding, found: SettingsTrend) -> Finding:
    return dataclasses.replace(
        cell,
        settings=len(found.measurable),
        settings_up=found.share_up,
        settings_down=found.share_down,
    )
