"""Comparisons, trends, nulls and power: exact small cases, level and power of simulated tests."""

import itertools

import numpy as np
import pytest

from rnnensemble import stats
from rnnensemble.stats import intervals, reduction

RNG = np.random.default_rng(0)


def distances(points):
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def gaussian(k, scale=1.0, rng=RNG):
    return distances(scale * rng.normal(size=(k, 5)))


def welch(first, second):
    errors = [x.var(ddof=1) / len(x) for x in (first, second)]
    return (second.mean() - first.mean()) / np.sqrt(sum(errors))


def share_at_least(observed, permuted):
    return np.mean(np.abs(permuted) >= abs(observed) * (1 - 1e-9))


def pseudo_values(matrix):
    """Tukey's, of the mean distance: K m - (K - 1) m_(i)."""
    k = len(matrix)
    kept = [np.delete(np.delete(matrix, i, 0), i, 1).sum() / ((k - 1) * (k - 2)) for i in range(k)]
    return k * matrix.sum() / (k * (k - 1)) - (k - 1) * np.array(kept)


def test_few_networks_are_permuted_in_every_way():
    first, second = gaussian(4), gaussian(3, 2.0)
    found = stats.compare_conditions(first, second)
    numbers = []
    for matrix in (first, second):
        mean = matrix.sum() / (len(matrix) * (len(matrix) - 1))
        numbers.append(np.log(mean) + (pseudo_values(matrix) - mean) / mean)
    pooled = np.concatenate(numbers)
    permuted = []
    for chosen in itertools.combinations(range(7), 4):
        rest = [i for i in range(7) if i not in chosen]
        permuted.append(welch(pooled[list(chosen)], pooled[rest]))
    assert len(permuted) == 35
    assert found.p_value == pytest.approx(share_at_least(welch(*numbers), permuted))
    means = [matrix.sum() / (len(matrix) * (len(matrix) - 1)) for matrix in (first, second)]
    assert found.ratio.value == pytest.approx(means[1] / means[0])


def test_spreads_are_compared_by_deviations_from_the_median():
    first, second = np.array([1.0, 2.0, 4.0, 8.0]), np.array([10.0, 10.5, 10.2, 11.0, 13.0])
    found = stats.compare_conditions(first, second, statistic="spread")
    numbers = [np.abs(x - np.median(x)) * np.sqrt(len(x) / (len(x) - 1)) for x in (first, second)]
    pooled = np.concatenate(numbers)
    permuted = []
    for chosen in itertools.combinations(range(9), 4):
        rest = [i for i in range(9) if i not in chosen]
        permuted.append(welch(pooled[list(chosen)], pooled[rest]))
    assert found.p_value == pytest.approx(share_at_least(welch(*numbers), permuted))
    assert found.ratio.value == pytest.approx(second.std() / first.std())


def test_labels_are_permuted_in_every_way():
    points = RNG.normal(size=(7, 3))
    matrix = distances(points)
    labels = np.array(["b", "a", "b", "a", "a", "b", "a"])
    found = stats.compare_jointly(matrix, labels)

    def difference(members):
        others = np.setdiff1d(np.arange(7), members)
        inside = [matrix[np.ix_(g, g)].sum() / (len(g) * (len(g) - 1)) for g in (members, others)]
        return inside[1] - inside[0]

    given = np.flatnonzero(labels == "a")
    permuted = [difference(np.array(c)) for c in itertools.combinations(range(7), 4)]
    assert found.p_value == pytest.approx(share_at_least(difference(given), permuted))
    blocks = [matrix[np.ix_(labels == x, labels == x)] for x in "ab"]
    assert found.ratio == stats.compare_conditions(*blocks).ratio


def test_trend_of_two_levels_is_a_comparison():
    first, second = gaussian(12), gaussian(15, 1.5)
    pair = stats.compare_conditions(first, second, permutations=500, seed=3)
    line = stats.trend([2, 4], [first, second], permutations=500, seed=3)
    assert line.p_value == pair.p_value
    # two units of the factor separate them
    np.testing.assert_allclose(np.square(line.change), pair.ratio)


