"""The report on a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnnensemble.study import conditions, tables
from rnnensemble.study.factors import Factor, Grid, Outcome, Sweep
from rnnensemble.study.findings import Findings
from rnnensemble.study.pages import charts, measured, points
from rnnensemble.study.pages.document import (
    Chart,
    Document,
    Files,
    Picture,
    Points,
    Section,
    Settings,
    Sheet,
    Text,
)
from rnnensemble.study.pages.measured import Example, Pictures
from rnnensemble.study.pages.points import Row, anchor
from rnnensemble.study.pages.run import CARE
from rnnensemble.study.pages.sweep_summary import summary
from rnnensemble.study.readings import asked_for, beside, measure_of
from rnnensemble.study.tables import Table, words
from rnnensemble.training.population import Population

MOST_DETAILED = 200
"""Conditions up to which each has a part of the page."""

MORE_CARE = (
    "A direction that holds in some settings of DSA alone is a statement about these. The column "
    "'same in DSA settings' and the heat map show how far a direction carries.",
    "A trend of the DSA distance that its null (each network against itself on other trials) shows "
    "as well is one of the trials, not of the solutions: see 'ratio to null'.",
    "PIF along widths is divided by the number of weights, N². The distance of independent random "
    "matrices grows more slowly than N², so that this ratio falls with width whatever networks do.",
    "sigma_OOD follows the mean loss: where networks generalize better on the whole, their losses "
    "also spread less. Mean OOD loss stands beside it.",
    "Where a factor has a value at which a number is more about trials than about solutions, there "
    "is no direction and nothing is decided. Hollow dots and crosses mark these.",
    "p-values are adjusted (Holm) within one measure over all its factors and tasks. 'Undecided' "
    "means that these networks do not show a direction, not that there is none.",
)
"""What readers of a sweep's report must know besides."""

CAPTIONS = {
    "dynamics": "Networks by DSA distance (classical MDS) within each value. The panels of a row "
    "have one scale: compare their extents, not the places of dots in different panels.",
    "weights": "The same by PIF distance.",
}


class Detail(NamedTuple):
    """What the page shows of a condition besides its measures; None where it is not at hand."""

    population: Population | None
    example: Example | None


def sweep_document(
    sweep: Sweep,
    outcomes: Mapping[str, Outcome],
    found: Findings,
    rows: Sequence[Row],
    *,
    details: Mapping[str, Detail],
    pictures: Pictures,
    files: Mapping[str, str],
) -> Document:
    """The report on a sweep, finished or not.

    Outcomes are what is measured so far, and details what is shown of conditions besides, by
    digest; rows are those of summary.csv.
    """
    linked = len(sweep.conditions) <= MOST_DETAILED
    names = asked_for(sweep)
    sections = []
    if lines := tables.missing(sweep, outcomes):
        parts = [Text("Not measured yet:", careful=True), Points(lines)]
        sections.append(Section("What is missing", parts))
    if found.cells:
        sections.append(_overall(found))
    for name, factors in tables.by_name(sweep.factors).items():
        sections.append(_factor(name, factors, rows, names, linked, pictures))
    if found.cells:
        sections.append(_cells(found))
    sections += [_grids(sweep, found, rows, names, linked, pictures)] if found.grids else []
    if "dsa_settings" in pictures:
        sections.append(Section("DSA under other settings", [pictures["dsa_settings"]]))
    topology = tables.topology_table(sweep, outcomes)
    if topology.rows:
        sections.append(Section("Fixed points", [Sheet(topology, "Counts of fixed points.")]))
    sections.append(_conditions(sweep, outcomes, rows, details, linked))
    sections.append(Section("What to keep in mind", [Points((*CARE, *MORE_CARE))]))
    about = [Sheet(tables.run_table(sweep, outcomes), "Settings, versions and machine.")]
    sections.append(Section("What was run", [*about, Files(files)]))
    title = f"Findings of {sweep.name}" + (f", preset {sweep.preset}" if sweep.preset else "")
    return Document(title, summary(sweep, outcomes, found), sections)


