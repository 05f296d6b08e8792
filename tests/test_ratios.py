"""The robust spread of log losses, and the warning beside sigma."""

import numpy as np
import pytest

from rnnensemble import stats
from rnnensemble.stats import ratios

RNG = np.random.default_rng(0)


def test_it_is_the_median_factor_between_two_networks():
    losses = np.array([1.0, 2.0, 4.0, 8.0, 16.0])  # factors 2, 2, 2, 2, 4, 4, 4, 8, 8, 16
    found = stats.log_spread(losses)
    assert found.value == pytest.approx(np.log(4))
    assert 0.69 < found.low < found.value < found.high <= np.log(16)
    assert stats.log_spread(1e-30 * losses) == pytest.approx(found)
    assert stats.log_spread(losses[::-1]) == pytest.approx(found)


def test_one_huge_loss_hardly_moves_it():
    losses = RNG.lognormal(0, 0.3, size=20)
    with_outlier = np.append(losses, 1e6)
    assert stats.spread(with_outlier).value > 1e4 * stats.spread(losses).value
    assert stats.log_spread(with_outlier).value < 1.3 * stats.log_spread(losses).value


def test_too_few_and_equal_values():
    assert stats.log_spread(np.array([1.0, 2.0])) == (np.log(2), 0, np.inf)
    assert stats.log_spread(np.full(6, 0.3)) == (0, 0, 0)
    assert not stats.heavy_tailed(np.array([1.0, 1.0, 9.0]))
    for wrong in ([1.0, 0.0, 2.0], [1.0, np.nan, 2.0], [-1.0, 1.0]):
        with pytest.raises(ValueError, match="`values` must be positive and finite"):
            stats.log_spread(np.array(wrong))


@pytest.mark.parametrize(
    "draw",
    [
        lambda *shape: RNG.normal(10, 1, size=shape),
        lambda *shape: RNG.exponential(size=shape),
        lambda *shape: RNG.lognormal(0, 1, size=shape),
        lambda *shape: np.exp(RNG.normal(size=shape) * np.where(RNG.random(shape) < 0.1, 5, 1)),
    ],
    ids=["normal", "exponential", "lognormal", "contaminated"],
)
@pytest.mark.parametrize("networks", [10, 50])
def test_intervals_cover_whatever_the_tails(draw, networks):
    """Five standard errors of a share of 0.92 from 2,000 repeats are 0.03."""
    truth = np.median(np.abs(np.log(draw(10**6) / draw(10**6))))
    _, low, high = ratios.log_spread_parts(np.log(draw(2000, networks)))
    assert 0.92 - 0.03 < np.mean((low <= truth) & (truth <= high)) < 0.97 + 0.02


def test_heavy_tails_are_warned_of():
    assert np.mean([stats.heavy_tailed(RNG.normal(size=50)) for _ in range(200)]) < 0.1
    assert np.mean([stats.heavy_tailed(RNG.lognormal(0, 1, size=50)) for _ in range(200)]) > 0.85
