"""The part of a sweep that is asked for, as `--only` says it."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from rnnensemble.study.factors import Factor, Grid, Sweep
from rnnensemble.study.toml import unknown_key


def select(sweep: Sweep, only: Sequence[str]) -> Sweep:
    """The part of a sweep that is asked for.

    Args:
        sweep: All of it.
        only: Each `FACTOR`, `FACTOR:TASK` or either with `=VALUE,VALUE,...`; of a grid
            `GRID=VALUExVALUE,...`, where a value left out stands for all of its axis; nothing for
            all.

    Returns:
        The sweep with the factors, grids and levels that any of `only` names.

    Raises:
        ValueError: If a factor, task or level is unknown.
    """
    if not only:
        return sweep
    asked = set().union(*(_asked(sweep, text) for text in only))
    factors = (_part(each, asked) for each in sweep.factors)
    grids = (_part(each, asked) for each in sweep.grids)
    return dataclasses.replace(
        sweep, factors=tuple(filter(None, factors)), grids=tuple(filter(None, grids))
    )


Place = tuple[str, str, tuple[float, ...]]
"""A level of a sweep: name of its factor or grid, task and values."""

Part = TypeVar("Part", bound=Factor | Grid)


def _part(part: Part, asked: set[Place]) -> Part | None:
    """A factor or grid with the levels that are asked for, None if it has none."""
    levels = tuple(x for x in part.levels if (part.name, part.task, x.values) in asked)
    return dataclasses.replace(part, levels=levels) if levels else None


def _asked(sweep: Sweep, text: str) -> set[Place]:
    """The levels that one `FACTOR:TASK=VALUES` names."""
    place, _, values = text.partition("=")
    name, _, task = place.partition(":")
    found = [p for p in sweep.parts if p.name == name and task in ("", p.task)]
    if not found:
        known = sorted({p.name for p in sweep.parts} | {f"{p.name}:{p.task}" for p in sweep.parts})
        message = unknown_key(place, known)
        raise ValueError("`only` " + message.replace("a setting", "a factor of this sweep"))
    levels = {(p.name, p.task, level.values) for p in found for level in p.levels}
    if not values:
        return levels
    chosen = set()
    for value in values.split(","):
        same = {each for each in levels if _is_at(each[2], value)}
        if not same:
            texts = ("x".join(f"{x:g}" for x in each) for each in sorted({v for _, _, v in levels}))
            raise ValueError(f"`only` {place} has no level {value!r}; it has {', '.join(texts)}.")
        chosen |= same
    return chosen


def _is_at(values: tuple[float, ...], text: str) -> bool:
    """Whether a level has the values of a text: `20`, or in a grid `20x0.1`, `20x` and `x0.1`."""
    parts = text.split("x")
    if len(parts) != len(values) or not any(parts):
        return False
    try:
        given = zip(values, parts, strict=True)
        return all(not part or value == float(part) for value, part in given)
    except ValueError:
        return False
