"""Metrics of activity and outputs: axioms, float64 references, closed forms, every raise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.linalg import polar as scipy_polar
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, rankdata, spearmanr

from rnnensemble import distance_matrix, metrics
from rnnensemble.metrics import CKA, RSA, SVCCA, Disagreement, LinearPredictivity, Procrustes
from rnnensemble.metrics.orthogonal import nuclear_norm, polar
from rnnensemble.metrics.predictivity import outside_readout
from rnnensemble.metrics.rsa import average_ranks

RNG = np.random.default_rng(0)
TRIALS, STEPS, UNITS = 12, 25, 9
EXACT = LinearPredictivity(ridge=0.0)
SHAPES = [CKA(), Procrustes(), RSA()]  # invariant to rotations
ANGLES = [CKA(), Procrustes(), Procrustes(score="euclidean")]
ACTIVITY = [
    SVCCA(),
    SVCCA(explained_variance=1.0),
    *ANGLES,
    CKA(score="complement"),
    RSA(),
    RSA(correlation="pearson"),
    RSA(dissimilarity="correlation"),
    LinearPredictivity(),
    LinearPredictivity(held_out=True),
]


def activity(units=UNITS, decay=0.7):
    """Rates with a spectrum that falls by `decay` a direction, and an offset of each unit."""
    latent = RNG.normal(size=(TRIALS, STEPS, units)) * decay ** np.arange(units)
    return latent @ random_orthogonal(units) + RNG.normal(size=units)


def random_orthogonal(n, det=None):
    q = np.linalg.qr(RNG.normal(size=(n, n)))[0]
    if det is not None and np.linalg.det(q) * det < 0:
        q[0] *= -1
    return q


def invertible(n):
    """A linear map with singular values between 0.5 and 2."""
    return random_orthogonal(n) @ np.diag(np.geomspace(0.5, 2, n)) @ random_orthogonal(n)


@partial(jax.jit, static_argnums=0)  # one cache for all tests
def jitted_prepare(metric, data):
    return metric.prepare(data)


@partial(jax.jit, static_argnums=0)
def compare(metric, first, second):
    return metric.compare(jax.random.key(0), first, second)


def prepare(metric, data):
    data = jax.tree.map(np.float32, data)
    metric.check(jax.tree.map(lambda x: x.shape, data))
    return jitted_prepare(metric, data)


def distance(metric, a, b):
    return float(compare(metric, prepare(metric, a), prepare(metric, b)))


def rows(a):
    a = np.asarray(a, float).reshape(-1, a.shape[-1])
    return a - a.mean(axis=0)


# References: each definition in float64, another way than the package computes it.


def reference_svcca(a, b, explained_variance):
    bases = []
    for x in (rows(a), rows(b)):
        values, vectors = np.linalg.eigh(x.T @ x)
        values, vectors = values[::-1], vectors[:, ::-1]
        share = np.cumsum(values) / values.sum()
        k = int(np.searchsorted(share, explained_variance - 1e-12)) + 1
        bases.append(x @ vectors[:, :k])
    return 1 - np.cos(subspace_angles(*bases)).mean()


def reference_cka(a, b):
    k, m = (x @ x.T for x in (rows(a), rows(b)))
    return np.sum(k * m) / np.linalg.norm(k) / np.linalg.norm(m)


def reference_procrustes(a, b):
    x, y = (x / np.linalg.norm(x) for x in (rows(a), rows(b)))
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in (x, y))
    return np.arccos(min(orthogonal_procrustes(x, y)[1], 1.0))


def reference_rsa(a, b, dissimilarity, correlation, conditions=256):
    name = {"euclidean": "sqeuclidean", "correlation": "correlation"}[dissimilarity]
    correlate = {"spearman": spearmanr, "pearson": pearsonr}[correlation]
    triangles = []
    for x in (a, b):
        x = x.reshape(-1, x.shape[-1])
        chosen = np.linspace(0, len(x) - 1, min(conditions, len(x))).round().astype(int)
        triangles.append(pdist(x[chosen], name))
    return 1 - correlate(*triangles).statistic


def reference_predictivity(a, b, ridge=1e-4, held_out=False):
    fit, score = (slice(0, None, 2), slice(1, None, 2)) if held_out else (slice(None),) * 2
    x, y = (rows(v[fit]) for v in (a, b))
    x_scored, y_scored = (
        (v[score] - v[fit].mean(axis=(0, 1))).reshape(-1, v.shape[-1]) for v in (a, b)
    )
    rho = ridge * np.mean(np.linalg.eigvalsh(x.T @ x))
    penalized = np.vstack([x, np.sqrt(rho) * np.eye(x.shape[1])])
    m = np.linalg.lstsq(penalized, np.vstack([y, np.zeros((x.shape[1], y.shape[1]))]))[0]
    return np.sum((y_scored - x_scored @ m) ** 2) / np.sum(y_scored**2)


def related_pair():
    """Two networks of different widths that share a part of their activity."""
    a, other = activity(), activity(units=7)
    return a, a[..., :7] + 0.3 * other


def name_of(value):
    return "" if callable(value) else str(value)


REFERENCES = [
    (SVCCA(), lambda a, b: reference_svcca(a, b, 0.99)),
    (SVCCA(explained_variance=0.7), lambda a, b: reference_svcca(a, b, 0.7)),
    (SVCCA(explained_variance=1.0), lambda a, b: reference_svcca(a, b, 1.0)),
    (CKA(), lambda a, b: np.arccos(reference_cka(a, b))),
    (CKA(score="complement"), lambda a, b: 1 - reference_cka(a, b)),
    (Procrustes(), reference_procrustes),
    (Procrustes(score="euclidean"), lambda a, b: 2 * np.sin(reference_procrustes(a, b) / 2)),
    (LinearPredictivity(), reference_predictivity),
    (LinearPredictivity(ridge=0.1), lambda a, b: reference_predictivity(a, b, 0.1)),
    (EXACT, lambda a, b: reference_predictivity(a, b, 0.0)),
    (
        LinearPredictivity(held_out=True),
        lambda a, b: reference_predictivity(a, b, held_out=True),
    ),
]
REFERENCES += [
    (
        RSA(dissimilarity=d, correlation=c, conditions=n),
        lambda a, b, d=d, c=c, n=n: reference_rsa(a, b, d, c, n),
    )
    for d, c, n in [
        ("euclidean", "spearman", 256),
        ("euclidean", "pearson", 40),
        ("correlation", "spearman", 40),
        ("correlation", "pearson", 1000),
    ]
]


@pytest.mark.parametrize(("metric", "reference"), REFERENCES, ids=name_of)
def test_equals_float64_reference(metric, reference):
    for a, b in [related_pair(), related_pair()[::-1]]:
        assert distance(metric, a, b) == pytest.approx(reference(a, b), abs=2e-5)


@pytest.mark.parametrize("share", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("metric", [CKA(), Procrustes()], ids=["cka", "procrustes"])
def test_small_angles_are_as_exact_as_large_ones(metric, share):
    """arccos of a float32 near 1 knows angles below 4e-4 not at all."""
    a = np.float32(activity())
    b = np.float32(a + share * activity())
    x, y = rows(a), rows(b)
    if isinstance(metric, CKA):
        k, m = (v @ v.T / np.linalg.norm(v @ v.T) for v in (x, y))
        chord = np.linalg.norm(k - m)
    else:
        x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
        chord = np.linalg.norm(x - y @ orthogonal_procrustes(y, x)[0])
    expected = 2 * np.arcsin(chord / 2)
    assert distance(metric, a, b) == pytest.approx(expected, rel=2e-3, abs=2e-7)


@pytest.mark.parametrize("metric", [CKA(), Procrustes()], ids=["cka", "procrustes"])
@pytest.mark.parametrize(
    "spectrum",
    [np.ones(64), 0.45 ** np.arange(64), np.append(np.ones(4), np.full(60, 5e-4))],
    ids=["flat", "steep", "plateau"],
)
def test_a_rotated_copy_is_at_distance_zero_whatever_the_spectrum(metric, spectrum):
    """The plateau's squares sink into the rounding errors of X^T Y."""
    latent = RNG.normal(size=(20, 50, 64)) * spectrum
    a, b = latent @ random_orthogonal(64), latent @ random_orthogonal(64)
    assert distance(metric, a, b) < 5e-4


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


