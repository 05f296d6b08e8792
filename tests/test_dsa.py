"""DSA: exact cases, the definition in float64 NumPy, and dsa-metric where it is installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble.metrics import DSA
from rnnensemble.metrics.dsa import as_operator, delay_embedding, local_model, operator

RNG = np.random.default_rng(0)
align = jax.jit(lambda key, a, b: DSA().align(key, a, b))


def distance(a, b, score="euclidean"):
    a, b = (as_operator(jnp.asarray(x, jnp.float32)) for x in (a, b))
    found = jax.jit(DSA(score=score).align)(jax.random.key(0), a, b)
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


@pytest.mark.parametrize("n", [4, 10, 20])
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
    a, b, c = RNG.normal(size=(3, 6, 6))
    assert distance(a, a) < 1e-4
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-3)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-3
    assert distance(a, 3 * a) < 1e-4  # scale does not count
    shear = np.eye(6) + np.triu(np.ones((6, 6)), 1)
    assert distance(a, shear @ a @ np.linalg.inv(shear)) > 0.05  # conjugacy is a larger group


def test_angular_and_euclidean_agree():
    a, b = RNG.normal(size=(2, 7, 7))
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
    np.testing.assert_allclose(gradient, jax.grad(overlap)(zero), atol=1e-5)
    curved = jax.jvp(jax.grad(overlap), (zero,), (x,))[1]
    np.testing.assert_allclose(hessian_times(x), curved, atol=1e-4)


def activity(trials=6, steps=40, units=9):
    """Damped noisy rotations, whose operator is well defined."""
    turn = 0.95 * np.linalg.qr(RNG.normal(size=(units, units)))[0]
    x = RNG.normal(size=(trials, units))
    rows = []
    for _ in range(steps):
        x = x @ turn.T + 0.1 * RNG.normal(size=x.shape)
        rows.append(x)
    return np.stack(rows, axis=1)


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
    embedded = delay_embedding(jnp.asarray(x, jnp.float32), n_delays, interval)
    ours = np.asarray(operator(embedded, rank=5, ridge=1e-8))
    theirs = numpy_operator(x, n_delays, interval, 5, 1e-8)
    for measure in (
        lambda a: np.sort_complex(np.linalg.eigvals(a)),
        lambda a: np.linalg.svd(a)[1],
        np.linalg.norm,
    ):
        np.testing.assert_allclose(measure(ours), measure(theirs), atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n_delays", "interval"), [(1, 1), (3, 2)])
def test_operator_equals_dsa_metric(n_delays, interval):
    dsa_metric = pytest.importorskip("DSA", reason="extra `reference` is not installed")
    x = activity()
    model = dsa_metric.DMD(x, n_delays=n_delays, delay_interval=interval, rank=5, lamb=1e-8)
    model.fit()
    theirs = np.asarray(model.A_v, np.float64)
    embedded = delay_embedding(jnp.asarray(x, jnp.float32), n_delays, interval)
    ours = np.asarray(operator(embedded, rank=5, ridge=1e-8))
    np.testing.assert_allclose(np.linalg.svd(ours)[1], np.linalg.svd(theirs)[1], atol=1e-4)
    assert distance(ours, theirs) < 1e-3  # the same up to signs of the whitened coordinates


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
        ({"rank": 0}, "`rank` must be at least 1"),
        ({"ridge": -1.0}, "`ridge` must be at least 0"),
        ({"score": "cosine"}, "`score` must be 'euclidean' or 'angular'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        DSA(**settings)
