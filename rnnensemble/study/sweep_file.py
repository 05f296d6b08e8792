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
    [[grids]]                            # two factors at once; task, base, presets as above
    name = "delay_rate"
    combinations = [{values = [20, 0.01], size = 9}]  # those to run; all unless given
    [[grids.axes]]                       # two of them
    name = "delay"                       # title, unit, and values as a factor has them

Later tables win: presets, tasks, tasks' presets, factor's base, factor's preset, level, level's
preset; in a grid first axis, second axis, combination. A table that names another `kind` replaces
the one below it, instead of changing it.
"""

import functools
import itertools
from typing import Any

from rnnensemble.study import toml
from rnnensemble.study.conditions import as_table, merged
from rnnensemble.study.engines import read_engines
from rnnensemble.study.factors import Axis, Factor, Grid, Level, Sweep
from rnnensemble.study.level_tables import (
    TABLES,
    Preset,
    Step,
    different,
    make_level,
    number,
    read_head,
    read_steps,
)

KEYS = ("name", "task", "title", "unit", "base", "levels", "field", "values")
"""Keys of a factor, besides presets."""
GRID_KEYS = ("name", "task", "base", "axes", "combinations")
"""Keys of a grid, besides presets."""
AXIS_KEYS = ("name", "title", "unit", "levels", "field", "values")
"""Keys of an axis."""


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
    toml.require_known(table, ("name", "import", "presets", "tasks", "factors", "grids", "engine"))
    read_engines(table.get("engine", {}))
    name = toml.identifier(table.get("name"), "name")
    presets = toml.mapping(table.get("presets", {}), "presets")
    chosen = Preset(tuple(presets), _chosen(tuple(presets), preset))
    common = Preset((), "").apply(presets.get(chosen.name, {}), f"presets.{chosen.name}")
    common |= {"import": table.get("import", [])}
    bases = {
        task: merged(common, chosen.apply(base, f"tasks.{task}"))
        for task, base in toml.mapping(table.get("tasks", {}), "tasks").items()
    }
    entries = toml.array(table.get("factors", []), "factors")
    factors = [factor for entry in entries for factor in _factors(entry, bases, chosen)]
    crossed = toml.array(table.get("grids", []), "grids")
    grids = [grid for entry in crossed for grid in _grids(entry, bases, chosen)]
    return Sweep(name=name, preset=chosen.name, factors=tuple(factors), grids=tuple(grids))


def _chosen(known: tuple[str, ...], preset: str | None) -> str:
    """The preset to use: the one asked for, or the first, or none if the file has none."""
    for name in known:
        toml.identifier(name, "presets")
    taken = [name for name in known if name in (*TABLES, *KEYS, *GRID_KEYS)]
    if taken:
        raise ValueError(f"`presets` must not be called {taken[0]!r}, which is a setting.")
    if preset is None:
        return next(iter(known), "")
    if preset not in known:
        shown = ", ".join(known) or "none"
        raise ValueError(f"`preset` must be one of this sweep's ({shown}); got {preset!r}.")
    return preset


def _factors(entry: Any, bases: dict[str, dict[str, Any]], preset: Preset) -> list[Factor]:
    """The factors of one [[factors]] table: one for each of its tasks."""
    head = read_head(entry, "factors", KEYS, bases, preset)
    steps = read_steps(entry, head.where, preset)
    return [
        Factor(
            name=head.name,
            task=task,
            title=str(entry.get("title", head.name)),
            unit=str(entry.get("unit", "")),
            levels=different(
                [
                    make_level(
                        merged(base, step.changes), head.where, value=step.value, label=step.label
                    )
                    for step in steps
                ],
                f"{head.where} on {task}",
            ),
        )
        for task, base in head.bases
    ]


def _grids(entry: Any, bases: dict[str, dict[str, Any]], preset: Preset) -> list[Grid]:
    """The grids of one [[grids]] table: one for each of its tasks."""
    head = read_head(entry, "grids", GRID_KEYS, bases, preset)
    tables = toml.array(entry.get("axes", []), f"{head.where}.axes")
    if len(tables) != 2:
        raise ValueError(f"`{head.where}.axes` must be two tables; got {len(tables)}.")
    read = [_axis(each, head.where, preset) for each in tables]
    axes, steps = (read[0][0], read[1][0]), (read[0][1], read[1][1])
    _require_own_fields(axes, steps, head.where)
    chosen = _combinations(entry, steps, head.where, preset)
    return [
        Grid(
            name=head.name,
            task=task,
            axes=axes,
            levels=different(
                [_crossed(each, base, head.where) for each in chosen], f"{head.where} on {task}"
            ),
        )
        for task, base in head.bases
    ]


def _axis(entry: Any, where: str, preset: Preset) -> tuple[Axis, list[Step]]:
    """One axis of a grid, and what its values set."""
    name = toml.identifier(toml.mapping(entry, f"{where}.axes").get("name"), f"{where}.axes.name")
    where = f"{where}.{name}"
    toml.require_known(entry, AXIS_KEYS, f"{where}.")
    steps = read_steps(entry, where, preset)
    axis = Axis(
        name=name,
        title=str(entry.get("title", name)),
        unit=str(entry.get("unit", "")),
        values=tuple(step.value for step in steps),
        labels=tuple(step.label for step in steps),
    )
    return axis, steps


def _require_own_fields(
    axes: tuple[Axis, Axis], steps: tuple[list[Step], list[Step]], where: str
) -> None:
    """Raises ValueError if both axes set the same field, where the second would win."""
    first, second = ({path for step in each for path in _paths(step.changes)} for each in steps)
    both = sorted((first & second) - {"expected_epochs"})
    if both:
        raise ValueError(
            f"`{where}.axes` must set different fields; {axes[0].name} and {axes[1].name} both set "
            f"`{both[0]}`."
        )


def _paths(table: dict[str, Any], prefix: str = "") -> set[str]:
    """What a table sets, as `task.n_bits`."""
    inner = [
        _paths(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
        for key, value in table.items()
    ]
    return set().union(*inner)


def _combinations(
    entry: dict[str, Any], steps: tuple[list[Step], list[Step]], where: str, preset: Preset
) -> list[tuple[Step, Step, Step]]:
    """The combinations of a grid: of each both values, and what it changes itself."""
    if "combinations" not in entry:
        pairs = itertools.product(*steps)
        return [(a, b, Step(a.value, f"{a.label}x{b.label}", {})) for a, b in pairs]
    where, known = f"{where}.combinations", [{step.value: step for step in each} for each in steps]
    chosen = []
    for table in toml.array(entry["combinations"], where):
        values = toml.array(toml.mapping(table, where).get("values", []), f"{where}.values")
        place = [number(value, f"{where}.values") for value in values]
        if len(place) != 2 or place[0] not in known[0] or place[1] not in known[1]:
            raise ValueError(f"`{where}.values` must be a value of each axis; got {values!r}.")
        first, second = known[0][place[0]], known[1][place[1]]
        label = str(table.get("label", f"{first.label}x{second.label}"))
        changes = {key: each for key, each in table.items() if key not in ("values", "label")}
        own = preset.apply(changes, f"{where}={label}")
        chosen.append((first, second, Step(first.value, label, own)))
    return chosen


def _crossed(steps: tuple[Step, Step, Step], base: dict[str, Any], where: str) -> Level:
    """The level of a grid where two values meet."""
    first, second, own = steps
    table = functools.reduce(merged, (step.changes for step in steps), base)
    return make_level(table, where, value=first.value, second=second.value, label=own.label)


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
    grids = [_grid_table(grid) for grid in sweep.grids]
    names = {part.task: {} for part in sweep.parts}
    presets = {"presets": {sweep.preset: {}}} if sweep.preset else {}
    imports = {name for condition in sweep.conditions.values() for name in condition.imports}
    head = {"name": sweep.name} | ({"import": sorted(imports)} if imports else {})
    parts = {name: each for name, each in (("factors", factors), ("grids", grids)) if each}
    return toml.write({**head, **presets, "tasks": names, **parts})


def _grid_table(grid: Grid) -> dict[str, Any]:
    axes = [
        {
            "name": axis.name,
            "title": axis.title,
            "unit": axis.unit,
            "levels": [
                {"value": value, "label": label}
                for value, label in zip(axis.values, axis.labels, strict=True)
            ],
        }
        for axis in grid.axes
    ]
    combinations = [_level_table(level) for level in grid.levels]
    return {"name": grid.name, "task": grid.task, "axes": axes, "combinations": combinations}


def _level_table(level: Level) -> dict[str, Any]:
    epochs = level.expected_epochs
    place = {"value": level.value} if level.second is None else {"values": list(level.values)}
    own = {**place, "label": level.label}
    expected = {} if epochs is None else {"expected_epochs": epochs}
    table = as_table(level.condition)
    table.pop("imports")
    return own | expected | table
