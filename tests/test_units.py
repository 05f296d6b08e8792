"""Numbers do not depend on the unit of the data, and what lies within rounding is no data."""

import numpy as np
import pytest

from rnnensemble import compare_networks, distance_matrix
from rnnensemble.metrics import (
    CKA,
    DSA,
    PIF,
    RSA,
    SVCCA,
    Autocovariance,
    Disagreement,
    InputDSA,
    LinearPredictivity,
    Procrustes,
)
from rnnensemble.metrics.rsa import average_ranks

RNG = np.random.default_rng(0)
DRIVE = RNG.normal(size=(8, 20, 5))
RATES = np.tanh(
    DRIVE @ RNG.normal(size=(2, 1, 5, 12)) + 0.3 * RNG.normal(size=(2, 8, 20, 12))
)  # [K, B, T, N]
WEIGHTS = RNG.normal(size=(2, 9, 9))
UNITS = (1e-15, 1e-10, 1e-6, 1e9, 1e15)
INVARIANT = [
    RSA(),
    RSA(correlation="pearson"),
    RSA(dissimilarity="correlation", correlation="pearson"),
    CKA(),
    SVCCA(),
    Procrustes(),
    LinearPredictivity(),
    LinearPredictivity(held_out=True),
    DSA(rank=4, explained_variance=0.9),
    DSA(rank=4, components=6, n_delays=2, regression_rank=3),
    Autocovariance(),
]


@pytest.mark.parametrize("metric", INVARIANT, ids=str)
def test_rates_in_any_unit_have_one_distance(metric):
    """Currents of 1e-12 A, or counts of 1e9: squares of squares are no numbers in float32."""
    wanted = distance_matrix(metric, RATES)[0, 1]
    for unit in (*UNITS, 1e-20, 1e18):
        assert distance_matrix(metric, RATES * unit)[0, 1] == pytest.approx(wanted, abs=1e-5), unit


def test_pearson_in_small_units_is_float64s():
    size = 12
    first, second = (
        [np.sum((a - b) ** 2) for i, a in enumerate(rows) for b in rows[i + 1 :]]
        for rows in RATES.reshape(2, -1, size)
    )
    wanted = 1 - np.corrcoef(first, second)[0, 1]
    found = distance_matrix(RSA(correlation="pearson"), RATES * 1e-10)[0, 1]
    assert found == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("which", ["activity", "inputs"])
def test_driven_networks_in_any_unit(which):
    data = {"activity": RATES, "inputs": np.broadcast_to(DRIVE, (2, *DRIVE.shape))}
    wanted = distance_matrix(InputDSA(rank=5), data)[0, 1]
    for unit in UNITS:
        moved = {**data, which: data[which] * unit}
        assert distance_matrix(InputDSA(rank=5), moved)[0, 1] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("signed", [False, True])
def test_distances_of_weights_go_with_their_unit(signed):
    wanted = compare_networks(PIF(signed=signed), WEIGHTS).found
    for unit in (1e-20, *UNITS, 1e18):
        found = compare_networks(PIF(signed=signed), WEIGHTS * unit).found
        assert found.distance / unit == pytest.approx(wanted.distance, rel=1e-5)
        assert found.lower_bound / unit == pytest.approx(wanted.lower_bound, rel=1e-3)


def test_outputs_differ_in_their_unit():
    wanted = distance_matrix(Disagreement(), RATES)[0, 1]
    for unit in (1e-25, *UNITS, 1e25):
        found = distance_matrix(Disagreement(), RATES * unit)[0, 1]
        assert found / unit == pytest.approx(wanted, rel=1e-5)


def test_powers_of_two_change_no_digit():
    for metric in (CKA(), Procrustes(), DSA(rank=4), RSA(correlation="pearson")):
        wanted = distance_matrix(metric, RATES)
        np.testing.assert_array_equal(distance_matrix(metric, RATES * 2.0**-30), wanted)


# Decisions: what differs by rounding alone does not differ.


