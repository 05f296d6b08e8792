"""Documents of runs, arrays, plans of deflation, and several runs: what they say and show."""

import dataclasses
import math

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.files.arrays import Row
from rnnensemble.study.conditions import Condition
from rnnensemble.study.pages import charts, measured
from rnnensemble.study.pages.arrays import arrays_document
from rnnensemble.study.pages.comparison import Side, comparison_document, differences
from rnnensemble.study.pages.document import Chart, Section, Sheet, Text
from rnnensemble.study.pages.html import page, plain
from rnnensemble.study.pages.measured import Example
from rnnensemble.study.pages.rounds import BatteryTables, meaning_of, rounds_document
from rnnensemble.study.pages.run import run_document
from rnnensemble.training.evaluation import example_trials
from tests.outcomes import Truth, outcome
from tests.tiny import ANALYSIS, NETWORK, TASK

SIZE = 5


@pytest.fixture(scope="module")
def trained():
    training = rnne.Training(batch=8, epoch_steps=4, max_epochs=3, threshold=10.0, patience=2)
    return rnne.train_population(TASK, network=NETWORK, training=training, size=SIZE)


def condition_of(population):
    parts = {name: getattr(population.recipe, name) for name in ("task", "network", "training")}
    return Condition(**parts, size=population.size, seed=population.seed, analysis=ANALYSIS)


def measured_of(population, **truth):
    """Distances of known truth between these networks, and their features."""
    found = outcome(condition_of(population), Truth(networks=SIZE, **truth), seed=3)
    return found.degeneracy, found.features


def document_of(population, degeneracy=None, features=None, example=None):
    return run_document(
        "mine",
        condition_of(population),
        population,
        degeneracy=degeneracy,
        features=features,
        example=example,
        manifest={"status": "analysed", "versions": {"jax": "1"}, "seconds": {"training": 1.0}},
        pictures={},
        files={"config.toml": "config.toml"},
    )


def parts_of(document, kind):
    def walk(parts):
        for part in parts:
            if isinstance(part, Section):
                yield from walk(part.parts)
            elif isinstance(part, kind):
                yield part

    return list(walk(document.sections))


def test_a_run_says_what_was_trained_found_and_is_doubtful(trained):
    degeneracy, features = measured_of(trained, dynamics=1.0, null=0.9)
    document = document_of(trained, degeneracy, features)
    learned, found, careful = document.summary
    assert learned.startswith("5 vanilla networks of 6 units learned flipflop (seed 0); 5 reached")
    value = next(row for row in degeneracy.table() if row["measure"] == "dsa")
    assert f"dynamics {measured.value_text(value)}" in found
    assert "only 5 networks are compared" in careful
    assert "more about trials than about solutions: mean DSA distance" in careful
    (numbers, *_) = parts_of(document, Sheet)
    place = numbers.table.head.index("about solutions")
    known = {row[1]: row[place] for row in numbers.table.rows}
    assert known["mean PIF distance"] == ""  # renumbered units are no null
    assert [known[x] for x in known if x.startswith("mean DSA")] == ["no"]
    assert "All settings" in page(document)


def test_charts_of_a_run_hold_every_network_and_measure(trained):
    degeneracy, features = measured_of(trained, topology=0.2)
    drawn = {
        x.data["kind"]: plain(x.data)
        for x in parts_of(document_of(trained, degeneracy, features), Chart)
    }
    assert set(drawn) == {"maps", "matrix", "cells", "curves"}
    titles = [each["title"] for each in drawn["maps"]["panels"]]
    assert titles[0] == "dynamics (DSA)"
    assert {"weights (PIF)", "fixed points"} <= set(titles)
    assert len(drawn["maps"]["cells"]) == SIZE
    places = np.array(drawn["maps"]["panels"][0]["xy"])
    between = np.linalg.norm(places[:, None] - places[None], axis=-1)
    matrix = degeneracy.dynamics.matrix
    assert np.corrcoef(between.ravel(), matrix.ravel())[0, 1] > 0.8  # two of five dimensions
    half = drawn["matrix"]["matrices"][0]["values"]
    assert [len(row) for row in half] == list(range(SIZE))
    assert half[3][1] == float(f"{matrix[3, 1]:.4g}")
    assert sorted(drawn["matrix"]["matrices"][0]["order"]) == list(range(SIZE))
    assert len(drawn["curves"]["y"]) == SIZE
    assert drawn["curves"]["y"][0][-1] == float(f"{trained.history.loss[0, -1]:.4g}")
    assert drawn["curves"]["states"] == ["converged"] * SIZE