@pytest.mark.parametrize("metric", ACTIVITY, ids=str)
def test_symmetric_where_declared(metric):
    a, b = related_pair()
    there, back = distance(metric, a, b), distance(metric, b, a)
    if metric.symmetric:
        assert there == pytest.approx(back, abs=1e-5)
        assert distance(metric, a, a) < 1e-5
    else:
        assert abs(there - back) > 0.01


def test_a_part_is_predicted_by_the_whole_and_not_the_other_way():
    a = activity(decay=1.0)
    part = a[..., :3]
    assert distance(EXACT, a, part) < 1e-4
    assert distance(EXACT, part, a) == pytest.approx(reference_predictivity(part, a, 0), abs=1e-5)
    assert distance(EXACT, part, a) > 0.5


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
    assert int(prepare(SVCCA(), a).dimension) == 1
    everything = SVCCA(explained_variance=1.0)
    assert int(prepare(everything, a).dimension) == UNITS
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


# Disagreement of outputs.


def test_disagreement_is_a_root_mean_square_over_what_counts():
    a, b, c = RNG.normal(size=(3, 6, 10, 2))
    mask = (RNG.random((6, 10)) < 0.4) * 1.0
    assert distance(Disagreement(), a, b) == pytest.approx(np.sqrt(np.mean((a - b) ** 2)), rel=1e-5)
    masked = [{"outputs": y, "mask": mask} for y in (a, b)]
    expected = np.sqrt(np.mean((a - b)[mask > 0] ** 2))
    assert distance(Disagreement(), *masked) == pytest.approx(expected, rel=1e-5)
    assert distance(Disagreement(), a, a) == 0
    assert distance(Disagreement(), a, b) == distance(Disagreement(), b, a)
    assert distance(Disagreement(), a, a + 0.5) == pytest.approx(0.5, rel=1e-5)
    detour = distance(Disagreement(), a, b) + distance(Disagreement(), b, c)
    assert distance(Disagreement(), a, c) <= detour


