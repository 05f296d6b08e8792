"""Gated networks and cells of flax go through everything: measures, run folders, fixed points,
deflation, sweeps, export; networks that name no recurrent weights go without that measure alone."""

import csv
import dataclasses
import importlib.util

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble.cli import console
from rnnensemble.metrics import PIF
from tests import own_cells
from tests.test_export import equals, holds_parameters
from tests.tiny import ANALYSIS, TASK

TRAINING = rnne.Training(
    batch=16,
    epoch_steps=16,
    max_epochs=30,
    patience=1,
    threshold=0.3,
    learning_rate=1e-2,
    snapshots=(0, 1),
)
WITH_POINTS = dataclasses.replace(ANALYSIS, fixed_points=8)
FEATURES = rnne.FeatureAnalysis(trials=4, step_stride=6)
WIDTH = 4
"""The same shapes in all tests, so that they share programs."""


def trained(network):
    population = rnne.train_population(TASK, network=network, training=TRAINING, size=3)
    assert population.converged.all(), population
    return population


@pytest.fixture(scope="module")
def gru():
    return trained(rnne.GRU(width=WIDTH))


@pytest.fixture(scope="module")
def unknown():
    """A cell of one's own, whose recurrent weights nobody knows."""
    return trained(rnne.FlaxRNN(cell=own_cells.Traced, width=WIDTH, hidden="all"))


def through_everything(population, folder):
    """What was measured and read back, of all stations of a run."""
    found = rnne.measure_degeneracy(population, analysis=WITH_POINTS)
    features = rnne.measure_feature_learning(population, analysis=FEATURES)
    assert found.dynamics.mean.value > 0
    assert ((features.kernel_alignment > 0) & (features.kernel_alignment <= 1)).all()
    rnne.save(folder, population, degeneracy=found, features=features)
    run = rnne.load(folder)
    assert run.population == population
    assert run.degeneracy is not None
    assert run.degeneracy.table() == found.table()
    assert run.degeneracy.left_out == found.left_out
    assert not run.damage
    states = len(population.network.initial_state(jax.tree.map(lambda x: x[0], population.params)))
    for each in rnne.find_fixed_points(population):
        assert each.points.shape[1:] == each.spectra.shape[1:] == (states,)
        assert (each.speeds[each.fixed] < 1e-12).all()
    path = rnne.export(population, folder.parent / "out.safetensors")
    assert "effective/recurrent_weights" not in holds_parameters(path, population)
    if population.network.kind != "flax" and importlib.util.find_spec("torch"):
        equals(rnne.to_torch(population, 2), population, 2)
    return run, features


@pytest.mark.long
@pytest.mark.parametrize("hidden", ["h", "all"])
def test_an_lstm_goes_through_everything(hidden, tmp_path):
    population = trained(rnne.LSTM(width=WIDTH, hidden=hidden))
    run, _ = through_everything(population, tmp_path / "run")
    assert run.degeneracy.weights.mean.value > 0
    again = rnne.deflate(TASK, population, network=population.network, training=TRAINING, size=2)
    assert again.size == 2


@pytest.mark.long
def test_a_gru_goes_through_everything(gru, tmp_path):
    run, features = through_everything(gru, tmp_path / "run")
    moved = gru.params.recurrent_weights - gru.initial_params.recurrent_weights
    expected = [np.linalg.norm(each) for each in moved]
    np.testing.assert_allclose(features.weight_change, expected, rtol=1e-5)
    np.testing.assert_allclose(run.degeneracy.weights.null, 0, atol=1e-4)  # units renumbered
    again = rnne.deflate(TASK, gru, network=gru.network, training=TRAINING, size=2)
    assert again.size == 2


@pytest.mark.long
def test_weights_of_all_gates_are_compared(gru):
    recurrent = rnne.compare_populations(PIF(starts=1), gru)
    whole = rnne.compare_populations(PIF(starts=1, parameters="all"), gru)
    assert (whole.matrix() >= recurrent.matrix() - 1e-4).all()
    assert recurrent.matrix()[0, 1] > 0.1


@pytest.mark.long
def test_without_recurrent_weights_the_other_measures_go_on(unknown, tmp_path, capsys):
    run, features = through_everything(unknown, tmp_path / "run")
    found = run.degeneracy
    assert list(found.distances) == ["dynamics", "autocovariance"]
    reason = "`network` 'flax' has no recurrent_weights, which PIF needs; give it the method"
    with pytest.raises(ValueError, match=reason):
        found.weights.mean  # noqa: B018
    assert np.isnan(features.weight_change).all()
    (row,) = [row for row in found.table() if row["measure"] == "pif"]
    assert (row["title"], row["value"]) == ("mean PIF distance: not measured", None)
    assert found.to_dict()["left_out"]["weights"].startswith(reason[:40])
    console.Reporter(quiet=False).degeneracy(found)
    shown = capsys.readouterr().out
    assert "mean PIF distance: not measured" in shown
    assert "has no recurrent_weights, which PIF needs" in shown
    with (tmp_path / "run" / "summary.csv").open() as file:
        (cells,) = csv.DictReader(file)
    assert cells["not_measured"] == "weights"
    assert "pif" not in cells
    figures = rnne.figures.run_figures(unknown, found)
    assert "weights_mds" not in figures
    titles = [axes.get_title() for axes in figures["overview"].axes]
    assert len(titles) == 5  # no empty panel
    assert not any("weights" in title for title in titles)
    assert "Left out: weights." in figures["overview"].caption


SWEEP = """
name = "cells"

[tasks.flipflop]
size = 3
task = {kind = "flipflop", n_bits = 1, n_steps = 12}
network = {kind = "flax", cell = "tests.own_cells:Traced", width = 4, hidden = "all"}
training = {batch = 16, epoch_steps = 16, max_epochs = 30, patience = 1, threshold = 0.3, \
learning_rate = 1e-2}
analysis = {dynamics_trials = 8, behavior_trials = 8, output_trials = 4, fixed_trials = true, \
dsa = {rank = 2, starts = 4}, grid = {ranks = [2], delays = [1]}, pif = {starts = 1}, \
autocovariance = {components = 2, starts = 4}}
features = {trials = 4, step_stride = 6}

[[factors]]
name = "learning_rate"
task = "flipflop"
field = "training.learning_rate"
values = [1e-2, 2e-2]
""".replace("\\\n", "")


@pytest.mark.long
def test_a_sweep_goes_on_without_them(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP)
    cli.main(["sweep", str(file), "--runs", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "2 of 2 conditions finished" in shown
    assert "PIF not measured" in shown
    cli.main(["report", str(tmp_path / "cells")])
    summary = (tmp_path / "cells" / "summary.csv").read_text()
    assert summary.count(",weights") + summary.count("weights,") >= 2
