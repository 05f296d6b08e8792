"""The report on a sweep: findings, figures and a page; from its folder, or from its tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnensemble.cli.console import Reporter
from rnnensemble.cli.drawing import draw
from rnnensemble.cli.run_report import example_of, files_beside, png_of, stored_picture
from rnnensemble.files import folders, records, results, stages, storage, sweep_folder
from rnnensemble.files.folders import read_rows, write_rows, write_text
from rnnensemble.files.sweep_folder import load_sweep
from rnnensemble.study import findings, rows, tables
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.findings import Finding, Findings
from rnnensemble.study.grid_findings import grid_rows
from rnnensemble.study.pages.document import Picture
from rnnensemble.study.pages.html import page
from rnnensemble.study.pages.sweep import MOST_DETAILED, Detail, sweep_document
from rnnensemble.study.readings import asked_for, beside, title_of
from rnnensemble.study.toml import identifier

if TYPE_CHECKING:
    from rnnensemble.figures.style import Figure

KINDS = {
    "levels": "The levels of degeneracy with 95% intervals over networks; dotted: the same "
    "networks on other trials (DSA), or what a finite number of trials alone adds (sigma_OOD).",
    "dynamics": "Networks by DSA distance (classical MDS). The panels of a row have one scale: "
    "compare their extents, not the places of dots in different panels.",
    "weights": "The same by PIF distance.",
    "beside": "Outputs, autocovariances, feature learning and out-of-distribution loss with 95% "
    "intervals over networks; dotted: the same networks on other trials.",
}
"""The figures of each factor and how to read them."""

MAPS = {
    "maps": "The levels of degeneracy at every combination. Compare colors within a map alone.",
    "maps_beside": "Outputs, autocovariances, feature learning and out-of-distribution loss.",
}
"""The figures of each grid and how to read them."""

FINDINGS = Path(findings.__file__).with_name("findings.csv")
"""What the package's own study found (docs/study)."""

CELLS, GRIDS = "findings.csv", "grids.csv"
"""Findings of factors, and of grids where there are any."""

FILES = ("summary.csv", CELLS, GRIDS, "sweep.toml", "manifest.json")
"""Files of a sweep that its page names."""


def report_sweep(folder: Path, target: Path, permutations: int, reporter: Reporter) -> None:
    """Writes findings, figures and page of a sweep's folder, and shows the findings."""
    sweep, outcomes = load_sweep(folder)
    details = _details(folder, sweep, outcomes, reporter)
    found = write_sweep_report(
        folder,
        sweep,
        outcomes,
        permutations=permutations,
        reporter=reporter,
        details=details,
        target=target,
    )
    said = f"report: {target}"
    if target.absolute().parent == folder.absolute():
        written = [each for each in (CELLS, GRIDS) if (folder / each).exists()]
        sweep_folder.note(folder, written)
        said += f"; all cells: {', '.join(written)}; figures/"
    if found.cells:
        table = tables.overall_table(found.cells)
        reporter.table("findings over tasks", table.head, table.rows)
    for name in rows.levels_of(found.grids):
        table = tables.grid_table(found.grids, name)
        reporter.table(f"grids: {title_of(name)}", table.head, table.rows)
    reporter.line(said)


def report_tables(folder: Path, target: Path, permutations: int, reporter: Reporter) -> None:
    """Writes the page of a sweep of which only the tables are at hand; they stay as they are."""
    del permutations  # the findings are read
    sweep, outcomes, lines = results.read_sweep_tables(folder)
    found = Findings(read_findings(folder / CELLS), {}, [])
    pictures, files = _stored_pictures(folder), files_beside(folder, target, FILES)
    document = sweep_document(
        sweep, outcomes, found, lines, details={}, pictures=pictures, files=files
    )
    write_text(target, page(document))
    reporter.line(f"report: {target}")


def write_sweep_report(
    folder: Path,
    sweep: Sweep,
    outcomes: Mapping[str, Outcome],
    *,
    permutations: int = 9999,
    reporter: Reporter | None = None,
    details: Mapping[str, Detail] | None = None,
    target: Path | None = None,
) -> Findings:
    """Writes report.html, findings.csv and figures of a sweep, finished or not.

    Args:
        folder: Where; what stands there under these names is replaced.
        sweep: Factors and levels.
        outcomes: What is measured so far, by the condition's digest.
        permutations: Permutations of networks for each p-value.
        reporter: Shows progress.
        details: What the page shows of conditions besides, by digest; nothing unless given.
        target: The page's own place, `folder`/report.html unless given; outside of the folder it is
            all that is written.

    Returns:
        The findings.

    Raises:
        ValueError: If nothing is measured yet, or a factor's name cannot be that of a file.
    """
    for part in sweep.parts:
        identifier(part.name, "factors.name")
    if not any(digest in outcomes for digest in sweep.conditions):
        raise ValueError(f"`folder` {folder} has no measured condition yet; let the sweep go on.")
    if reporter is not None:
        effects = len(sweep.factors) + 3 * len(sweep.grids)
        trends = effects * len(asked_for(sweep))
        reporter.line(f"testing {trends} trends with {permutations} permutations each")
    found = findings.find(sweep, outcomes, permutations=permutations)
    target, files = target or folder / "report.html", dict[str, str]()
    if target.absolute().parent == folder.absolute():
        _write_cells(folder, found)
        draw(folder, lambda: study_figures(sweep, outcomes, found))
        pictures, files = _stored_pictures(folder), files_beside(folder, target, FILES)
    else:
        pictures = {
            name: Picture(tables.words(name), figure.caption or _caption(name), png_of(figure))
            for name, figure in study_figures(sweep, outcomes, found).items()
        }
    document = sweep_document(
        sweep,
        outcomes,
        found,
        _rows(sweep, outcomes),
        details=details or {},
        pictures=pictures,
        files=files,
    )
    write_text(target, page(document))
    return found


