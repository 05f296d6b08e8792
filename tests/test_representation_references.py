"""Metrics of activity against float64 NumPy and SciPy, written another way than the package."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.linalg import polar as scipy_polar
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, rankdata, spearmanr

from rnnensemble.metrics import CKA, RSA, SVCCA, LinearPredictivity, Procrustes
from rnnensemble.metrics.orthogonal import nuclear_norm, polar
from rnnensemble.metrics.rsa import average_ranks
from tests.samples import (
    EXACT,
    RNG,
    activity,
    distance,
    invertible,
    random_orthogonal,
    related_pair,
    rows,
)


@pytest.fixture(autouse=True)
def reseed():
    """Each test draws the same numbers alone and among others."""
    RNG.bit_generator.state = np.random.PCG64(0).state


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
