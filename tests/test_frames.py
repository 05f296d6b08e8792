"""Tables of pandas and arrays of xarray."""

import sys

import numpy as np
import pytest

import rnnensemble as rnne
from tests.tiny import ANALYSIS, NETWORK, TASK

TRAINING = rnne.Training(
    batch=8,
    epoch_steps=4,
    max_epochs=3,
    threshold=10.0,
    patience=2,
    learning_rate=(1e-3, 2e-3, 3e-3),
)


@pytest.fixture(scope="module")
def population():
    return rnne.train_population(TASK, network=NETWORK, training=TRAINING, size=3, seed=7)


@pytest.fixture(scope="module")
def degeneracy(population):
    return rnne.measure_degeneracy(population, analysis=ANALYSIS)


def test_a_table_has_a_row_a_network(population):
    pytest.importorskip("pandas", reason="extra `xarray` is not installed")
    table = rnne.to_pandas(population[[2, 0]])
    assert table.index.name == "network"
    assert table["index"].tolist() == [2, 0]
    assert table["seed"].tolist() == [7, 7]
    assert table["learning_rate"].tolist() == [3e-3, 1e-3]
    assert table["converged"].all()
    np.testing.assert_array_equal(table["loss"], population.history.loss[[2, 0], 1])
    np.testing.assert_array_equal(table["stop_epoch"], [2, 2])


def test_a_table_has_a_row_a_measure(degeneracy):
    pytest.importorskip("pandas", reason="extra `xarray` is not installed")
    table = rnne.to_pandas(degeneracy)
    assert table.loc["dsa", "value"] == degeneracy.dynamics.mean.value
    assert len(table) == len(degeneracy.table())


def test_arrays_have_named_axes(population, degeneracy):
    pytest.importorskip("xarray", reason="extra `xarray` is not installed")
    history = rnne.to_xarray(population)
    assert dict(history.sizes) == {"network": 3, "epoch": 2}
    assert float(history.loss.sel(network=1, epoch=2)) == population.history.loss[1, 1]
    found = rnne.to_xarray(degeneracy)
    np.testing.assert_array_equal(found.dynamics, degeneracy.dynamics.matrix)
    np.testing.assert_array_equal(found.weights_null, degeneracy.weights.null)
    apart = found.disagreement.sel(variant="temporal", network=0, other=2)
    assert float(apart) == degeneracy.behavior.disagreements["temporal"][0, 2]
    losses = found.loss.sel(trials="in_distribution")
    np.testing.assert_array_equal(losses, degeneracy.behavior.losses["in_distribution"])


def test_what_is_missing_is_said(population, monkeypatch):
    with pytest.raises(
        ValueError, match="`to_pandas` takes a Population or a Degeneracy; got list"
    ):
        rnne.to_pandas([])
    for name in ("pandas", "xarray"):
        monkeypatch.setitem(sys.modules, name, None)
        convert = getattr(rnne, f"to_{name}")
        with pytest.raises(ValueError, match=rf"`to_{name}` needs {name}: pip install .*xarray"):
            convert(population)