# Numerics: widths, jit, several devices, no factorization in `compare`.


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
    assert all(x.dtype in (jnp.float32, jnp.int32) for x in jax.tree.leaves(features))
    code = compare.lower(metric, features, features).as_text()
    assert "custom_call" not in code


@pytest.mark.parametrize("metric", [m for m in ACTIVITY if not isinstance(m, RSA)], ids=str)
def test_activity_that_does_not_vary_has_no_distance(metric):
    a = activity()
    assert np.isnan(distance(metric, a, np.full_like(a, 0.1)))


def test_ranks_equal_scipy():
    values = np.float32(RNG.integers(0, 40, size=300))  # many ties
    np.testing.assert_array_equal(average_ranks(values), rankdata(values))


def test_polar_factor_and_nuclear_norm():
    m = invertible(6) / 2
    q = polar(jnp.float32(m), bound=1.0, steps=20)
    np.testing.assert_allclose(q, scipy_polar(m)[0], atol=1e-5)
    m = random_orthogonal(6) @ np.diag(np.geomspace(1, 1e-6, 6)) @ random_orthogonal(6)
    q = np.asarray(polar(jnp.float32(m), bound=1.0, steps=60), float)
    np.testing.assert_allclose(q @ q.T, np.eye(6), atol=1e-5)
    assert float(nuclear_norm(jnp.float32(m), bound=1.0)) == pytest.approx(
        np.geomspace(1, 1e-6, 6).sum(), abs=1e-6
    )
    wide = RNG.normal(size=(3, 5)) / 5
    expected = np.linalg.svd(wide)[1].sum()
    assert float(nuclear_norm(jnp.float32(wide), bound=1.0)) == pytest.approx(expected, abs=1e-5)


# The registry and every raise.


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
    assert metrics.find(name) == kind()
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
        (SVCCA(), (2, 5, 9), f"{FEW} N \\+ 2 = 11 .* got 10 from 2 trials of 5 steps"),
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
        (Disagreement(), (5, 9), r"`outputs` must be \[K, B, T, O\]"),
        (Disagreement(), {"outputs": (5, 9, 2)}, "hold 'outputs' and 'mask'"),
        (Disagreement(), {"outputs": (5, 9, 2), "mask": (5, 8)}, "`mask` must be"),
    ],
)
def test_check(metric, shape, message):
    with pytest.raises(ValueError, match=message):
        metric.check(shape)
