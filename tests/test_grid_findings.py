"""Grids measured: planted effects are found, gaps are said, maps show every combination."""

import csv
import dataclasses
import zlib

import numpy as np
import pytest

from rnnensemble.cli import sweep_report as command
from rnnensemble.figures.grids import grid_figure
from rnnensemble.study import findings, tables
from rnnensemble.study.factors import Axis, Grid, Sweep
from tests.outcomes import Truth, factor, outcome, study

GAMMAS, DELAYS = (0.5, 1.0, 2.0), (10.0, 20.0)


def grid(truths, name="gamma_delay"):
    """A grid of one task, and its outcomes by digest; None is not measured yet."""
    values = [(a, b) for a in GAMMAS for b in DELAYS]
    line = factor(name, range(len(values)))
    levels = tuple(
        dataclasses.replace(x, value=a, second=b, label=f"{a:g}x{b:g}")
        for x, (a, b) in zip(line.levels, values, strict=True)
    )
    axes = (
        Axis(name="gamma", title="gamma", unit="", values=GAMMAS, labels=("0.5", "1", "2")),
        Axis(name="delay", title="delay", unit="steps", values=DELAYS, labels=("10", "20")),
    )
    outcomes = {
        level.condition.digest: outcome(level.condition, truth, [i, zlib.crc32(name.encode())])
        for i, (level, truth) in enumerate(zip(levels, truths, strict=True))
        if truth is not None
    }
    return Grid(name=name, task="flipflop", axes=axes, levels=levels), outcomes


@pytest.fixture(scope="module")
def planted():
    """Distances of dynamics rise along gamma; those of weights along it at a long delay alone."""
    truths = [
        Truth(dynamics=1 + 2 * i, weights=(1 + 2 * i) ** (2 * j - 1), networks=12)
        for i in range(3)
        for j in range(2)
    ]
    crossed, outcomes = grid(truths)
    return Sweep(name="toy", preset="", grids=(crossed,)), outcomes


def of_measure(found, level):
    (cell,) = [each for each in found.grids if each.level == level]
    return cell


def test_planted_effects_are_found_and_only_these(planted):
    found = findings.find(*planted, permutations=499)
    assert found.cells == []
    dynamics, weights = (of_measure(found, level) for level in ("dynamics", "weights"))
    assert [term.name for term in dynamics.terms] == ["gamma", "delay", "interaction"]
    assert [term.direction for term in dynamics.terms] == ["up", "none", "none"]
    change = dynamics.terms[0].change
    assert change.low < 5 < change.high  # from 1 to 5, along log2 of gamma
    assert weights.terms[2].direction == "up"
    assert weights.terms[2].change.low < 25 < weights.terms[2].change.high
    assert weights.terms[0].direction == "none"
    for term in (*dynamics.terms, *weights.terms):
        assert term.p_adjusted == min(1, term.p_adjusted) >= term.p_value
    assert dynamics.note == ""


def test_what_cannot_be_measured_is_left_out_and_said():
    truths = [Truth(dynamics=1 + i, networks=8) for i in range(6)]
    truths[1], truths[4] = Truth(networks=2), None
    crossed, outcomes = grid(truths)
    found = findings.find(Sweep(name="a", preset="", grids=(crossed,)), outcomes, permutations=99)
    cell = of_measure(found, "dynamics")
    assert cell.note == "without 0.5x20 (2 converged, 3 needed), 2x10 (not measured yet)"
    assert [np.isnan(term.p_value) for term in cell.terms] == [False, False, True]
    figure = grid_figure([crossed], outcomes, ["dynamics", "behavior"])
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[1] == "2\nconverged,\n3\nneeded"
    assert texts[4] == "not\nmeasured\nyet"
    shown = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    assert np.argwhere(np.isnan(shown)).tolist() == [[0, 1], [2, 0]]
    assert float(texts[0]) == pytest.approx(shown[0, 0], rel=0.01)
    assert figure.axes[0].get_xlabel() == "delay (steps)"
    noisy = [Truth(null=3.0, networks=8)] * 6
    crossed, outcomes = grid(noisy)
    found = findings.find(Sweep(name="a", preset="", grids=(crossed,)), outcomes, permutations=9)
    cell = of_measure(found, "dynamics")
    assert len(cell.unmeasurable) == 6
    assert {term.direction for term in cell.terms} == {"none"}
    (axes, *_) = grid_figure([crossed], outcomes, ["dynamics"]).axes
    assert all(text.get_text().endswith("*") for text in axes.texts)


def test_grids_take_their_place_in_a_report(planted, tmp_path):
    sweep, outcomes = planted
    found = command.write_sweep_report(tmp_path, sweep, outcomes, permutations=99)
    text = (tmp_path / "report.html").read_text()
    assert "Two factors at once" in text
    assert "gamma delay, flipflop" in text
    assert "Findings over tasks" not in text
    assert not (tmp_path / "findings.csv").exists()
    with (tmp_path / "grids.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(found.grids)
    assert {row["term"] for row in rows} == {"gamma", "delay", "interaction"}
    names = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert names == {"gamma_delay_maps.png", "gamma_delay_maps_beside.png"}
    (first, *_) = tables.grid_table(found.grids, "dynamics").rows
    assert first[:4] == ("gamma delay", "flipflop", "gamma", "up")
    lines, known = study([(factor("channels", [1, 2]), [Truth(networks=4)] * 2)])
    command.write_sweep_report(tmp_path, lines, known, permutations=9)
    assert not (tmp_path / "grids.csv").exists()
    assert "Two factors at once" not in (tmp_path / "report.html").read_text()
