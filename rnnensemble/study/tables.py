"""The report's tables as text: a head and rows, for HTML and Markdown alike."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from rnnensemble.stats.digits import number, with_interval
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study.conditions import Condition, as_table
from rnnensemble.study.factors import Axis, Factor, Grid, Outcome, Sweep
from rnnensemble.study.findings import NONE, Finding
from rnnensemble.study.grid_findings import GridFinding
from rnnensemble.study.readings import converged, title_of
from rnnensemble.study.rows import levels_of, overall
from rnnensemble.study.scales import in_words

Part = TypeVar("Part", Factor, Grid)


class Table(NamedTuple):
    """A table of texts: names of the columns, and their cells."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def words(name: str) -> str:
    """A name as it is read."""
    return name.replace("_", " ")


def axis_words(part: Factor | Axis) -> str:
    """A title with its unit, where there is one."""
    return f"{part.title} ({part.unit})" if part.unit else part.title


def ratio(estimate: Estimate) -> str:
    """A ratio with its interval, as "1.42 [1.31, 1.57]"; nothing for NaN."""
    return with_interval(estimate, ratio=True)


def share(value: float) -> str:
    """As "75%"; nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.0%}"


def overall_table(cells: Sequence[Finding], levels: Sequence[str] | None = None) -> Table:
    """Factors by levels (those of degeneracy), over tasks, each with the paper's direction."""
    levels = levels_of(cells) if levels is None else levels
    levels = [level for level in levels if any(cell.level == level for cell in cells)]
    rows = [
        (
            words(row[0].factor),
            *(f"{each.text}" + (f" (paper: {each.paper})" if each.paper else "") for each in row),
        )
        for row in overall(cells, levels)
    ]
    return Table(("factor raised", *(title_of(level) for level in levels)), rows)


def findings_table(cells: Sequence[Finding], level: str) -> Table:
    """All factors and tasks of one measure."""
    dynamics = level == "dynamics"
    null = any(not math.isnan(cell.null_first) for cell in cells if cell.level == level)
    head = ["factor", "task", "direction", "paper", "verdict", "from, to", "statistic there"]
    head += ["ratio", "change", "tau", "p", "p adjusted"]
    head += ["same in DSA settings", "ratio to null: change"] if dynamics else []
    head += ["times its null"] if null else []
    rows = [_finding(cell, dynamics, null) for cell in cells if cell.level == level]
    return Table((*head, "note"), rows)


def _finding(cell: Finding, dynamics: bool, null: bool) -> tuple[str, ...]:
    measured = cell.p_value == cell.p_value
    ends = (cell.values[0], cell.values[-1]) if cell.values else ()
    found = [
        words(cell.factor),
        words(cell.task),
        cell.direction if measured else "not measured",
        cell.paper,
        cell.verdict,
        ", ".join(ends) if measured else "",
        ", ".join(map(number, (cell.first, cell.last))) if measured else "",
        ratio(cell.ratio),
        f"{ratio(cell.change)} {in_words(cell.per)}" if measured else "",
        number(cell.rank_correlation),
        number(cell.p_value),
        number(cell.p_adjusted),
    ]
    if dynamics:
        kind = "no trend" if cell.direction == NONE else cell.direction
        share_text = f"{share(cell.settings_share)} of {cell.settings} ({kind})"
        p = f", p {number(cell.null_p_value)}" if not math.isnan(cell.null_p_value) else ""
        found += [share_text if cell.settings else "", ratio(cell.null_change) + p]
    if null:
        both = (number(cell.null_first), number(cell.null_last))
        found.append(", ".join(filter(None, both)))
    return (*found, cell.note)


def grid_table(cells: Sequence[GridFinding], level: str) -> Table:
    """Both effects and the interaction of every grid and task of one measure."""
    head = ("grid", "task", "effect", "direction", "change from lowest to highest", "p")
    rows = []
    for cell in (each for each in cells if each.level == level):
        for term in cell.terms:
            shown = (ratio(term.change), number(term.p_value), number(term.p_adjusted))
            direction = term.direction if shown[0] else "not measured"
            name = words(term.name)
            rows.append((words(cell.grid), words(cell.task), name, direction, *shown, cell.note))
    return Table((*head, "p adjusted", "note"), rows)


