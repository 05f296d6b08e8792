"""The table of findings: planted trends come out with the right verdict, and only these."""

import dataclasses

import numpy as np
import pytest

from rnnensemble import stats
from rnnensemble.analysis import measures
from rnnensemble.stats import intervals
from rnnensemble.study import findings, rows, tables
from rnnensemble.study.dsa_trends import common_settings
from rnnensemble.study.findings import PAPER
from tests.outcomes import BEHAVIOR_NULL, GRID, TASKS, Truth, factor, study

UP = (1.0, 1.4, 2.0, 3.0)
DOWN = tuple(1 / x for x in UP)
FLAT = (1.0,) * 4


def truths(dynamics=FLAT, weights=FLAT, behavior=FLAT, moved=FLAT, **more):
    each = zip(dynamics, weights, behavior, moved, strict=True)
    return [Truth(*values, **more) for values in each]


def find(*known, permutations=999):
    return findings.find(*study(known), permutations=permutations)


def cells(found, level):
    return {(c.factor, c.task): c for c in found.cells if c.level == level}


@pytest.fixture(scope="module")
def found():
    """Channels as the paper has them in two tasks, otherwise in one; gamma against it."""
    paper = truths(DOWN, UP, DOWN, UP)
    return find(
        (factor("channels", [1, 2, 3, 4]), paper),
        (factor("channels", [1, 2, 3, 4], "sine"), paper),
        (factor("channels", [1, 2, 3, 4], "path_integration"), truths(UP)),
        (factor("gamma", [0.25, 0.5, 1, 2]), truths(UP, DOWN, DOWN)),
        (factor("l1", [0, 1e-5, 1e-4, 1e-3]), truths()),
    )


def test_planted_trends_are_found_with_their_verdicts(found):
    expected = {
        ("channels", "flipflop"): {"dynamics": "down", "weights": "up", "behavior": "down"},
        ("channels", "path_integration"): {"dynamics": "up", "weights": "none"},
        ("gamma", "flipflop"): {"dynamics": "up", "weights": "down", "behavior": "down"},
        ("l1", "flipflop"): {"dynamics": "none", "weights": "none", "behavior": "none"},
    }
    for key, directions in expected.items():
        for level, direction in directions.items():
            cell = cells(found, level)[key]
            agrees = "agrees" if direction == PAPER[key[0]][level] else "disagrees"
            assert cell.direction == direction
            assert cell.verdict == ("undecided" if direction == "none" else agrees)
            assert cell.paper == PAPER[key[0]][level]
    moved = cells(found, "weight_change")
    assert moved["channels", "sine"].verdict == "agrees"
    assert cells(found, "kernel_alignment")["channels", "sine"].direction == "down"
    assert moved["l1", "flipflop"].verdict == "no claim"


def test_effects_are_those_that_were_planted(found):
    channels = cells(found, "dynamics")["channels", "flipflop"]
    assert channels.ratio.low < 1 / 3 < channels.ratio.high
    assert channels.ratio.value == pytest.approx(channels.last / channels.first)
    assert channels.rank_correlation < -0.5
    assert (channels.values, channels.per) == (("1", "2", "3", "4"), "unit")
    assert channels.converged == ("20/24",) * 4
    slope = np.polyfit(np.arange(4), np.log(DOWN), 1)[0]
    assert channels.change.low < np.exp(slope) < channels.change.high
    gamma = cells(found, "weights")["gamma", "flipflop"]
    assert gamma.per == "doubling"
    assert gamma.change.low < np.exp(slope) < gamma.change.high
    assert cells(found, "weights")["l1", "flipflop"].per == "next level"


def test_p_values_are_adjusted_within_a_measure(found):
    for level in {cell.level for cell in found.cells}:
        mine = list(cells(found, level).values())
        adjusted = stats.adjust([cell.p_value for cell in mine])
        np.testing.assert_allclose([cell.p_adjusted for cell in mine], adjusted)
        assert all((c.direction != "none") == (c.p_adjusted <= 0.05) for c in mine)


def test_dynamics_come_with_other_settings_and_their_null(found):
    cell = cells(found, "dynamics")["channels", "flipflop"]
    assert cell.settings == 4
    assert cell.settings_down == cell.settings_share == 1
    assert set(found.settings["channels", "flipflop"].trends) == {(3, 1), (3, 3), (5, 1), (5, 3)}
    assert cell.null_first > cell.null_last > 1
    assert cell.null_change.value == pytest.approx(cell.change.value, rel=0.05)
    assert cell.null_p_value <= 0.05
    none = cells(found, "dynamics")["l1", "flipflop"]
    assert none.settings_share == 1 - none.settings_up - none.settings_down >= 0.75
    behavior = cells(found, "behavior")["channels", "flipflop"]
    assert behavior.null_first == pytest.approx(behavior.first / BEHAVIOR_NULL)
    assert np.isnan(cells(found, "weights")["channels", "flipflop"].null_first)


