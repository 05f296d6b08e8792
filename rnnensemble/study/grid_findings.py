"""Findings of grids: what each of two factors does to every measure, and their interaction."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import stats
from rnnensemble.analysis.measures import Measure
from rnnensemble.stats.comparison import direction_of
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study.factors import Axis, Grid, Outcome, Sweep
from rnnensemble.study.readings import (
    Gap,
    asked_for,
    is_measurable,
    measure_of,
    positions,
    read_grid,
    usable,
)

INTERACTION = "interaction"


class Term(NamedTuple):
    """The effect of one axis, or the interaction of both.

    Attributes:
        name: The axis' name, or "interaction".
        change: Factor by which the fitted statistic changes from the lowest to the highest value
            of the axis, with a 95% interval; of the interaction by which that change along one axis
            itself changes from end to end of the other. NaN where too little is measured.
        p_value: Two-sided, by permutation of networks (`stats.two_way`).
        p_adjusted: Holm's, over all terms, grids and tasks of this measure.
        direction: "up" or "down" if the adjusted p-value is at most 0.05, else "none".
    """

    name: str
    change: Estimate = Estimate(np.nan, np.nan, np.nan)
    p_value: float = np.nan
    p_adjusted: float = np.nan
    direction: str = "none"


class GridFinding(NamedTuple):
    """A measure over a grid, in one task.

    Attributes:
        grid: The grid's name.
        task: The task's name.
        level: The measure's name.
        terms: Effect of the first axis, of the second, and their interaction.
        unmeasurable: Labels of combinations whose numbers are trials rather than solutions; where
            there are any, no term has a direction.
        note: What is left out, and why.
    """

    grid: str
    task: str
    level: str
    terms: tuple[Term, Term, Term]
    unmeasurable: tuple[str, ...]
    note: str


def find_in_grids(
    sweep: Sweep, outcomes: Mapping[str, Outcome], *, permutations: int = 9999
) -> list[GridFinding]:
    """Both effects and the interaction for every grid and measure; nothing for sweeps without.

    Values stand on the scale of trends (`scales.scale_of`), which here goes from 0 at the lowest
    to 1 at the highest. Combinations with too few converged networks, or not measured yet, are left
    out and noted.

    Source: p-values are adjusted by Holm (1979), since the table is one question with many cells.
    """
    names = asked_for(sweep)
    found = [
        _finding(grid, measure_of(name), outcomes, permutations)
        for grid in sweep.grids
        for name in names
    ]
    return [each for name in names for each in _adjusted([f for f in found if f.level == name])]


def _finding(
    grid: Grid, measure: Measure, outcomes: Mapping[str, Outcome], permutations: int
) -> GridFinding:
    """One finding, before its p-values are adjusted."""
    readings = read_grid(grid, measure, outcomes)
    used = usable(readings)
    names = (grid.axes[0].name, grid.axes[1].name, INTERACTION)
    terms = [Term(name) for name in names]
    if len(used) > 1:
        columns = zip(*(each.level.values for each in used), strict=True)
        places = [_from_end_to_end(a, list(c)) for a, c in zip(grid.axes, columns, strict=True)]
        found = stats.two_way(
            list(zip(*places, strict=True)),
            [each.data for each in used],
            statistic=measure.statistic,
            permutations=permutations,
        )
        terms = [Term(n, e.change, e.p_value) for n, e in zip(names, found, strict=True)]
    trials = tuple(each.level.label for each in used if not is_measurable(each, measure))
    gaps = [f"{x.level.label} ({x.problem})" for x in readings if isinstance(x, Gap)]
    notes = [f"not measurable at {', '.join(trials)}"] if trials else []
    notes += [f"without {', '.join(gaps)}"] if gaps else []
    first, second, both = terms
    return GridFinding(
        grid.name, grid.task, measure.name, (first, second, both), trials, "; ".join(notes)
    )


def _from_end_to_end(axis: Axis, values: list[float]) -> list[float]:
    """Where values stand between the lowest, 0, and the highest, 1, of an axis."""
    ends = positions(axis, [min(axis.values), max(axis.values)])
    reach = float(ends[1] - ends[0]) or 1.0  # of an axis with one value
    return [float(place - ends[0]) / reach for place in positions(axis, values)]


def _adjusted(found: Sequence[GridFinding]) -> list[GridFinding]:
    """Findings of one measure with p-values adjusted, and directions."""
    known = [t.p_value for each in found for t in each.terms if not np.isnan(t.p_value)]
    adjusted = iter(stats.adjust(known)) if known else iter(())
    judged = []
    for each in found:
        first, second, both = (
            term if np.isnan(term.p_value) else _judged(term, float(next(adjusted)), each)
            for term in each.terms
        )
        judged.append(each._replace(terms=(first, second, both)))
    return judged


def _judged(term: Term, p_adjusted: float, finding: GridFinding) -> Term:
    direction = "none" if finding.unmeasurable else direction_of(term.change, p_adjusted)
    return term._replace(p_adjusted=p_adjusted, direction=direction)


def grid_rows(findings: Sequence[GridFinding]) -> list[dict[str, Any]]:
    """The rows of grids.csv: one for each term of each finding."""
    rows = []
    for each in findings:
        for term in each.terms:
            change = dict(zip(("change", "change_low", "change_high"), term.change, strict=True))
            numbers = change | {"p_value": term.p_value, "p_adjusted": term.p_adjusted}
            rows.append(
                {"grid": each.grid, "task": each.task, "level": each.level, "term": term.name}
                | {name: f"{value:.6g}" for name, value in numbers.items()}
                | {"direction": term.direction, "note": each.note}
            )
    return rows
