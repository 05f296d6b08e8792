"""The report on one trained population."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.stats.digits import number, with_interval
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from rnnensemble.study.pages import charts, measured
from rnnensemble.study.pages.charts import Drawn, Line, Point
from rnnensemble.study.pages.document import (
    Chart,
    Document,
    Files,
    Points,
    Section,
    Settings,
    Sheet,
    Text,
)
from rnnensemble.study.pages.measured import Example, Pictures, as_number
from rnnensemble.study.tables import Table, words
from rnnensemble.training.population import Population

GROUP = "run"

FEW = 8
"""Converged networks below which an interval says little."""

CARE = (
    "A distance says how far apart networks lie under one way of comparing them. Equal distances "
    "do not mean equal solutions, and a small distance does not mean equal mechanisms.",
    "DSA depends on its settings (rank, delays), which the literature leaves open. Compare "
    "distances of one task and one setting only.",
    "DSA and PIF are searches: every value is an upper bound of the distance that it stands for.",
    "Only converged networks count. Where few converge, they are a selection.",
    "A number whose null is more than 0.3 of it, or whose pairs cannot be told apart on other "
    "trials (reliability below 0.75), is more about trials than about solutions.",
)
"""What readers of any report must know."""


def run_document(
    name: str,
    condition: Condition,
    population: Population,
    *,
    degeneracy: Degeneracy | None,
    features: FeatureLearning | None,
    example: Example | None,
    manifest: Mapping[str, Any],
    pictures: Pictures,
    files: Mapping[str, str],
    along: Sequence[Sequence[Mapping[str, str]]] = (),
) -> Document:
    """The report on a run.

    Args:
        name: Of the run.
        condition: Its settings.
        population: Its networks.
        degeneracy: How far apart they lie, None before the analysis.
        features: How much they learned features, None where that was not measured.
        example: Trials with a network's outputs, None to show none.
        manifest: Versions, machine, seconds.
        pictures: Figures as images, by name.
        files: Files beside the page and where they lie.
        along: What was measured along training: the rows of `over_training.csv`, then, if there
            are any, those of `over_training_classes.csv`.
    """
    sections = []
    if degeneracy is not None:
        found: list[Any] = [measured.numbers_sheet(degeneracy)]
        found += [Text(reason, careful=True) for reason in degeneracy.left_out.values()]
        found += measured.named(pictures, "overview")
        sections.append(Section("How far apart they lie", found))
        parts = measured.network_parts(GROUP, degeneracy, population, features, pictures)
        sections.append(Section("Networks", parts))
        if (sheet := measured.topology_sheet(degeneracy)) is not None:
            sections.append(Section("Fixed points", [sheet]))
        chart = measured.settings_chart(degeneracy, pictures)
        sections.append(Section("Settings of DSA", [chart]))
    else:
        text = "Nothing is measured yet: `rnnensemble analyse` measures the trained networks."
        sections.append(Section("How far apart they lie", [Text(text, careful=True)]))
    sections += [_along(along, pictures)] if along else []
    learning = [measured.curves_chart(GROUP, population, pictures)]
    learning += [measured.trials_chart(example, pictures)] if example else []
    sections.append(Section("Learning", learning))
    sections.append(Section("What to keep in mind", [Points(CARE)]))
    sections.append(Section("What was run", [*_about(condition, manifest), Files(files)]))
    return Document(f"Report on {name}", summary(condition, population, degeneracy), sections)


def _along(tables: Sequence[Sequence[Mapping[str, str]]], pictures: Pictures) -> Section:
    """Every measure by epoch, and how well networks' classes can be told from it."""
    drawn: dict[str, list[Point]] = {}
    titles: dict[str, str] = {}
    for row in tables[0]:
        value, low, high, null = (as_number(row[x]) for x in ("value", "low", "high", "null"))
        if math.isfinite(value):
            place = math.log2(1 + float(row["epoch"]))
            end = math.inf if math.isnan(high) else high  # as `measured.value_text` has it
            text = with_interval((value, low, end))
            point = Point(place, row["epoch"], value, low, high, null, text)
            drawn.setdefault(row["measure"], []).append(point)
            titles.setdefault(row["measure"], row["title"])
    measures = [
        Drawn(titles[name], titles[name], [Line("networks", found)])
        for name, found in drawn.items()
    ]
    caption = (
        "Each measure after the epochs of the snapshots, with 95% intervals over networks; dotted: "
        "the null. Epochs stand by doublings."
    )
    data = charts.levels("along training", "epoch", measures)
    kept = measured.named(pictures, "over_training")
    parts: list[Any] = [Chart("Along training", caption, data, kept)]
    if len(tables) > 1:
        rows = [tuple(map(_short, row.values())) for row in tables[1]]
        text = "How well the class of dynamics that a network ends in can be told after each epoch."
        parts.append(Sheet(Table(tuple(map(words, tables[1][0])), rows), text))
    return Section("Along training", parts)


