"""Two factors at once: exact small cases, level and power of simulated layouts."""

import itertools

import numpy as np
import pytest

from rnnensemble import stats
from rnnensemble.stats import intervals, reduction
from tests.test_stats import gaussian, share_at_least

SQUARE = [(0, 0), (0, 1), (1, 0), (1, 1)]
GRID = list(itertools.product((0.0, 0.5, 1.0), (1.0, 2.0)))
REPEATS = 300
BOUND = 0.05  # four standard errors of a share of 0.05 from 300 repeats


def log_means(matrices):
    return np.array([np.log(intervals.mean_distance(each).value) for each in matrices])


def studentized(groups, weights):
    means, variances = (np.array([f(x) for x in groups]) for f in (np.mean, np.var))
    errors = variances / (np.array([len(x) for x in groups]) - 1)
    return (weights * means).sum() / np.sqrt((weights**2 * errors).sum())


def test_changes_are_least_squares_slopes():
    rng = np.random.default_rng(0)
    matrices = [gaussian(k, np.exp(x + y), rng=rng) for k, (x, y) in enumerate(GRID, 5)]
    found = stats.two_way(GRID, matrices, permutations=9)
    x, y = np.array(GRID).T
    own_x, own_y = (v[:, None] == np.unique(v) for v in (x, y))
    for effect, regressors in (
        (found.first, (x, own_y)),
        (found.second, (y, own_x)),
        (found.interaction, (x * y, own_x, own_y)),
    ):
        slope = np.linalg.lstsq(np.column_stack(regressors) * 1.0, log_means(matrices))[0][0]
        assert np.log(effect.change.value) == pytest.approx(slope)
        assert effect.change.low < effect.change.value < effect.change.high


def test_the_interaction_of_four_conditions_is_a_ratio_of_ratios():
    matrices = [gaussian(8, scale) for scale in (1.0, 2.0, 3.0, 12.0)]
    logs = log_means(matrices)
    change = stats.two_way(SQUARE, matrices, permutations=9).interaction.change
    assert np.log(change.value) == pytest.approx(logs[3] - logs[2] - logs[1] + logs[0])
    ends = [stats.compare_conditions(*matrices[i : i + 2], permutations=1).ratio for i in (0, 2)]
    assert change.value == pytest.approx(ends[1].value / ends[0].value)


def test_networks_change_levels_of_a_factor_within_those_of_the_other():
    rng = np.random.default_rng(1)
    losses = [rng.lognormal(size=3) for _ in SQUARE]
    found = stats.two_way(SQUARE, losses, statistic="mean", permutations=400)
    blocks = [np.concatenate([losses[b], losses[b + 2]]) for b in (0, 1)]  # one for each y
    permuted = []
    for chosen in itertools.product(itertools.combinations(range(6), 3), repeat=2):
        groups = []
        for low, block in zip(chosen, blocks, strict=True):
            high = [i for i in range(6) if i not in low]
            groups += [block[list(low)] / block.mean(), block[high] / block.mean()]
        permuted.append(studentized(groups, np.array([-0.5, 0.5, -0.5, 0.5])))
    assert len(permuted) == 400
    assert found.first.p_value == pytest.approx(share_at_least(permuted[0], permuted))


def test_the_interaction_permutes_what_the_factors_leave():
    rng = np.random.default_rng(2)
    matrices = [gaussian(5, scale, rng=rng) for scale in (1, 2, 4, 9)]
    found = stats.two_way(SQUARE, matrices, permutations=200, seed=3)
    logs = log_means(matrices)
    numbers = [reduction.summarize(each, "mean_distance", "").numbers for each in matrices]
    cross = (logs[3] - logs[2] - logs[1] + logs[0]) / 4 * np.array([1, -1, -1, 1])
    residuals = np.concatenate(
        [x - (log - each) for x, log, each in zip(numbers, logs, cross, strict=True)]
    )
    permuted = [
        studentized(np.split(residuals[order], 4), np.array([1, -1, -1, 1]))
        for order in reduction.orders([[5] * 4], 200, seed=3)
    ]
    assert found.interaction.p_value == pytest.approx(share_at_least(permuted[0], permuted))


@pytest.mark.parametrize("statistic", ["mean_distance", "spread", "mean"])
def test_a_planted_effect_is_found_and_only_that(statistic):
    rng = np.random.default_rng(3)

    def found(first, second, interaction, seed):
        """Directions of a layout with changes from end to end."""
        data = []
        for x, y in SQUARE:
            scale = first**x * second**y * interaction ** ((x - 0.5) * (y - 0.5))
            data.append(
                gaussian(12, scale, rng=rng)
                if statistic == "mean_distance"
                else scale * rng.lognormal(0, 0.5, size=12)
            )
        layout = stats.two_way(SQUARE, data, statistic=statistic, permutations=99, seed=seed)
        return [effect.direction != "none" for effect in layout]

    null = np.mean([found(1, 1, 1, seed) for seed in range(REPEATS)], axis=0)
    np.testing.assert_allclose(null, 0.05, atol=BOUND)
    both = np.mean([found(8, 1 / 8, 1, seed) for seed in range(REPEATS // 3)], axis=0)
    assert both[:2].min() > 0.9
    assert both[2] < 0.05 + 2 * BOUND
    one = np.mean([found(1, 1, 200, seed) for seed in range(REPEATS // 3)], axis=0)
    assert one[2] > 0.9
    assert one[:2].max() < 0.05 + 2 * BOUND


def test_missing_conditions_leave_what_can_be_told():
    rng = np.random.default_rng(4)
    corner = [gaussian(6, scale, rng=rng) for scale in (1, 4, 2)]
    found = stats.two_way(SQUARE[:3], corner, permutations=99)
    logs = log_means(corner)
    assert np.log(found.first.change.value) == pytest.approx(logs[2] - logs[0])
    assert np.log(found.second.change.value) == pytest.approx(logs[1] - logs[0])
    assert np.isnan(found.interaction.p_value)
    assert np.isnan(found.interaction.change.value)
    diagonal = stats.two_way([(0, 0), (1, 1)], corner[:2], permutations=99)
    assert [effect.direction for effect in diagonal] == ["none"] * 3
    assert all(np.isnan(effect.p_value) for effect in diagonal)


def test_a_single_level_of_one_factor_leaves_a_trend_along_the_other():
    matrices = [gaussian(7, scale) for scale in (1.0, 1.5, 3.0)]
    found = stats.two_way([(1, 5), (2, 5), (4, 5)], matrices, permutations=99, seed=2)
    trend = stats.trend([1, 2, 4], matrices, permutations=99, seed=2)
    np.testing.assert_allclose(found.first.change, trend.change)
    assert found.first.p_value == trend.p_value


@pytest.mark.parametrize("levels", [[(0, 1)] * 4, SQUARE[:3], [0, 1, 2, 3]])
def test_misfits_are_named(levels):
    with pytest.raises(ValueError, match="`levels` must hold two numbers for each of 4 condit"):
        stats.two_way(levels, [gaussian(4)] * 4)