def test_topology_is_a_level_where_it_was_asked_for(found):
    assert not cells(found, "topology")
    known = [Truth(topology=x) for x in (0.1, 0.2, 0.4)]
    asked = factor("channels", [1, 2, 3], starts=16)
    found = find((asked, known), (factor("l1", [0, 1e-3]), [Truth(), Truth()]))
    cell = cells(found, "topology")["channels", "flipflop"]
    assert cell.direction == "up"
    assert cell.ratio.low < 4 < cell.ratio.high
    assert (cell.paper, cell.verdict) == ("", "no claim")
    assert cells(found, "topology")["l1", "flipflop"].note == "without 0 (not measured), " + (
        "0.001 (not measured)"
    )
    assert rows.levels_of(found.cells) == ["dynamics", "weights", "behavior", "topology"]


def test_networks_without_fixed_points_show_no_trend():
    asked = factor("channels", [1, 2, 3], starts=16)
    found = find((asked, [Truth(topology=x) for x in (0.0, 1.0, 2.0)]))
    cell = cells(found, "topology")["channels", "flipflop"]
    assert cell.note == "without 1 (a fixed-point distance of 0)"
    assert cell.values == ("2", "3")


def test_a_trend_that_the_null_shares_is_gone_relative_to_it():
    known = [Truth(dynamics=x, null=0.1 * x) for x in UP]
    found = find((factor("channels", [1, 2, 3, 4]), known))
    for measure in ("dynamics", "autocovariance"):
        cell = cells(found, measure)["channels", "flipflop"]
        assert cell.direction == "up"
        assert cell.null_change.low < 1 < cell.null_change.high
        assert cell.null_p_value > 0.05


def test_no_verdict_rests_on_what_is_not_measurable():
    """Distances rise threefold, but at the first value they are trials for the most part."""
    good, bad = truths(UP), [*truths(UP[:1], *[FLAT[:1]] * 3, null=2.0), *truths(UP)[1:]]
    channels = factor("channels", [1, 2, 3, 4])
    (first, *_), (second, *_) = find((channels, good)).cells, find((channels, bad)).cells
    assert (first.direction, first.verdict, first.unmeasurable) == ("up", "disagrees", ())
    assert (second.direction, second.verdict, second.unmeasurable) == ("none", "undecided", ("1",))
    assert second.p_adjusted <= 0.05
    assert "not measurable at 1" in second.note
    assert second.settings == 0  # the grid has the same nulls


def test_two_levels_are_compared_as_conditions():
    sweep, outcomes = study(
        [(factor("auxiliary", [0, 1], "delayed_discrimination"), [Truth(), Truth(weights=2.0)])]
    )
    cell = cells(findings.find(sweep, outcomes), "weights")["auxiliary", "delayed_discrimination"]
    matrices = [x.degeneracy.weights.matrix for x in outcomes.values()]
    expected = stats.compare_conditions(*matrices)
    assert cell.p_value == expected.p_value
    np.testing.assert_allclose(cell.ratio, expected.ratio)
    np.testing.assert_allclose(cell.change, expected.ratio)
    assert cell.verdict == "agrees"


def test_weights_along_widths_are_divided_by_the_number_of_weights():
    known = [Truth(weights=float(width)) for width in (8, 16, 32)]
    sweep, outcomes = study([(factor("width", [8, 16, 32]), known)])
    found = findings.find(sweep, outcomes, permutations=999)
    cell = cells(found, "weights")["width", "flipflop"]
    means = [intervals.mean_distance(x.degeneracy.weights.matrix).value for x in outcomes.values()]
    assert cell.first == pytest.approx(means[0] / 8**2)
    assert cell.last == pytest.approx(means[-1] / 32**2)
    assert (cell.direction, cell.verdict, cell.per) == ("down", "agrees", "doubling")
    assert "N^2" in cell.note
    assert cells(found, "dynamics")["width", "flipflop"].note == ""


def test_levels_with_too_few_networks_are_left_out_and_noted():
    known = truths(DOWN)
    known[1] = dataclasses.replace(known[1], networks=2)
    known[2] = dataclasses.replace(known[2], networks=3)
    known.append(None)
    found = find((factor("channels", [1, 2, 3, 4, 5]), known))
    dynamics = cells(found, "dynamics")["channels", "flipflop"]
    assert dynamics.values == ("1", "3", "4")
    assert dynamics.converged == ("20/24", "3/24", "20/24")
    assert dynamics.note == "without 2 (2 converged, 3 needed), 5 (not measured yet)"
    behavior = cells(found, "behavior")["channels", "flipflop"]
    assert behavior.values == ("1", "4")
    assert "3 (3 converged, 4 needed)" in behavior.note


