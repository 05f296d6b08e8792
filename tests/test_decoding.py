"""Decodability against closed forms and SciPy, and what must not matter."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

import rnnensemble as rnne
from rnnensemble.analysis.decoding import Decoder, chance, decode, measure_decodability
from rnnensemble.analysis.regressions import logistic, varying

RNG = np.random.default_rng(0)
RATES = RNG.normal(size=(2, 100, 3, 6)).astype(np.float32)


def folds_of(count, folds):
    fold = np.arange(count) % folds
    return [(fold != k, fold == k) for k in range(folds)]


def ridge_by_hand(x, y, ridge, folds):
    """R^2 of a plain NumPy ridge regression, fold by fold."""
    missed = total = 0.0
    for fitted, held in folds_of(len(y), folds):
        mean, deviation, offset = x[fitted].mean(0), x[fitted].std(0), y[fitted].mean()
        z = (x - mean) / deviation
        n = fitted.sum()
        square = z[fitted].T @ z[fitted] / n + ridge * np.eye(x.shape[1])
        weights = np.linalg.solve(square, z[fitted].T @ (y[fitted] - offset) / n)
        missed += np.sum((y[held] - offset - z[held] @ weights) ** 2)
        total += np.sum((y[held] - offset) ** 2)
    return 1 - missed / total


@pytest.mark.parametrize("ridge", [1e-3, 0.5])
def test_quantities_equal_ridge_regression_by_hand(ridge):
    variable = RATES[0, :, 1, :3].sum(axis=1) + RNG.normal(size=100)
    found = decode(RATES, variable, decoder=Decoder(ridge=ridge, folds=4))
    for k in range(2):
        for step in range(3):
            x = RATES[k, :, step].astype(float)
            wanted = ridge_by_hand(x, variable, ridge, 4)
            assert found[k, step] == pytest.approx(wanted, abs=1e-4)
    assert found[0, 1] == found.max()


def test_logistic_regression_reaches_the_minimum_that_scipy_finds():
    x = RATES[0, :, 0]
    label = (x[:, 0] - x[:, 1] + RNG.normal(size=100) > 0.3).astype(float)
    ridge = 0.05

    def loss(weights):
        logits = x @ weights[:-1] + weights[-1]
        return np.mean(np.logaddexp(0, logits) - label * logits) + ridge / 2 * np.sum(
            weights[:-1] ** 2
        )

    wanted = minimize(loss, np.zeros(7), tol=1e-10).x
    weights, offset = jax.jit(logistic)(x, np.float32(label[:, None]), jnp.ones(100), ridge)
    np.testing.assert_allclose(weights[:, 0], wanted[:-1], atol=2e-3)
    assert float(offset[0]) == pytest.approx(wanted[-1], abs=2e-3)


def test_a_linear_function_of_the_rates_is_read_wholly():
    variable = RATES[0, :, 1] @ RNG.normal(size=6)
    found = decode(RATES, variable, decoder=Decoder(ridge=1e-6))
    assert found[0, 1] == pytest.approx(1.0, abs=1e-4)
    assert np.delete(found.ravel(), 1).max() < 0.3


def test_noise_is_not_read():
    rates = RNG.normal(size=(4, 400, 2, 10)).astype(np.float32)
    assert abs(decode(rates, RNG.normal(size=400))).max() < 0.1
    label = RNG.integers(0, 3, size=400)
    assert chance(label) == pytest.approx(1 / 3)
    np.testing.assert_allclose(decode(rates, label), 1 / 3, atol=0.09)


def test_categories_are_read_when_they_are_there():
    """Three categories, separate at the last step alone; one is rare."""
    label = np.array([0] * 40 + [1] * 40 + [2] * 8)[RNG.permutation(88)]
    rates = 0.3 * RNG.normal(size=(1, 88, 2, 5)).astype(np.float32)
    rates[0, :, 1, :3] += np.eye(3)[label] * 3
    found = decode(rates, label)
    assert found[0, 1] == pytest.approx(1.0)
    assert found[0, 0] < 0.55


def test_balanced_accuracy_does_not_reward_the_frequent():
    label = np.array([0] * 90 + [1] * 10)[RNG.permutation(100)]
    noise = RNG.normal(size=(1, 100, 1, 3)).astype(np.float32)
    assert decode(noise, label)[0, 0] == pytest.approx(0.5, abs=0.12)


def test_variables_in_time_and_steps_without_variation():
    variable = RATES[1, :, :, 2].copy()
    variable[:, 0] = 4.0
    found = decode(RATES, variable, decoder=Decoder(ridge=1e-6))
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[1, 1:], 1.0, atol=1e-4)


def test_order_of_units_and_devices_do_not_matter():
    variable = RATES[0, :, 1, 0] + RNG.normal(size=100)
    whole = decode(RATES, variable)
    np.testing.assert_allclose(decode(RATES[..., ::-1], variable), whole, atol=1e-5)
    np.testing.assert_allclose(decode(RATES, variable, devices=1), whole, atol=1e-6)
    np.testing.assert_allclose(decode(RATES[1:], variable), whole[1:], atol=1e-6)


def test_bits_of_a_flipflop_are_read_and_the_last_pulse_too():
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=2, n_steps=15),
        network=rnne.VanillaRNN(width=12),
        training=rnne.Training(batch=32, learning_rate=5e-3, threshold=0.02, max_epochs=60),
        size=2,
    )
    found = measure_decodability(population, trials=128)
    assert set(found.scores) == {"bit_0", "bit_1"}
    assert found.chance["bit_0"] == 0.5
    for name, scores in found.scores.items():
        assert scores.shape == (2, 15)
        assert scores.min() > 0.95
        mean = found.means[name]
        assert mean.low <= mean.value <= mean.high
        assert mean.value == pytest.approx(scores.mean())
    np.testing.assert_array_equal(found.units, np.full((2, 15), 12))
    failed = dataclasses.replace(population, converged=np.zeros(2, bool))
    with pytest.raises(ValueError, match="must hold converged networks"):
        measure_decodability(failed)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"must be \[B\] or \[B, T\]"):
        decode(RATES, np.zeros(99))
    with pytest.raises(ValueError, match="must vary between trials"):
        decode(RATES, np.ones(100))
    with pytest.raises(ValueError, match="at least 2 trials a fold, 102; got 100"):
        decode(RATES, np.arange(100.0), decoder=Decoder(folds=51))
    with pytest.raises(ValueError, match="must be finite"):
        decode(RATES, np.full(100, np.nan))
    for change in ({"ridge": 0.0}, {"folds": 1}):
        with pytest.raises(ValueError, match=f"`{next(iter(change))}` must be"):
            Decoder(**change)


@pytest.mark.parametrize("unit", [1e-20, 1e-9, 1e12])
def test_units_of_rates_and_variable_do_not_matter(unit):
    """Rates of 1e-9 were taken for constant, and squares of a small variable for zeros."""
    variable = RATES[0, :, 1, 0] + RNG.normal(size=100)
    wanted = decode(RATES, variable)
    np.testing.assert_allclose(decode(RATES * unit, variable), wanted, atol=1e-5)
    np.testing.assert_allclose(decode(RATES, variable * unit), wanted, atol=1e-5)
    np.testing.assert_allclose(decode(RATES, 1e6 + variable), wanted, atol=1e-5)


def test_directions_within_rounding_get_no_weight():
    """Three dimensions in 24 units, with next to no ridge: a turned copy is read as well."""
    latent = RNG.normal(size=(100, 1, 3))
    rates = latent @ RNG.normal(size=(3, 24))
    both = np.stack([rates, rates @ np.linalg.qr(RNG.normal(size=(24, 24)))[0]])
    variable = latent[:, 0, 0] + 0.5 * RNG.normal(size=100)
    wanted = ridge_by_hand(latent[:, 0], variable, 1e-12, 5)
    found = decode(both, variable, decoder=Decoder(ridge=1e-12))
    np.testing.assert_allclose(found[:, 0], wanted, atol=1e-3)


def test_units_that_vary_by_rounding_are_counted_out():
    rates = RATES[:2, :, :3].copy()
    rates[0, :, 1, :4] = 7.0
    rates[1, :, :, 2] = 1e9  # beside which the others vary by rounding
    counts = np.asarray(varying(np.float32(rates)).sum(axis=-1))
    units = RATES.shape[-1]
    np.testing.assert_array_equal(counts, [[units, units - 4, units], [0, 0, 0]])


def test_a_variable_that_varies_by_rounding_does_not_vary():
    variable = np.tile([0.1 + 0.2, 0.3], 50)
    with pytest.raises(ValueError, match="`variable` must vary"):
        decode(RATES, variable)


@pytest.mark.parametrize(
    ("rates", "variable", "message"),
    [
        (RATES + 1j, RATES[0, :, 0, 0], "`rates` must hold real numbers; got complex"),
        (RATES, RATES[0, :, 0, 0].astype(str), "`variable` must hold real numbers; got <U"),
        (np.ma.masked_less(RATES, 0), RATES[0, :, 0, 0], "`rates` must hold no masked entries"),
    ],
)
def test_what_numpy_would_swallow_is_refused(rates, variable, message):
    with pytest.raises(ValueError, match=message):
        decode(rates, variable)
