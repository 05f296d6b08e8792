"""The sweep file: factors and levels as TOML.

    name = "study"                       # of the sweep
    import = ["my_lab.tasks"]            # modules that register tasks and networks of your own
    [presets.paper]                      # tables of a condition: what a preset sets for all
    [tasks.flipflop]                     # base condition of a task, in any preset
    [tasks.flipflop.small]               # what a preset changes in it
    [engine.slurm]                       # what its tasks run on, see `engines`
    [[factors]]                          # one factor on one task, or on each of several
    name = "channels"
    task = "flipflop"                    # or a list of tasks
    field = "task.n_bits"                # a setting and its values, or
    values = [1, 2, 4]
    levels = [{value = 1, task = {...}}] # a value and any tables of a condition for each level
    base = {network = {kind = "mup"}}    # what all levels of the factor share
    small = {size = 20}                  # what a preset changes in it

Later tables win: presets, tasks, tasks' presets, factor's base, factor's preset, level, level's
preset. A table that names another `kind` replaces the one below it, instead of changing it.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

from rnnensemble.analysis.feature_learning import block_trials
from rnnensemble.study import conditions, toml
from rnnensemble.study.conditions import Condition, as_table, merged
from rnnensemble.study.engines import read_engines
from rnnensemble.study.factors import Factor, Level, Sweep

FIELDS = [field.name for field in dataclasses.fields(Condition) if field.name != "imports"]
TABLES = (*FIELDS, "expected_epochs")
"""Keys of a table that stands for a condition, or for a part of one."""

KEYS = ("name", "task", "title", "unit", "base", "levels", "field", "values")
"""Keys of a factor, besides presets."""


def read_sweep(text: str, preset: str | None = None) -> Sweep:
    """Reads a sweep file.

    Args:
        text: TOML as this module's docstring describes it.
        preset: One of the file's presets, None for its first.

    Returns:
        The sweep.

    Raises:
        ValueError: If the text is no TOML, a key or preset is unknown (suggests the nearest), a
            level does not fit its task, or nothing is to be done.
    """
    table = toml.parse(text, "sweep")
    toml.require_known(table, ("name", "import", "presets", "tasks", "factors", "engine"))
    read_engines(table.get("engine", {}))
    name = toml.identifier(table.get("name"), "name")
    presets = toml.mapping(table.get("presets", {}), "presets")
    chosen = _Preset(tuple(presets), _chosen(tuple(presets), preset))
    common = _Preset((), "").apply(presets.get(chosen.name, {}), f"presets.{chosen.name}")
    common |= {"import": table.get("import", [])}
    bases = {
        task: merged(common, chosen.apply(base, f"tasks.{task}"))
        for task, base in toml.mapping(table.get("tasks", {}), "tasks").items()
    }
    entries = toml.array(table.get("factors", []), "factors")
    factors = [factor for entry in entries for factor in _factors(entry, bases, chosen)]
    return Sweep(name=name, preset=chosen.name, factors=tuple(factors))


class _Preset(NamedTuple):
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


def _chosen(known: tuple[str, ...], preset: str | None) -> str:
    """The preset to use: the one asked for, or the first, or none if the file has none."""
    for name in known:
        toml.identifier(name, "presets")
    taken = [name for name in known if name in (*TABLES, *KEYS)]
    if taken:
        raise ValueError(f"`presets` must not be called {taken[0]!r}, which is a setting.")
    if preset is None:
        return next(iter(known), "")
    if preset not in known:
        shown = ", ".join(known) or "none"
        raise ValueError(f"`preset` must be one of this sweep's ({shown}); got {preset!r}.")
    return preset


def _factors(entry: Any, bases: dict[str, dict[str, Any]], preset: _Preset) -> list[Factor]:
    """The factors of one [[factors]] table: one for each of its tasks."""
    name = toml.identifier(toml.mapping(entry, "factors").get("name"), "factors.name")
    where = f"factors.{name}"
    toml.require_known(entry, (*KEYS, *preset.known), f"{where}.")
    named = entry.get("task", [])
    named = [named] if isinstance(named, str) else toml.array(named, f"{where}.task")
    if not named or not all(str(task) in bases for task in named):
        known = ", ".join(bases) or "none"
        raise ValueError(f"`{where}.task` must be of this sweep's tasks ({known}); got {named!r}.")
    own = {key: table for key, table in entry.items() if key in preset.known}
    changes = preset.apply(toml.mapping(entry.get("base", {}), f"{where}.base") | own, where)
    levels = _levels(entry, where)
    return [
        Factor(
            name=name,
            task=task,
            title=str(entry.get("title", name)),
            unit=str(entry.get("unit", "")),
            levels=_different(
                [_level(each, merged(bases[task], changes), where, preset) for each in levels],
                f"{where} on {task}",
            ),
        )
        for task in named
    ]


def _levels(entry: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """The levels of a factor: given as tables, or as the values of one field."""
    if ("levels" in entry) == ("field" in entry) or ("field" in entry) != ("values" in entry):
        raise ValueError(f"`{where}` must have either `levels`, or `field` and `values`.")
    if "levels" in entry:
        levels = toml.array(entry["levels"], f"{where}.levels")
        return [toml.mapping(level, f"{where}.levels") for level in levels]
    path = str(entry["field"]).split(".")[::-1]
    levels = []
    for value in toml.array(entry["values"], f"{where}.values"):
        table = functools.reduce(lambda inner, key: {key: inner}, path, value)
        levels.append({"value": value, **table})
    return levels


def _level(level: dict[str, Any], base: dict[str, Any], where: str, preset: _Preset) -> Level:
    """One level of a factor."""
    value = _number(level.get("value"), f"{where}.value")
    label = str(level.get("label", f"{value:g}"))
    changes = {key: each for key, each in level.items() if key not in ("value", "label")}
    table = merged(base, preset.apply(changes, f"{where}={label}"))
    epochs = table.pop("expected_epochs", None)
    epochs = None if epochs is None else _number(epochs, f"{where}={label}.expected_epochs")
    try:
        condition = conditions.from_table(table)
        _require_runnable(condition)
    except ValueError as error:
        task = table.get("task", {}).get("kind", "no task")
        raise ValueError(f"{where}={label} on {task}: {error}") from None
    return Level(value=value, label=label, condition=condition, expected_epochs=epochs)


def _different(levels: list[Level], where: str) -> tuple[Level, ...]:
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
    width = condition.network.width
    condition.analysis.check(condition.task, width)
    block_trials(condition.features, condition.task, condition.network)


def _number(value: Any, where: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"`{where}` must be a number; got {value!r}.")
    return float(value)


def to_toml(sweep: Sweep) -> str:
    """The sweep as TOML text with every condition written out; `read_sweep` reads it back."""
    factors = [
        {
            "name": factor.name,
            "task": factor.task,
            "title": factor.title,
            "unit": factor.unit,
            "levels": [_level_table(level) for level in factor.levels],
        }
        for factor in sweep.factors
    ]
    names = {factor.task: {} for factor in sweep.factors}
    presets = {"presets": {sweep.preset: {}}} if sweep.preset else {}
    imports = {name for condition in sweep.conditions.values() for name in condition.imports}
    head = {"name": sweep.name} | ({"import": sorted(imports)} if imports else {})
    return toml.write({**head, **presets, "tasks": names, "factors": factors})


def _level_table(level: Level) -> dict[str, Any]:
    epochs = level.expected_epochs
    own = {"value": level.value, "label": level.label}
    expected = {} if epochs is None else {"expected_epochs": epochs}
    table = as_table(level.condition)
    table.pop("imports")
    return own | expected | table
