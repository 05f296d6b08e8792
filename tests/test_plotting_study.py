"""Figures of a study: axes are honest, gaps are named, panels of a row have one scale."""

import dataclasses

import numpy as np
import pytest

from rnnensemble.figures.study import factor_figure, networks_figure, settings_figure
from rnnensemble.stats.intervals import mean_distance
from rnnensemble.study import findings
from tests.outcomes import Truth, factor, study

WIDTHS = [8, 12, 16, 24, 32, 48, 64, 96]


@pytest.fixture(scope="module")
def known():
    few = [Truth(dynamics=x, behavior=x**2, networks=6) for x in (1.0, 2.0, 4.0)]
    return study(
        [
            (factor("channels", [1, 2, 3]), few),
            (factor("channels", [1, 2, 3], "sine"), [*few[:1], Truth(networks=2), None]),
            (factor("width", WIDTHS), [Truth(networks=5)] * len(WIDTHS)),
            (factor("l1", [0, 1e-5, 1e-3]), few),
        ]
    )


def of_name(sweep, name):
    return [each for each in sweep.factors if each.name == name]


def drawn(figure):
    figure.draw_without_rendering()
    return [axes for axes in figure.axes if axes.axison]


def test_measures_stand_in_rows_and_tasks_in_columns(known):
    sweep, outcomes = known
    channels = of_name(sweep, "channels")
    figure = factor_figure(channels, outcomes, ["dynamics", "behavior"])
    panels = np.array(drawn(figure)).reshape(2, 2)
    assert [axes.get_title() for axes in panels[0]] == ["flipflop", "sine"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["DSA distance", r"$\sigma_{OOD}$"]
    assert panels[0, 0].get_yscale() == "linear"
    assert panels[0, 0].get_ylim()[0] == 0
    assert panels[1, 0].get_yscale() == "log"  # values differ by a factor of 16
    measured, null = panels[0, 0].get_lines()[0], panels[0, 0].get_lines()[-1]
    means = [
        mean_distance(outcomes[level.condition.digest].degeneracy.dynamics.matrix).value
        for level in channels[0].levels
    ]
    np.testing.assert_allclose(measured.get_ydata(), means)
    np.testing.assert_allclose(null.get_ydata(), 0.1, rtol=0.1)
    assert null.get_linestyle() == ":"
    assert len(panels[0, 1].get_lines()[0].get_xdata()) == 1


def test_what_users_write_is_no_formula():
    """Two $ would have matplotlib read what stands between them, or refuse it."""
    priced = factor("channels", [1, 2, 3])
    levels = [dataclasses.replace(each, label=r"$\frac$") for each in priced.levels]
    changes = {"title": "cost in $ or US$_", "unit": "$^$", "levels": tuple(levels)}
    sweep, outcomes = study([(dataclasses.replace(priced, **changes), [Truth(networks=4)] * 3)])
    figure = factor_figure(sweep.factors, outcomes, ["dynamics"])
    (axes,) = drawn(figure)
    shown = [axes.xaxis.label, *axes.get_xticklabels()]
    for text, words in zip(shown, ["cost in $ or US$_ ($^$)", *3 * [r"$\frac$"]], strict=True):
        assert text._preprocess_math(text.get_text()) == (words, False)
    networks = networks_figure(sweep.factors, outcomes, "dynamics")
    drawn(networks)


def test_a_single_task_takes_one_row(known):
    sweep, outcomes = known
    figure = factor_figure(of_name(sweep, "width"), outcomes, ["weights", "weight_change"])
    left, right = drawn(figure)
    assert left.get_position().y0 == pytest.approx(right.get_position().y0)
    assert left.get_ylabel() == "PIF distance / N²"
    assert left.get_xlabel() == "width (units)"
    np.testing.assert_allclose(left.get_lines()[0].get_xdata(), np.log2(WIDTHS))
    labels = [text.get_text() for text in left.get_xticklabels()]
    assert labels == ["12", "24", "48", "96"]  # every other one, from the highest down
    assert len(left.get_xticks(minor=True)) + len(labels) >= len(WIDTHS)


def test_strengths_stand_in_their_order(known):
    sweep, outcomes = known
    (axes,) = drawn(factor_figure(of_name(sweep, "l1"), outcomes, ["dynamics"]))
    np.testing.assert_allclose(axes.get_lines()[0].get_xdata(), [0, 1, 2])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1e-05", "0.001"]


def test_what_is_not_measured_is_said(known):
    sweep, _ = known
    figure = factor_figure(of_name(sweep, "l1"), {}, ["dynamics"])
    assert drawn(figure) == []
    assert figure.texts[0].get_text() == "too little measured"
    assert "DSA distance at 1e-05, not measured yet" in figure.caption


def test_panels_of_networks_have_one_scale_and_name_gaps(known):
    sweep, outcomes = known
    channels = of_name(sweep, "channels")
    figure = networks_figure(channels, outcomes, "dynamics")
    panels = drawn(figure)
    assert len(panels) == 4
    assert len({axes.get_xlim() for axes in panels[:3]}) == 1
    for axes in panels:
        assert np.ptp(axes.get_xlim()) == pytest.approx(np.ptp(axes.get_ylim()))
    assert [len(axes.collections[0].get_offsets()) for axes in panels[:3]] == [6, 6, 6]
    gaps = "sine (DSA distance at 2, 2 converged, 3 needed; DSA distance at 3, not measured yet)"
    assert gaps in figure.caption


def test_of_many_values_six_have_a_panel(known):
    sweep, outcomes = known
    panels = drawn(networks_figure(of_name(sweep, "width"), outcomes, "weights"))
    titles = [axes.get_title() for axes in panels]
    assert len(titles) == 6
    assert (titles[0], titles[-1]) == ("8", "96")


def test_settings_show_the_fitted_ratio_and_what_is_significant(known):
    sweep, outcomes = known
    both = findings.find(sweep, outcomes, permutations=99)
    found = both.settings
    assert ("channels", "sine") not in found  # one value alone
    figure = settings_figure(both, sweep.factors, outcomes)
    axes = drawn(figure)[0]
    image = axes.images[0].get_array()
    assert image.shape == (3, 5)  # four settings, autocovariances
    trend = found["channels", "flipflop"].trends[3, 1]
    assert image[0, 0] == pytest.approx(2 * np.log2(trend.change.value))
    dots = {tuple(xy) for xy in axes.collections[0].get_offsets().astype(int)}
    assert {(0, 0), (1, 0)} <= dots  # channels
    rows = [text.get_text() for text in axes.get_yticklabels()]
    assert rows == ["channels, flipflop", "width, flipflop", "l1, flipflop"]
    assert axes.images[0].norm.vmin == -axes.images[0].norm.vmax
