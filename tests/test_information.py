"""Estimators against laws whose entropies and informations are known."""

import numpy as np
import pytest

from rnnensemble.analysis.information import (
    conditional_mutual_information,
    entropy,
    kind_of,
    mutual_information,
)

N = 4000


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def gaussian_information(correlation):
    """I of two Gaussians in bits."""
    return -0.5 * np.log2(1 - correlation**2)


def test_entropy_of_discrete_laws(rng):
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    values = np.array([-1.0, 0.0, 1.0, 7.5])
    assert entropy(rng.choice(values, N, p=shares)) == pytest.approx(1.75, abs=0.03)
    assert entropy(np.full(N, 3.0)) == 0
    few = [entropy(rng.integers(0, 8, 40).astype(float)) for _ in range(300)]
    assert np.mean(few) == pytest.approx(3, abs=0.02)  # the plug-in alone is 0.13 too low


def test_entropy_of_continuous_laws(rng):
    assert entropy(rng.uniform(0, 8, N)) == pytest.approx(3, abs=0.05)
    assert entropy(rng.uniform(0, 0.25, N)) == pytest.approx(-2, abs=0.05)
    gaussian = 0.5 * np.log2(2 * np.pi * np.e * 9)
    assert entropy(rng.normal(5, 3, N)) == pytest.approx(gaussian, abs=0.06)
    exponential = np.log2(np.e)
    assert entropy(rng.exponential(1, N), neighbors=5) == pytest.approx(exponential, abs=0.06)


def test_entropy_of_a_mixture(rng):
    """Half of the draws are 0, half uniform on [1, 5]: 1 bit which, and half of 2 bits where."""
    samples = np.where(rng.random(N) < 0.5, 0.0, rng.uniform(1, 5, N))
    assert kind_of(samples) == "mixed"
    assert entropy(samples) == pytest.approx(1 + 0.5 * 2, abs=0.04)


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.9])
def test_information_of_gaussians(rng, correlation):
    x, other = rng.normal(size=(2, N))
    y = correlation * x + np.sqrt(1 - correlation**2) * other
    expected = gaussian_information(correlation)
    assert mutual_information(x, 5 * y) == pytest.approx(expected, abs=0.05)
    assert conditional_mutual_information(x, y, x) == pytest.approx(0, abs=0.05)
    second = np.c_[x, rng.normal(size=N)]  # a column that tells nothing
    assert mutual_information(second, y) == pytest.approx(expected, abs=0.08)


def test_conditional_information_of_gaussians(rng):
    """-1/2 log2(1 - r^2) with the partial correlation r."""
    mixing = np.array([[1.0, 0.0, 0.0], [0.7, 1.0, 0.0], [0.9, -0.8, 1.0]])
    precision = np.linalg.inv(mixing @ mixing.T)
    partial = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    x, y, z = mixing @ rng.normal(size=(3, N))
    found = conditional_mutual_information(x, y, z)
    assert found == pytest.approx(gaussian_information(partial), abs=0.06)
    assert abs(found - mutual_information(x, y)) > 0.2  # the condition matters
    noise = rng.normal(size=(2, N))  # a chain x -> z -> y: nothing is left
    assert conditional_mutual_information(z + noise[0], z + noise[1], z) == pytest.approx(
        0, abs=0.05
    )


def test_information_of_discrete_variables(rng):
    x, z = rng.integers(0, 2, (2, N)).astype(float)
    assert mutual_information(x, z) == pytest.approx(0, abs=0.002)
    assert mutual_information(x, np.c_[z, x]) == pytest.approx(1, abs=0.002)
    exclusive = (x + z) % 2
    assert mutual_information(x, exclusive) == pytest.approx(0, abs=0.002)
    assert conditional_mutual_information(x, exclusive, z) == pytest.approx(1, abs=0.002)
    flipped = np.where(rng.random(N) < 0.1, 1 - x, x)
    channel = 1 + 0.1 * np.log2(0.1) + 0.9 * np.log2(0.9)
    assert mutual_information(x, flipped) == pytest.approx(channel, abs=0.03)
    many = [mutual_information(*rng.integers(0, 5, (2, 200)).astype(float)) for _ in range(100)]
    assert np.mean(many) == pytest.approx(0, abs=0.01)  # the plug-in alone is 0.06 too high


def test_information_of_mixed_variables(rng):
    """Gao et al. 2017, section 5: x in 0..4, y uniform on [x, x + 2]."""
    x = rng.integers(0, 5, N).astype(float)
    y = x + rng.uniform(0, 2, N)
    assert mutual_information(x, y) == pytest.approx(np.log2(5) - 0.8, abs=0.05)
    # y tells whether it is 0 or x itself, at random: ties within one variable
    gated = np.where(rng.random(N) < 0.5, 0.0, x + 1)
    assert mutual_information(x, gated) == pytest.approx(0.5 * np.log2(5), abs=0.05)
    z = rng.normal(size=N)
    assert conditional_mutual_information(x, y, z) == pytest.approx(np.log2(5) - 0.8, abs=0.15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy(np.zeros(3)), "`neighbors` must be less than the number of samples"),
        (lambda: entropy(np.zeros(9), neighbors=0), "`neighbors` must be a whole number"),
        (lambda: mutual_information(np.zeros(9), np.zeros(8)), "as many samples each; got"),
    ],
)
def test_bad_samples(call, message):
    with pytest.raises(ValueError, match=message):
        call()
