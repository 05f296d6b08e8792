"""Results as tables alone: what is kept of a sweep or of a plan of deflation without its networks.

    sweep.toml, summary.csv, findings.csv       a sweep
    <name>_plan.toml, <name>_battery.csv, <name>_battery_groups.csv, <name>_predictivity.csv
                                                a plan; in its own folder without the name

Reports are made of them where the networks are not at hand, as of what docs/ holds.
"""

from pathlib import Path

from rnnensemble.files import folders, stages
from rnnensemble.files.stages import read_text
from rnnensemble.study import toml
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.pages.rounds import BatteryTables
from rnnensemble.study.sweep_file import read_sweep

SWEEP = ("sweep.toml", "summary.csv", "findings.csv")
BATTERY = "battery.csv"


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds the tables of a sweep."""
    return all((folder / name).is_file() for name in SWEEP)


def read_sweep_tables(folder: Path) -> tuple[Sweep, dict[str, Outcome], list[dict[str, str]]]:
    """The sweep, what is known of its conditions without their networks, and the summary's rows.

    ValueError if the conditions of the summary are none of the sweep's, with any preset.
    """
    rows = folders.read_rows(folder / "summary.csv")
    text = read_text(folder / "sweep.toml")
    presets = list(toml.parse(text, "sweep").get("presets", {})) or [None]
    sweeps = [read_sweep(text, preset) for preset in presets]
    digests = {row["digest"] for row in rows}
    fitting = [sweep for sweep in sweeps if digests <= sweep.conditions.keys()]
    if not digests or not fitting:
        raise ValueError(f"`folder` {folder} has a summary.csv that is not of its sweep.toml.")
    sweep, outcomes = fitting[0], {}
    for row in rows:
        counts = {name: int(row[name]) for name in ("converged", "diverged", "size")}
        seconds = {name: float(row[f"seconds_{name}"]) for name in ("training", "analysis")}
        condition = sweep.conditions[row["digest"]]
        outcomes[row["digest"]] = Outcome(condition, None, None, {**counts, "seconds": seconds})
    return sweep, outcomes, rows


def battery_names(folder: Path) -> list[str]:
    """What the names of the batteries in a folder begin with; "" for the folder's own."""
    return sorted(path.name.removesuffix(BATTERY) for path in folder.glob(f"*{BATTERY}"))


def read_battery(folder: Path, start: str) -> BatteryTables:
    """The tables of a battery whose names begin so; ValueError if one is not whole."""
    tables = [folder / f"{start}{name}" for name in (BATTERY, "battery_groups.csv")]
    for path in tables:
        if not path.is_file() or not stages.is_noted(path):
            raise ValueError(
                f"`folder` {folder} has no whole {path.name}; measure it: rnnensemble battery "
                f"{folder}"
            )
    known = folder / f"{start}predictivity.csv"
    networks, groups = (folders.read_rows(path) for path in tables)
    pairs = folders.read_rows(known) if known.is_file() else []
    plan = folder / f"{start}plan.toml"
    return BatteryTables(networks, groups, pairs, read_text(plan) if plan.is_file() else "")
