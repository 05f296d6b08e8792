"""Writes the results of a sweep into docs/study: tables, figures, and the numbers as CSV.

The findings go into the package, where `rnnensemble advise` finds them.

    python docs/make_study.py runs/study-small

Needs the folder that `rnnensemble sweep` filled and `rnnensemble report` reported on. The tables
go between the markers of docs/study/index.md, the one of findings over tasks into README.md as
well; the words around them are written by hand.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from documents import replace_part, table  # noqa: E402

from rnnensemble.cli.report import FINDINGS, read_findings  # noqa: E402
from rnnensemble.files import sweep_folder  # noqa: E402
from rnnensemble.study import tables  # noqa: E402
from rnnensemble.study.readings import beside  # noqa: E402
from rnnensemble.study.tables import Table  # noqa: E402

STUDY = ROOT / "docs" / "study"


def main(folder: Path, study: Path = STUDY, findings: Path = FINDINGS) -> None:
    """Copies numbers and figures, writes the tables."""
    cells = read_findings(folder / "findings.csv")
    sweep, outcomes = sweep_folder.load_sweep(folder)
    shutil.copyfile(folder / "findings.csv", findings)
    for name in ("summary.csv", "sweep.toml", "findings.csv"):
        shutil.copyfile(folder / name, study / name)
    (study / "figures").mkdir(exist_ok=True)
    for path in (study / "figures").glob("*.png"):
        path.unlink()
    for path in sorted((folder / "figures").glob("*.png")):
        shutil.copyfile(path, study / "figures" / path.name)
    parts = {
        "overall": tables.overall_table(cells),
        "beside": tables.overall_table(cells, beside(cell.level for cell in cells)),
        "convergence": tables.convergence_table(sweep, outcomes),
        "run": tables.run_table(sweep, outcomes),
    } | {name: tables.findings_table(cells, name) for name in {c.level for c in cells}}
    for name, found in parts.items():
        replace_part(study / "index.md", name, markdown(found))
    if study == STUDY:
        replace_part(ROOT / "README.md", "findings", markdown(parts["overall"]))


def markdown(found: Table) -> str:
    """A table; a bar in a cell would end it."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in found.rows]
    return table(list(found.head), rows)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder]:
            main(Path(folder))
        case _:
            raise SystemExit("usage: python docs/make_study.py FOLDER, a sweep's folder")
