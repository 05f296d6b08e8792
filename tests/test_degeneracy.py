"""Distance matrices and the three levels, on trained and on foreign networks."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from rnnensemble import (
    DSA,
    PIF,
    Analysis,
    DSAGrid,
    Training,
    VanillaRNN,
    compare_networks,
    distance_matrix,
    load,
    measure_degeneracy,
    save,
    stats,
    tasks,
    train_population,
)
from rnnensemble.analysis.degeneracy import evaluation_key
from rnnensemble.study.conditions import Condition, to_toml
from rnnensemble.training.losses import mse
from tests import compiled
from tests.tiny import ANALYSIS, TASK

QUICK = dataclasses.replace(
    ANALYSIS, grid=DSAGrid(ranks=(2, 3, 9), delays=(1, 2, 12)), pif=PIF(starts=2)
)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def population():
    thresholds = (1e9, 1e9, 1e-9, 1e9)
    return train_population(
        TASK,
        network=VanillaRNN(width=8),
        training=Training(batch=8, epoch_steps=6, max_epochs=3, threshold=thresholds),
        size=4,
    )


def test_levels_equal_their_definitions(population):
    found = measure_degeneracy(population, analysis=QUICK)
    np.testing.assert_array_equal(found.networks, [0, 1, 3])  # converged ones only
    task = population.task.out_of_distribution()["temporal"]
    assert task.n_steps == 24
    trials = compiled.sample(task, evaluation_key(0, 11), 8)  # the same trials for every network
    losses = []
    for k in found.networks:
        params = jax.tree.map(lambda x, k=k: x[k], population.params)
        outputs = compiled.respond(population.network, params, trials.inputs)[1]
        losses.append(jax.jit(mse)(outputs, trials.targets, trials.mask))
    np.testing.assert_allclose(found.behavior.losses["temporal"], losses, rtol=1e-4)
    assert found.behavior.sigma.value == pytest.approx(np.std(losses), rel=1e-3)
    assert set(found.behavior.sigmas) == {"temporal", "noise"}
    for level in (found.dynamics, found.weights):
        matrix = level.matrix
        np.testing.assert_array_equal(matrix, matrix.T)
        np.testing.assert_array_equal(np.diag(matrix), 0)
        assert level.mean.value == pytest.approx(matrix[np.triu_indices(3, 1)].mean(), rel=1e-5)
        assert level.mean.low <= level.mean.value <= level.mean.high
    expected = distance_matrix(QUICK.pif, population.params.recurrent_weights[found.networks])
    np.testing.assert_allclose(found.weights.matrix, expected, atol=1e-5)
    for level in (found.dynamics, found.weights):
        assert (level.lower_bound <= level.matrix + 1e-6).all()
        assert (level.reached[np.triu_indices(3, 1)] >= 1).all()
    assert found.dynamics.null.shape == (3,)
    np.testing.assert_allclose(found.weights.null, 0, atol=1e-4)  # only renumbered
    # of the grid, what 12 steps of 8 units allow
    assert (found.grid.grid.ranks, found.grid.grid.delays) == ((2, 3), (1, 2))
    assert found.grid.matrices.shape == (2, 2, 3, 3)
    assert found.grid.nulls.shape == (2, 2, 3)
    assert found.analysis == QUICK
    inputs = compiled.sample(population.task, evaluation_key(0, 0), found.dynamics.trials).inputs
    params = jax.tree.map(lambda x: x[found.networks], population.params)
    rates = jax.vmap(lambda p: compiled.respond(population.network, p, inputs)[0])(params)
    expected = distance_matrix(QUICK.autocovariance, np.asarray(rates))
    np.testing.assert_allclose(found.autocovariance.matrix, expected, atol=1e-3)
    assert (found.autocovariance.lower_bound <= found.autocovariance.matrix + 1e-6).all()


def test_a_tile_or_device_count_that_cannot_be_is_refused(population):
    for tile in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="`tile` must be at least 1; got"):
            measure_degeneracy(population, analysis=QUICK, tile=tile)
    for devices in (0, 99, 1.5):
        with pytest.raises(ValueError, match="`devices` must lie between 1 and the 2 local"):
            measure_degeneracy(population, analysis=QUICK, devices=devices)


def test_too_few_converged_networks_are_named(population):
    none = train_population(
        population.task,
        network=population.network,
        training=Training(batch=8, epoch_steps=6, max_epochs=1),
        size=3,
    )
    message = r"at least 2 converged networks; got 0 of 3 \(lowest epoch losses .*; threshold 0.001"
    with pytest.raises(ValueError, match=message):
        measure_degeneracy(none, analysis=QUICK)


@pytest.mark.parametrize("rank", [9, 20])
def test_rank_is_checked_before_computing(population, rank):
    with pytest.raises(ValueError, match="`rank` must be at most 8"):
        measure_degeneracy(population, analysis=Analysis(dsa=DSA(rank=rank)))


def test_a_rank_left_open_is_what_the_data_allow():
    """20 where networks have so many units: as many as are asked for by name."""
    assert Analysis().fitted(tasks.FlipFlop(), VanillaRNN(width=20)).dsa == DSA(rank=20)
    assert Analysis().fitted(tasks.FlipFlop(), VanillaRNN(width=64)).dsa == DSA(rank=20)
    assert DSA().fitted([(3, 4, 30), (3, 4, 50)]) == DSA(rank=9)  # samples
    assert DSA(n_delays=2).fitted([(8, 20, 9), (8, 20, 4)]) == DSA(rank=8, n_delays=2)
    assert DSA(components=3).fitted([(8, 20, 9)]) == DSA(rank=3, components=3)
    assert DSA(rank=7).fitted([(8, 20, 4)]) == DSA(rank=7)
    with pytest.raises(ValueError, match="`rank` must be at most 4"):
        DSA(rank=7).check((8, 20, 4))


def test_networks_of_unlike_width_get_one_rank():
    rng = np.random.default_rng(1)
    activity = [rng.normal(size=(5, 20, units)) for units in (4, 30)]
    found = compare_networks(DSA(starts=4), activity)
    np.testing.assert_array_equal(found.found.ranks, [[4, 4]])
    expected = distance_matrix(DSA(starts=4, rank=4), activity)
    np.testing.assert_array_equal(found.matrix(), expected)


@pytest.fixture(scope="module")
def small():
    """Three units: fewer than the default rank of DSA."""
    training = Training(batch=8, epoch_steps=6, max_epochs=2, threshold=1e9, patience=2)
    return train_population(TASK, network=VanillaRNN(width=3), training=training, size=3)


@pytest.fixture(scope="module")
def of_small(small):
    return measure_degeneracy(small, analysis=Analysis(most_trials=512))


def test_small_networks_are_measured_with_no_setting_given(small, of_small, tmp_path):
    assert of_small.analysis.dsa.rank == 3
    assert of_small.dynamics.ranks.max() <= 3
    assert of_small.grid.grid.ranks == (3,)
    assert 0 < of_small.dynamics.mean.value < 2**0.5
    save(tmp_path / "run", small, degeneracy=of_small)
    condition = Condition(task=small.task, network=small.network, analysis=Analysis())
    assert "rank = " not in to_toml(condition)  # so that a run of another width has its own
    loaded = load(tmp_path / "run").degeneracy
    assert loaded.analysis == of_small.analysis
    assert loaded.table() == of_small.table()


def test_rows_hold_the_numbers(of_small):
    rows = {row["measure"]: row for row in of_small.table()}
    assert list(rows) == [
        "sigma_temporal",
        "disagreement_temporal",
        "sigma_noise",
        "disagreement_noise",
        "dsa",
        "autocovariance",
        "pif",
    ]
    dsa, sigma, pif = rows["dsa"], rows["sigma_temporal"], rows["pif"]
    assert (dsa["value"], dsa["low"], dsa["high"]) == of_small.dynamics.mean
    assert dsa["null"] == pytest.approx(of_small.dynamics.null.mean())
    assert dsa["null_ratio"] == pytest.approx(dsa["value"] / dsa["null"], rel=1e-5)
    assert (dsa["rank"], dsa["trials"]) == (
        of_small.dynamics.ranks.mean(),
        of_small.dynamics.trials,
    )
    assert sigma["value"] == of_small.behavior.sigma.value
    assert sigma["null"] == of_small.behavior.nulls["temporal"]
    assert (pif["trials"], pif["rank"], pif["reliability"], sigma["rank"]) == (0, None, None, None)
    outputs = of_small.behavior.disagreements["noise"][np.triu_indices(3, 1)].mean()
    assert rows["disagreement_noise"]["value"] == pytest.approx(outputs)
    assert len({tuple(row) for row in rows.values()}) == 1  # one set of columns


def test_json_holds_all_of_it(of_small):
    found = of_small.to_dict()
    again = json.loads(json.dumps(found, allow_nan=False))
    rows = [{"measure": name} | row for name, row in again["measures"].items()]
    assert rows == of_small.table()
    assert (again["size"], again["networks"]) == (3, [0, 1, 2])
    assert again["analysis"]["dsa"]["rank"] == 3
    settings = [(row["rank"], row["delays"]) for row in again["dsa_settings"]]
    assert settings == [(3, 1), (3, 3), (3, 10)]
    assert again["dsa_settings"][1]["value"] == pytest.approx(of_small.grid.means[0, 1])


def test_repr_is_short(of_small):
    text = repr(of_small)
    assert text.startswith("<Degeneracy of 3 of 3 networks: sigma_temporal ")
    assert f"dsa {of_small.dynamics.mean.value:.3g}, autocovariance " in text
    assert len(text) < 200


def test_foreign_activity():
    activity = RNG.normal(size=(3, 5, 20, 6))
    activity = np.concatenate([activity, activity[:1] @ np.linalg.qr(RNG.normal(size=(6, 6)))[0]])
    seen = []
    matrix = distance_matrix(QUICK.dsa, activity, progress=lambda *done: seen.append(done))
    assert matrix.shape == (4, 4)
    assert matrix[0, 3] < 1e-3  # a rotated copy has the same dynamics
    assert matrix[0, 1] > 0.05
    assert seen[-1] == (6, 6)


def test_bad_analysis():
    with pytest.raises(ValueError, match="`output_trials` must be a whole number of at least 1"):
        Analysis(output_trials=0)
    with pytest.raises(ValueError, match="`ranks` must be different whole numbers of at least 1"):
        DSAGrid(ranks=(3, 3))


def test_beside_sigma_stands_what_a_tail_does_not_move(of_small):
    """The spread of log losses, with an interval; where one loss is huge, the title says so."""
    rows = {row["measure"]: row for row in of_small.table()}
    losses = of_small.behavior.losses["temporal"]
    assert rows["sigma_temporal"]["log_spread"] == stats.log_spread(losses).value
    assert rows["sigma_temporal"]["heavy_tailed"] is False
    assert rows["dsa"]["log_spread"] is None
    many = np.append(np.linspace(1, 2, 11), 90.0)
    heavy = dataclasses.replace(
        of_small.behavior, losses=dict.fromkeys(of_small.behavior.losses, many)
    )
    row = dataclasses.replace(of_small, behavior=heavy).table()[0]
    assert row["heavy_tailed"] is True
    assert "its interval is too narrow" in row["title"]
