"""DSA: exact cases, the definition in float64 NumPy, and dsa-metric where it is installed."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import distance_matrix
from rnnensemble._core import factorization
from rnnensemble.metrics import DSA
from rnnensemble.metrics.alignment import as_operator, haar_rotations
from rnnensemble.metrics.ascent import Stage, begin, climb, local_model
from rnnensemble.metrics.orthogonal import product

RNG = np.random.default_rng(0)
# compiled once for all tests
operator = jax.jit(as_operator)
begun = jax.jit(jax.vmap(begin, (None, None, 0)))
climbed = jax.jit(climb, static_argnames=("stages", "width"))


@partial(jax.jit, static_argnums=0)
def align(metric, a, b):
    return metric.align(jax.random.key(0), a, b)


def distance(a, b, score="euclidean"):
    a, b = (operator(jnp.asarray(x, jnp.float32)) for x in (a, b))
    found = align(DSA(score=score), a, b)
    c = np.asarray(found.rotation, np.float64)
    np.testing.assert_allclose(c @ c.T, np.eye(len(c)), atol=1e-5)
    if score == "euclidean":  # a reported distance is the value at the returned C
        direct = np.linalg.norm(a.matrix - c @ np.asarray(b.matrix) @ c.T)
        assert float(found.distance) == pytest.approx(direct, abs=1e-5)
    return float(found.distance)


def random_orthogonal(n, det):
    q = np.linalg.qr(RNG.normal(size=(n, n)))[0]
    if np.linalg.det(q) * det < 0:
        q[0] *= -1
    return q


@pytest.mark.parametrize("n", [3, 5, 10, 20])
@pytest.mark.parametrize("det", [1, -1])
def test_planted_rotation_or_reflection_is_found(n, det):
    a = RNG.normal(size=(n, n))
    q = random_orthogonal(n, det)
    assert distance(a, q @ a @ q.T) < 1e-4


@pytest.mark.long
def test_distances_of_zero_are_found_to_float32():
    """Of products of size 1, float32 knows no difference that belongs to a distance of 3e-4."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        a = rng.normal(size=(15, 15))
        q = np.linalg.qr(rng.normal(size=(15, 15)))[0]
        pair = (operator(jnp.asarray(x, jnp.float32)) for x in (a, q @ a @ q.T))
        assert float(align(DSA(), *pair).distance) < 1e-4


@pytest.mark.parametrize("n", [5, 10, 20])
def test_symmetric_operators_differ_by_their_sorted_eigenvalues(n):
    a, b = (x + x.T for x in RNG.normal(size=(2, n, n)))
    a, b = (x / np.linalg.norm(x) for x in (a, b))
    expected = np.linalg.norm(np.linalg.eigvalsh(a) - np.linalg.eigvalsh(b))
    assert distance(a, b) == pytest.approx(expected, abs=1e-4)


def test_two_by_two_equals_a_dense_scan():
    angle = np.linspace(0, 2 * np.pi, 4001)
    rotation = np.moveaxis(
        np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), 2, 0
    )
    every = np.concatenate([rotation, rotation @ np.diag([1, -1])])
    for _ in range(10):
        a, b = (x / np.linalg.norm(x) for x in RNG.normal(size=(2, 2, 2)))
        scan = np.linalg.norm(a - every @ b @ np.swapaxes(every, 1, 2), axis=(1, 2)).min()
        assert distance(a, b) == pytest.approx(scan, abs=1e-4)


def test_axioms():
    a, b, c = RNG.normal(size=(3, 5, 5))
    assert distance(a, a) < 1e-4
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-3)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-3
    assert distance(a, 3 * a) < 1e-4  # scale does not count
    shear = np.eye(5) + np.triu(np.ones((5, 5)), 1)
    assert distance(a, shear @ a @ np.linalg.inv(shear)) > 0.05  # conjugacy is a larger group


def test_angular_and_euclidean_agree():
    a, b = RNG.normal(size=(2, 5, 5))
    euclidean, angular = distance(a, b), distance(a, b, score="angular")
    assert euclidean**2 == pytest.approx(2 - 2 * np.cos(angular), abs=1e-4)