def test_outcomes_that_could_not_be_measured_are_left_out():
    sweep, outcomes = study([(factor("channels", [1, 2, 3, 4]), truths(DOWN))])
    names = list(outcomes)
    outcomes[names[0]] = outcomes[names[0]]._replace(degeneracy=None, manifest={"converged": 1})
    outcomes[names[1]] = outcomes[names[1]]._replace(features=None)
    features = outcomes[names[2]].features
    nan = dataclasses.replace(features, kernel_alignment=features.kernel_alignment * np.nan)
    outcomes[names[2]] = outcomes[names[2]]._replace(features=nan)
    degeneracy = outcomes[names[3]].degeneracy
    same = degeneracy.weights._replace(matrix=np.zeros((20, 20)))
    outcomes[names[3]] = outcomes[names[3]]._replace(
        degeneracy=dataclasses.replace(
            degeneracy, distances={**degeneracy.distances, "weights": same}
        )
    )
    found = findings.find(sweep, outcomes, permutations=99)
    key = ("channels", "flipflop")
    assert "1 (1 converged, 3 needed)" in cells(found, "dynamics")[key].note
    alignment = cells(found, "kernel_alignment")[key]
    assert "2 (not measured), 3 (numbers that are not finite)" in alignment.note
    assert (alignment.verdict, alignment.values) == ("undecided", ("4",))
    assert np.isnan(alignment.p_value)
    assert "4 (a PIF distance of 0)" in cells(found, "weights")[key].note


def test_an_unknown_factor_has_no_claim():
    found = find((factor("frequencies", [2, 4, 8, 16]), truths(DOWN)))
    assert {cell.verdict for cell in found.cells} == {"no claim"}
    assert cells(found, "dynamics")["frequencies", "flipflop"].direction == "down"
    assert found.cells[0].per == "doubling"


def test_progress_counts_factors():
    sweep, outcomes = study([(factor("channels", [1, 2]), truths()[:2])])
    told = []
    findings.find(sweep, outcomes, permutations=9, progress=lambda *x: told.append(x))
    assert told == [(1, 1)]


def test_grids_are_compared_where_they_overlap():
    sweep, outcomes = study([(factor("channels", [1, 2]), truths()[:2])])
    last = list(outcomes)[-1]
    degeneracy = outcomes[last].degeneracy
    grid = degeneracy.grid._replace(
        grid=dataclasses.replace(GRID, ranks=(5, 3), delays=(3,)),
        matrices=degeneracy.grid.matrices[::-1, 1:],
        nulls=degeneracy.grid.nulls[::-1, 1:],
        again=degeneracy.grid.again[::-1, 1:],
    )
    changed = dataclasses.replace(degeneracy, grid=grid)
    expected = findings.find(sweep, outcomes, permutations=99).settings["channels", "flipflop"]
    outcomes[last] = outcomes[last]._replace(degeneracy=changed)
    found = findings.find(sweep, outcomes, permutations=99).settings["channels", "flipflop"]
    assert found.trends == {(r, 3): expected.trends[r, 3] for r in (3, 5)}


def test_overall_counts_tasks(found):
    (channels, gamma, l1) = rows.overall(found.cells, measures.LEVELS[:3])
    assert [cell.text for cell in channels] == [
        "down in 2, up in 1 of 3 tasks, agrees",
        "up (2 of 3 tasks), agrees",
        "down (2 of 3 tasks), agrees",
    ]
    assert [cell.verdict for cell in gamma] == ["disagrees"] * 3
    assert gamma[0].text == "up (1 of 1 task), disagrees"
    assert [cell.text for cell in l1] == ["no trend (1 task), undecided"] * 3


def test_half_of_the_tasks_are_no_majority():
    known = [(factor("channels", [1, 2, 3, 4], task), truths(DOWN)) for task in list(TASKS)[:2]]
    known += [(factor("channels", [1, 2, 3, 4], task), truths()) for task in list(TASKS)[2:]]
    (row,) = rows.overall(find(*known).cells, measures.LEVELS[:3])
    assert row[0].text == "down (2 of 4 tasks), undecided"


def test_a_row_reads_back(found):
    for cell in found.cells:
        texts = {name: str(value) for name, value in rows.row(cell).items()}
        again = rows.finding_of(texts)
        for field in dataclasses.fields(cell):
            value, read = getattr(cell, field.name), getattr(again, field.name)
            if isinstance(value, (float, intervals.Estimate)):
                np.testing.assert_allclose(read, value, rtol=1e-5)
            else:
                assert read == value


def test_convergence_says_thresholds_and_what_is_missing():
    known = [*truths()[:2], None]
    sweep, outcomes = study([(factor("channels", [1, 2, 3], threshold=0.01), known)])
    (row,) = tables.convergence_table(sweep, outcomes).rows
    assert row == (
        "channels",
        "flipflop",
        "1: 20; 2: 20; 3: missing",
        "24",
        "83%",
        "0.01 (the task's own: 0.001)",
    )
    assert tables.missing(sweep, outcomes) == ["channels, flipflop: 3 (1 of 3 values)"]


def test_settings_without_overlap_are_refused():
    _, outcomes = study([(factor("channels", [1]), [Truth()])])
    (outcome,) = outcomes.values()
    found = outcome.degeneracy.grid
    other = found._replace(grid=dataclasses.replace(GRID, ranks=(7, 9)))
    with pytest.raises(ValueError, match="`found` must have at least one rank and number of del"):
        common_settings([found, other])
