"""Coverage of the bootstrap intervals on synthetic data with known truth."""

import numpy as np
import pytest

from rnnensemble import intervals

REPEATS = 400
TOLERANCE = 0.035  # a share of 0.95 estimated from 400 repeats has a standard error of 0.011


def coverage(draw, estimate, truth):
    hits = 0
    for _ in range(REPEATS):
        _, low, high = estimate(draw())
        hits += low <= truth <= high
    return hits / REPEATS


@pytest.mark.parametrize("k", [10, 20])
def test_mean_distance_covers(k):
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(2, 200_000, 4))
    truth = np.linalg.norm(a - b, axis=1).mean()

    def draw():
        x = rng.normal(size=(k, 4))
        return np.linalg.norm(x[:, None] - x[None], axis=2)

    covered = coverage(draw, lambda m: intervals.mean_distance(m, resamples=300), truth)
    assert covered == pytest.approx(0.95, abs=TOLERANCE)


@pytest.mark.parametrize("k", [10, 20])
def test_spread_covers_normal_losses(k):
    rng = np.random.default_rng(k)
    covered = coverage(
        lambda: rng.normal(5, 2, size=k),
        lambda x: intervals.spread(x, resamples=300),
        2.0 * np.sqrt((k - 1) / k),  # what the paper's sigma, with 1/k, estimates
    )
    assert covered == pytest.approx(0.95, abs=0.05)


def test_a_pair_of_a_network_with_itself_never_counts():
    matrix = np.ones((6, 6)) - np.eye(6)
    assert intervals.mean_distance(matrix) == (1.0, 1.0, 1.0)


def test_spread_is_the_papers_sigma():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    expected = np.sqrt(np.mean((values - values.mean()) ** 2))
    assert intervals.spread(values).value == pytest.approx(expected)


def test_identical_values_have_no_spread():
    assert intervals.spread(np.ones(5)) == (0.0, 0.0, 0.0)
