"""The scale of a trend comes from the values of its factor alone."""

from pathlib import Path

import numpy as np
import pytest

from rnnensemble.study import findings, tables
from rnnensemble.study.scales import DOUBLING, NEXT_LEVEL, SPAN, UNIT, places, scale_of
from rnnensemble.study.sweep_file import read_sweep
from tests.outcomes import Truth, factor, study

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
STUDY = {
    "channels": UNIT,
    "delay": UNIT,
    "auxiliary": UNIT,
    "nuclear_norm": NEXT_LEVEL,
    "l1": NEXT_LEVEL,
    "gamma": DOUBLING,
    "width": DOUBLING,
}


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_the_study_has_the_scales_that_it_was_published_with(preset):
    sweep = read_sweep((EXPERIMENTS / "study" / "sweep.toml").read_text(), preset)
    assert {part.name for part in sweep.factors} == STUDY.keys()
    for part in sweep.factors:
        assert scale_of(part.values) == STUDY[part.name], (part.name, part.task)


def test_the_axes_of_the_phase_diagram_are_doublings():
    (grid,) = read_sweep((EXPERIMENTS / "phases" / "sweep.toml").read_text()).grids
    assert [scale_of(axis.values) for axis in grid.axes] == [DOUBLING, DOUBLING]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([3, 1, 2], UNIT),
        ([20, 27, 33, 40], UNIT),  # even but for rounding
        ([2, 3, 4, 6], UNIT),  # ratios as even, but a range of 3 is no two doublings
        (range(1, 11), UNIT),  # even, though over a range of 10
        ([-1, 0, 1], UNIT),
        ([0, 1], UNIT),
        ([1, 2, 4], DOUBLING),
        ([1, 7, 8], DOUBLING),
        ([0.002, 0.005, 0.01, 0.02], DOUBLING),
        ([0, 1e-4, 1e-3, 1e-2], NEXT_LEVEL),
        ([0, 1, 10], NEXT_LEVEL),
        ([0, 1, 2], UNIT),
        ([0, 1e-4, 2e-4], SPAN),
        ([0.001, 0.0015, 0.002], SPAN),  # a unit is a thousand times their span
        ([100, 200, 300], SPAN),  # and here a 200th of it
        ([0.001, 0.004], SPAN),
        ([32, 512], SPAN),
        ([5], SPAN),
    ],
)
def test_values_choose_their_scale(values, scale):
    assert scale_of(values) == scale


def test_places_are_1_apart_for_each_change():
    np.testing.assert_allclose(places([32, 64, 256], [64, 256]), [6, 8])
    np.testing.assert_allclose(places([0, 1e-3, 1e-2], [1e-2, 0]), [2, 0])
    np.testing.assert_allclose(places([0.001, 0.0015, 0.002], [0.0015, 0.002]), [0.5, 1])
    np.testing.assert_allclose(places([2, 3, 5], [5]), [5])


def test_a_learning_rate_has_no_change_per_unit():
    """It once read "2.33e-74 [0, 8.78e+186]"."""
    known = [Truth(networks=8), Truth(dynamics=2.0, networks=8)]
    sweep, outcomes = study([(factor("rate", [0.001, 0.004]), known)])
    cells = findings.find(sweep, outcomes, permutations=99).cells
    cell = next(each for each in cells if each.level == "dynamics")
    np.testing.assert_allclose(cell.change, cell.ratio)
    table = tables.findings_table(cells, "dynamics")
    shown = table.rows[0][table.head.index("change")]
    assert shown.endswith("] from lowest to highest")
    assert "e" not in shown.partition("]")[0]
