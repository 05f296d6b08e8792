"""Factors: what a sweep varies, as values. Each level of each factor is a condition."""

import dataclasses
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.study.conditions import Condition
from rnnensemble.study.toml import unknown_key
from rnnensemble.training.recipe import group_key


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """One value of a factor.

    Attributes:
        value: The value, in the factor's unit.
        label: How figures and tables call it.
        condition: All settings at this level.
        expected_epochs: Epochs that a network takes to converge, for estimates of the time; None
            if not known.
    """

    value: float
    label: str
    condition: Condition
    expected_epochs: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # as a sweep file has it


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
        ranks = [_open_rank(level.condition) for level in self.levels]
        if None not in ranks and len(set(ranks)) > 1:
            raise ValueError(
                f"`analysis.dsa.rank` must be set for factor {self.name} on {self.task}: left "
                f"open, its levels have ranks {ranks}, whose distances do not compare."
            )


def _open_rank(condition: Condition) -> int | None:
    """The rank of DSA that is left open, as the networks allow it; None if one is asked for."""
    if condition.analysis.dsa.rank is not None:
        return None
    return condition.analysis.fitted(condition.task, condition.network.width).dsa.rank


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Factors that are studied together.

    Attributes:
        name: Of the sweep.
        preset: Which of the file's presets; empty if it has none.
        factors: One for each name and task.
    """

    name: str
    preset: str
    factors: tuple[Factor, ...]

    def __post_init__(self) -> None:
        if not self.factors:
            raise ValueError("`factors` must hold at least one; this sweep has no condition.")
        known = Counter((factor.name, factor.task) for factor in self.factors)
        for each, count in known.items():
            if count > 1:
                raise ValueError(f"`factors` hold {each[0]} on {each[1]} twice; join their levels.")

    @functools.cached_property
    def conditions(self) -> dict[str, Condition]:
        """Every condition once, by digest, in the file's order."""
        levels = (level for factor in self.factors for level in factor.levels)
        return {level.condition.digest: level.condition for level in levels}

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """How each condition is called, by digest: its first factor, task and level."""
        return {
            level.condition.digest: f"{factor.name}:{factor.task}={level.label}"
            for factor in reversed(self.factors)
            for level in factor.levels
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
        """Twelve hexadecimal digits that name the sweep, its factors, levels and conditions."""
        levels = [
            (factor.name, factor.task, level.value, level.condition.digest)
            for factor in self.factors
            for level in factor.levels
        ]
        text = json.dumps([self.name, self.preset, levels])
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
    for index, factor in enumerate(sweep.factors):
        for level in factor.levels:
            if name := names.get(level.condition.digest):
                levels[name].setdefault(index, []).append(level)
    factors = sweep.factors
    return {
        name: dataclasses.replace(
            sweep,
            factors=tuple(
                dataclasses.replace(factors[k], levels=tuple(own)) for k, own in each.items()
            ),
        )
        for name, each in levels.items()
    }


def trained_once(conditions: Sequence[Condition]) -> list[Condition]:
    """The first condition of each recipe, whose networks the others of that recipe share."""
    return list({each.recipe_digest: each for each in reversed(conditions)}.values())


def select(sweep: Sweep, only: Sequence[str]) -> Sweep:
    """The part of a sweep that is asked for.

    Args:
        sweep: All of it.
        only: Each `FACTOR`, `FACTOR:TASK` or either with `=VALUE,VALUE,...`; nothing for all.

    Returns:
        The sweep with the factors and levels that any of `only` names.

    Raises:
        ValueError: If a factor, task or level is unknown.
    """
    if not only:
        return sweep
    asked = set().union(*(_asked(sweep, text) for text in only))
    factors = []
    for factor in sweep.factors:
        levels = tuple(
            level for level in factor.levels if (factor.name, factor.task, level.value) in asked
        )
        if levels:
            factors.append(dataclasses.replace(factor, levels=levels))
    return dataclasses.replace(sweep, factors=tuple(factors))


def _asked(sweep: Sweep, text: str) -> set[tuple[str, str, float]]:
    """The levels that one `FACTOR:TASK=VALUES` names, as (factor, task, value)."""
    place, _, values = text.partition("=")
    name, _, task = place.partition(":")
    found = [f for f in sweep.factors if f.name == name and task in ("", f.task)]
    if not found:
        known = sorted(
            {f.name for f in sweep.factors} | {f"{f.name}:{f.task}" for f in sweep.factors}
        )
        message = unknown_key(place, known)
        raise ValueError("`only` " + message.replace("a setting", "a factor of this sweep"))
    levels = {(f.name, f.task, level.value) for f in found for level in f.levels}
    if not values:
        return levels
    chosen, by_value = set(), dict[float, set[tuple[str, str, float]]]()
    for level in levels:
        by_value.setdefault(level[2], set()).add(level)
    for value in values.split(","):
        try:
            same = by_value.get(float(value))
        except ValueError:
            same = None
        if not same:
            known = ", ".join(f"{each:g}" for each in sorted(by_value))
            raise ValueError(f"`only` {place} has no level {value!r}; it has {known}.")
        chosen |= same
    return chosen
