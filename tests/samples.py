"""Activity drawn for the tests of the representation metrics, and one compiled distance for all."""

from functools import partial

import jax
import numpy as np

from rnnensemble.metrics import CKA, RSA, SVCCA, LinearPredictivity, Procrustes

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


def related_pair():
    """Two networks of different widths that share a part of their activity."""
    a, other = activity(), activity(units=7)
    return a, a[..., :7] + 0.3 * other