def test_trend_enumerates_all_splits_into_levels():
    values = [np.array([1.0, 2.0, 4.0, 4.5]), np.array([1.0, 3.0, 7.0, 8.0]), np.arange(4.0) ** 2]
    found = stats.trend([0, 1, 2], values, statistic="spread", permutations=40_000)
    numbers = np.concatenate([np.abs(x - np.median(x)) for x in values])

    def statistic(groups):
        slope = groups[2].mean() - groups[0].mean()
        return slope / np.sqrt((groups[0].var(ddof=1) + groups[2].var(ddof=1)) / 4)

    permuted = []
    for lowest in itertools.combinations(range(12), 4):
        rest = [i for i in range(12) if i not in lowest]
        for middle in itertools.combinations(rest, 4):
            highest = [i for i in rest if i not in middle]
            permuted.append(statistic([numbers[list(g)] for g in (lowest, middle, highest)]))
    assert len(permuted) == 34_650
    given = statistic(np.split(numbers, 3))
    assert found.p_value == pytest.approx(share_at_least(given, permuted))


def test_change_is_the_least_squares_slope_of_the_logarithm():
    conditions = [gaussian(k, scale) for k, scale in ((8, 1), (9, 1.5), (10, 1.2), (11, 3))]
    levels = [1.0, 2.0, 5.0, 6.0]
    logs = [np.log(intervals.mean_distance(m).value) for m in conditions]
    change = stats.trend(levels, conditions, permutations=99).change
    assert np.log(change.value) == pytest.approx(np.polyfit(levels, logs, 1)[0])
    assert change.low < change.value < change.high


def test_rank_correlation_and_hedges_equal_scipys():
    import scipy.stats

    values = [RNG.gamma(4, size=k) for k in (6, 7, 8)]
    found = stats.trend([1, 2, 3], values, statistic="spread", permutations=99)
    own = [np.abs(x - np.median(x)) for x in values]
    expected = scipy.stats.kendalltau(
        np.repeat([1, 2, 3], [6, 7, 8]), np.concatenate(own)
    ).statistic
    assert found.rank_correlation == pytest.approx(expected)
    matrices = gaussian(10), gaussian(12, 1.3)
    rows = [m.sum(axis=1) / (len(m) - 1) for m in matrices]
    t = scipy.stats.ttest_ind(rows[1], rows[0]).statistic
    correction = 1 - 3 / (4 * 20 - 1)
    found = stats.compare_conditions(*matrices, permutations=99)
    expected = correction * t * np.sqrt(1 / 10 + 1 / 12)
    assert found.standardized_difference == pytest.approx(expected)


def test_directions():
    narrow, wide = gaussian(15), gaussian(15, 3.0)
    assert stats.compare_conditions(narrow, wide).direction == "up"
    assert stats.compare_conditions(wide, narrow).direction == "down"
    same = stats.compare_conditions(narrow, narrow)
    assert same == ((1.0, *same.ratio[1:]), 0.0, 1.0, "none")
    assert stats.trend([3, 2, 1], [narrow, narrow, wide]).direction == "down"


