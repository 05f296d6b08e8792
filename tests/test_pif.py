"""PIF: planted permutations, brute force, scipy's FAQ, and scipy's published instances."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, quadratic_assignment

from rnnensemble.metrics import PIF
from rnnensemble.metrics.assignment import assignment
from rnnensemble.metrics.matching import Problem, barycenter, climb, exchange

RNG = np.random.default_rng(0)


def found(w1, w2, **settings):
    """A matching, with what it claims checked."""
    result = jax.jit(PIF(**settings).match)(jax.random.key(0), np.float32(w1), np.float32(w2))
    p, d = np.asarray(result.permutation), np.asarray(result.signs)
    assert sorted(p) == list(range(len(w1)))
    assert set(d) <= ({-1.0, 1.0} if settings.get("signed") else {1.0})
    direct = np.linalg.norm(w1 - d[:, None] * w2[p][:, p] * d)
    assert float(result.distance) == pytest.approx(direct, rel=1e-4, abs=1e-4)
    assert 0 <= float(result.lower_bound) <= float(result.distance)
    assert int(result.reached) >= 0
    return result


def match(w1, w2, **settings):
    return float(found(w1, w2, **settings).distance)


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
    plain, divided = (PIF(normalize=flag).match(key, w1, w2) for flag in (False, True))
    assert float(divided.distance) == pytest.approx(float(plain.distance) / 36, rel=1e-5)
    assert float(divided.lower_bound) == pytest.approx(float(plain.lower_bound) / 36, rel=1e-5)


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
        [83, 35, 11, 56, 37],
        [44, 12, 15, 80],
        [64, 39, 33],
        [70, 86],
        [18],
    ]
    distance = np.zeros((12, 12))
    for row, values in enumerate(upper):
        distance[row, row + 1 :] = values
    distance += distance.T
    w1, w2 = jnp.float32(-distance), jnp.float32(flow)  # minimizing the cost is maximizing -cost

    def cost(p):
        return np.sum(distance * flow[np.asarray(p)][:, np.asarray(p)])

    problem = Problem(w1, w2, jnp.zeros((12, 12)))
    faq = climb(problem, barycenter(12), steps=30, tolerance=0.03, signed=False)
    assert 11156 <= cost(faq.permutation) < 21000
    polished = exchange(problem, faq, signed=False)
    assert 11156 <= cost(polished.permutation) <= cost(faq.permutation)
    # 512 starts of one key end within 2.4%, 0.3% and 0% of the optimum
    run = jax.jit(PIF(starts=512).match)
    ends = [cost(run(jax.random.key(seed), w1, w2).permutation) for seed in range(3)]
    assert 11156 <= min(ends) <= 1.02 * 11156


@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_assignment_equals_scipy(n):
    for make in (
        lambda: RNG.normal(size=(n, n)),
        lambda: RNG.integers(0, 3, size=(n, n)).astype(float),  # many ties
        lambda: np.full((n, n), 2.0),
        lambda: 1e4 * RNG.normal(size=(n, n)) ** 3,
    ):
        gain = np.float32(make())
        p = np.asarray(jax.jit(assignment)(gain))
        assert sorted(p) == list(range(n))
        rows, columns = linear_sum_assignment(-gain)
        best = gain[rows, columns].sum()
        assert gain[np.arange(n), p].sum() == pytest.approx(best, rel=1e-5, abs=1e-4)


def every_signed_permutation(n):
    for p in itertools.permutations(range(n)):
        for signs in itertools.product((-1.0, 1.0), repeat=n):
            yield list(p), np.array(signs)


def test_signed_brute_force():
    run = jax.jit(PIF(signed=True, starts=24).match)
    for _ in range(6):
        w1, w2 = np.float32(RNG.normal(size=(2, 4, 4)))
        best = min(
            np.linalg.norm(w1 - d[:, None] * w2[p][:, p] * d)
            for p, d in every_signed_permutation(4)
        )
        result = run(jax.random.key(0), w1, w2)
        assert float(result.distance) == pytest.approx(best, abs=1e-4)
        assert float(result.lower_bound) <= best + 1e-4


@pytest.mark.parametrize("n", [24])
def test_planted_signed_permutation_is_found(n):
    w = RNG.normal(size=(n, n))
    p, d = RNG.permutation(n), RNG.choice([-1.0, 1.0], n)
    turned = d[:, None] * w[p][:, p] * d
    assert match(w, turned, signed=True) < 1e-4
    assert match(w, turned) > 0.1  # without signs another network


def test_signed_is_never_above_unsigned():
    w1, w2 = RNG.normal(size=(2, 24, 24))
    assert match(w1, w2, signed=True) <= match(w1, w2) + 1e-4


def network(n, inputs=2, outputs=1):
    return {
        "recurrent_weights": RNG.normal(size=(n, n)),
        "input_weights": RNG.normal(size=(n, inputs)),
        "bias": RNG.normal(size=n),
        "readout_weights": RNG.normal(size=(outputs, n)),
    }


def turned(one, p, d):
    return {
        "recurrent_weights": d[:, None] * one["recurrent_weights"][p][:, p] * d,
        "input_weights": d[:, None] * one["input_weights"][p],
        "bias": d * one["bias"][p],
        "readout_weights": one["readout_weights"][:, p] * d,
    }


def norm(first, second):
    return np.sqrt(sum(np.sum((first[name] - second[name]) ** 2) for name in first))


def as_float32(one):
    return {name: np.float32(x) for name, x in one.items()}


@pytest.mark.parametrize("signed", [False, True])
def test_all_parameters(signed):
    metric = PIF(parameters="all", signed=signed, starts=24)
    run = jax.jit(metric.match)
    first, second = network(4), network(4)
    signs = itertools.product((-1.0, 1.0), repeat=4) if signed else [(1.0,) * 4]
    best = min(
        norm(first, turned(second, list(p), np.array(d)))
        for d in signs
        for p in itertools.permutations(range(4))
    )
    result = run(jax.random.key(0), as_float32(first), as_float32(second))
    assert float(result.distance) == pytest.approx(best, abs=1e-4)
    assert float(result.lower_bound) <= best + 1e-4
    p, d = RNG.permutation(20), RNG.choice([-1.0, 1.0], 20) if signed else np.ones(20)
    large = network(20)
    planted = run(jax.random.key(0), as_float32(large), as_float32(turned(large, p, d)))
    assert float(planted.distance) < 1e-3
    # the biases alone are too far apart for the same recurrent weights
    moved = {**large, "bias": large["bias"] + 1}
    shifted = run(jax.random.key(0), as_float32(large), as_float32(moved))
    assert 0.1 < float(shifted.distance) <= 20**0.5 + 1e-4  # never above the unaligned one


def test_lower_bound_is_no_minimum_only():
    w = RNG.normal(size=(10, 10))
    assert float(found(w, 3 * w).lower_bound) > 0.5 * float(found(w, 3 * w).distance)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PIF(starts=0), "`starts` must be at least 1"),
        (lambda: PIF(tolerance=-1.0), "`tolerance` must be at least 0"),
        (lambda: PIF().check((3, 4)), r"`weights` must be \[K, N, N\]"),
        (lambda: PIF(parameters="none"), "`parameters` must be 'recurrent' or 'all'"),
        (lambda: PIF(parameters="all").check((3, 3)), "must be a dictionary of recurrent_weights"),
        (
            lambda: PIF(parameters="all").check(
                {name: x.shape for name, x in {**network(3), "bias": np.zeros(4)}.items()}
            ),
            r"`bias` must be \[N\] with N = 3; got \(4,\)",
        ),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
