"""Writes what deflation found into docs/alternatives: tables, figures, and the numbers as CSV.

    python docs/make_alternatives.py runs/deflation-flipflop runs/deflation-memory_pro ...

Needs folders that `rnnensemble deflate` and `rnnensemble battery` filled. The tables go between the
markers of docs/alternatives/index.md; the words around them are written by hand.
"""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from documents import replace_part, table  # noqa: E402

from rnnensemble.study.deflation_plan import read_plan  # noqa: E402

PAGE = ROOT / "docs" / "alternatives"
STANDARD = "standard"
HIGH, LOW = 0.95, 0.25
"""Predictivity that counts as near 1, and as far lower."""

Row = dict[str, str]


def numbers(rows: list[Row], column: str, *, standard: bool) -> np.ndarray:
    """A column's values of the standard networks, or of all alternatives."""
    return np.array([float(r[column]) for r in rows if (r["group"] == STANDARD) == standard])


def spanned(values: np.ndarray) -> str:
    """Median and range."""
    return f"{np.median(values):.2g} ({values.min():.2g} to {values.max():.2g})"


def among_standard(folder: Path, most: float) -> np.ndarray:
    """Predictivity of all pairs of standard networks whose initial gain is at most `most`."""
    with (folder / "predictivity.csv").open() as file:
        rows = list(csv.DictReader(file))
    gains = read_plan((folder / "plan.toml").read_text()).standard.network.gain
    names = [name for name in rows[0] if name.startswith(f"{STANDARD}:")]
    names = [name for name in names if gains[int(name.partition(":")[2])] <= most]
    pairs = ((r, name) for r in rows if r["network"] in names for name in names)
    return np.array([float(r[name]) for r, name in pairs if r["network"] != name])


def claims(rows: list[Row], folder: Path) -> list[list[str]]:
    """Each claim of the paper with what was measured and a verdict."""
    every, moderate = (among_standard(folder, most) for most in (np.inf, 1.0))
    away = numbers(rows, "predictivity_to_standard_max", standard=False)
    potent = numbers(rows, "potent_to_standard", standard=False)
    found = [
        [
            "standard networks predict one another",
            f"pairs {spanned(every)}",
            verdict(np.median(every) >= HIGH),
        ],
        [
            "the same at gains up to 1.0",
            f"pairs {spanned(moderate)}",
            verdict(np.median(moderate) >= HIGH),
        ],
        [
            "alternatives predict no standard network",
            f"largest to any {spanned(away)}; {int((away < LOW).sum())} of {len(away)} below {LOW}",
            verdict(bool(np.median(away) < LOW)),
        ],
        [
            "the difference vanishes in what the readouts see",
            f"mean to standard {spanned(potent)}",
            verdict(bool((potent >= HIGH).all())),
        ],
    ]
    stable = [numbers(rows, "stable_points", standard=each) for each in (True, False)]
    found.append(
        [
            "stable points give way (claimed for the flip-flop)",
            f"standard {spanned(stable[0])}, alternatives {spanned(stable[1])}",
            verdict(bool(np.median(stable[1]) < np.median(stable[0]))),
        ]
    )
    for column in (name for name in rows[0] if name.startswith("loss_")):
        name = column.removeprefix("loss_").replace("_", " ")
        mine, theirs = (numbers(rows, column, standard=each) for each in (True, False))
        better = int((theirs < mine.min()).sum())
        found.append(
            [
                f"alternatives win in some regimes: {name}",
                f"MSE {spanned(mine)}, alternatives {spanned(theirs)}",
                f"{better} of {len(theirs)} better than every standard network",
            ]
        )
    return found


def verdict(agrees: bool) -> str:
    """A word."""
    return "agrees" if agrees else "disagrees"


def main(folders: list[Path]) -> None:
    """Copies numbers and figures, writes the tables."""
    rows, measures, runs = [], [], []
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text())
        task = manifest["task"]
        with (folder / "battery.csv").open() as file:
            networks = list(csv.DictReader(file))
        rows += [[task, *each] for each in claims(networks, folder)]
        with (folder / "battery_groups.csv").open() as file:
            groups = list(csv.DictReader(file))
        measures.append(f"### {task}\n\n![{task}]({task}.png)\n\n{markdown(groups)}")
        for name in ("battery.csv", "battery_groups.csv", "predictivity.csv", "plan.toml"):
            shutil.copyfile(folder / name, PAGE / f"{task}_{name}")
        shutil.copyfile(folder / "figures" / "battery.png", PAGE / f"{task}.png")
        counts = {r["group"]: sum(x["group"] == r["group"] for x in networks) for r in networks}
        shown = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
        versions = manifest["versions"]
        runs.append([task, shown, f"jax {versions['jax']}", manifest["machine"]["device"]])
    head = [
        "task",
        "claim",
        "measured: median (least to most), over networks unless pairs are named",
        "verdict",
    ]
    replace_part(PAGE / "index.md", "claims", table(head, rows))
    replace_part(PAGE / "index.md", "measures", "\n\n".join(measures))
    run_head = ["task", "converged networks", "versions", "device"]
    replace_part(PAGE / "index.md", "run", table(run_head, runs))


def markdown(rows: list[Row]) -> str:
    """Rows as a table."""
    head = [name.replace("_", " ") for name in rows[0]]
    return table(head, [[cell.replace("_", " ") for cell in row.values()] for row in rows])


if __name__ == "__main__":
    if not sys.argv[1:]:
        raise SystemExit("usage: python docs/make_alternatives.py FOLDER ..., what deflate wrote")
    main([Path(each) for each in sys.argv[1:]])