def test_results_are_the_same_for_a_seed_and_for_units():
    first, second = gaussian(12), gaussian(12, 1.3)
    found = [stats.compare_conditions(first, second, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].p_value != found[2].p_value
    tiny = stats.compare_conditions(1e-9 * first, 1e-9 * second)
    np.testing.assert_allclose(tiny.ratio, found[0].ratio)
    assert tiny.p_value == pytest.approx(found[0].p_value)


def test_equal_distances_do_not_crash():
    ones = np.ones((5, 5)) - np.eye(5)
    found = stats.compare_conditions(ones, ones)
    assert found == ((1.0, 1.0, 1.0), 0.0, 1.0, "none")
    found = stats.compare_conditions(ones, 2 * ones)
    assert found.ratio == pytest.approx((2.0, 2.0, 2.0))
    assert found.standardized_difference == np.inf
    assert found.p_value == pytest.approx(2 / 252)  # itself and its mirror image


REPEATS = 500
BOUND = 4 * np.sqrt(0.05 * 0.95 / REPEATS)  # a correct test fails here once in 16,000 times


@pytest.mark.parametrize("statistic", ["mean_distance", "spread", "mean"])
def test_tests_keep_their_level_and_find_differences(statistic):
    rng = np.random.default_rng(7)

    def condition(scale=1.0):
        if statistic != "mean_distance":
            return scale * rng.lognormal(0, 0.3, size=15)
        return gaussian(15, scale, rng=rng)

    settings = {"statistic": statistic, "permutations": 199}
    two = [
        stats.compare_conditions(condition(), condition(), **settings).p_value
        for _ in range(REPEATS)
    ]
    three = [
        stats.trend(range(3), [condition() for _ in range(3)], **settings).p_value
        for _ in range(REPEATS)
    ]
    for found in (two, three):
        assert abs(np.mean(np.array(found) <= 0.05) - 0.05) < BOUND
    power = [
        stats.compare_conditions(condition(), condition(4.0), **settings).p_value for _ in range(50)
    ]
    assert np.mean(np.array(power) <= 0.05) > 0.8


def test_row_means_taken_for_samples_would_not_keep_the_level():
    import scipy.stats

    rng = np.random.default_rng(8)
    rows = [[gaussian(15, rng=rng).sum(axis=1) / 14 for _ in range(300)] for _ in range(2)]
    p_values = scipy.stats.ttest_ind(*rows, axis=1).pvalue
    assert np.mean(p_values <= 0.05) > 0.2


def test_null_ratio_follows_its_definition_and_covers():
    rng = np.random.default_rng(9)
    matrix, null = gaussian(6, rng=rng), rng.gamma(4, size=6)
    found = stats.against_null(matrix, null)
    pairs = matrix[np.triu_indices(6, 1)]
    assert found.ratio.value == pytest.approx(pairs.mean() / null.mean())
    assert found.threshold == pytest.approx(np.quantile(null, 0.95))
    assert found.share_above == pytest.approx(np.mean(pairs > found.threshold))
    # leaving out one network changes both means
    numbers = (pseudo_values(matrix) - pairs.mean()) / pairs.mean() - null / null.mean()
    reach = 2.570582 * numbers.std(ddof=1) / np.sqrt(6)
    assert np.log(found.ratio.high / found.ratio.value) == pytest.approx(reach)
    hits = 0
    for _ in range(REPEATS):
        points = rng.normal(size=(20, 5))
        null = rng.gamma(4, size=20)
        ratio = stats.against_null(distances(points), null).ratio
        hits += ratio.low <= np.sqrt(2) * 2.127693 / 4 <= ratio.high  # E|x| of a 5-d normal law
    assert abs(hits / REPEATS - 0.95) < BOUND + 0.01


def test_two_networks_against_their_null():
    found = stats.against_null(np.array([[0.0, 2.0], [2.0, 0.0]]), np.array([0.5, 1.5]))
    assert found == ((2.0, 0.0, np.inf), 1.0, pytest.approx(1.45))


def test_adjusted_p_values():
    p = [0.01, 0.04, 0.03, 0.005]  # by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, 1 x 0.04
    np.testing.assert_allclose(stats.adjust(p), [0.03, 0.06, 0.06, 0.02])
    found = stats.adjust(p, method="benjamini_hochberg")
    np.testing.assert_allclose(found, [0.02, 0.04, 0.04, 0.02])
    np.testing.assert_allclose(stats.adjust([0.6, 0.5]), [1.0, 1.0])
    for method in ("holm", "benjamini_hochberg"):
        assert stats.adjust([], method=method).shape == (0,)
    # Benjamini & Hochberg (1995), section 4: 15 endpoints of a thrombolysis trial; at 5% their
    # procedure rejects the four smallest, Holm's and Bonferroni's the three smallest
    published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    published += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    found = stats.adjust(published, method="benjamini_hochberg")
    assert (found <= 0.05).sum() == 4
    assert (stats.adjust(published) <= 0.05).sum() == 3


@pytest.mark.parametrize("statistic", ["mean_distance", "spread"])
@pytest.mark.parametrize("k", [20, 40])
def test_predicted_widths_are_those_of_fresh_networks(statistic, k):
    rng = np.random.default_rng(10)

    def draw(size):
        return gaussian(size, rng=rng) if statistic == "mean_distance" else rng.gamma(4, size=size)

    predicted, fresh = [], []
    for _ in range(150):
        predicted.append(stats.power_curve(draw(20), [k], statistic=statistic)[0])
        value, low, high = getattr(intervals, statistic)(draw(k))
        fresh.append((high - low) / (2 * value))
    assert np.mean(predicted) == pytest.approx(np.mean(fresh), rel=0.15)


def test_width_at_the_pilots_own_size_is_its_interval():
    matrix, values = gaussian(20), RNG.gamma(4, size=20)
    for pilot, statistic in ((matrix, "mean_distance"), (values, "spread")):
        value, low, high = getattr(intervals, statistic)(pilot)
        (found,) = stats.power_curve(pilot, [20], statistic=statistic)
        assert found == pytest.approx((high - low) / (2 * value))


def test_networks_needed_are_the_fewest():
    for pilot, statistic in ((gaussian(15), "mean_distance"), (RNG.gamma(4, size=15), "spread")):
        needed = stats.networks_needed(pilot, 0.1, statistic=statistic)
        widths = stats.power_curve(pilot, [needed - 1, needed], statistic=statistic)
        assert widths[0] > 0.1 >= widths[1]


SQUARE, VECTOR = gaussian(6), np.arange(6.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.compare_conditions(VECTOR, SQUARE), r"`first` must have shape \[K, K\]"),
        (
            lambda: stats.compare_conditions(SQUARE, SQUARE, statistic="spread"),
            r"`first` must have shape \[K\]",
        ),
        (
            lambda: stats.compare_conditions(SQUARE, SQUARE, statistic="median"),
            "`statistic` must be one of 'mean_distance', 'spread', 'mean'; got 'median'",
        ),
        (
            lambda: stats.compare_conditions(SQUARE, SQUARE[:2, :2]),
            "`second` must have at least 3 networks",
        ),
        (
            lambda: stats.compare_conditions(VECTOR, VECTOR[:3], statistic="spread"),
            "`second` must have at least 4 networks",
        ),
        (
            lambda: stats.compare_conditions(SQUARE, 0 * SQUARE),
            "`second` must hold finite numbers with a mean_distance above 0",
        ),
        (
            lambda: stats.compare_conditions(SQUARE, SQUARE * np.nan),
            "`second` must hold finite numbers .* got 0 finite of 30",
        ),
        (
            lambda: stats.compare_conditions(SQUARE, SQUARE, permutations=0),
            "`permutations` must be a whole number of at least 1; got 0",
        ),
        (
            lambda: stats.compare_jointly(SQUARE, np.arange(6)),
            r"`labels` must hold two .* got shape \[6\] with 6 different",
        ),
        (
            lambda: stats.compare_jointly(SQUARE, np.arange(5) // 3),
            r"`labels` must hold two .* one for each of 6 networks; got shape \[5\]",
        ),
        (
            lambda: stats.trend([1, 1], [SQUARE, SQUARE]),
            "`levels` must hold one number for each of 2 conditions",
        ),
        (lambda: stats.trend([1, 2, 3], [SQUARE, SQUARE]), "`levels` must hold one number"),
        (
            lambda: stats.trend([1, 2], [SQUARE, VECTOR]),
            r"`conditions\[1\]` must have shape \[K, K\]",
        ),
        (lambda: stats.against_null(SQUARE, VECTOR[:5]), "for each of 6 networks; got 5"),
        (
            lambda: stats.against_null(SQUARE, 0 * VECTOR),
            "`matrix` and `null` must have means above 0",
        ),
        (lambda: stats.adjust([0.5, 1.2]), r"`p_values` must be .* in \[0, 1\]"),
        (lambda: stats.adjust([0.5, np.nan]), r"`p_values` must be .* in \[0, 1\]"),
        (lambda: stats.adjust([0.5], method="bonferroni"), "`method` must be 'holm' or"),
        (lambda: stats.power_curve(SQUARE, [2]), "`sizes` must be whole numbers of at least 3"),
        (lambda: stats.power_curve(SQUARE, [2.5]), "`sizes` must be whole numbers"),
        (
            lambda: stats.power_curve(SQUARE[:3, :3], [10]),
            "`pilot` must have at least 4 networks; got 3",
        ),
        (lambda: stats.networks_needed(SQUARE, 0), "`relative_half_width` must be above 0"),
        (
            lambda: stats.networks_needed(SQUARE, 1e-9),
            "must be reached with at most 10,000 networks; got 1e-09",
        ),
    ],
)
def test_misfits_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_random_orders_keep_the_given_one_first():
    orders = reduction.orders([[10, 12]], 50, seed=0)
    np.testing.assert_array_equal(orders[0], np.arange(22))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(22), (51, 1)))


