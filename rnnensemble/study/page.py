"""The report as one HTML page that needs nothing but itself."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rnnensemble.study import conditions, tables
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.findings import AGREES, DISAGREES, NO_CLAIM, UNDECIDED, Finding
from rnnensemble.study.grid_findings import GridFinding
from rnnensemble.study.readings import beside, measure_of

CLASSES = {AGREES: AGREES, DISAGREES: DISAGREES, UNDECIDED: UNDECIDED, NO_CLAIM: UNDECIDED}
"""Classes of cells by their verdict."""


class Picture(NamedTuple):
    """A figure in the page.

    Attributes:
        title: What it shows.
        caption: How to read it.
        png: The image.
    """

    title: str
    caption: str
    png: bytes


def page(
    sweep: Sweep,
    outcomes: Mapping[str, Outcome],
    cells: Sequence[Finding],
    pictures: Mapping[str, Sequence[Picture]],
    *,
    grids: Sequence[GridFinding] = (),
    version: str,
) -> str:
    """The whole page.

    Args:
        sweep: Factors and levels.
        outcomes: What is measured so far, by the condition's digest.
        cells: The findings.
        pictures: Figures by section.
        grids: The findings of grids.
        version: Of this package.
    """
    import jinja2  # only where a page is written

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rnnensemble.study", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "base64": lambda image: base64.b64encode(image).decode(),
        "toml": conditions.to_toml,
        "unbroken": _unbroken,
        "verdict": _verdict,
        "words": tables.words,
    }
    levels, crossed = (dict.fromkeys(cell.level for cell in each) for each in (cells, grids))
    return environment.get_template("page.html.jinja").render(
        title=f"Findings of {sweep.name}" + (f", preset {sweep.preset}" if sweep.preset else ""),
        conditions=sweep.conditions,
        done=sum(digest in outcomes for digest in sweep.conditions),
        missing=tables.missing(sweep, outcomes),
        overall=tables.overall_table(cells),
        besides=tables.overall_table(cells, beside(levels)),
        findings=[(measure_of(name).title, tables.findings_table(cells, name)) for name in levels],
        grids=[(measure_of(name).title, tables.grid_table(grids, name)) for name in crossed],
        topology=tables.topology_table(sweep, outcomes),
        pictures=pictures,
        convergence=tables.convergence_table(sweep, outcomes),
        run=tables.run_table(sweep, outcomes),
        version=version,
    )


def _verdict(text: str) -> str | None:
    """The class of a cell that ends with a verdict, before the paper's direction."""
    return CLASSES.get(text.partition(" (paper:")[0].rpartition(", ")[2])


def _unbroken(text: str) -> str:
    """A cell whose intervals stay on one line."""
    return re.sub(r"\[.*?\]", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