def test_local_model_equals_autodiff():
    a, m, x = (jnp.asarray(v, jnp.float32) for v in RNG.normal(size=(3, 5, 5)))
    x = (x - x.T) / 2

    def overlap(skew):
        skew = (skew - skew.T) / 2
        e = jax.scipy.linalg.expm(skew)
        return jnp.sum(a * (e @ m @ e.T))

    gradient, hessian_times = local_model(a, m)
    zero = jnp.zeros((5, 5))
    slope = jax.jit(jax.grad(overlap))
    np.testing.assert_allclose(gradient, slope(zero), atol=1e-5)
    curved = jax.jvp(slope, (zero,), (x,))[1]
    np.testing.assert_allclose(hessian_times(x), curved, atol=1e-4)


STAGES = (
    Stage(10, 2, iterations=3, longest=4.0),
    Stage(10, 3),
    Stage(6, 2),
    Stage(5, 2),
    Stage(4, 20, iterations=6, patience=3),
)


def unit_operators(seed):
    """Two that draw from no other test's generator."""
    pair = np.random.default_rng(seed).normal(size=(2, 6, 6))
    return (jnp.asarray(x / np.linalg.norm(x), jnp.float32) for x in pair)


def climbers_at(a, b):
    return begun(a, b, jnp.asarray(haar_rotations(10, len(a)), jnp.float32))


@pytest.mark.parametrize("width", [1, 3, 4, 10])
def test_groups_do_not_change_a_climb(width):
    """Groups of any size, full or not, end where each stage ends on its own, its best first."""
    a, b = unit_operators(0)
    found = climbed(a, b, climbers_at(a, b), stages=STAGES, width=width)
    at = climbers_at(a, b)
    for stage in STAGES:
        best = np.argsort(-np.asarray(at.closeness), kind="stable")[: stage.climbers]
        at = jax.tree.map(lambda x, best=best: np.asarray(x)[best], at)
        at = climbed(a, b, at, stages=(stage,), width=stage.climbers)
    assert found.closeness.shape == (4,)
    np.testing.assert_allclose(found.closeness, at.closeness, atol=1e-5)
    np.testing.assert_allclose(found.rotation, at.rotation, atol=1e-3)


def test_a_climb_in_two_parts_is_the_climb():
    """What a device does with many together and then with few ends where groups of one size end."""
    a, b = unit_operators(1)
    at = climbers_at(a, b)
    one = climbed(a, b, at, stages=STAGES, width=4)
    two = climbed(a, b, at, stages=STAGES[:2], width=STAGES[0].climbers)
    two = climbed(a, b, two, stages=STAGES[2:], width=STAGES[2].climbers)
    np.testing.assert_allclose(one.closeness, two.closeness, atol=1e-5)
    np.testing.assert_allclose(one.rotation, two.rotation, atol=1e-3)


def test_a_climb_never_ends_further_away():
    a, b = unit_operators(2)
    at = climbers_at(a, b)
    stays = climbed(a, b, at, stages=(Stage(10, 0),), width=4)
    best = np.sort(np.asarray(at.closeness))[::-1]
    np.testing.assert_array_equal(stays.closeness, best)
    ends = climbed(a, b, at, stages=(Stage(10, 5),), width=4)
    assert (ends.closeness >= stays.closeness).all()
    np.testing.assert_allclose(
        ends.rotation @ ends.rotation.mT, np.broadcast_to(np.eye(6), (10, 6, 6)), atol=1e-5
    )


@pytest.mark.parametrize("starts", [1, 2, 5, 17])
def test_few_starts_are_enough_for_symmetric_operators(starts):
    a, b = (x + x.T for x in np.random.default_rng(starts).normal(size=(2, 5, 5)))
    pair = [operator(jnp.asarray(x, jnp.float32)) for x in (a, b)]
    found = align(DSA(starts=starts, early_steps=2), *pair)
    assert float(found.distance) == pytest.approx(float(found.lower_bound), abs=1e-4)