def test_ranks_that_rounding_parts_are_shared():
    values = np.float32([1.0, 2.0, 1.0 + 1e-7, 3.0])
    np.testing.assert_array_equal(average_ranks(values, 1e-6), [1.5, 3, 1.5, 4])
    dense = np.linspace(1, 2, 5000, dtype=np.float32)  # neighbors lie closer than rounding
    np.testing.assert_allclose(average_ranks(dense, 1e-3), np.arange(1, 5001), atol=3)


def test_tied_dissimilarities_stay_tied_in_other_units_and_turned():
    grid = RNG.integers(0, 3, size=(8, 20, 6)).astype(float)  # few different distances
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    copies = np.stack([grid, grid @ turn + 0.3, 1e-9 * grid, (1e3 + grid) @ turn])
    assert distance_matrix("rsa", copies).max() < 1e-6


@pytest.mark.parametrize("metric", [CKA(), SVCCA(), Procrustes(), LinearPredictivity(), RSA()])
def test_rates_that_vary_by_rounding_do_not_vary(metric):
    still = 0.1 * (1 + 6e-8 * RNG.integers(-1, 2, size=(2, 4, 10, 5)))
    still = still.astype(np.float32)
    assert np.isnan(distance_matrix(metric, still)[0, 1])


@pytest.mark.parametrize("correlation", ["spearman", "pearson"])
def test_equal_dissimilarities_have_no_correlation(correlation):
    corners = np.eye(6).reshape(1, 6, 6)  # all as far from each other
    turned = corners @ np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    metric = RSA(correlation=correlation)
    assert np.isnan(distance_matrix(metric, np.stack([corners, turned]))[0, 1])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_directions_of_one_variance_are_kept_together(share):
    """Which of them an SVD names first is chance: a turned copy would be another network."""
    rows = RNG.normal(size=(200, 4))
    rows = np.linalg.qr(rows - rows.mean(axis=0))[0].reshape(10, 20, 4)
    turned = rows @ np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    for metric in (SVCCA(explained_variance=share), DSA(rank=4, explained_variance=share)):
        found = compare_networks(metric, np.stack([rows, turned]))
        assert found.matrix().max() < 1e-4
        np.testing.assert_array_equal(found.ranks, [4, 4])


# Directions within rounding.


def flat_networks():
    """A driven network of 3 dimensions in 24 units, renumbered, turned, and in another unit."""
    keep = 0.97 * np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    inputs, into = RNG.normal(size=(16, 40, 2)), RNG.normal(size=(2, 3))
    latent = [RNG.normal(size=(16, 1, 3))]
    for step in range(1, 40):
        latent.append(latent[-1] @ keep + 0.3 * inputs[:, step : step + 1] @ into)
    rates = np.concatenate(latent, axis=1) @ RNG.normal(size=(3, 24))
    turn = np.linalg.qr(RNG.normal(size=(24, 24)))[0]
    return np.stack([rates, rates[..., RNG.permutation(24)], rates @ turn, 1e-9 * rates @ turn]), (
        inputs
    )


@pytest.mark.parametrize(
    "metric",
    [
        SVCCA(explained_variance=1.0),
        LinearPredictivity(ridge=0.0),
        LinearPredictivity(ridge=0.0, held_out=True),
        DSA(rank=10, regression_rank=6),
    ],
    ids=str,
)
def test_directions_within_rounding_are_no_data(metric):
    found = compare_networks(metric, flat_networks()[0])
    assert found.matrix().max() < 1e-4
    np.testing.assert_array_equal(found.ranks, [3, 3, 3, 3])


@pytest.mark.parametrize("ridge", [1e-6, 0.0])
def test_inputs_that_depend_on_one_another_are_no_more_inputs(ridge):
    """A channel given twice and a silent one; without a ridge there was no inverse."""
    rates, inputs = flat_networks()
    doubled = np.concatenate([inputs, inputs[..., :1], 0 * inputs[..., :1]], axis=-1)
    data = {"activity": rates, "inputs": np.broadcast_to(doubled, (4, *doubled.shape))}
    found = compare_networks(InputDSA(rank=10, ridge=ridge), data)
    for part in ("distance", "state", "input"):
        assert found.matrix(part).max() < 1e-4
    np.testing.assert_array_equal(found.ranks, [3, 3, 3, 3])
