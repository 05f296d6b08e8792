"""The battery: what solutions of one task that came about differently have in common."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnensemble._core.config import Config
from rnnensemble.analysis.decoding import Decodability, Decoder, measure_decodability
from rnnensemble.analysis.fixed_points.points import FixedPoints, find_fixed_points
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.analysis.solutions import MATRICES, SolutionAnalysis, Solutions, compare_solutions
from rnnensemble.training.population import Population

LEAST_REFERENCE = 2
"""Networks of the first group without which it has no distances of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatteryAnalysis(Config):
    """How the battery measures; recorded with its numbers.

    Attributes:
        solutions: How networks are compared.
        search: How fixed points are searched, under inputs of zero.
        decoder: How variables are decoded.
        decoder_trials: Trials that they are decoded from.
    """

    solutions: SolutionAnalysis = SolutionAnalysis()
    search: FixedPointSearch = FixedPointSearch()
    decoder: Decoder = Decoder()
    decoder_trials: int = 256


OF_GROUPS = "fixed points and content"
"""What is measured group by group, where all else is compared in pairs: as progress names it."""


class Battery(NamedTuple):
    """What was measured of groups of networks: all side by side, and where each one rests.

    Fixed points are those under inputs of zero, in the order of the solutions; decodability says
    what can be read from the states of each group.
    """

    solutions: Solutions
    fixed_points: list[FixedPoints]
    decodability: dict[str, Decodability]
    analysis: BatteryAnalysis

    def table(self) -> list[dict[str, Any]]:
        """One row a network, of plain values: how far it lies from those of the first group."""
        found, reference = self.solutions, self.solutions.groups[0]
        rows, place = [], dict.fromkeys(self.decodability, 0)
        for k, (group, network) in enumerate(zip(found.groups, found.networks, strict=True)):
            others = (found.groups == reference) & (np.arange(len(found.groups)) != k)
            points, content = self.fixed_points[k], self.decodability[group]
            row = {"group": str(group), "network": int(network)}
            for name in MATRICES:
                to, start = getattr(found, name)[k, others], f"{name}_to_{reference}"
                row |= {start: float(to.mean()), f"{start}_max": float(to.max())}
            row |= {f"loss_{name}": float(values[k]) for name, values in found.losses.items()}
            row |= {"stable_points": points.stable, "saddles": points.saddles}
            row |= {"slow_points": int((~points.fixed).sum()), "lines": len(points.lines)}
            row |= {"cycle_period": points.cycle.period if points.cycle else 0}
            row |= {
                f"decodability_{name}": float(np.nanmean(scores[place[group]]))
                for name, scores in content.scores.items()
            }
            place[group] += 1
            rows.append(row)
        return rows


def measure_battery(
    groups: Mapping[str, Population],
    *,
    analysis: BatteryAnalysis | None = None,
    devices: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Battery:
    """Compares groups of networks by predictivity, dynamics, shape, rest, content and behavior.

    Args:
        groups: Populations of one task by name, the reference group first.
        analysis: Settings, `BatteryAnalysis()` unless given.
        devices: How many local devices to use, None for all.
        progress: Called with what is measured, how much is done, and of how much.

    Raises:
        ValueError: If fewer than 2 networks of the first group converged, or as
            `compare_solutions`.
    """
    analysis = analysis or BatteryAnalysis()
    first = next(iter(groups.values()), None)
    if first is not None and first.converged.sum() < LEAST_REFERENCE:
        raise ValueError(
            f"`groups` must start with at least {LEAST_REFERENCE} converged networks to compare "
            f"others with; {first.summary()}."
        )
    how: dict[str, Any] = {"devices": devices}
    solutions = compare_solutions(groups, analysis=analysis.solutions, progress=progress, **how)
    kept = {name: each for name, each in groups.items() if each.converged.any()}
    points, content = [], {}
    for number, (name, population) in enumerate(kept.items(), start=1):
        points += find_fixed_points(population, search=analysis.search, **how)
        content[name] = measure_decodability(
            population, decoder=analysis.decoder, trials=analysis.decoder_trials, **how
        )
        if progress is not None:
            progress(OF_GROUPS, number, len(kept))
    return Battery(solutions, points, content, analysis)


def predictivity_rows(battery: Battery) -> list[dict[str, Any]]:
    """How well each network (a row) predicts each other (a column), outside their readouts."""
    found = battery.solutions
    names = [f"{group}:{k}" for group, k in zip(found.groups, found.networks, strict=True)]
    return [
        {"network": name} | dict(zip(names, map(float, row), strict=True))
        for name, row in zip(names, found.predictivity, strict=True)
    ]


def group_rows(battery: Battery) -> list[dict[str, str]]:
    """One row for each measure, one column for each group: mean, least and most over networks."""
    rows = battery.table()
    groups = list(battery.decodability)
    columns = [name for name in rows[0] if name not in ("group", "network")]
    found = []
    for column in columns:
        row = {"measure": column}
        for group in groups:
            values = np.array([each[column] for each in rows if each["group"] == group], float)
            row[group] = f"{values.mean():.3g} ({values.min():.3g} to {values.max():.3g})"
        found.append(row)
    return found
