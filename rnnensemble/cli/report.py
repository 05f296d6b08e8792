"""The commands `report` and `advise`: a page on what a folder holds; the advice."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from rnnensemble.cli import run_report, sweep_report
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.sweep_report import FINDINGS, read_findings
from rnnensemble.files import results, stages, storage
from rnnensemble.files.folders import as_path, make_folder, require_writable, reserved, write_text
from rnnensemble.study import advice
from rnnensemble.study.pages.comparison import Side, comparison_document
from rnnensemble.study.pages.html import page

MOST_PERMUTATIONS = 10**6
"""At once in memory, for each factor."""

PAGE = "report.html"


def write_report(
    folder: Path | str,
    *,
    beside: Sequence[Path | str] = (),
    to: Path | str | None = None,
    permutations: int = 9999,
    quiet: bool = False,
) -> Path:
    """Writes a page on what a folder holds, as `rnnensemble report` does.

    Of a sweep it writes findings and figures as well (docs/reports.md).

    Args:
        folder: A run, a sweep, a plan of deflation, a comparison of arrays, finished or not; or
            the tables of a sweep or plan alone.
        beside: Further runs, which the page then shows side by side with the first.
        to: Where the page goes; None for `report.html` in the folder, `comparison.html` in the
            current folder for several runs. Elsewhere than in the folder it is all that is written.
        permutations: Permutations of networks for each p-value of a sweep.
        quiet: Prints nothing.

    Returns:
        The page.

    Raises:
        ValueError: If the folder is none of these or holds nothing to report on.
        FileExistsError: If another process writes to the folder.

    Example:
        >>> import tempfile
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> with tempfile.TemporaryDirectory() as root:
        ...     folder = rnne.save(f"{root}/mine", population)
        ...     rnne.write_report(folder, quiet=True).name
        'report.html'
    """
    if not 1 <= permutations <= MOST_PERMUTATIONS:
        raise ValueError(
            f"`permutations` must lie between 1 and {MOST_PERMUTATIONS:,}; got {permutations}."
        )
    folder = as_path(folder, "folder")
    target = None if to is None else as_path(to, "to")
    if target is not None and target.is_dir():
        raise ValueError(f"`to` must be the page's file; {target} is a folder.")
    if beside:
        return _compare([folder, *map(Path, beside)], target or Path("comparison.html"), quiet)
    write = _kind(folder)
    _require_place(target, folder)
    target = target or folder / PAGE
    inside = to is None and (folder / "manifest.json").exists()
    with Reporter(quiet=quiet) as reporter, reserved(folder) if inside else nullcontext():
        write(folder, target, permutations, reporter)
    return target


def _kind(folder: Path) -> Callable[[Path, Path, int, Reporter], None]:
    """What writes the report on a folder of this kind; ValueError if there is none."""
    if not (folder / "manifest.json").exists() and folder.is_dir():
        if results.is_sweep(folder):
            return sweep_report.report_tables
        if results.battery_names(folder):
            return run_report.report_batteries
    manifest = stages.read_manifest(folder)
    if "inputs" in manifest:
        return run_report.report_arrays
    kinds = {stages.SWEEP: sweep_report.report_sweep, stages.ROUNDS: run_report.report_batteries}
    return kinds.get(manifest["status"], run_report.report_run)


def _compare(paths: Sequence[Path], target: Path, quiet: bool) -> Path:
    """Writes a page with several runs side by side."""
    sides, names = [], _different([path.absolute() for path in paths])
    _require_place(target, target.parent)
    for path, name in zip(paths, names, strict=True):
        run = storage.load_run(path)
        if run.degeneracy is None:
            raise ValueError(
                f"`folder` {path} is not measured yet; measure it: rnnensemble analyse {path}"
            )
        sides.append(Side(name, run.condition, run.population, run.degeneracy))
    write_text(target, page(comparison_document(sides)))
    Reporter(quiet=quiet).line(f"report: {target}")
    return target


def _require_place(target: Path | None, folder: Path) -> None:
    """Raises ValueError unless the page can be written; makes the folder that it is to go to."""
    if target is None:
        require_writable(folder, "folder")
        return
    require_writable(target.parent, "to")
    make_folder(target.parent)


def _different(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that differ; ValueError if two are the same."""
    if len(set(paths)) < len(paths):
        raise ValueError("`folder` names the same folder twice; compare different ones.")
    count = 1
    while len({path.parts[-count:] for path in paths}) < len(paths):
        count += 1
    return ["/".join(path.parts[-count:]) for path in paths]


def advise(*, want: str, level: str, task: str | None, summary: Path | None) -> None:
    """Says what to raise or lower for a wish, from measured effects; see `options.Advise`."""
    cells = read_findings(summary or FINDINGS)
    lines = advice.advise(cells, level=level, want=want, task=task)
    reporter = Reporter(quiet=False)
    source = summary or "the study that comes with this package (docs/study)"
    for line in [*lines, f"Effects are those measured in {source}."]:
        reporter.line(line)
