"""Intervals over networks: exact small cases, and coverage of simulated laws of known truth."""

import numpy as np
import pytest

from rnnensemble.stats import intervals

REPEATS = 2000
# five standard errors of a share of 0.92 from 2000 repeats; benchmarks/coverage.py has more
SLACK = 5 * np.sqrt(0.92 * 0.08 / REPEATS)
SD = {"normal": 1.0, "gamma": 2.0, "lognormal": np.sqrt(np.expm1(0.09) * np.exp(0.09))}


def distances(points, others=None):
    others = points if others is None else others
    return np.linalg.norm(points[..., :, None, :] - others[..., None, :, :], axis=-1)


def draw_values(law, rng, *shape):
    draws = {"normal": rng.normal, "gamma": rng.gamma, "lognormal": rng.lognormal}
    arguments = {"normal": (5, 1), "gamma": (4,), "lognormal": (0, 0.3)}
    return draws[law](*arguments[law], size=shape)


def share_between(low, truth, high):
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("k", [10, 20])
@pytest.mark.parametrize("dimensions", [2, 5])
def test_mean_distance_covers(k, dimensions):
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(2, 500_000, dimensions))
    truth = np.linalg.norm(a - b, axis=1).mean()
    parts = intervals.distance_parts(distances(rng.normal(size=(REPEATS, k, dimensions))))
    low, high = intervals.log_ends(parts.error / parts.mean, k - 1)
    covered = share_between(parts.mean * low, truth, parts.mean * high)
    assert 0.92 - SLACK < covered < 0.97 + SLACK


def test_pairs_taken_for_samples_do_not_cover():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500_000, 5))
    truth = np.linalg.norm(a - b, axis=1).mean()
    pairs = distances(rng.normal(size=(300, 20, 5)))[:, *np.triu_indices(20, 1)]
    reach = 1.96 * pairs.std(axis=1) / np.sqrt(pairs.shape[1])
    assert np.mean(np.abs(pairs.mean(axis=1) - truth) <= reach) < 0.6


@pytest.mark.parametrize("k", [10, 20])
@pytest.mark.parametrize("law", SD)
def test_spread_covers(k, law):
    values = draw_values(law, np.random.default_rng(k), REPEATS, k)
    center, error = intervals.spread_parts(values, skewness=intervals.SKEWNESS)
    low, high = intervals.log_ends(error, k - 1)
    covered = share_between(center * low, SD[law], center * high)
    assert 0.92 - SLACK < covered < 0.97 + SLACK


@pytest.mark.parametrize(("k", "others"), [(10, 10), (10, 30)])
def test_mean_cross_distance_covers(k, others):
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(2, 500_000, 3))
    truth = np.linalg.norm(a - b - 1, axis=1).mean()
    matrices = distances(
        rng.normal(size=(REPEATS, k, 3)), 1 + rng.normal(size=(REPEATS, others, 3))
    )
    mean, _, error, degrees = intervals.cross_parts(matrices)
    low, high = intervals.log_ends(error, degrees)
    covered = share_between(mean * low, truth, mean * high)
    assert 0.92 - SLACK < covered < 0.97 + SLACK


def test_one_matrix_has_the_interval_of_a_batch():
    rng = np.random.default_rng(1)
    matrices = distances(rng.normal(size=(3, 8, 2)))
    parts = intervals.distance_parts(matrices)
    low, high = intervals.log_ends(parts.error / parts.mean, 7)
    found = intervals.mean_distance(matrices[1])
    np.testing.assert_allclose(found, [parts.mean[1], *(parts.mean * [low, high])[:, 1]])
    values = rng.gamma(4, size=(3, 9))
    center, error = intervals.spread_parts(values, skewness=intervals.SKEWNESS)
    low, high = intervals.log_ends(error, 8)
    ends = [center[2] * low[2], center[2] * high[2]]
    np.testing.assert_allclose(intervals.spread(values[2]), [values[2].std(), *ends])


def test_standard_error_is_the_jackknifes():
    k = 8
    matrix = distances(np.random.default_rng(2).normal(size=(k, 4)))
    left_out = [np.delete(np.delete(matrix, i, 0), i, 1) for i in range(k)]
    means = np.array([one.sum() / ((k - 1) * (k - 2)) for one in left_out])
    expected = np.sqrt((k - 1) / k * ((means - means.mean()) ** 2).sum())
    assert intervals.distance_parts(matrix).error == pytest.approx(expected)


