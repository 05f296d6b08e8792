"""How the DSA distance goes along a factor under every setting that can be measured."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnensemble import stats
from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.settings import DSAGrid
from rnnensemble.stats import Trend


class SettingsTrend(NamedTuple):
    """A trend along an ordered factor under every setting of DSA.

    Attributes:
        trends: By rank (below 1: share of variance) and delays, of all settings.
        measurable: The settings that are measurable at every level, on one rank; the others count
            in no share.
        share_up: Share of these in which the distance rises (p at most 0.05); NaN if there is none.
        share_down: Share of these in which it falls.
    """

    trends: dict[tuple[float, int], Trend]
    measurable: list[tuple[float, int]]
    share_up: float
    share_down: float


def common_settings(found: Sequence[GridDistances]) -> list[GridDistances]:
    """The same distances under the settings alone that all have; ValueError if they share none."""
    first, *others = (each.grid for each in found)
    ranks = tuple(r for r in first.ranks if all(r in grid.ranks for grid in others))
    shares = tuple(x for x in first.shares if all(x in grid.shares for grid in others))
    delays = tuple(d for d in first.delays if all(d in grid.delays for grid in others))
    if not ranks or not delays:
        raise ValueError("`found` must have at least one rank and number of delays in common.")
    shared = []
    for each in found:
        rows = [each.grid.rows.index(row) for row in (*ranks, *shares)]
        columns = [each.grid.delays.index(delay) for delay in delays]
        parts = (x[rows][:, columns] for x in (each.matrices, each.nulls, each.again))
        grid = DSAGrid(ranks=ranks, delays=delays, shares=shares)
        shared.append(GridDistances(grid, each.ranks[rows], *parts))
    return shared


def trend_over_settings(
    levels: Sequence[float], found: Sequence[GridDistances], *, permutations: int = 9999
) -> SettingsTrend:
    """How mean DSA distance goes along a factor's levels, and in how many settings it goes so.

    ValueError if the grids differ, or `stats.trend` raises.
    """
    grid = found[0].grid
    if any(each.grid != grid for each in found):
        raise ValueError("`found` must have one grid; compare equal settings only.")
    trends = {
        (rank, delays): stats.trend(
            levels, [each.matrices[i, j] for each in found], permutations=permutations
        )
        for i, rank in enumerate(grid.rows)
        for j, delays in enumerate(grid.delays)
    }
    every = np.logical_and.reduce([each.measurable for each in found])
    ranks = np.array([each.ranks for each in found])
    own = np.array([row >= 1 for row in grid.rows])  # the others are shares of variance
    every &= (own | ((ranks == ranks[0]).all(axis=0) & ~np.isin(ranks[0], grid.ranks)))[:, None]
    measurable = [
        (rank, delays) for (rank, delays), good in zip(trends, every.ravel(), strict=True) if good
    ]
    directions = [trends[setting].direction for setting in measurable]
    count = len(directions)
    shares = (directions.count(way) / count if count else np.nan for way in ("up", "down"))
    return SettingsTrend(trends, measurable, *shares)
