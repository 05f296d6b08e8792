"""The numbers of a degeneracy as lines of a table."""

import math
from typing import Any

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.dsa_grid import GridDistances


def degeneracy_rows(degeneracy: Degeneracy) -> list[tuple[str, str, str, str]]:
    """The numbers as lines: level, measure, value, interval; what belongs to each below it."""
    lines, shown = [], ""
    for row in degeneracy.table():
        level = row["level"] if row["level"] != shown else ""
        interval = _interval(row["low"], row["high"])
        value = f"{math.nan if row['value'] is None else row['value']:.3g}"
        value = "" if row["measure"] in degeneracy.unmeasured else value
        lines += [(level, row["title"], value, interval), *_beneath(row)]
        if row["measure"] == "dsa":
            lines += _settings_lines(degeneracy.grid)
        shown = row["level"]
    return lines


def _beneath(row: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What bounds a value from below, its null, and what trials add to it."""
    null = f"{row['trials']:,} other trials" if row["trials"] else "units renumbered"
    null = null if row["level"] == "behavior" else f"same network, {null}"
    ratio = _interval(row["null_ratio_low"], row["null_ratio_high"])
    apart = _interval(row["log_spread_low"], row["log_spread_high"])
    lines = [
        ("spread of log losses (robust)", "log_spread", ".3g", apart),
        ("no alignment comes below", "lower_bound", ".3g", ""),
        (f"its null: {null}", "null", ".3g", ""),
        ("relative to its null", "null_ratio", ".3g", ratio),
        ("without what trials add", "corrected", ".3g", ""),
        ("reliability: agreement of pairs measured twice", "reliability", ".2f", ""),
        ("networks with the most frequent counts", "agreement", ".0%", ""),
    ]
    return [
        ("", f"  {name}", f"{row[key]:{form}}", interval)
        for name, key, form, interval in lines
        if row[key] is not None
    ]


def _settings_lines(grid: GridDistances) -> list[tuple[str, str, str, str]]:
    """DSA over its other settings."""
    means, ratios = grid.means, grid.null_ratios
    lines = {
        f"over {means.size} settings (ranks x delays)": f"{means.min():.3g} to {means.max():.3g}",
        "the same relative to their nulls": f"{ratios.min():.2g} to {ratios.max():.2g}",
        "measurable of these": f"{grid.measurable.sum()}",
    }
    return [("", f"  {name}", cell, "") for name, cell in lines.items()]


def _interval(low: float | None, high: float | None) -> str:
    """From low to high; without an end, to infinity; nothing where there is no interval."""
    if low is None:
        return ""
    return f"{low:.3g} to {math.inf if high is None else high:.3g}"
