"""The reports on a run, on networks made elsewhere, and on alternative solutions."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.over_training import CLASSES, ROWS
from rnnensemble.files import arrays, folders, results, stages, storage
from rnnensemble.files.folders import write_text
from rnnensemble.study.pages.arrays import arrays_document
from rnnensemble.study.pages.document import Picture
from rnnensemble.study.pages.html import page
from rnnensemble.study.pages.measured import Example
from rnnensemble.study.pages.rounds import rounds_document
from rnnensemble.study.pages.run import run_document
from rnnensemble.study.tables import words
from rnnensemble.training.evaluation import example_trials
from rnnensemble.training.population import Population

EXAMPLES = 3
"""Trials shown."""


def png_of(figure: Any) -> bytes:
    """A figure as an image for a page."""
    from rnnensemble.figures.style import PAGE, style  # loads matplotlib

    written = io.BytesIO()
    style.save(figure, written, dpi=PAGE, kind="png")
    return style.small(written.getvalue())


def example_of(population: Population, count: int = EXAMPLES) -> Example:
    """A few fresh trials, and what the first converged network makes of them."""
    shown = int(population.converged.argmax())
    trials, outputs = example_trials(population, shown, count=count)
    return Example(trials, outputs, shown)


def report_run(folder: Path, target: Path, permutations: int, reporter: Reporter) -> None:
    """Writes the page of a run."""
    del permutations  # nothing is tested
    run = storage.load_run(folder)
    if run.damage:
        reporter.line(f"{run.damage}; measure it again: rnnensemble analyse {folder}")
    names = ("config.toml", "summary.csv", "manifest.json", ROWS, CLASSES)
    pictures, files = {}, files_beside(folder, target, names)
    if run.degeneracy is not None:
        pictures = _drawn(folder) or _run_pictures(run.population, run.degeneracy)
    document = run_document(
        folder.absolute().name,
        run.condition,
        run.population,
        degeneracy=run.degeneracy,
        features=run.features,
        example=example_of(run.population),
        manifest=run.manifest,
        pictures=pictures,
        files=files,
        along=[folders.read_rows(folder / x) for x in (ROWS, CLASSES) if (folder / x).exists()],
    )
    write_text(target, page(document))
    reporter.line(f"report: {target}")


def _run_pictures(population: Population, degeneracy: Degeneracy) -> dict[str, Picture]:
    """The figures of a run that has none yet."""
    from rnnensemble.figures.run import run_figures  # takes a second to load

    return {
        name: Picture(words(name), figure.caption or words(name), png_of(figure))
        for name, figure in run_figures(population, degeneracy).items()
    }


def report_arrays(folder: Path, target: Path, permutations: int, reporter: Reporter) -> None:
    """Writes the page of networks made elsewhere."""
    del permutations
    manifest = stages.read_manifest(folder)
    if manifest["status"] != arrays.COMPARED:
        raise ValueError(f"`folder` {folder} is not finished; go on with: {manifest['command']}")
    names = ("distances.csv", "matrices.npz", "manifest.json")
    document = arrays_document(
        folder.absolute().name,
        arrays.read_distances(folder),
        arrays.read_matrices(folder),
        manifest=manifest,
        pictures=_drawn(folder),
        files=files_beside(folder, target, names),
    )
    write_text(target, page(document))
    reporter.line(f"report: {target}")


def report_batteries(folder: Path, target: Path, permutations: int, reporter: Reporter) -> None:
    """Writes the page of a plan of deflation, or of several that lie in a folder as tables."""
    del permutations
    starts = results.battery_names(folder)
    if not starts:
        raise ValueError(
            f"`folder` {folder} is not measured yet; measure it: rnnensemble battery {folder}"
        )
    name = folder.absolute().name
    found = {start.strip("_") or name: results.read_battery(folder, start) for start in starts}
    drawn = _drawn(folder)
    pictures = {key: each for key, each in drawn.items() if key in found}
    pictures |= {name: drawn["battery"]} if "battery" in drawn else {}
    files = files_beside(folder, target, sorted(path.name for path in folder.glob("*.csv")))
    document = rounds_document(name, found, pictures=pictures, files=files)
    write_text(target, page(document))
    reporter.line(f"report: {target}")


def stored_picture(name: str, png: bytes, caption: str = "") -> Picture:
    """A figure that was drawn before."""
    from rnnensemble.figures import style  # loads matplotlib

    return Picture(words(name), caption or words(name), style.small(png))


def _drawn(folder: Path) -> dict[str, Picture]:
    """The figures of a folder as they were drawn, by name."""
    found = folders.images(folder) | folders.images(folder / "figures")
    return {name: stored_picture(name, *each) for name, each in found.items()}


def files_beside(folder: Path, target: Path, names: Sequence[str]) -> dict[str, str]:
    """Files of a folder as they are found from the page; none of them from another folder."""
    if target.absolute().parent != folder.absolute():
        return {}
    shown = [name for name in names if (folder / name).exists()]
    kinds = (".svg", ".pdf", ".csv")
    drawn = sorted(each for each in (folder / "figures").glob("*") if each.suffix in kinds)
    return {name: name for name in shown} | {x.name: f"figures/{x.name}" for x in drawn}