def test_means_of_values_are_compared_by_permuting_the_values():
    first, second = np.array([1.0, 1.1, 1.2, 0.9]), np.array([2.0, 2.1, 1.9])
    found = stats.compare_conditions(first, second, statistic="mean")
    # exp of the difference of log means; Welch's t of values in units of their own mean
    numbers = [np.log(x.mean()) + (x - x.mean()) / x.mean() for x in (first, second)]
    pooled = np.concatenate(numbers)
    permuted = [
        welch(pooled[list(chosen)], pooled[[i for i in range(7) if i not in chosen]])
        for chosen in itertools.combinations(range(7), 4)
    ]
    assert found.p_value == pytest.approx(share_at_least(welch(*numbers), permuted))
    assert found.ratio.value == pytest.approx(second.mean() / first.mean())
    assert found.ratio.low < found.ratio.value < found.ratio.high
    assert found.direction == "up"


def test_a_mean_has_students_interval_on_a_log_scale():
    values = RNG.gamma(4, size=12)
    found = intervals.mean_value(values)
    reach = 2.200985 * values.std(ddof=1) / np.sqrt(12) / values.mean()  # t with 11 degrees
    expected = values.mean() * np.exp([0.0, -reach, reach])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_means_of_a_law_with_outliers_are_told_apart_no_more_often_than_by_chance():
    """Divided by their own means, as the test once had them, 20 to 40% of such pairs differed."""
    rng = np.random.default_rng(0)
    scale = np.where(rng.random((200, 2, 20)) < 0.05, 3.0, 0.3)
    pairs = np.exp(scale * rng.normal(size=scale.shape))
    settings = {"statistic": "mean", "permutations": 199}
    found = [stats.compare_conditions(*pair, **settings).p_value for pair in pairs]
    assert 0.01 < np.mean(np.array(found) <= 0.05) < 0.1