def test_a_run_that_is_not_measured_has_a_page(trained):
    trials, outputs = example_trials(trained, 0, count=2)
    document = document_of(trained, example=Example(trials, outputs, 0))
    assert "not measured yet" in document.summary[1]
    kinds = [chart.data["kind"] for chart in parts_of(document, Chart)]
    assert kinds == ["curves", "trials"]
    shown = plain(parts_of(document, Chart)[1].data)["trials"]
    assert np.shape(shown[1]["outputs"]) == outputs.shape[1:]
    assert any("rnnensemble analyse" in each.text for each in parts_of(document, Text))


def test_what_cannot_be_measured_is_said_and_left_out(trained):
    degeneracy, features = measured_of(trained)
    kept = {name: x for name, x in degeneracy.distances.items() if name != "weights"}
    why = "the networks name no recurrent weights"
    degeneracy = dataclasses.replace(degeneracy, distances=kept, left_out={"weights": why})
    document = document_of(trained, degeneracy, features)
    assert why in [each.text for each in parts_of(document, Text)]
    chart = next(x for x in parts_of(document, Chart) if x.data["kind"] == "maps")
    assert "weights (PIF)" not in [each["title"] for each in chart.data["panels"]]
    assert "weights" not in document.summary[1]


def test_networks_that_diverged_or_stopped_are_named(trained):
    some = np.arange(SIZE) == 1
    loss = np.where(some[:, None], np.nan, trained.history.loss)
    odd = dataclasses.replace(
        trained,
        diverged=some,
        converged=np.arange(SIZE) > 2,
        history=trained.history._replace(loss=loss),
    )
    data = plain(charts.curves("g", odd))
    assert data["states"] == ["stopped", "diverged", "stopped", "converged", "converged"]
    assert data["y"][1] == []
    document = document_of(odd)
    assert "2 reached the goal" in document.summary[0]
    assert "1 diverged" in document.summary[0]


def test_arrays_are_shown_with_those_that_cannot_be_compared():
    matrix = np.array([[0, 1, 2.0], [1, 0, 3], [2, 3, 0]])
    lost = np.where(
        np.eye(3) + (np.arange(3) == 2) + (np.arange(3) == 2)[:, None] > 0, np.nan, matrix
    )
    rows = [
        Row("pif", "weights", 3, 2.0, 1.0, 3.0, "{}", ""),
        Row("cka", "activity", 2, 1.0, math.nan, math.nan, "{}", "2"),
    ]
    document = arrays_document(
        "far",
        rows,
        {"pif": matrix, "cka": lost},
        manifest={
            "size": 3,
            "inputs": {"weights": {"file": "w.npy", "shapes": ["(3, 3)"], "sha256": "ab"}},
        },
        pictures={},
        files={},
    )
    assert "3 networks made elsewhere" in document.summary[0]
    assert "pif of weights 2 [1, 3]; cka of activity 1." in document.summary[1]
    assert "cka cannot compare network 2." in [x.text for x in parts_of(document, Text)]
    maps, _ = parts_of(document, Chart)
    assert plain(maps.data)["panels"][1]["xy"][2] == [None, None]
    assert "w.npy" in page(document)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("potent_to_standard", "the part of the activity that the readouts see; mean over these"),
        ("dynamics_to_standard_max", "the largest of the DSA distance to standard networks"),
        ("loss_noise", "the loss on trials of this variant of the task: noise"),
        ("cycle_period", "steps of a limit cycle, 0 without one"),
        ("decodability_bit_0", "R² or share right: bit 0"),
        ("somebodys_own", ""),
    ],
)
def test_every_row_of_a_battery_has_its_meaning(column, words):
    assert words in meaning_of(column)
    assert bool(meaning_of(column)) == bool(words)


