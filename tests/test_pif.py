"""PIF: planted permutations, brute force, scipy's FAQ and scipy's published instances."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import quadratic_assignment

from rnnensemble.metrics import PIF
from rnnensemble.metrics.pif import exchange, frank_wolfe, nearest_permutation

RNG = np.random.default_rng(0)


def match(w1, w2, **settings):
    found = jax.jit(PIF(**settings).match)(jax.random.key(0), np.float32(w1), np.float32(w2))
    p = np.asarray(found.permutation)
    assert sorted(p) == list(range(len(w1)))
    direct = np.linalg.norm(w1 - w2[p][:, p])
    assert float(found.distance) == pytest.approx(direct, rel=1e-4, abs=1e-4)
    return float(found.distance)


@pytest.mark.parametrize("n", [2, 7, 16, 64, 128])
def test_planted_permutation_is_found(n):
    w = RNG.normal(size=(n, n))
    p = RNG.permutation(n)
    assert match(w, w[p][:, p]) < 1e-4


@pytest.mark.parametrize("n", [3, 5, 6])
def test_brute_force(n):
    for _ in range(4):
        w1, w2 = RNG.normal(size=(2, n, n))
        best = min(
            np.linalg.norm(w1 - w2[list(p)][:, list(p)]) for p in itertools.permutations(range(n))
        )
        assert match(w1, w2, starts=48) == pytest.approx(best, abs=1e-4)


def test_not_above_scipy_faq_nor_the_identity():
    for n in (16, 48):
        w1, w2 = RNG.normal(size=(2, n, n))
        found = quadratic_assignment(w1, w2, options={"maximize": True})
        p = found.col_ind
        ours = match(w1, w2)
        assert ours <= np.linalg.norm(w1 - w2[p][:, p]) * 1.001
        assert ours <= np.linalg.norm(w1 - w2)


def test_axioms():
    w1, w2, w3 = RNG.normal(size=(3, 5, 5))
    settings = {"starts": 48}
    assert match(w1, w1) == 0
    assert match(w1, w2, **settings) == pytest.approx(match(w2, w1, **settings), abs=1e-4)
    assert match(w1, w3, **settings) <= match(w1, w2, **settings) + match(w2, w3, **settings)
    assert match(w1, -w1, **settings) > 0.1  # a sign flip of all weights is no permutation


def test_normalized_by_the_number_of_weights():
    w1, w2 = np.float32(RNG.normal(size=(2, 6, 6)))
    key = jax.random.key(0)
    plain, divided = (PIF(normalize=flag).compare(key, w1, w2) for flag in (False, True))
    assert float(divided) == pytest.approx(float(plain) / 36, rel=1e-5)


def test_chr12c_of_qaplib_as_in_scipy():
    """scipy's own test: optimum 11156, FAQ within [11156, 21000)."""
    flow = np.array(
        [
            [0, 90, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [90, 0, 0, 23, 0, 0, 0, 0, 0, 0, 0, 0],
            [10, 0, 0, 0, 43, 0, 0, 0, 0, 0, 0, 0],
            [0, 23, 0, 0, 0, 88, 0, 0, 0, 0, 0, 0],
            [0, 0, 43, 0, 0, 0, 26, 0, 0, 0, 0, 0],
            [0, 0, 0, 88, 0, 0, 0, 16, 0, 0, 0, 0],
            [0, 0, 0, 0, 26, 0, 0, 0, 1, 0, 0, 0],
            [0, 0, 0, 0, 0, 16, 0, 0, 0, 96, 0, 0],
            [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 29, 0],
            [0, 0, 0, 0, 0, 0, 0, 96, 0, 0, 0, 37],
            [0, 0, 0, 0, 0, 0, 0, 0, 29, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 37, 0, 0],
        ],
        float,
    )
    upper = [
        [36, 54, 26, 59, 72, 9, 34, 79, 17, 46, 95],
        [73, 35, 90, 58, 30, 78, 35, 44, 79, 36],
        [21, 10, 97, 58, 66, 69, 61, 54, 63],
        [93, 12, 46, 40, 37, 48, 68, 85],
        [64, 5, 29, 76, 16, 5, 76],
        [96, 55, 38, 54, 0, 34],
        [2, 35, 33, 26, 83],
        [20, 44, 84, 25],
        [19, 93, 78],
        [56, 74],
        [15],
    ]
    distance = np.zeros((12, 12))
    for row, values in enumerate(upper):
        distance[row, row + 1 :] = values
    distance += distance.T
    w1, w2 = jnp.float32(-distance), jnp.float32(flow)  # minimizing the cost is maximizing -cost
    start = np.full((12, 12), 1 / 12, np.float32)
    soft = frank_wolfe(w1, w2, start, 30, 0.03)
    p = np.asarray(exchange(w1, w2, nearest_permutation(soft)))
    cost = np.sum(distance * flow[p][:, p])
    assert 11156 <= cost < 21000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PIF(starts=0), "`starts` must be at least 1"),
        (lambda: PIF(tolerance=-1.0), "`tolerance` must be at least 0"),
        (lambda: PIF().check((3, 4)), r"`weights` must be \[K, N, N\]"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