def _short(text: str) -> str:
    """A cell with three digits, if it is a number with more."""
    return number(value) if math.isfinite(value := as_number(text)) else text


def _about(condition: Condition, manifest: Mapping[str, Any]) -> list[Any]:
    """Settings, versions and machine."""
    about = {name: manifest.get(name) for name in ("status", "versions", "machine", "written")}
    seconds = manifest.get("seconds") or {}
    about |= {f"seconds of {name}": f"{value:.1f}" for name, value in seconds.items()}
    rows = [(words(name), _flat(value)) for name, value in about.items() if value]
    table = Sheet(Table(("", ""), rows), "Versions and machine.")
    settings = Section("All settings", [Settings(conditions.to_toml(condition))], folded=True)
    return [table, settings]


def _flat(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(
        f"{words(name)} {json.dumps(each).strip(chr(34))}" for name, each in value.items()
    )


def summary(
    condition: Condition, population: Population, degeneracy: Degeneracy | None
) -> list[str]:
    """What was trained, what was found, what to be careful about."""
    return [
        trained_sentence(condition, population),
        found_sentence(degeneracy),
        careful_sentence(population, degeneracy),
    ]


def trained_sentence(condition: Condition, population: Population) -> str:
    """What was trained, and how that went."""
    network, training = condition.network, condition.training
    stops = population.stop_epoch[population.converged]
    goal = f"{training.goal} {population.thresholds[0]:g}"
    text = (
        f"{population.size} {network.kind} networks of {network.width} units learned "
        f"{words(condition.task.name)} (seed {condition.seed}); {int(population.converged.sum())} "
        f"reached the goal ({goal})"
    )
    if len(stops):
        epochs = dict.fromkeys((int(stops.min()), int(stops.max())))
        text += f" after {' to '.join(map(str, epochs))} epochs"
    if population.diverged.any():
        text += f", and {int(population.diverged.sum())} diverged"
    return text + "."


def found_sentence(degeneracy: Degeneracy | None) -> str:
    """What was found, with intervals."""
    if degeneracy is None:
        return "How far their solutions lie apart is not measured yet."
    parts = []
    for row in degeneracy.table():
        if row["value"] is None or row["measure"] in ("autocovariance", "generalization_gap"):
            continue
        if row["level"] == "behavior" and row["measure"] != f"sigma_{degeneracy.behavior.main}":
            continue
        told = bool(row["null_ratio"]) and row["level"] != "weights"
        times = f", {number(row['null_ratio'])} times its null" if told else ""
        parts.append(f"{row['level']} {measured.value_text(row)} ({row['title']}{times})")
    found = "; ".join(parts)
    return f"How far apart the solutions lie, with 95% intervals over networks: {found}."


def careful_sentence(population: Population, degeneracy: Degeneracy | None) -> str:
    """What to be careful about, from the numbers."""
    if degeneracy is None:
        return "Be careful: without an analysis nothing can be said about solutions."
    found = []
    count = len(degeneracy.networks)
    if count < FEW:
        found.append(f"only {count} networks are compared, so that intervals are wide")
    if count < population.size:
        found.append(f"the {count} of {population.size} that converged are a selection")
    doubtful = [row["title"] for row in degeneracy.table() if measured.is_measurable(row) is False]
    if doubtful:
        found.append(f"more about trials than about solutions: {', '.join(doubtful)}")
    means = degeneracy.over_settings()["means"]
    if means.size > 1:
        low, high = (number(float(x)) for x in (means.min(), means.max()))
        found.append(
            f"{means.size} settings of DSA give {low} to {high}, so compare equal settings alone"
        )
    found = found or ["compare these numbers only with those of equal settings"]
    return "Be careful: " + "; ".join(found) + "."