def test_a_mean_needs_more_networks_where_it_varies_more():
    steady, loose = 1 + 0.1 * RNG.normal(size=20), 1 + 0.3 * RNG.normal(size=20)
    widths = stats.power_curve(steady, [10, 40], statistic="mean")
    assert widths[1] < widths[0] / 1.8
    needed = [stats.networks_needed(x, 0.1, statistic="mean") for x in (steady, loose)]
    assert 3 * needed[0] < needed[1]


def test_a_trend_against_nulls_is_that_of_their_ratio():
    matrices = [gaussian(8, scale) for scale in (1.0, 2.0, 4.0)]
    equal = [np.full(8, null) for null in (0.1, 0.2, 0.4)]
    found = stats.trend_against_null([0, 1, 2], matrices, equal)
    plain = stats.trend([0, 1, 2], [m / n[0] for m, n in zip(matrices, equal, strict=True)])
    np.testing.assert_allclose(found.change, plain.change)
    assert found.p_value == plain.p_value
    assert found.rank_correlation == pytest.approx(plain.rank_correlation)
    noisy = [n * RNG.uniform(0.5, 1.5, size=8) for n in equal]
    wider = stats.trend_against_null([0, 1, 2], matrices, noisy)
    ratios = [stats.against_null(m, n).ratio.value for m, n in zip(matrices, noisy, strict=True)]
    assert wider.change.value == pytest.approx((ratios[2] / ratios[0]) ** 0.5)


def test_a_trend_against_nulls_needs_both_for_each_level():
    with pytest.raises(ValueError, match="`levels` must hold one number for each of 1 conditions"):
        stats.trend_against_null([0, 1], [gaussian(4)], [np.ones(4)])
    with pytest.raises(ValueError, match="`null` must hold a distance for each of 4 networks"):
        stats.trend_against_null([0, 1], [gaussian(4)] * 2, [np.ones(4), np.ones(3)])