def test_eigenvalues_need_no_host_callback_on_a_gpu():
    """Lowered for NVIDIA without one at hand: cusolver's decomposition, or JAX's own of LAPACK."""
    assert {"cpu", "cuda"} <= set(factorization.with_eigenvalues())
    assert "tpu" not in factorization.with_eigenvalues()
    metric = DSA(rank=3, score="wasserstein")
    traced = jax.jit(jax.vmap(metric.prepare)).trace(jnp.ones((2, 3, 9, 5)))
    program = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "callback" not in program
    assert "geev" in program or "hybrid_eig" in program


def activity(trials=6, steps=40, units=9):
    """Damped noisy rotations, whose operator is well defined."""
    turn = 0.95 * np.linalg.qr(RNG.normal(size=(units, units)))[0]
    x = RNG.normal(size=(trials, units))
    rows = []
    for _ in range(steps):
        x = x @ turn.T + 0.1 * RNG.normal(size=x.shape)
        rows.append(x)
    return np.stack(rows, axis=1)


def fitted(x, **settings):
    """Our operator of activity."""
    return np.asarray(jax.jit(DSA(**settings).fit)(jnp.asarray(x, jnp.float32)))


def same_spectra(ours, theirs, atol=1e-4):
    """Operators are equal up to the signs of the whitened coordinates."""
    for measure in (
        lambda a: np.sort_complex(np.linalg.eigvals(a)),
        lambda a: np.linalg.svd(a)[1],
        np.linalg.norm,
    ):
        np.testing.assert_allclose(measure(ours), measure(theirs), atol=atol)


def numpy_operator(x, n_delays, interval, rank, ridge):
    """The definition in float64: embed, SVD, ridge inside each trial."""
    lag = (n_delays - 1) * interval
    rows = [
        [
            np.concatenate([trial[t - d * interval] for d in range(n_delays)])
            for t in range(lag, len(trial))
        ]
        for trial in x
    ]
    embedded = np.array(rows)
    _, s, vt = np.linalg.svd(embedded.reshape(-1, embedded.shape[-1]), full_matrices=False)
    white = embedded @ (vt[:rank].T / s[:rank])
    before, after = white[:, :-1].reshape(-1, rank), white[:, 1:].reshape(-1, rank)
    return np.linalg.solve(before.T @ before + ridge * np.eye(rank), before.T @ after).T


@pytest.mark.parametrize(("n_delays", "interval"), [(1, 1), (3, 1), (3, 2)])
def test_operator_equals_numpy(n_delays, interval):
    x = activity()
    ours = fitted(x, rank=5, n_delays=n_delays, delay_interval=interval)
    same_spectra(ours, numpy_operator(x, n_delays, interval, 5, 1e-8))


def test_truncation_by_explained_variance_and_threshold():
    x = activity() * np.array([5, 4, 3, 2, 1, 0.1, 0.1, 0.1, 0.1])
    scale = np.linalg.svd(x.reshape(-1, 9), compute_uv=False)
    share = np.cumsum(scale**2) / np.sum(scale**2)
    for count in (2, 4):
        by_share = fitted(x, rank=6, explained_variance=float(share[count - 2 : count].mean()))
        by_threshold = fitted(x, rank=6, threshold=float(scale[count - 1 : count + 1].mean()))
        alone = fitted(x, rank=count)
        for found in (by_share, by_threshold):
            same_spectra(found[:count, :count], alone)
            assert not found[count:].any()
            assert not found[:, count:].any()
    assert np.count_nonzero(fitted(x, rank=6, threshold=1e9)) == 1  # at least one coordinate


def test_reduced_rank_regression_equals_its_definition():
    x = activity().astype(np.float32)
    reduced = fitted(x, rank=9, regression_rank=4)
    assert np.linalg.matrix_rank(reduced, tol=1e-4) == 4
    white = x @ np.linalg.svd(x.reshape(-1, 9), full_matrices=False)[2].T
    white = white / np.linalg.norm(white.reshape(-1, 9), axis=0)
    before, after = white[:, :-1].reshape(-1, 9), white[:, 1:].reshape(-1, 9)

    full = np.linalg.lstsq(before, after, rcond=None)[0].T
    # the least squares' predictions, truncated to their best approximation of rank 4
    u, s, vt = np.linalg.svd(before @ full.T, full_matrices=False)
    best = np.linalg.lstsq(before, (u[:, :4] * s[:4]) @ vt[:4], rcond=None)[0].T
    same_spectra(reduced, best)
    same_spectra(fitted(x, rank=9, regression_rank=9), full)


