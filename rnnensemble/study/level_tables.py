"""Levels as tables of a sweep file: what a preset changes, what a level sets, what it becomes."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

from rnnensemble.analysis.feature_learning import block_trials
from rnnensemble.study import conditions, toml
from rnnensemble.study.conditions import Condition, merged
from rnnensemble.study.factors import Level

FIELDS = [field.name for field in dataclasses.fields(Condition) if field.name != "imports"]
TABLES = (*FIELDS, "expected_epochs")
"""Keys of a table that stands for a condition, or for a part of one."""


class Preset(NamedTuple):
    """The chosen preset, and all that the file knows."""

    known: tuple[str, ...]
    name: str

    def apply(self, table: Any, where: str) -> dict[str, Any]:
        """A part of a condition, with what the preset changes in it."""
        toml.require_known(toml.mapping(table, where), (*TABLES, *self.known), f"{where}.")
        shared = {key: value for key, value in table.items() if key in TABLES}
        own = toml.mapping(table.get(self.name, {}), f"{where}.{self.name}") if self.name else {}
        toml.require_known(own, TABLES, f"{where}.{self.name}.")
        return merged(shared, own)


class Head(NamedTuple):
    """What factors and grids begin with: a name, how errors call it, its tasks with bases."""

    name: str
    where: str
    bases: list[tuple[str, dict[str, Any]]]


def read_head(
    entry: Any, kind: str, keys: tuple[str, ...], bases: dict[str, dict[str, Any]], preset: Preset
) -> Head:
    """Name, tasks and base of a [[factors]] or [[grids]] table; ValueError for a misfit."""
    name = toml.identifier(toml.mapping(entry, kind).get("name"), f"{kind}.name")
    where = f"{kind}.{name}"
    toml.require_known(entry, (*keys, *preset.known), f"{where}.")
    named = entry.get("task", [])
    named = [named] if isinstance(named, str) else toml.array(named, f"{where}.task")
    if not named or not all(str(task) in bases for task in named):
        known = ", ".join(bases) or "none"
        raise ValueError(f"`{where}.task` must be of this sweep's tasks ({known}); got {named!r}.")
    own = {key: table for key, table in entry.items() if key in preset.known}
    changes = preset.apply(toml.mapping(entry.get("base", {}), f"{where}.base") | own, where)
    return Head(name, where, [(task, merged(bases[task], changes)) for task in named])


class Step(NamedTuple):
    """One value, how figures and tables call it, and the tables of a condition that it sets."""

    value: float
    label: str
    changes: dict[str, Any]


def read_steps(entry: dict[str, Any], where: str, preset: Preset) -> list[Step]:
    """Values of a factor or an axis: given as tables, or as the values of one field."""
    if ("levels" in entry) == ("field" in entry) or ("field" in entry) != ("values" in entry):
        raise ValueError(f"`{where}` must have either `levels`, or `field` and `values`.")
    if "levels" in entry:
        levels = toml.array(entry["levels"], f"{where}.levels")
        return [_step(toml.mapping(level, f"{where}.levels"), where, preset) for level in levels]
    path = str(entry["field"]).split(".")[::-1]
    steps = []
    for value in toml.array(entry["values"], f"{where}.values"):
        table = functools.reduce(lambda inner, key: {key: inner}, path, value)
        steps.append(_step({"value": value, **table}, where, preset))
    return steps


def _step(table: dict[str, Any], where: str, preset: Preset) -> Step:
    value = number(table.get("value"), f"{where}.value")
    label = str(table.get("label", f"{value:g}"))
    changes = {key: each for key, each in table.items() if key not in ("value", "label")}
    return Step(value, label, preset.apply(changes, f"{where}={label}"))


def make_level(
    table: dict[str, Any], where: str, *, value: float, second: float | None = None, label: str
) -> Level:
    """The level of a whole table; ValueError, naming it, if it cannot be trained and measured."""
    table = dict(table)
    epochs = table.pop("expected_epochs", None)
    epochs = None if epochs is None else number(epochs, f"{where}={label}.expected_epochs")
    try:
        condition = conditions.from_table(table)
        _require_runnable(condition)
    except ValueError as error:
        task = table.get("task", {}).get("kind", "no task")
        raise ValueError(f"{where}={label} on {task}: {error}") from None
    return Level(
        value=value, second=second, label=label, condition=condition, expected_epochs=epochs
    )


def different(levels: list[Level], where: str) -> tuple[Level, ...]:
    """The levels; ValueError if two of them are the same condition."""
    seen: dict[str, Level] = {}
    for level in levels:
        other = seen.setdefault(level.condition.digest, level)
        if other is not level:
            raise ValueError(
                f"`{where}` must have different levels; {other.label} and {level.label} have the "
                "same settings."
            )
    return tuple(levels)


def _require_runnable(condition: Condition) -> None:
    """Raises ValueError unless a condition can be trained and measured."""
    if condition.size < 2:
        raise ValueError(f"`size` must be at least 2, to compare networks; got {condition.size}.")
    if condition.deflation is not None:
        raise ValueError("`deflation` needs references, which a sweep has not; see `deflate`.")
    condition.analysis.check(condition.task, condition.network.n_rates)
    block_trials(condition.features, condition.task, condition.network)


def number(value: Any, where: str) -> float:
    """The value; ValueError, naming the setting, if it is no finite number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ValueError(f"`{where}` must be a number; got {value!r}.")
    return float(value)
