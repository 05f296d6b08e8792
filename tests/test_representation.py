"""Metrics of activity: invariance groups, closed forms, what they cannot tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble.metrics import CKA, RSA, SVCCA, LinearPredictivity, Procrustes
from rnnensemble.metrics.predictivity import outside_readout
from tests.samples import (
    ACTIVITY,
    ANGLES,
    EXACT,
    RNG,
    SHAPES,
    STEPS,
    TRIALS,
    UNITS,
    activity,
    compare,
    distance,
    invertible,
    prepare,
    random_orthogonal,
    related_pair,
    rows,
)


@pytest.fixture(autouse=True)
def reseed():
    """Each test draws the same numbers alone and among others."""
    RNG.bit_generator.state = np.random.PCG64(0).state


# Invariance groups, and maps outside of them.


@pytest.mark.parametrize("metric", [*SHAPES, SVCCA()], ids=lambda m: m.name)
@pytest.mark.parametrize("det", [1, -1])
def test_rotation_reflection_scaling_and_translation_do_not_count(metric, det):
    a = activity()
    moved = 30 * a @ random_orthogonal(UNITS, det) + RNG.normal(size=UNITS)
    assert distance(metric, a, moved) < 1e-4


@pytest.mark.parametrize("metric", [*SHAPES, RSA(dissimilarity="correlation")], ids=str)
def test_invertible_maps_count_for_shapes(metric):
    a = activity()
    shear = np.eye(UNITS) + np.triu(np.ones((UNITS, UNITS)), 1)
    assert distance(metric, a, a @ shear) > 0.05
    assert distance(metric, a, a @ invertible(UNITS)) > 0.01


def test_correlation_rdm_is_blind_to_permutations_scale_and_a_shared_shift():
    a = activity()
    metric = RSA(dissimilarity="correlation")
    assert distance(metric, a, 3 * a[..., RNG.permutation(UNITS)] + 2) < 1e-4
    assert distance(metric, a, a @ random_orthogonal(UNITS)) > 0.01  # not the rotations


@pytest.mark.parametrize("metric", [SVCCA(explained_variance=1.0), EXACT], ids=lambda m: m.name)
def test_linear_maps_do_not_count_where_subspaces_are_compared(metric):
    a = activity()
    assert distance(metric, a, 5 * a @ invertible(UNITS) - 3) < 1e-4
    assert distance(metric, a, np.tanh(2 * a) + a**2) > 0.05  # nonlinear maps do


def test_ridge_fades_out():
    a = activity()
    image = a @ invertible(UNITS)
    found = [distance(LinearPredictivity(ridge=r), a, image) for r in (1e-1, 1e-2, 1e-3, 1e-4)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1e-3 < found[0]


@pytest.mark.parametrize("metric", ANGLES, ids=str)
def test_triangle_inequality(metric):
    for _ in range(20):
        a, b, c = activity(), activity(), activity()
        b = b + RNG.normal() * a + RNG.normal() * c  # near the shortest path at times
        x, y, z = (prepare(metric, each) for each in (a, b, c))
        direct, *detour = (compare(metric, *pair) for pair in ((x, z), (x, y), (y, z)))
        assert direct <= sum(detour) + 1e-5


def test_complement_breaks_the_triangle_inequality_that_the_angle_keeps():
    x, y = np.linalg.qr(rows(RNG.normal(size=(1, 60, 2))))[0].T  # orthogonal and centered
    a, b, c = (v.reshape(1, 60, -1) for v in (x, np.stack([x, y], axis=-1), y))
    direct, *detour = (
        distance(CKA(score="complement"), *pair) for pair in ((a, c), (a, b), (b, c))
    )
    assert direct == pytest.approx(1, abs=1e-5)
    assert sum(detour) == pytest.approx(2 - 2**0.5, abs=1e-5)  # CKA = 1 / sqrt 2
    angles = [distance(CKA(), *pair) for pair in ((a, c), (a, b), (b, c))]
    assert angles == pytest.approx([np.pi / 2, np.pi / 4, np.pi / 4], abs=1e-5)


@pytest.mark.parametrize("metric", [m for m in ACTIVITY if m.symmetric], ids=str)
def test_symmetric_where_declared(metric):
    a, b = related_pair()
    assert distance(metric, a, b) == pytest.approx(distance(metric, b, a), abs=1e-5)
    assert distance(metric, a, a) < 1e-5


@pytest.mark.parametrize("metric", [m for m in ACTIVITY if not m.symmetric], ids=str)
def test_asymmetric_where_declared(metric):
    a = activity(decay=1.0)
    part = a[..., :3]
    assert distance(metric, a, part) < 1e-3
    assert distance(metric, part, a) > 0.5


def test_closed_forms_of_orthogonal_activity():
    """Centered, mutually orthogonal samples of unit variance: nothing is shared."""
    basis = np.linalg.qr(rows(RNG.normal(size=(1, 300, 8))))[0].reshape(12, 25, 8)
    a, b = basis[..., :4], basis[..., 4:]
    assert distance(EXACT, a, b) == pytest.approx(1, abs=1e-5)
    assert distance(SVCCA(explained_variance=1.0), a, b) == pytest.approx(1, abs=1e-5)
    assert distance(CKA(), a, b) == pytest.approx(np.pi / 2, abs=1e-5)
    assert distance(Procrustes(), a, b) == pytest.approx(np.pi / 2, abs=1e-5)
    # half of the directions shared: the overlap of unit shapes is 1/2, of kernels too
    half = basis[..., 2:6]
    assert distance(CKA(), a, half) == pytest.approx(np.pi / 3, abs=1e-5)
    assert distance(Procrustes(), a, half) == pytest.approx(np.pi / 3, abs=1e-5)
    assert distance(SVCCA(explained_variance=1.0), a, half) == pytest.approx(0.5, abs=1e-5)
    assert distance(EXACT, a, half) == pytest.approx(0.5, abs=1e-5)


# Caveats that the documents state.


def test_cka_hardly_sees_directions_of_low_variance_and_svcca_drops_them():
    a, b = RNG.normal(size=(2, TRIALS, STEPS, UNITS))
    b[..., 0] = a[..., 0]
    scale = np.array([1.0] + [0.03] * (UNITS - 1))
    a, b = a * scale, b * scale  # alike in the one direction that has 99.3% of the variance
    assert distance(CKA(), a, b) < 0.05
    assert distance(SVCCA(), a, b) < 0.05
    assert prepare(SVCCA(), a).kept.sum() == 1
    everything = SVCCA(explained_variance=1.0)
    assert prepare(everything, a).kept.sum() == UNITS
    assert distance(everything, a, b) > 0.5


def test_unrelated_networks_look_alike_to_svcca_when_samples_are_few():
    few, many = (RNG.normal(size=(2, trials, 15, 20)) for trials in (2, 100))
    metric = SVCCA(explained_variance=1.0)
    assert distance(metric, *few) < 0.35 < 0.7 < distance(metric, *many)


# Predictivity of what the readout does not see.


def test_null_space_removes_what_the_readout_sees():
    weights = RNG.normal(size=(3, UNITS))
    weights[2] = weights[0] - 2 * weights[1]  # dependent rows
    a = activity()
    hidden = np.asarray(outside_readout(jnp.float32(a), jnp.float32(weights)), float)
    np.testing.assert_allclose(hidden @ weights.T, 0, atol=1e-5)
    np.testing.assert_allclose(outside_readout(hidden, weights), hidden, atol=1e-5)
    lost = np.linalg.matrix_rank(rows(a - hidden), tol=1e-3)
    assert lost == 2


def test_null_space_predictivity_ignores_shared_outputs():
    shared = RNG.normal(size=(TRIALS, STEPS, 2))
    readouts = RNG.normal(size=(2, 2, UNITS))
    networks = []
    for readout in readouts:
        potent = np.linalg.pinv(readout).T
        own = np.asarray(outside_readout(jnp.float32(activity()), jnp.float32(readout)))
        networks.append({"activity": 5 * shared @ potent + own, "readout_weights": readout})
    full = distance(EXACT, *(network["activity"] for network in networks))
    hidden = distance(LinearPredictivity(ridge=0.0, null_space=True), *networks)
    assert full < 0.5
    assert hidden > 0.9
    outside = [np.asarray(outside_readout(**jax.tree.map(jnp.float32, n))) for n in networks]
    assert hidden == pytest.approx(reference_rank_deficient(*outside), abs=1e-4)


def reference_rank_deficient(a, b):
    x, y = rows(a), rows(b)
    return np.sum((y - x @ np.linalg.lstsq(x, y, rcond=1e-5)[0]) ** 2) / np.sum(y**2)


def test_held_out_trials_show_overfitting():
    a, b = RNG.normal(size=(2, 8, 5, 15))
    assert distance(EXACT, a, b) < 0.7
    assert distance(LinearPredictivity(ridge=0.0, held_out=True), a, b) > 1


# What the number of samples must not decide.


@pytest.mark.parametrize(
    "metric",
    [SVCCA(explained_variance=1.0), LinearPredictivity(ridge=0.0), CKA(), Procrustes()],
    ids=lambda m: m.name,
)
def test_the_same_trials_many_times_over_are_the_same(metric):
    """Small directions are no rounding because there are many samples of them."""
    sizes = np.logspace(0, -3.5, 6)
    first, second = (RNG.normal(size=(4, 25, 6)) * sizes for _ in range(2))
    second[..., 3:] = first[..., 3:]
    few = distance(metric, first, second)
    many = distance(metric, np.tile(first, (200, 1, 1)), np.tile(second, (200, 1, 1)))
    assert many == pytest.approx(few, rel=2e-3, abs=1e-6)
    assert few > 0.01