def _write_cells(folder: Path, found: Findings) -> None:
    """Writes the findings; what an earlier report found besides is removed."""
    written = {CELLS: [rows.row(cell) for cell in found.cells], GRIDS: grid_rows(found.grids)}
    for name, lines in written.items():
        if lines:
            write_rows(folder / name, lines)
        else:
            folders.remove(folder / name)


def _rows(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """The rows of the summary, of what is measured."""
    found = []
    for part in sweep.parts:
        for level in part.levels:
            outcome = outcomes.get(level.condition.digest)
            if outcome is None or outcome.degeneracy is None:
                continue
            row = records.summary_row(outcome.condition, outcome.degeneracy, outcome.features)
            times = outcome.manifest.get("seconds", {})
            row["seconds_training"] = times.get("training", "")
            names = {"factor": part.name, "task": part.task, "size": outcome.condition.size}
            found.append(row | names | {"digest": outcome.condition.digest})
    return found


def _details(
    folder: Path, sweep: Sweep, outcomes: Mapping[str, Outcome], reporter: Reporter
) -> dict[str, Detail]:
    """The networks of every condition and a few trials, where the page shows them."""
    if len(sweep.conditions) > MOST_DETAILED:
        return {}
    found = {}
    reporter.line(f"reading the networks of {len(outcomes)} conditions")
    for digest in outcomes:
        population = storage.load_run(sweep_folder.condition_folder(folder, digest)).population
        found[digest] = Detail(population, example_of(population, 1))
    return found


def _stored_pictures(folder: Path) -> dict[str, Picture]:
    """The figures that were drawn of a sweep."""
    return {
        name: stored_picture(name, png, caption or _caption(name))
        for name, (png, caption) in folders.images(folder / "figures").items()
    }


def _caption(name: str) -> str:
    """How to read a figure of this name."""
    kinds = {**MAPS, **KINDS}
    kind = max((each for each in kinds if name.endswith(f"_{each}")), key=len, default="")
    settings = "How a trend of the DSA distance depends on rank, or share of variance, and delays."
    return kinds.get(kind, settings)


def study_figures(
    sweep: Sweep, outcomes: Mapping[str, Outcome], found: Findings
) -> "dict[str, Figure]":
    """Every figure of a study, by name: `<factor>_<kind>`, `<grid>_<kind>` and `dsa_settings`."""
    from rnnensemble.figures import grids, study  # takes a second to load

    figures, levels = {}, rows.levels_of(found.cells)
    for name, factors in tables.by_name(sweep.factors).items():
        drawn = (
            study.factor_figure(factors, outcomes, levels),
            study.networks_figure(factors, outcomes, "dynamics"),
            study.networks_figure(factors, outcomes, "weights"),
            study.factor_figure(factors, outcomes, beside(cell.level for cell in found.cells)),
        )
        figures |= {f"{name}_{kind}": each for kind, each in zip(KINDS, drawn, strict=True)}
    if found.settings:
        settings = study.settings_figure(found, sweep.factors, outcomes)
        figures["dsa_settings"] = settings
    measures = dict.fromkeys(cell.level for cell in found.grids)
    for name, parts in tables.by_name(sweep.grids).items():
        figures[f"{name}_maps"] = grids.grid_figure(parts, outcomes, rows.levels_of(found.grids))
        figures[f"{name}_maps_beside"] = grids.grid_figure(parts, outcomes, beside(measures))
    return figures


def read_findings(path: Path = FINDINGS) -> list[Finding]:
    """The findings of a file.

    Args:
        path: As `rnnensemble report` writes it; by default those of the package's own study.

    Raises:
        ValueError: If the file is missing or holds no findings.
    """
    if not path.is_file():
        raise ValueError(
            f"`summary` {path} does not exist; give the findings.csv that `rnnensemble report "
            "FOLDER` writes by --summary."
        )
    if not stages.is_noted(path):
        raise ValueError(
            f"`summary` {path} is not as it was written; write it again: rnnensemble report "
            f"{path.parent}"
        )
    try:
        found = [rows.finding_of(cells) for cells in read_rows(path)]
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`summary` {path} is no table of findings ({error}); give the findings.csv that "
            "`rnnensemble report FOLDER` writes."
        ) from None
    if not found:
        raise ValueError(f"`summary` {path} holds no findings.")
    return found