def _overall(found: Findings) -> Section:
    """The table over tasks, and what stands beside it."""
    cells = found.cells
    levels = dict.fromkeys(cell.level for cell in cells)
    caption = (
        "What each level of degeneracy does when a factor is raised: direction, in how many tasks "
        "it is significant, and whether more than half of the tasks agree with the paper (Huang et "
        "al., arXiv 2410.03972)."
    )
    links = {words(name): anchor_of(name) for name in dict.fromkeys(c.factor for c in cells)}
    parts: list[Any] = [Sheet(tables.overall_table(cells), caption, links=links)]
    more = tables.overall_table(cells, beside(levels))
    if len(more.head) > 1:
        parts.append(Sheet(more, "The same for what stands beside the levels.", links=links))
    return Section("Findings over tasks", parts)


def anchor_of(factor: str) -> str:
    """Where a factor is found in the page."""
    return f"factor-{factor}"


def _factor(
    name: str,
    factors: Sequence[Factor],
    rows: Sequence[Row],
    names: Sequence[str],
    linked: bool,
    pictures: Pictures,
) -> Section:
    """Measures along one factor, and the networks at each value."""
    first = factors[0]
    drawn = points.drawn(factors, rows, names, linked)
    caption = (
        "Measures along the factor, a line for each task, with 95% intervals over networks; "
        "dotted: the null, the same networks on other trials. Hollow dots are more about trials "
        f"than about solutions; intervals far beyond all values are cut. Values stand "
        f"{points.scale_text(first)}. "
    ) + ("Click a dot to see its condition." if linked else "")
    parts: list[Any] = []
    if drawn:
        data = charts.levels(f"levels along {words(name)}", tables.axis_words(first), drawn)
        kept = measured.named(pictures, f"{name}_levels", f"{name}_beside")
        parts.append(Chart(first.title, caption, data, kept))
    parts += [
        Picture(f"{words(name)}: {kind}", text, pictures[f"{name}_{kind}"].png)
        for kind, text in CAPTIONS.items()
        if f"{name}_{kind}" in pictures
    ]
    return Section(f"Factor: {words(name)}", parts, anchor_of(name))


def _cells(found: Findings) -> Section:
    """All findings, a table for each measure."""
    legend = {
        "ratio": "The statistic at the highest value over that at the lowest.",
        "change": "The factor by which it changes for each step named, from all values.",
        "tau": "Kendall's tau-b of the factor and the networks' own numbers.",
        "p": "Two-sided, by permutation of networks.",
        "p adjusted": "Holm's, over all factors and tasks of this measure.",
    }
    text = Text("Brackets are 95% intervals over networks.")
    names = list(dict.fromkeys(cell.level for cell in found.cells))
    shown = [
        Section(
            measure_of(level).title,
            [Sheet(tables.findings_table(found.cells, level), legend={} if place else legend)],
        )
        for place, level in enumerate(names)
    ]
    return Section("All findings", [text, *shown])


GRIDS = (
    "Of each grid the effect of both factors and their interaction. Change: factor from the "
    "lowest to the highest value of one, at all values of the other; of the interaction, the "
    "factor by which that change itself changes from end to end of the other: 1 where both "
    "multiply. Brackets are 95% intervals over networks. p permutes networks among the values of "
    "one factor within each value of the other, and for the interaction what is left when both "
    "effects are taken away; it is adjusted (Holm) within one measure over all grids. "
    "Combinations with too few converged networks are left out."
)


def _grids(
    sweep: Sweep,
    found: Findings,
    rows: Sequence[Row],
    names: Sequence[str],
    linked: bool,
    pictures: Pictures,
) -> Section:
    """Maps and effects of two factors at once."""
    parts: list[Any] = [Text(GRIDS)]
    parts += [_map(grid, rows, names, linked, pictures) for grid in sweep.grids]
    for level in dict.fromkeys(cell.level for cell in found.grids):
        table = tables.grid_table(found.grids, level)
        parts.append(Section(f"{measure_of(level).title}: effects", [Sheet(table)]))
    return Section("Two factors at once", parts)


