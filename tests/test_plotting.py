"""Figures: MDS is exact for planar points, order is a permutation, every figure draws."""

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import measure_degeneracy
from rnnensemble.figures import run
from rnnensemble.files import pictures
from rnnensemble.stats.ordination import cluster_order, mds
from tests.test_storage import CONDITION, train
from tests.texts import overlaps

pytestmark = pytest.mark.painted


def test_figures_are_there_when_they_are_asked_for():
    assert rnne.figures.overview_figure is run.overview_figure
    with pytest.raises(AttributeError, match="has no attribute 'figurs'"):
        _ = rnne.figurs


def test_mds_recovers_planar_points():
    points = np.random.default_rng(0).normal(size=(9, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    found = mds(distances)
    again = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.testing.assert_allclose(again, distances, atol=1e-9)


def test_two_networks_have_two_coordinates():
    assert mds(np.array([[0.0, 2.0], [2.0, 0.0]])).shape == (2, 2)


def test_cluster_order_puts_groups_together():
    group = np.array([0, 1, 0, 1, 0, 1])
    distances = np.abs(group[:, None] - group[None]) + 0.1 * (1 - np.eye(6))
    order = cluster_order(distances)
    assert sorted(order) == list(range(6))
    assert (np.diff(group[order]) != 0).sum() == 1


@pytest.mark.long
def test_every_figure_of_a_run_has_labels(tmp_path):
    population = train()
    figures = run.run_figures(
        population, measure_degeneracy(population, analysis=CONDITION.analysis)
    )
    assert {"overview", "trials", "learning", "losses", "dynamics_mds", "weights_matrix"} <= set(
        figures
    )
    for figure in figures.values():
        assert overlaps(figure) == []
        assert any(axes.get_xlabel() for axes in figure.axes)
        assert any(axes.get_ylabel() for axes in figure.axes)
        assert figure.caption
        assert figure.data
    pictures.replace_figures(tmp_path, {"overview": figures["overview"]})
    for kind in ("png", "svg", "pdf"):
        assert (tmp_path / "figures" / f"overview.{kind}").stat().st_size > 10_000
    assert figures["overview"]._repr_png_().startswith(b"\x89PNG")  # notebooks show it
