"""The report as one HTML page that needs nothing but itself."""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from rnnensemble.study import conditions, tables
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.findings import AGREES, DISAGREES, NO_CLAIM, UNDECIDED, Finding
from rnnensemble.study.readings import beside, measure_of
from rnnensemble.study.tables import Table, words

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #d5d5d5; --soft: #f3f3f3;
  --good: #005a8c; --bad: #a84300; --open: #666; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181b; --line: #3c4046;
  --soft: #22252a; --good: #6fc3f2; --bad: #ff9a55; --open: #a5a5a5; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 84rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.4rem; } h3 { font-size: 1.05rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .6rem 0 1rem; }
th, td { border: 1px solid var(--line); padding: .2rem .4rem; text-align: left;
  vertical-align: top; }
th { background: var(--soft); }
.agrees { color: var(--good); font-weight: 600; } .disagrees { color: var(--bad);
  font-weight: 600; } .undecided { color: var(--open); }
figure { margin: 1rem 0; } figcaption { font-size: 13px; max-width: 60rem; }
img { max-width: 100%; background: #fff; padding: 6px; border-radius: 4px; }
pre { font-size: 12px; background: var(--soft); padding: .6rem; overflow-x: auto; }
"""

CAVEATS = (
    "A distance says how far apart networks lie under one way of comparing them. Equal distances "
    "do not mean equal solutions, and a small distance does not mean equal mechanisms.",
    "DSA depends on its settings (rank, delays), which the literature leaves open; a direction "
    "that holds in some settings alone is a statement about these. Compare distances of one task "
    "and one setting only. The column 'same in DSA settings' and the heat map show how far a "
    "direction carries.",
    "DSA and PIF are searches: every value is an upper bound of the distance that it stands for.",
    "A trend of the DSA distance that its null (each network against itself on other trials) shows "
    "as well is one of the trials, not of the solutions: see 'ratio to null'.",
    "PIF along widths is divided by the number of weights, N². The distance of independent random "
    "matrices grows more slowly than N², so that this ratio falls with width whatever networks do.",
    "sigma_OOD follows the mean loss: where networks generalize better on the whole, their losses "
    "also spread less. Mean OOD loss stands beside it.",
    "Only converged networks count. Where few converge, they are a selection.",
    "A number whose null is more than 0.3 of it, or whose pairs cannot be told apart on other "
    "trials (intraclass correlation below 0.75), is 'not measurable': where a factor has such a "
    "value, there is no direction and nothing is decided. Crosses in the heat map mark these.",
    "p-values are adjusted (Holm) within one measure over all its factors and tasks. 'Undecided' "
    "means that these networks do not show a direction, not that there is none.",
)
"""What to keep in mind."""

CLASSES = {AGREES: AGREES, DISAGREES: DISAGREES, UNDECIDED: UNDECIDED, NO_CLAIM: UNDECIDED}


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
    version: str,
) -> str:
    """The whole page.

    Args:
        sweep: Factors and levels.
        outcomes: What is measured so far, by the condition's digest.
        cells: The findings.
        pictures: Figures by section.
        version: Of this package.
    """
    title = f"Findings of {sweep.name}" + (f", preset {sweep.preset}" if sweep.preset else "")
    parts = [
        f"<h1>{escape(title)}</h1>",
        _missing(sweep, outcomes),
        "<h2>Findings over tasks</h2>",
        "<p>What each level of degeneracy does when a factor is raised: direction, in how many "
        "tasks it is significant, and whether more than half of the tasks agree with the paper "
        "(Huang et al., arXiv 2410.03972).</p>",
        html_table(tables.overall_table(cells)),
        html_table(tables.overall_table(cells, beside(cell.level for cell in cells))),
        "<h2>All findings</h2>",
        "<p>Ratio: statistic at the highest value over that at the lowest. Change: factor for each "
        "doubling of the value, or each next level, or each unit of it, from all values. Brackets "
        "are 95% intervals over networks; tau is Kendall's tau-b; p permutes networks.</p>",
        *(_findings(cells, name) for name in dict.fromkeys(cell.level for cell in cells)),
        _topology(sweep, outcomes),
        "<h2>Figures</h2>",
        *(_pictures(name, each) for name, each in pictures.items()),
        "<h2>Convergence</h2>",
        html_table(tables.convergence_table(sweep, outcomes)),
        "<h2>What was run</h2>",
        html_table(tables.run_table(sweep, outcomes)),
        _settings(sweep),
        "<h2>What to keep in mind</h2>",
        "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in CAVEATS) + "</ul>",
        f"<p>Written by rnnensemble {escape(version)}.</p>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def html_table(table: Table) -> str:
    """A table, verdicts marked."""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>\n" for row in table.rows)
    shown = f"<thead><tr>{head}</tr></thead>\n" if any(table.head) else ""
    return f'<div class="wide"><table>{shown}<tbody>\n{rows}</tbody></table></div>'


def _cell(text: str) -> str:
    """A cell; the verdict that it ends with, before the paper's direction, gives its class."""
    verdict = text.partition(" (paper:")[0].rpartition(", ")[2]
    kind = f' class="{CLASSES[verdict]}"' if verdict in CLASSES else ""
    together = re.sub(r"\[.*?\]", lambda found: found[0].replace(" ", "&nbsp;"), escape(text))
    return f"<td{kind}>{together}</td>"


def _missing(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> str:
    lines = tables.missing(sweep, outcomes)
    if not lines:
        return f"<p>All {len(sweep.conditions)} conditions are measured.</p>"
    done = sum(digest in outcomes for digest in sweep.conditions)
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f"<p><strong>{done} of {len(sweep.conditions)} conditions are measured.</strong> "
        f"Missing are:</p><ul>{items}</ul>"
    )


def _findings(cells: Sequence[Finding], name: str) -> str:
    table = html_table(tables.findings_table(cells, name))
    return f"<h3>{escape(measure_of(name).title)}</h3>{table}"


def _topology(sweep: Sweep, outcomes: Mapping[str, Outcome]) -> str:
    """The counts of fixed points, where they were asked for."""
    table = tables.topology_table(sweep, outcomes)
    return f"<h3>fixed points: counts</h3>{html_table(table)}" if table.rows else ""


def _pictures(name: str, pictures: Sequence[Picture]) -> str:
    shown = [
        f'<figure><img alt="{escape(each.title)}" src="data:image/png;base64,'
        f'{base64.b64encode(each.png).decode()}"><figcaption>{escape(each.caption)}</figcaption>'
        "</figure>"
        for each in pictures
    ]
    return f"<h3>{escape(words(name))}</h3>" + "\n".join(shown)


def _settings(sweep: Sweep) -> str:
    """All settings of all conditions, folded away."""
    found = [
        f"<details><summary>{digest}: {escape(words(condition.task.name))}</summary>"
        f"<pre>{escape(conditions.to_toml(condition))}</pre></details>"
        for digest, condition in sweep.conditions.items()
    ]
    return f"<details><summary>Settings of all conditions</summary>{''.join(found)}</details>"
