"""Shards of a condition's networks, which are trained apart and joined: values alone, no disk."""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble.study.conditions import Condition
from rnnensemble.study.costs import group_bytes
from rnnensemble.study.factors import Group, trained_once
from rnnensemble.training.memory import require_host_room
from rnnensemble.training.recipe import Recipe, part_of, without_own_values

MOST = 4096
"""Networks that one task of a sweep trains, at most, unless a number of shards is asked for."""


class Shard(NamedTuple):
    """Which shard of a condition's networks a run holds.

    Attributes:
        part: Which one, from 1.
        of: How many there are.
        whole: The digest of the recipe of all networks, whatever its `max_epochs`.
    """

    part: int
    of: int
    whole: str

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"

    @property
    def suffix(self) -> str:
        """What follows the name of all networks in that of the run folder."""
        return f"-{self.part}-of-{self.of}"


def read_shard(text: str, condition: Condition) -> Shard:
    """The shard of a condition's networks that is called `I/N`.

    Raises:
        ValueError: Unless I is one of 1 to N, and there are at least N networks.
    """
    found = re.fullmatch(r"([0-9]{1,10})/([0-9]{1,10})", text)
    part, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= part <= of <= condition.size:
        raise ValueError(
            f"`shard` must be I/N, such as 1/4, with I from 1 to N and N at most the "
            f"{condition.size} networks of `size`; got {text!r}."
        )
    return _shard(condition, part, of)


def _shard(condition: Condition, part: int, of: int) -> Shard:
    """A shard of a condition's networks."""
    training = dataclasses.replace(condition.training, max_epochs=1)
    return Shard(part, of, dataclasses.replace(condition, training=training).recipe_digest)


def networks_of(shard: Shard, size: int) -> range:
    """Which of the networks of a condition of this size a shard holds."""
    return range(size * (shard.part - 1) // shard.of, size * shard.part // shard.of)


def cut(condition: Condition, shard: Shard) -> Condition:
    """The condition of a shard of its networks."""
    return cast(Condition, part_of(condition, networks_of(shard, condition.size)))


class Piece(NamedTuple):
    """What one task of a sweep works on: a group of conditions, or a shard of it.

    Attributes:
        group: The group.
        part: Which shard, from 1; 0 for the group itself, which joins its shards and is measured.
        of: How many shards there are.
    """

    group: Group
    part: int = 0
    of: int = 1

    @property
    def name(self) -> str:
        """The group's name, and which shard it is."""
        return f"{self.group.name}-{self.part}-of-{self.of}" if self.part else self.group.name

    def shards(self) -> list[tuple[Condition, Shard]]:
        """For each recipe of the group, whose networks this shard trains, a condition and which.

        A recipe of fewer networks than there are shards has as many shards as networks.
        """
        return [
            (condition, _shard(condition, self.part, min(self.of, condition.size)))
            for condition in trained_once(self.group.conditions)
            if self.part <= condition.size
        ]


def count_for(group: Group, mesh: Mesh, asked: int | None) -> int:
    """How many shards a group's networks are trained in.

    Args:
        group: Conditions that train together.
        mesh: The devices of a task.
        asked: As many, but no more than the largest condition has networks; None for as few as
            leave no shard more than `MOST` networks, or more than half of a device's memory.

    Raises:
        ValueError: If the host, which joins them, cannot hold all networks.
    """
    conditions = trained_once(group.conditions)
    least = asked
    if least is None:
        networks = sum(condition.size for condition in conditions)
        filled = 2 * group_bytes(conditions, mesh, 0) / runtime.memory_bytes(mesh)
        least = max(math.ceil(networks / MOST), math.ceil(filled))
    count = max(1, min(least, max(condition.size for condition in conditions)))
    if count > 1:
        require_host_room(conditions)
    return count


def require_shards(asked: int | None, conditions: Sequence[Condition]) -> None:
    """Raises ValueError unless there can be so many shards of a sweep's conditions."""
    if asked is None:
        return
    most = max(condition.size for condition in conditions)
    if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= most:
        raise ValueError(
            f"`shards` must be a whole number from 1 to the {most} networks of the largest "
            f"condition; got {asked!r}."
        )


def largest(group: Group, of: int) -> list[Condition]:
    """The sizes and settings of the largest of a group's shards, without their networks' own."""
    conditions = trained_once(group.conditions)
    if of == 1:
        return conditions
    return [
        without_own_values(condition, size=math.ceil(condition.size / min(of, condition.size)))
        for condition in conditions
    ]


def noted(manifest: dict[str, Any]) -> Shard | None:
    """The shard that a run's manifest says it holds, if it is one."""
    return Shard(**manifest["shard"]) if "shard" in manifest else None


def in_order(found: Sequence[tuple[Shard, Path]]) -> list[Path]:
    """The folders of all shards of one population, from its first networks to its last.

    Raises:
        ValueError: If they are of several populations or divisions, or one is there twice or not.
    """
    (first, where), folders = found[0], dict[int, Path]()
    for shard, folder in found:
        if shard.whole != first.whole:
            raise ValueError(
                f"`shards` must have the settings of one population; those of {folder} differ from "
                f"those of {where}."
            )
        if shard.of != first.of:
            raise ValueError(
                f"`shards` must be those of one division; {where} is {first}, {folder} is {shard}."
            )
        if shard.part in folders:
            raise ValueError(
                f"`shards` must hold each one once; {folders[shard.part]} and {folder} are both "
                f"{shard}."
            )
        folders[shard.part] = folder
    lacking = [f"{part}/{first.of}" for part in range(1, first.of + 1) if part not in folders]
    if lacking:
        more = ", ..." if len(lacking) > 8 else ""
        raise ValueError(
            f"`shards` must be all {first.of}; missing: {', '.join(lacking[:8])}{more}."
        )
    return [folders[part] for part in sorted(folders)]


def require_alike(condition: Condition, first: Condition, folder: Path) -> None:
    """Raises ValueError if a shard has other settings than the first in what may have changed."""
    for name, mine, others in (
        ("max_epochs", condition.training.max_epochs, first.training.max_epochs),
        ("analysis", condition.analysis, first.analysis),
    ):
        if mine != others:
            raise ValueError(
                f"`shards` must have the settings of one population; `{name}` in {folder} differs "
                "from that of shard 1."
            )


def whole(first: Condition, recipe: Recipe) -> Condition:
    """The condition of joined shards: their recipe, measured as the first says."""
    parts = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(Recipe)}
    return dataclasses.replace(first, **parts)