def test_components_are_principal():
    x = activity() + 3.0
    rows = x.reshape(-1, 9) - x.reshape(-1, 9).mean(axis=0)
    basis = np.linalg.svd(rows, full_matrices=False)[2][:5]
    reduced = (rows @ basis.T).reshape(*x.shape[:2], 5)
    ours = fitted(x, rank=6, n_delays=2, components=5)
    same_spectra(ours, numpy_operator(reduced, 2, 1, 6, 1e-8))


def test_wasserstein_is_the_best_matching_of_eigenvalues():
    metric = DSA(rank=5, score="wasserstein")
    prepare, compare = jax.jit(metric.prepare), jax.jit(metric.compare)
    first, second = activity(), activity()
    found = [prepare(jnp.asarray(x, jnp.float32)) for x in (first, second)]
    a, b = (np.linalg.eigvals(numpy_operator(x, 1, 1, 5, 1e-8)) for x in (first, second))
    every = [np.mean(np.abs(a - b[list(p)]) ** 2) for p in itertools.permutations(range(5))]
    assert float(compare(jax.random.key(0), *found).distance) == pytest.approx(min(every), abs=1e-4)
    assert float(compare(jax.random.key(0), found[0], found[0]).distance) == pytest.approx(
        0, abs=1e-6
    )
    # a linear change of coordinates keeps the eigenvalues of the full operator
    mixed = first @ (np.eye(9) + np.triu(np.ones((9, 9)), 1))
    full = DSA(rank=9, score="wasserstein")
    both = [jax.jit(full.prepare)(jnp.asarray(x, jnp.float32)) for x in (first, mixed)]
    assert float(jax.jit(full.compare)(jax.random.key(0), *both).distance) < 1e-4


def test_lower_bound_holds_and_is_tight_where_it_should_be():
    for n in (2, 3, 6):
        for _ in range(5):
            a, b = (operator(jnp.asarray(x, jnp.float32)) for x in RNG.normal(size=(2, n, n)))
            found = align(DSA(), a, b)
            assert 0 <= float(found.lower_bound) <= float(found.distance)
            if n == 2:  # below the dense scan's minimum, by eye of no search
                angle = np.linspace(0, 2 * np.pi, 2001)
                turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                turn = np.moveaxis(turn, 2, 0)
                every = np.concatenate([turn, turn @ np.diag([1, -1])])
                b_turned = every @ np.asarray(b.matrix) @ np.swapaxes(every, 1, 2)
                least = np.linalg.norm(np.asarray(a.matrix) - b_turned, axis=(1, 2)).min()
                assert float(found.lower_bound) <= least + 1e-6
    a, b = (operator(jnp.asarray(x + x.T, jnp.float32)) for x in RNG.normal(size=(2, 5, 5)))
    found = align(DSA(), a, b)  # symmetric: the bound is attained
    assert float(found.lower_bound) == pytest.approx(float(found.distance), abs=1e-4)
    assert 1 <= int(found.reached) <= 32
    angular = jax.jit(DSA(score="angular").align)(jax.random.key(0), a, b)
    expected = 2 * np.arcsin(float(found.lower_bound) / 2)
    assert float(angular.lower_bound) == pytest.approx(expected, abs=1e-5)


def test_operators_of_other_widths_compare():
    x = activity()
    turned = np.concatenate([x, np.zeros((*x.shape[:2], 3))], axis=2)
    turned = turned @ np.linalg.qr(RNG.normal(size=(12, 12)))[0]
    assert distance_matrix("dsa", [x, turned], settings={"rank": 5})[0, 1] < 1e-3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n_delays", "interval"), [(1, 1), (3, 2)])