def test_network_effects_are_recovered():
    rng = np.random.default_rng(3)
    effects = rng.normal(size=6)
    effects -= effects.mean()
    matrix = 10 + effects[:, None] + effects
    np.fill_diagonal(matrix, 99.0)  # ignored
    parts = intervals.distance_parts(matrix)
    np.testing.assert_allclose(parts.effects, effects, atol=1e-12)
    assert parts.mean == pytest.approx(10)
    assert parts.residual == pytest.approx(0, abs=1e-12)


def test_agreement_by_chance_leaves_an_interval():
    side = np.repeat([0, 1], 5)
    matrix = (side[:, None] != side).astype(float)  # two clusters of 5: all row means agree
    value, low, high = intervals.mean_distance(matrix)
    assert value == pytest.approx(5 / 9)
    assert low < 0.5 < high  # the mean distance if a network joins a cluster by a coin's toss


def test_asymmetric_matrix_is_averaged_with_its_transpose():
    matrix = np.random.default_rng(4).random((6, 6))
    expected = intervals.mean_distance((matrix + matrix.T) / 2)
    np.testing.assert_allclose(intervals.mean_distance(matrix), expected)


def test_values_lie_in_their_intervals():
    rng = np.random.default_rng(5)
    for k in (3, 4, 5, 6, 10, 50):
        two = np.resize([1.0, -1.0], k)
        for values in (two, rng.normal(size=k), rng.lognormal(0, 2, size=k)):
            value, low, high = intervals.spread(values)
            assert low <= value <= high
        value, low, high = intervals.mean_distance(distances(rng.normal(size=(k, 2))))
        assert 0 < low < value < high


def test_two_networks_have_no_interval():
    assert intervals.mean_distance(np.array([[0.0, 3.0], [3.0, 0.0]])) == (3.0, 0.0, np.inf)
    assert intervals.spread(np.array([1.0, 3.0])) == (1.0, 0.0, np.inf)
    assert intervals.spread(np.array([1.0, 1.0, 4.0]))[1:] == (0.0, np.inf)
    assert intervals.mean_cross_distance(np.array([[1.0, 3.0]])) == (2.0, 0.0, np.inf)


def test_no_variation_has_no_width():
    matrix = np.ones((6, 6)) - np.eye(6)
    assert intervals.mean_distance(matrix) == (1.0, 1.0, 1.0)
    for k in (2, 3, 6):
        assert intervals.mean_distance(np.zeros((k, k))) == (0.0, 0.0, 0.0)
        assert intervals.mean_cross_distance(np.zeros((k, 2))) == (0.0, 0.0, 0.0)
        assert intervals.spread(np.ones(k)) == (0.0, 0.0, 0.0)


def test_spread_is_the_papers_sigma_and_has_units():
    values = np.array([1.0, 2.0, 4.0, 9.0, 3.0])
    expected = np.sqrt(np.mean((values - values.mean()) ** 2))
    assert intervals.spread(values).value == pytest.approx(expected)
    scaled = intervals.spread(1e-9 * values + 7e-9)
    np.testing.assert_allclose(scaled, 1e-9 * np.array(intervals.spread(values)), rtol=1e-6)


def test_kurtosis_and_skewness_follow_their_formulas():
    from scipy import stats

    values = np.random.default_rng(6).gamma(2, size=16)
    excess, skew = intervals.moments(values)
    # with 16 values Bonett's mean leaves out int(16 / (2 sqrt 12)) = 2 at each end
    middle = np.sort(values)[2:-2].mean()
    kurtosis = ((values - middle) ** 4).mean() / values.var() ** 2
    plain = ((values - values.mean()) ** 4).mean() / values.var() ** 2
    corrected = stats.kurtosis(values, bias=False)
    assert excess == pytest.approx(corrected + (kurtosis - plain) * 255 / (14 * 13))
    assert skew == pytest.approx(stats.skew(values, bias=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: intervals.mean_distance(np.zeros((2, 3))), r"`matrix` must have shape \[K, K\]"),
        (lambda: intervals.mean_distance(np.zeros((1, 1))), r"K of at least 2; got \[1, 1\]"),
        (lambda: intervals.mean_cross_distance(np.zeros(3)), r"shape \[K, L\]; got \[3\]"),
        (lambda: intervals.mean_cross_distance(np.zeros((0, 3))), r"shape \[K, L\]; got \[0, 3\]"),
        (lambda: intervals.spread(np.zeros((2, 2))), r"`values` must have shape \[K\]"),
        (lambda: intervals.spread(np.zeros(1)), r"K of at least 2; got \[1\]"),
    ],
)
def test_misfits_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_interval_of_almost_no_information_does_not_overflow():
    found = intervals.log_interval(1e9, 1e9, 1e4, 1)
    assert found.low < 1e-200
    assert 1e200 < found.high < np.inf
