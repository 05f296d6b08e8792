"""The commands `report` and `advise`: a sweep folder's findings, figures and page; the advice."""

import importlib.metadata
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rnnensemble.cli.console import Reporter
from rnnensemble.cli.drawing import draw
from rnnensemble.files import folders, stages, sweep_folder
from rnnensemble.files.folders import read_rows, write_rows, write_text
from rnnensemble.files.sweep_folder import load_sweep
from rnnensemble.study import advice, findings, rows, tables
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.findings import Finding, Findings
from rnnensemble.study.grid_findings import grid_rows
from rnnensemble.study.page import Picture, page
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

MOST_PERMUTATIONS = 10**6
"""At once in memory, for each factor."""

DPI = 110
"""Dots per inch of the figures in the page; those in `figures` are finer."""


def report(folder: Path, *, permutations: int, quiet: bool) -> None:
    """Writes the report on a sweep folder; see `options.Report`."""
    if not 1 <= permutations <= MOST_PERMUTATIONS:
        raise ValueError(
            f"`permutations` must lie between 1 and {MOST_PERMUTATIONS:,}; got {permutations}."
        )
    folders.require_writable(folder, "folder")
    sweep, outcomes = load_sweep(folder)
    with folders.reserved(folder), Reporter(quiet=quiet) as reporter:
        found = write_report(folder, sweep, outcomes, permutations=permutations, reporter=reporter)
        written = [each for each in (CELLS, GRIDS) if (folder / each).exists()]
        sweep_folder.note(folder, written)
        if found.cells:
            table = tables.overall_table(found.cells)
            reporter.table("findings over tasks", table.head, table.rows)
        for name in rows.levels_of(found.grids):
            table = tables.grid_table(found.grids, name)
            reporter.table(f"grids: {title_of(name)}", table.head, table.rows)
        reporter.line(f"report: {folder}/report.html; all cells: {', '.join(written)}; figures/")


def write_report(
    folder: Path,
    sweep: Sweep,
    outcomes: Mapping[str, Outcome],
    *,
    permutations: int = 9999,
    reporter: Reporter | None = None,
) -> Findings:
    """Writes report.html, findings.csv and figures of a sweep, finished or not.

    Args:
        folder: Where; what stands there under these names is replaced.
        sweep: Factors and levels.
        outcomes: What is measured so far, by the condition's digest.
        permutations: Permutations of networks for each p-value.
        reporter: Shows progress.

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
    written = {CELLS: [rows.row(cell) for cell in found.cells], GRIDS: grid_rows(found.grids)}
    for name, lines in written.items():
        if lines:
            write_rows(folder / name, lines)
        else:
            folders.remove(folder / name)
    figures = draw(folder, lambda: study_figures(sweep, outcomes, found))
    version = importlib.metadata.version("rnnensemble")
    pictures = _pictures(sweep, figures)
    text = page(sweep, outcomes, found.cells, pictures, grids=found.grids, version=version)
    write_text(folder / "report.html", text)
    return found


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


def _pictures(sweep: Sweep, figures: "Mapping[str, Figure]") -> dict[str, list[Picture]]:
    """The figures as images, by factor; none if they could not be drawn."""
    if not figures:
        return {}
    named = [(name, KINDS) for name in tables.by_name(sweep.factors)]
    named += [(name, MAPS) for name in tables.by_name(sweep.grids)]
    found = {
        tables.words(name): [
            Picture(f"{tables.words(name)}: {kind}", caption, _png(figures[f"{name}_{kind}"]))
            for kind, caption in kinds.items()
        ]
        for name, kinds in named
    }
    if "dsa_settings" in figures:
        caption = (
            "How a trend of the DSA distance depends on rank, or share of variance, and delays."
        )
        png = _png(figures["dsa_settings"])
        found["DSA under other settings"] = [Picture("trends by DSA setting", caption, png)]
    return found


def _png(figure: "Figure") -> bytes:
    from rnnensemble.figures import style

    written = io.BytesIO()
    style.save(figure, written, dpi=DPI, kind="png")
    return written.getvalue()


def advise(*, want: str, level: str, task: str | None, summary: Path | None) -> None:
    """Says what to raise or lower for a wish, from measured effects; see `options.Advise`."""
    cells = read_findings(summary or FINDINGS)
    lines = advice.advise(cells, level=level, want=want, task=task)
    reporter = Reporter(quiet=False)
    source = summary or "the study that comes with this package (docs/study)"
    for line in [*lines, f"Effects are those measured in {source}."]:
        reporter.line(line)


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