def test_operator_equals_dsa_metric(n_delays, interval):
    dsa_metric = pytest.importorskip("DSA", reason="extra `reference` is not installed")
    x = activity()
    model = dsa_metric.DMD(x, n_delays=n_delays, delay_interval=interval, rank=5, lamb=1e-8)
    model.fit()
    theirs = np.asarray(model.A_v, np.float64)
    ours = fitted(x, rank=5, n_delays=n_delays, delay_interval=interval)
    np.testing.assert_allclose(np.linalg.svd(ours)[1], np.linalg.svd(theirs)[1], atol=1e-4)
    assert distance(ours, theirs) < 1e-3  # the same up to signs of the whitened coordinates


@pytest.mark.filterwarnings("ignore")
def test_reduced_rank_regression_and_ranks_equal_dsa_metric():
    dsa_metric = pytest.importorskip("DSA", reason="extra `reference` is not installed")
    x = activity()
    model = dsa_metric.DMD(x, n_delays=1, rank=4, lamb=1e-8, reduced_rank_reg=True)
    model.fit()
    same_spectra(fitted(x, rank=9, regression_rank=4), np.asarray(model.A_v, np.float64).T)
    for theirs, ours in (
        ({"rank_explained_variance": 0.8}, {"explained_variance": 0.8}),
        ({"rank_thresh": 8.0}, {"threshold": 8.0}),
    ):
        model = dsa_metric.DMD(x, n_delays=1, lamb=1e-8, **theirs)
        model.fit()
        found = fitted(x, rank=9, **ours)
        kept = np.count_nonzero(np.abs(found).sum(axis=0))
        same_spectra(found[:kept, :kept], np.asarray(model.A_v, np.float64))


@pytest.mark.filterwarnings("ignore")
def test_wasserstein_equals_dsa_metric():
    dsa_metric = pytest.importorskip("DSA", reason="extra `reference` is not installed")
    x, y = activity(), activity()
    ours = distance_matrix("dsa", [x, y], settings={"rank": 6, "score": "wasserstein"})[0, 1]
    a, b = (numpy_operator(each, 1, 1, 6, 1e-8).astype(np.float32) for each in (x, y))
    theirs = dsa_metric.SimilarityTransformDist(score_method="wasserstein").fit_score(a, b)
    assert ours == pytest.approx(float(theirs), abs=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_never_above_dsa_metric():
    dsa_metric = pytest.importorskip("DSA", reason="extra `reference` is not installed")
    for n in (5, 8):
        a, b = (x / np.linalg.norm(x) for x in RNG.normal(size=(2, n, n)))
        best = min(
            dsa_metric.SimilarityTransformDist(
                iters=800, score_method="euclidean", lr=1e-2, verbose=False
            ).fit_score(a.copy(), b.copy())
            for _ in range(2)
        )
        assert distance(a, b) <= float(best) + 1e-3


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({"rank": 50}, (4, 20, 9), "`rank` must be at most 9"),
        ({"components": 10}, (4, 20, 9), "`components` must be at most 9"),
        ({"components": 3, "rank": 4}, (4, 20, 9), "`rank` must be at most 3"),
        ({"n_delays": 30}, (4, 20, 9), "`n_delays` = 30 .* needs trials of at least 31 steps"),
        ({}, (4, 20), r"`activity` must be \[K, B, T, N\]"),
    ],
)
def test_check(settings, shape, message):
    with pytest.raises(ValueError, match=message):
        DSA(**settings).check(shape)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "`rank` must be a whole number of at least 1"),
        ({"ridge": -1.0}, "`ridge` must be at least 0"),
        ({"score": "cosine"}, "`score` must be one of"),
        ({"explained_variance": 1.5}, r"`explained_variance` must lie within \(0, 1\]"),
        ({"explained_variance": 0.5, "threshold": 1.0}, "exclude each other"),
        ({"regression_rank": 21}, "`regression_rank` must be at most `rank` = 20; got 21"),
        ({"components": 0}, "`components` must be a whole number of at least 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        DSA(**settings)


@pytest.mark.parametrize("rows", range(3, 9))
def test_tiny_products_are_products(rows):
    rng = np.random.default_rng(rows)
    x, y = (rng.normal(size=(2, *shape)) for shape in ((rows, 3 * rows), (3 * rows, 2 * rows)))
    np.testing.assert_allclose(product(x, y), x @ y, rtol=1e-12, atol=1e-12)