def convergence_table(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> Table:
    """Networks converged at each value, a row for each factor and task."""
    rows = []
    for factor in sweep.parts:
        conditions = [level.condition for level in factor.levels]
        found = [outcomes.get(each.digest) for each in conditions]
        known = [converged(each) / each.condition.size for each in found if each is not None]
        counts = (
            f"{level.label}: " + ("missing" if each is None else f"{converged(each)}")
            for level, each in zip(factor.levels, found, strict=True)
        )
        sizes = ", ".join(dict.fromkeys(str(each.size) for each in conditions))
        thresholds = ", ".join(dict.fromkeys(map(_threshold, conditions)))
        least = share(min(known)) if known else ""
        rows.append(
            (words(factor.name), words(factor.task), "; ".join(counts), sizes, least, thresholds)
        )
    trained = [each.training for each in sweep.conditions.values()]
    squared = all((each.criterion, each.loss) == ("loss", "mse") for each in trained)
    threshold = "threshold (MSE)" if squared else "threshold"
    head = ("factor", "task", "converged at each value", "of", "lowest share", threshold)
    return Table(head, rows)


def _threshold(condition: Condition) -> str:
    """The training loss to reach, and the task's own (the paper's) where it is another one."""
    own, given = condition.task.threshold, condition.training.threshold
    values = sorted(set(given)) if isinstance(given, tuple) else [own if given is None else given]
    shown = " to ".join(f"{value:g}" for value in dict.fromkeys((values[0], values[-1])))
    return shown if values == [own] else f"{shown} (the task's own: {own:g})"


def topology_table(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> Table:
    """The most frequent counts of fixed points at each value, and how many networks have them."""
    rows = []
    for factor in sweep.parts:
        counts = []
        for level in factor.levels:
            outcome = outcomes.get(level.condition.digest)
            topology = outcome and outcome.degeneracy and outcome.degeneracy.topology
            if topology:
                size = len(topology.matrix)
                alike = f"{round(topology.agreement * size)} of {size}"
                counts.append(f"{level.label}: {' + '.join(map(str, topology.typical))} ({alike})")
        if counts:
            rows.append((words(factor.name), words(factor.task), "; ".join(counts)))
    kinds = "stable + those with 1, 2, ... unstable directions"
    return Table(("factor", "task", f"most frequent fixed points ({kinds}; networks)"), rows)


def run_table(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> Table:
    """What was run, with which versions, on which machine."""
    conditions = list(sweep.conditions.values())
    done = [each for each in outcomes.values() if each.condition.digest in sweep.conditions]
    networks = sum({c.recipe_digest: c.size for c in conditions}.values())
    trained = {each.condition.recipe_digest: each for each in done}  # each recipe once
    manifests = [each.manifest for each in done]
    times = [each.get("seconds", {}) for each in manifests]
    seconds = [sum(each.values()) - each.get("training", 0.0) for each in times]
    seconds += [x.manifest.get("seconds", {}).get("training", 0.0) for x in trained.values()]
    fitted = [c.analysis.fitted(c.task, c.network) for c in conditions]  # rank in effect
    written = [each["written"] for each in manifests if "written" in each]
    ends = dict.fromkeys((min(written), max(written))) if written else ()
    several = list(trained.values())
    some = sum(each.condition.size for each in several)
    rows = [
        ("sweep", f"{sweep.name}, preset {sweep.preset}" if sweep.preset else sweep.name),
        ("conditions measured", f"{len(done)} of {len(conditions)}"),
        ("networks trained", f"{some} of {networks}; {sum(map(converged, several))} converged"),
        ("seeds of the populations", _distinct(condition.seed for condition in conditions)),
        ("seeds of the evaluation", _distinct(c.analysis.seed for c in conditions)),
        ("DSA", _distinct(as_table(each.dsa) for each in fitted)),
        ("DSA, other settings", _distinct(as_table(c.analysis.grid) for c in conditions)),
        ("autocovariance", _distinct(as_table(c.analysis.autocovariance) for c in conditions)),
        ("PIF", _distinct(as_table(c.analysis.pif) for c in conditions)),
        ("trials", _distinct(_trials(c) for c in conditions)),
        ("training and analysis", f"{sum(seconds):,.0f} s" if any(seconds) else ""),
        ("versions", _distinct(each.get("versions") for each in manifests)),
        ("machine", _distinct(each.get("machine") for each in manifests)),
        ("written", " to ".join(ends)),
    ]
    return Table(("", ""), [row for row in rows if row[1]])


def _trials(condition: Condition) -> dict[str, float]:
    names = ("dynamics_trials", "behavior_trials", "fixed_trials", "output_trials")
    if not condition.analysis.fixed_trials:
        names = (*names, "most_trials", "null_share")
    return {name: getattr(condition.analysis, name) for name in names}


def _distinct(values: Any) -> str:
    """Every different value once, tables as `name value`."""
    return "; or ".join(dict.fromkeys(_flat(value) for value in values if value is not None))


def _flat(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{words(name)} {json.dumps(each)}" for name, each in value.items())


def missing(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> list[str]:
    """What is not measured yet, a line for each factor and task."""
    lines = []
    for factor in sweep.parts:
        labels = [x.label for x in factor.levels if x.condition.digest not in outcomes]
        if labels:
            which = f"{words(factor.name)}, {words(factor.task)}: {', '.join(labels)}"
            lines.append(f"{which} ({len(labels)} of {len(factor.levels)} values)")
    return lines


def by_name(parts: Sequence[Part]) -> dict[str, list[Part]]:
    """The factors, or grids, of each name, in the sweep's order."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.name, []).append(part)
    return found
