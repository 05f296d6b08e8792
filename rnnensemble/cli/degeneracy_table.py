"""The numbers of a degeneracy as lines of a table."""

import math
from typing import Any

import numpy as np

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.stats.digits import number, value_and_interval

Line = tuple[str, str, str, str]
"""Level, measure, value, interval."""


def degeneracy_rows(degeneracy: Degeneracy) -> list[Line]:
    """The numbers as lines: level, measure, value, interval; what belongs to each below it."""
    lines, shown = list[Line](), ""
    for row in degeneracy.table():
        level = row["level"] if row["level"] != shown else ""
        value, interval = _texts(row, "value", "low", "high")
        value = "" if row["measure"] in degeneracy.unmeasured else value or "nan"
        lines += [(level, row["title"], value, interval), *_beneath(row)]
        if row["measure"] == "dsa":
            lines += _settings_lines(degeneracy)
        shown = row["level"]
    return lines


def _beneath(row: dict[str, Any]) -> list[Line]:
    """What bounds a value from below, its null, and what trials add to it."""
    null = f"{row['trials']:,} other trials" if row["trials"] else "units renumbered"
    null = null if row["level"] == "behavior" else f"same network, {null}"
    names = {
        "log_spread": "spread of log losses (robust)",
        "lower_bound": "no alignment comes below",
        "null": f"its null: {null}",
        "null_ratio": "relative to its null",
        "corrected": "without what trials add",
        "reliability": "reliability: agreement of pairs measured twice",
        "agreement": "networks with the most frequent counts",
    }
    texts = {
        name: _texts(row, name, f"{name}_low", f"{name}_high", ratio=name == "null_ratio")
        for name in names
    }
    for name, form in (("reliability", ".2f"), ("agreement", ".0%")):
        if row[name] is not None:
            texts[name] = f"{row[name]:{form}}", ""
    return [("", f"  {names[name]}", *texts[name]) for name in names if row[name] is not None]


def _settings_lines(degeneracy: Degeneracy) -> list[Line]:
    """DSA over all settings that were measured: those of the grid, and the one of the row above."""
    found, others = degeneracy.over_settings(), degeneracy.grid.means.size
    count = found["means"].size
    what = "ranks x delays, and the one above" if count > others else "ranks x delays"
    lines = {
        f"over {count} settings ({what})": _range(found["means"], 3),
        "the same relative to their nulls": _range(found["null_ratios"], 2),
        "measurable of these": f"{found['measurable'].sum()}",
    }
    return [("", f"  {name}", cell, "") for name, cell in lines.items()]


def _range(values: np.ndarray, digits: int) -> str:
    """From the lowest to the highest."""
    return " to ".join(number(float(end), digits) for end in (values.min(), values.max()))


def _texts(
    row: dict[str, Any], value: str, low: str, high: str, *, ratio: bool = False
) -> tuple[str, str]:
    """A value and its interval; an upper end that JSON cannot hold is infinity."""
    found = math.nan if row[value] is None else float(row[value])
    if row.get(low) is None:
        return value_and_interval((found, math.nan, math.nan), ratio=ratio)
    end = math.inf if row[high] is None else float(row[high])
    return value_and_interval((found, float(row[low]), end), ratio=ratio)
