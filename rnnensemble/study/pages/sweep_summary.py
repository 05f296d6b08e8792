"""A sweep in three paragraphs: what was trained, what was found, what to be careful about."""

from collections.abc import Mapping, Sequence

from rnnensemble.analysis.measures import LEVELS
from rnnensemble.study import tables
from rnnensemble.study.factors import Outcome, Sweep
from rnnensemble.study.findings import AGREES, DISAGREES, NONE, Findings
from rnnensemble.study.readings import measure_of
from rnnensemble.study.rows import levels_of, overall
from rnnensemble.study.tables import words


def summary(sweep: Sweep, outcomes: Mapping[str, Outcome], found: Findings) -> list[str]:
    """What was trained, what was found, what to be careful about."""
    done = [each for each in outcomes.values() if each.condition.digest in sweep.conditions]
    networks = sum(each.condition.size for each in done)
    converged = sum(tables.converged(each) for each in done)
    names = dict.fromkeys(words(part.name) for part in sweep.parts)
    tasks = dict.fromkeys(words(part.task) for part in sweep.parts)
    trained = (
        f"{len(done)} of {len(sweep.conditions)} conditions are measured: {networks:,} networks, "
        f"of which {converged:,} converged, on {', '.join(tasks)}; what varies is "
        f"{', '.join(names)}."
    )
    return [trained, _seen(found), _careful(done, networks, converged, found)]


def _seen(found: Findings) -> str:
    """Which levels of degeneracy have a direction along which factor."""
    sentences, without, verdicts = [], 0, []
    for row in overall(found.cells, levels_of(found.cells)):
        parts = []
        for each in row:
            title, of = measure_of(each.level).title, f"of {each.tasks} tasks"
            of = "of 1 task" if each.tasks == 1 else of
            parts += [f"raises {title} in {each.up} {of}"] if each.up else []
            parts += [f"lowers {title} in {each.down} {of}"] if each.down else []
            without += not (each.up or each.down)
            verdicts += [each.verdict] if each.verdict in (AGREES, DISAGREES) else []
        if parts:
            sentences.append(f"Raising {words(row[0].factor)} {', '.join(parts)}.")
    for cell in found.grids:
        terms = [f"{words(x.name)} {x.direction}" for x in cell.terms if x.direction != NONE]
        if terms and cell.level in LEVELS:
            title, place = measure_of(cell.level).title, f"{words(cell.grid)}, {words(cell.task)}"
            sentences.append(f"Over {place}, {title}: {', '.join(terms)}.")
    sentences = sentences or ["No level of degeneracy shows a direction along any factor."]
    if without and len(sentences) > 1:
        sentences.append(f"In {without} other cases no direction shows.")
    if verdicts:
        agree, against = (verdicts.count(x) for x in (AGREES, DISAGREES))
        sentences.append(
            f"Where more than half of the tasks show a direction that the paper has a claim on, "
            f"{agree} agree with it and {against} do not."
        )
    return " ".join(sentences)


def _careful(done: Sequence[Outcome], networks: int, converged: int, found: Findings) -> str:
    parts = []
    if done:
        least = min(tables.converged(each) for each in done)
        parts.append(f"as few as {least} networks stand behind a number" if least < 20 else "")
    if converged < networks:
        parts.append("networks that did not converge are left out, a selection")
    doubtful = sum(bool(cell.unmeasurable) for cell in found.cells)
    if doubtful:
        parts.append(
            f"{doubtful} of {len(found.cells)} trends have a value that is more about trials than "
            "about solutions, and are not decided"
        )
    parts = [part for part in parts if part]
    return "Be careful: " + "; ".join([*parts, "no direction shown is not the same as none"]) + "."