def _map(
    grid: Grid, rows: Sequence[Row], names: Sequence[str], linked: bool, pictures: Pictures
) -> Section:
    up, across = grid.axes
    known = points.cells(grid, rows, names, linked)
    title = f"{words(grid.name)}, {words(grid.task)}"
    if not known:
        return Section(title, [Text("Too little is measured for a map.", careful=True)])
    data = charts.cells(title, (across.title, across.labels), (up.title, up.labels), known)
    caption = "Each cell is a condition; a cross: more about trials than about solutions."
    kept = measured.named(pictures, f"{grid.name}_maps", f"{grid.name}_maps_beside")
    return Section(title, [Chart(title, caption, data, kept)])


COLUMNS = {
    "sigma_temporal": "sigma_OOD",
    "dsa": "DSA",
    "autocovariance": "autocovariance",
    "pif": "PIF",
}
"""Columns of the summary that the table of conditions shows."""


def _conditions(
    sweep: Sweep,
    outcomes: Mapping[str, Outcome],
    rows: Sequence[Row],
    details: Mapping[str, Detail],
    linked: bool,
) -> Section:
    """A table of all conditions, and a part for each."""
    known = {row["digest"]: row for row in reversed(rows)}
    cells, links = [], {}
    for digest, condition in sweep.conditions.items():
        row, name = known.get(digest, {}), sweep.names[digest]
        outcome = outcomes.get(digest)
        count = "" if outcome is None else str(tables.converged(outcome))
        numbers = (tables.number(points.value_of(row, column)) for column in COLUMNS)
        seconds = tables.number(points.value_of(row, "seconds_training"))
        about = (words(condition.task.name), condition.network.kind, str(condition.network.width))
        cells.append((name, *about, str(condition.size), count, *numbers, seconds))
        if linked:
            links[name] = anchor(digest)
    head = ("condition", "task", "network", "units", "networks", "converged", *COLUMNS.values())
    caption = "All conditions: counts, and the mean of each measure over converged networks."
    table = Table((*head, "training, s"), cells)
    parts: list[Any] = [Sheet(table, caption, links=links)]
    convergence = tables.convergence_table(sweep, outcomes)
    parts.append(Sheet(convergence, "Networks converged at each value."))
    if not linked:
        parts.append(Text("`rnnensemble report` on a condition's folder shows its networks."))
        return Section("Conditions", parts)
    for digest in sweep.conditions:
        parts.append(_condition(sweep, digest, outcomes.get(digest), details.get(digest)))
    return Section("Conditions", parts)


def _condition(
    sweep: Sweep, digest: str, outcome: Outcome | None, detail: Detail | None
) -> Section:
    """All that is known of one condition."""
    condition, parts = sweep.conditions[digest], []
    population = detail.population if detail else None
    if outcome is not None and outcome.degeneracy is not None:
        found, features = outcome.degeneracy, outcome.features
        parts.append(measured.numbers_sheet(found, legend=False))
        parts += measured.network_parts(digest, found, population, features, {})
        parts += [measured.settings_chart(found, {})]
        sheet = measured.topology_sheet(found)
        parts += [sheet] if sheet else []
    elif outcome is None:
        parts.append(Text("Not measured yet.", careful=True))
    if population is not None:
        parts.append(measured.curves_chart(digest, population, {}))
    if detail is not None and detail.example is not None:
        parts.append(measured.trials_chart(detail.example, {}))
    text = Settings(conditions.to_toml(condition))
    parts.append(Section("Settings", [text], f"settings-{digest}", folded=True))
    if detail is not None:
        folder = f"conditions/{digest}"
        names = ("config.toml", "summary.csv", "manifest.json")
        parts.append(Files({name: f"{folder}/{name}" for name in names}))
    return Section(sweep.names[digest], parts, anchor(digest), folded=True)
