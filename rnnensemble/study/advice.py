"""The findings as advice: what to raise or lower for solutions that are more or less alike."""

import difflib
import math
from collections.abc import Sequence
from typing import NamedTuple

from rnnensemble.analysis import measures
from rnnensemble.stats.digits import number
from rnnensemble.stats.intervals import Estimate
from rnnensemble.study import tables
from rnnensemble.study.findings import DOWN, UP, Finding
from rnnensemble.study.readings import is_scaled, title_of
from rnnensemble.study.rows import levels_of, over_tasks
from rnnensemble.study.tables import share, words

WISHES = {"consistent": DOWN, "diverse": UP}
"""What may be wanted, and where the level of degeneracy must go for it."""


class Option(NamedTuple):
    """One factor and what it does to the level that is wished for.

    `cells` are its findings on the level, one for each task where it was measured; `effect` is the
    geometric mean over tasks of the ratio that turning it ("raise" or "lower") brings.
    """

    factor: str
    cells: list[Finding]
    turn: str
    effect: float


def advise(
    cells: Sequence[Finding], *, level: str, want: str, task: str | None = None
) -> list[str]:
    """What the findings advise for a wish, `consistent` or `diverse`, in lines.

    A factor is advised where the level has the same significant direction in at least half of the
    tasks, and the other one in none. Options come by the size of their measured effect, with what
    they do to the other levels. The findings of one `task` alone count, if it is named. ValueError,
    which suggests the nearest, if the level, the wish or the task is unknown.
    """
    names = dict.fromkeys(cell.level for cell in cells)
    means = [name for name, each in measures.registered().items() if each.statistic == "mean"]
    require_known("level", level, [name for name in names if name not in means])
    require_known("want", want, list(WISHES))
    if task is not None:
        require_known("task", task, list(dict.fromkeys(cell.task for cell in cells)))
        cells = [cell for cell in cells if cell.task == task]
    options, against, unclear = _options(cells, level, WISHES[want])
    scope = f" on {words(task)}" if task else ""
    wish = f"more {want} {words(title_of(level))}{scope}"
    lines = [f"For {wish}:"] if options else [f"Nothing measured supports an advice for {wish}."]
    for place, option in enumerate(options, 1):
        lines += _explained(place, option, cells)
    if against:
        lines.append("Depends on the task: " + "; ".join(against) + ".")
    if unclear:
        lines.append("No effect shown: " + "; ".join(unclear) + ".")
    return lines


def require_known(name: str, value: str, known: Sequence[str]) -> None:
    """Raises ValueError for an unknown value, with the nearest known one."""
    if value in known:
        return
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else "see there."
    raise ValueError(f"`{name}` must be one of {', '.join(known)}; got {value!r}; {hint}")


def _options(
    cells: Sequence[Finding], level: str, wanted: str
) -> tuple[list[Option], list[str], list[str]]:
    """The factors that help, by falling effect; those that depend on the task; the others."""
    options, against, unclear = [], [], []
    for factor in dict.fromkeys(cell.factor for cell in cells):
        mine = [c for c in cells if (c.factor, c.level) == (factor, level) and c.values]
        mine = [c for c in mine if not math.isnan(c.p_value)]
        if not mine:
            unclear.append(f"{words(factor)} (not measured)")
            continue
        found = over_tasks(mine)
        if found.up and found.down:
            against.append(f"{words(factor)} (up in {found.up}, down in {found.down})")
        elif 2 * max(found.up, found.down) < found.tasks or not (found.up or found.down):
            unclear.append(f"{words(factor)} ({_count(found.up + found.down, found.tasks)})")
        else:
            turn = "raise" if (UP if found.up else DOWN) == wanted else "lower"
            options.append(Option(factor, mine, turn, _effect(mine, turn)))
    return sorted(options, key=lambda each: -abs(math.log(each.effect))), against, unclear


def _effect(cells: Sequence[Finding], turn: str) -> float:
    """Geometric mean over tasks of the ratio that turning the factor brings."""
    mean = sum(math.log(cell.ratio.value) for cell in cells) / len(cells)
    return math.exp(mean if turn == "raise" else -mean)


def _explained(place: int, option: Option, cells: Sequence[Finding]) -> list[str]:
    """One option: its effect in each task, what the paper says, what it costs."""
    found = over_tasks(option.cells)
    opposed = found.paper and found.paper != (UP if found.up else DOWN)
    paper = " (the paper finds the opposite)" if opposed else ""
    lines = [
        f"{place}. {option.turn} {words(option.factor)}: x{_alone(option.effect)}, "
        f"significant in {_count(found.up + found.down, found.tasks)}{paper}"
    ]
    lines += [f"     {words(cell.task)}: {_measured(cell, option.turn)}" for cell in option.cells]
    others = [
        _cost(level, option, cells) for level in levels_of(cells) if level != option.cells[0].level
    ]
    return [*lines, "     meanwhile: " + "; ".join(filter(None, others))]


def _measured(cell: Finding, turn: str) -> str:
    """The ratio in one task, as the factor is turned, with its p-value and DSA settings."""
    ratio, ends = cell.ratio, (cell.values[0], cell.values[-1])
    if turn == "lower":
        ratio, ends = Estimate(1 / ratio.value, 1 / ratio.high, 1 / ratio.low), ends[::-1]
    scaled = " (of PIF / N²)" if is_scaled(cell.factor, cell.level) else ""
    text = f"x{tables.ratio(ratio)}{scaled} from {ends[0]} to {ends[1]}"
    text += f", adjusted p {number(cell.p_adjusted)}"
    if cell.settings and cell.direction in (UP, DOWN):
        text += (
            f", {cell.direction} in {share(cell.settings_share)} of {cell.settings} DSA settings"
        )
    return text


def _cost(level: str, option: Option, cells: Sequence[Finding]) -> str:
    """What the option does to another level."""
    mine = [c for c in cells if (c.factor, c.level) == (option.factor, level)]
    mine = [c for c in mine if not math.isnan(c.p_value)]
    if not mine:
        return f"{level} not measured"
    found = over_tasks(mine)
    if not (found.up or found.down):
        return f"{level} no trend in {_count(found.tasks, found.tasks)}"
    effect = _effect(mine, option.turn)
    if found.up and found.down:
        return f"{level} x{_alone(effect)}, depending on the task"
    word = "diverse" if bool(found.up) == (option.turn == "raise") else "consistent"
    count = _count(found.up + found.down, found.tasks)
    return f"{level} x{_alone(effect)}, more {word} in {count}"


def _alone(ratio: float) -> str:
    """A ratio without an interval."""
    return tables.ratio(Estimate(ratio, math.nan, math.nan))


def _count(some: int, every: int) -> str:
    return f"{some} of {every} {'task' if every == 1 else 'tasks'}"
