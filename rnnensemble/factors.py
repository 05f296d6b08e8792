"""The factors of a study as values: levels, factors, sweeps, and what came out."""

import dataclasses
from typing import Any, NamedTuple

from rnnensemble.conditions import Condition
from rnnensemble.degeneracy import Degeneracy
from rnnensemble.feature_learning import FeatureLearning


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """One value of a factor.

    Attributes:
        value: The factor's value.
        label: How it is shown.
        condition: What is trained.
    """

    value: float
    label: str
    condition: Condition


@dataclasses.dataclass(frozen=True, kw_only=True)
class Factor:
    """What is varied, in one task.

    Attributes:
        name: As "channels" or "gamma".
        task: The task's name.
        title: For figures.
        unit: Of the values.
        levels: The values.
    """

    name: str
    task: str
    title: str
    unit: str
    levels: tuple[Level, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """All factors of a study.

    Attributes:
        name: Of the study.
        preset: Which sizes.
        factors: One for each name and task.
    """

    name: str
    preset: str
    factors: tuple[Factor, ...]

    @property
    def conditions(self) -> dict[str, Condition]:
        """The different conditions by digest."""
        levels = [level for factor in self.factors for level in factor.levels]
        return {level.condition.digest: level.condition for level in levels}


class Outcome(NamedTuple):
    """What one condition gave.

    Attributes:
        condition: Its settings.
        degeneracy: How far its networks lie apart; None if fewer than 2 converged.
        features: How far they moved, None if not measured.
        manifest: Of its run folder.
    """

    condition: Condition
    degeneracy: Degeneracy | None
    features: FeatureLearning | None
    manifest: dict[str, Any]