def test_a_plan_shows_groups_and_who_predicts_whom():
    names = ["standard:0", "standard:1", "alternative_1:0"]
    rows = [
        {"group": x.split(":")[0], "network": x.split(":")[1], "predictivity_to_standard": str(y)}
        for x, y in zip(names, (0.9, 0.8, 0.1), strict=True)
    ]
    groups = [{"measure": "predictivity_to_standard", "standard": "0.85", "alternative_1": "0.1"}]
    pairs = [
        {"network": x, **{y: str(0.1 * i + 0.01 * j) for j, y in enumerate(names)}}
        for i, x in enumerate(names)
    ]
    tables = BatteryTables(rows, groups, pairs, "rounds = 1\n")
    document = rounds_document("plan", {"mine": tables}, pictures={}, files={})
    assert "mine: 2 standard, 1 alternative 1" in document.summary[0]
    assert "standard 0.85, alternative 1 0.1" in document.summary[1]
    assert "the smallest group has 1 networks" not in document.summary[2]
    scatter, matrix = (plain(each.data) for each in parts_of(document, Chart))
    assert scatter["start"] == [-1, 0]
    assert scatter["groups"] == ["standard", "standard", "alternative 1"]
    assert matrix["matrices"][0]["values"][2] == [0.2, 0.21, 0.22]  # whole: it is not symmetric
    assert "rounds = 1" in page(document)


def test_runs_side_by_side_say_what_differs(trained):
    degeneracy, _ = measured_of(trained)
    first = Side("a", condition_of(trained), trained, degeneracy)
    other = dataclasses.replace(first.condition, seed=1)
    second = first._replace(name="b", condition=other)
    assert differences([first, second]) == {"seed": ["0", "1"]}
    document = comparison_document([first, second])
    assert document.title == "Side by side: a, b"
    assert "Intervals that overlap do not show" in document.summary[2]
    (chart,) = parts_of(document, Chart)
    line = chart.data["measures"][0]["series"][0]["points"]
    assert [point["label"] for point in line] == ["a", "b"]
    assert line[0]["value"] == degeneracy.table()[0]["value"]
    changed = dataclasses.replace(ANALYSIS, seed=7)
    second = first._replace(name="b", condition=dataclasses.replace(other, analysis=changed))
    assert (
        "measured in different ways (analysis.seed)"
        in comparison_document([first, second]).summary[2]
    )
    second = first._replace(name="b", condition=dataclasses.replace(other, task=rnne.tasks.Sine()))
    assert "different tasks" in comparison_document([first, second]).summary[2]


def test_what_was_measured_along_training_is_a_chart_by_epoch(trained):
    """Points of one measure stay together though its title changes; numbers are short."""
    row = {"measure": "dsa", "title": "DSA", "low": "0.1", "high": "0.3", "null": ""}
    rows = [row | {"epoch": "0", "value": "0.2"}, row | {"epoch": "7", "value": "0.4"}]
    rows[1]["title"] = "DSA; heavy tails?"
    classes = [{"epoch": "0", "value": "0.123456", "p_value": "1.0"}]
    document = run_document(
        "mine",
        condition_of(trained),
        trained,
        degeneracy=None,
        features=None,
        example=None,
        manifest={},
        pictures={},
        files={},
        along=[rows, classes],
    )
    (chart, _) = parts_of(document, Chart)
    (measure,) = chart.data["measures"]
    points = measure["series"][0]["points"]
    assert [(x["x"], x["label"], x["value"]) for x in points] == [(0, "0", 0.2), (3, "7", 0.4)]
    assert points[0]["text"] == "0.20 [0.10, 0.30]"
    table = next(x for x in parts_of(document, Sheet) if "class" in x.caption).table
    assert table.rows == [("0", "0.123", "1")]
