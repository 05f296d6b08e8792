"""Factors and grids: what a sweep varies, as values. Each of their levels is a condition."""

import dataclasses
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.study.conditions import Condition, require_one_rank
from rnnensemble.training.recipe import group_key


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """One value of a factor, or one combination of two values of a grid.

    Attributes:
        value: The value, in the factor's unit; in a grid that of its first axis.
        second: The value of a grid's second axis; None in a factor.
        label: How figures and tables call it.
        condition: All settings at this level.
        expected_epochs: Epochs that a network takes to converge, for estimates of the time; None
            if not known.
    """

    value: float
    second: float | None = None
    label: str
    condition: Condition
    expected_epochs: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # as a sweep file has it
        if self.second is not None:
            object.__setattr__(self, "second", float(self.second))

    @property
    def values(self) -> tuple[float, ...]:
        """One value in a factor, two in a grid."""
        return (self.value,) if self.second is None else (self.value, self.second)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Factor:
    """What is varied on one task, the rest being equal.

    Attributes:
        name: As `channels` or `gamma`; one factor for each name and task.
        task: The task's name in the sweep file.
        title: How figures call it.
        unit: Unit of its values, empty for none.
        levels: Its values, in the file's order.
    """

    name: str
    task: str
    title: str
    unit: str
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        values = [level.value for level in self.levels]
        if not values:
            raise ValueError(f"`levels` of factor {self.name} on {self.task} must not be empty.")
        if len(set(values)) < len(values):
            raise ValueError(
                f"`levels` of factor {self.name} on {self.task} must differ; got {values}."
            )
        where = f"factor {self.name} on {self.task}"
        require_one_rank([level.condition for level in self.levels], where)

    @property
    def values(self) -> tuple[float, ...]:
        """The values of its levels."""
        return tuple(level.value for level in self.levels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Axis:
    """One of the two factors of a grid.

    Attributes:
        name: As `delay` or `learning_rate`.
        title: How figures call it.
        unit: Unit of its values, empty for none.
        values: Its values, in the order of a map.
        labels: How figures and tables call them.
    """

    name: str
    title: str
    unit: str
    values: tuple[float, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        count = len(set(self.values))
        if not 0 < count == len(self.values) == len(self.labels):
            raise ValueError(
                f"`values` of axis {self.name} must be at least one, all different, each with a "
                f"label; got {list(self.values)} with {len(self.labels)} labels."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Two factors at once on one task, the rest being equal.

    Attributes:
        name: As `delay_rate`; no factor has it.
        task: The task's name in the sweep file.
        axes: The two factors.
        levels: Combinations of their values, in the file's order; some may be missing.
    """

    name: str
    task: str
    axes: tuple[Axis, Axis]
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        where = f"grid {self.name} on {self.task}"
        names = [axis.name for axis in self.axes]
        if len(names) != 2 or names[0] == names[1]:
            raise ValueError(f"`axes` of {where} must be two different ones; got {names}.")
        first, second = (axis.values for axis in self.axes)
        places = [level.values for level in self.levels]
        fit = all(len(each) == 2 and each[0] in first and each[1] in second for each in places)
        if not places or not fit or len(set(places)) < len(places):
            raise ValueError(
                f"`levels` of {where} must be combinations of a value of each axis, none of them "
                f"twice; got {places}."
            )
        require_one_rank([level.condition for level in self.levels], where)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Factors and grids that are studied together.

    Attributes:
        name: Of the sweep.
        preset: Which of the file's presets; empty if it has none.
        factors: One for each name and task.
        grids: One for each name and task; none has the name of a factor.
    """

    name: str
    preset: str
    factors: tuple[Factor, ...] = ()
    grids: tuple[Grid, ...] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError(
                "`factors` must hold at least one, or `grids`; this sweep has no condition."
            )
        for kind, parts in (("factors", self.factors), ("grids", self.grids)):
            known = Counter((part.name, part.task) for part in parts)
            for (name, task), count in known.items():
                if count > 1:
                    raise ValueError(f"`{kind}` hold {name} on {task} twice; join their levels.")
        for factor in self.factors:
            if factor.name in [grid.name for grid in self.grids]:
                raise ValueError(f"`grids` and `factors` both hold {factor.name}; rename one.")

    @property
    def parts(self) -> tuple[Factor | Grid, ...]:
        """Its factors, then its grids."""
        return (*self.factors, *self.grids)

    @functools.cached_property
    def conditions(self) -> dict[str, Condition]:
        """Every condition once, by digest, in the file's order."""
        levels = (level for part in self.parts for level in part.levels)
        return {level.condition.digest: level.condition for level in levels}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """How each condition is called, by digest: its first factor or grid, task and level."""
        return {
            level.condition.digest: f"{part.name}:{part.task}={level.label}"
            for part in reversed(self.parts)
            for level in part.levels
        }

    @property
    def networks(self) -> int:
        """Networks in all conditions."""
        return sum(condition.size for condition in self.conditions.values())

    @property
    def folder_name(self) -> str:
        """How its folder is called unless somebody says otherwise."""
        return f"{self.name}-{self.preset}" if self.preset else self.name

    @functools.cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name the sweep, its parts, levels and conditions."""
        levels = [
            (factor.name, factor.task, level.value, level.condition.digest)
            for factor in self.factors
            for level in factor.levels
        ]
        crossed = [
            (
                grid.name,
                grid.task,
                [x.name for x in grid.axes],
                level.values,
                level.condition.digest,
            )
            for grid in self.grids
            for level in grid.levels
        ]
        text = json.dumps([self.name, self.preset, levels, *([crossed] if crossed else [])])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Outcome(NamedTuple):
    """What came out of one condition.

    Attributes:
        condition: Its settings.
        degeneracy: Its three levels; None if fewer than 2 networks converged.
        features: How much its networks learned features; None if none converged.
        manifest: Status, counts, seconds, versions, device.
    """

    condition: Condition
    degeneracy: Degeneracy | None
    features: FeatureLearning | None
    manifest: dict[str, Any]


class Group(NamedTuple):
    """Conditions that train together, as one population.

    Attributes:
        name: Task, network and width, and eight digits for all that they share.
        conditions: In the sweep's order.
    """

    name: str
    conditions: tuple[Condition, ...]


def groups_of(sweep: Sweep) -> list[Group]:
    """The conditions of a sweep in groups that share a compiled program, in the sweep's order."""
    groups: dict[str, list[Condition]] = {}
    for condition in sweep.conditions.values():
        key = group_key(condition)
        digits = hashlib.sha256(repr(key).encode()).hexdigest()[:8]
        network = condition.network
        name = f"{condition.task.name}-{network.kind}{network.width}-{digits}"
        groups.setdefault(name, []).append(condition)
    return [Group(name, tuple(members)) for name, members in groups.items()]


def by_group(sweep: Sweep, groups: Sequence[Group]) -> dict[str, Sweep]:
    """What a sweep has of each of these groups, by the group's name: its levels alone."""
    names = {c.digest: group.name for group in groups for c in group.conditions}
    levels: dict[str, dict[int, list[Level]]] = {group.name: {} for group in groups}
    for index, part in enumerate(sweep.parts):
        for level in part.levels:
            if name := names.get(level.condition.digest):
                levels[name].setdefault(index, []).append(level)
    return {name: _with_levels(sweep, each) for name, each in levels.items()}


def _with_levels(sweep: Sweep, levels: Mapping[int, Sequence[Level]]) -> Sweep:
    """A sweep with the parts of these numbers alone, and of each these levels."""
    parts = [dataclasses.replace(sweep.parts[k], levels=tuple(own)) for k, own in levels.items()]
    factors = tuple(part for part in parts if isinstance(part, Factor))
    return dataclasses.replace(
        sweep, factors=factors, grids=tuple(part for part in parts if isinstance(part, Grid))
    )


def trained_once(conditions: Sequence[Condition]) -> list[Condition]:
    """The first condition of each recipe, whose networks the others of that recipe share."""
    return list({each.recipe_digest: each for each in reversed(conditions)}.values())
