"""Metrics of activity: widths, jit, devices, memory, the registry and every raise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import distance_matrix, metrics
from rnnensemble.metrics import CKA, RSA, SVCCA, Disagreement, LinearPredictivity, Procrustes
from tests.samples import (
    ACTIVITY,
    EXACT,
    RNG,
    STEPS,
    TRIALS,
    UNITS,
    activity,
    compare,
    distance,
    jitted_prepare,
    prepare,
    related_pair,
)


@pytest.fixture(autouse=True)
def reseed():
    """Each test draws the same numbers alone and among others."""
    RNG.bit_generator.state = np.random.PCG64(0).state


def pad(tree, width, units):
    """Every axis of length `units` filled with zeros up to `width`, as for mixed widths."""

    def widen(x):
        ends = [(0, width - n if n == units else 0) for n in x.shape]
        return jnp.pad(x, ends) if ends else x

    return jax.tree.map(widen, tree)


@pytest.mark.parametrize("metric", ACTIVITY, ids=str)
def test_padding_features_with_zeros_changes_nothing(metric):
    assert metric.mixed_widths
    a, b = related_pair()
    x, y = prepare(metric, a), prepare(metric, b)
    key = jax.random.key(0)
    plain = float(metric.compare(key, x, y))
    assert distance(metric, a, b) == pytest.approx(plain, abs=1e-5)  # jit = eager
    if not isinstance(metric, RSA):  # whose features have one shape for all widths
        x, y = pad(x, 14, UNITS), pad(y, 14, 7)
    assert float(metric.compare(key, x, y)) == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize(
    "metric", [m for m in ACTIVITY if m != RSA(dissimilarity="correlation")], ids=str
)
def test_silent_units_change_nothing(metric):
    a, b = related_pair()
    wider = np.concatenate([b, np.zeros((TRIALS, STEPS, 4))], axis=-1)
    assert distance(metric, a, wider) == pytest.approx(distance(metric, a, b), abs=1e-5)


@pytest.mark.parametrize("metric", [m for m in ACTIVITY if m.symmetric], ids=str)
def test_matrix_over_devices_equals_pairs(metric):
    data = np.stack([activity() for _ in range(4)])
    matrix = distance_matrix(metric, data)
    for i, j in [(0, 1), (1, 3), (2, 3)]:
        assert matrix[i, j] == pytest.approx(distance(metric, data[i], data[j]), abs=1e-5)
        assert matrix[i, j] == matrix[j, i]


@pytest.mark.parametrize("metric", [*ACTIVITY, Disagreement()], ids=str)
def test_features_are_small_and_compare_factors_no_matrix(metric):
    data = jnp.asarray(activity(), jnp.float32)
    features = jitted_prepare(metric, data)
    most = max(data.size, metric.conditions**2 // 2 if isinstance(metric, RSA) else 0)
    assert sum(x.size for x in jax.tree.leaves(features)) <= most + 2 * UNITS
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(features))
    code = compare.lower(metric, features, features).as_text()
    assert "custom_call" not in code


@pytest.mark.parametrize("metric", [m for m in ACTIVITY if not isinstance(m, RSA)], ids=str)
def test_activity_that_does_not_vary_has_no_distance(metric):
    a = activity()
    assert np.isnan(distance(metric, a, np.full_like(a, 0.1)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("svcca", SVCCA),
        ("cka", CKA),
        ("procrustes", Procrustes),
        ("rsa", RSA),
        ("predictivity", LinearPredictivity),
        ("disagreement", Disagreement),
    ],
)
def test_found_by_name(name, kind):
    assert metrics.find(name) is kind
    assert metrics.find(name).name == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SVCCA(explained_variance=0.0), r"`explained_variance` must lie in \(0, 1\]"),
        (lambda: CKA(score="linear"), "`score` must be 'angular' or 'complement'"),
        (lambda: Procrustes(score="l2"), "`score` must be 'angular' or 'euclidean'"),
        (lambda: RSA(conditions=2), "`conditions` must be at least 3"),
        (lambda: RSA(dissimilarity="l1"), "`dissimilarity` must be 'euclidean' or"),
        (lambda: RSA(correlation="kendall"), "`correlation` must be 'spearman' or"),
        (lambda: LinearPredictivity(ridge=-1.0), "`ridge` must be at least 0"),
        (lambda: LinearPredictivity(ridge=float("nan")), "`ridge` must be at least 0"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


HIDDEN = LinearPredictivity(null_space=True)
FEW = "`activity` must hold at least"


@pytest.mark.parametrize(
    ("metric", "shape", "message"),
    [
        *((m, (5, 20), r"`activity` must be \[K, B, T, N\]") for m in ACTIVITY),
        (EXACT, {"activity": (5, 9, 4)}, r"`activity` must be \[K, B, T, N\]"),
        (SVCCA(), (2, 5, 9), f"{FEW} N \\+ 2 = 11 .* got 10; take more trials"),
        (EXACT, (2, 5, 9), f"{FEW} N \\+ 2 = 11 "),
        (CKA(), (2, 1, 9), f"{FEW} 3"),
        (Procrustes(), (2, 1, 9), f"{FEW} 3"),
        (RSA(), (2, 1, 9), f"{FEW} 3"),
        (RSA(dissimilarity="correlation"), (9, 9, 2), "needs at least 3 units; got 2"),
        (LinearPredictivity(held_out=True), (1, 90, 4), "`held_out` needs at least 2 trials"),
        (HIDDEN, (5, 9, 4), "`null_space` needs data {'activity'"),
        (HIDDEN, {"activity": (5, 9, 4)}, "`null_space` needs data {'activity'"),
        (HIDDEN, {"activity": (5, 9, 4), "readout_weights": (4, 4)}, "N = 4 and O < N"),
        (HIDDEN, {"activity": (5, 9, 4), "readout_weights": (2, 5)}, "N = 4 and O < N"),
        (HIDDEN, {"activity": (5, 9), "readout_weights": (2, 5)}, r"must be \[K, B, T, N\]"),
    ],
)
def test_check(metric, shape, message):
    with pytest.raises(ValueError, match=message):
        metric.check(shape)
