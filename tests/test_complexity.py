"""Complexity of tasks whose entropies and memory demands are known exactly."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import Task, Trials, measure_complexity, tasks


@dataclasses.dataclass(frozen=True, kw_only=True)
class DelayLine(Task):
    """Repeats random bits, or Gaussians, `lag` steps later; earlier steps do not count."""

    name = "delay_line"
    threshold = 0.01
    output_range = (-1.0, 1.0)

    n_steps: int = 12
    lag: int = 3
    smooth: bool = False

    n_inputs = 1
    n_outputs = 1

    def clean_trials(self, key, batch):
        shape = (batch, self.n_steps, 1)
        inputs = jax.random.rademacher(key, shape, float)
        if self.smooth:
            inputs = jax.random.normal(key, shape)
        targets = jnp.roll(inputs, self.lag, axis=1)
        counted = jnp.arange(self.n_steps) >= self.lag
        if self.smooth:
            targets = targets + jax.random.normal(jax.random.fold_in(key, 1), shape)
        return Trials(inputs, targets, jnp.tile(counted * 1.0, (batch, 1)))


@pytest.mark.parametrize("given", ["present", "between"])
def test_delay_line_demands_one_bit_at_its_lag(given):
    found = measure_complexity(DelayLine(), given=given, trials=1000)
    assert found.input_entropy == pytest.approx([1], abs=0.01)
    assert found.output_entropy == pytest.approx([1], abs=0.01)
    expected = np.zeros((1, 11))
    expected[0, 2] = 1
    np.testing.assert_allclose(found.memory, expected, atol=0.01)
    assert (found.peak_lag, found.trials, found.given) == (3, 1000, given)
    assert found.mean_lag == pytest.approx(3, abs=0.1)
    assert found.total_memory == pytest.approx(1, abs=0.02)
    assert not found.continuous_inputs.any()
    assert found.steps.min() >= 3


def test_delay_line_of_gaussians():
    """y = x + noise of the same variance: half a bit."""
    found = measure_complexity(DelayLine(smooth=True), steps=3, max_lag=4, trials=1500)
    np.testing.assert_allclose(found.memory, [[0, 0, 0.5, 0]], atol=0.05)
    assert found.continuous_inputs.all()
    assert found.input_entropy == pytest.approx([0.5 * np.log2(2 * np.pi * np.e)], abs=0.05)


def binary_entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p) if 0 < p < 1 else 0.0


def flipflop_memory(p, t, lag, given):
    """M_L of one channel at step t: pulses with probability p, a sure one at step 0.

    Only x_t = 0 leaves anything open. Then (`present`) a pulse at t - L is the answer unless a
    later one came, each with probability 1 - (1 - p)^(L - 1) at all; (`between`) it is the
    answer if all later inputs are 0.
    """
    silent = 1 - p
    if lag > t:
        return 0.0
    pulse = 1.0 if lag == t else p
    if given == "between":
        return silent**lag * pulse
    same = silent ** (lag - 1)
    return silent * pulse * (1 - binary_entropy((1 + same) / 2))


@pytest.mark.parametrize("given", ["present", "between"])
def test_flipflop_has_its_closed_form(given):
    p = 0.25
    task = tasks.FlipFlop(n_bits=2, pulse_probability=p, n_steps=12)
    found = measure_complexity(task, given=given, steps=12, trials=20_000)
    np.testing.assert_array_equal(found.steps, np.arange(12))
    later = 2 * (p / 2) * np.log2(2 / p) - (1 - p) * np.log2(1 - p)
    assert found.input_entropy == pytest.approx([(1 + 11 * later) / 12] * 2, abs=0.005)
    assert found.output_entropy == pytest.approx([1, 1], abs=0.001)
    expected = [[flipflop_memory(p, t, lag, given) for lag in range(1, 12)] for t in range(12)]
    for output in (0, 1):
        np.testing.assert_allclose(found.memory_by_step[:, output], expected, atol=0.02)
    np.testing.assert_allclose(found.memory, 2 * [np.mean(expected, axis=0)], atol=0.005)
    if given == "between":  # the chain rule: H(y_t | x_t) in all
        total = 2 * (1 - p) * 11 / 12
        assert found.total_memory == pytest.approx(total, abs=0.01)


def test_discrimination_must_remember_the_first_pulse():
    task = tasks.DelayedDiscrimination(delay=(4, 4), pulse_steps=1, response_steps=3, n_steps=10)
    found = measure_complexity(task, given="between", steps=10, trials=20_000)
    # 9 * 8 pairs; at the second pulse nothing counts, then at lags 1 and 6, 2 and 7, ...
    second = np.arange(9)
    shares = second / 8  # of first pulses below
    entropy = np.mean([binary_entropy(share) for share in shares])
    for t in (6, 9):
        (row,) = found.memory_by_step[list(found.steps).index(t)]
        expected = np.zeros(9)
        expected[t - 5 - 1] = 1 - entropy
        expected[t - 1] = entropy
        np.testing.assert_allclose(row, expected, atol=0.02)
    assert 5 not in found.steps  # masked


def test_sine_needs_no_past_input():
    found = measure_complexity(tasks.Sine(n_frequencies=4), trials=500)
    assert found.input_entropy == pytest.approx([2], abs=0.02)
    assert found.total_memory == 0
    assert np.isnan(found.mean_lag)


def test_markov_task_demands_little_and_walkers_much():
    options = {"trials": 400, "steps": 2, "max_lag": 3}
    ring = measure_complexity(tasks.Lorenz96(dimension=5, n_steps=6), **options)
    walk = measure_complexity(tasks.PathIntegration(n_steps=6), **options)
    assert ring.continuous_outputs.all()
    assert abs(ring.memory).max() < 0.1  # the present state is all there is to know
    assert walk.memory.max() > 0.3
    assert walk.output_entropy == pytest.approx(2 * [np.log2(10)], abs=0.1)


def test_same_seed_same_numbers():
    first, again = (measure_complexity(tasks.FlipFlop(n_steps=8), trials=200) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "`trials` must be a whole number of at least 1; got 0"),
        ({"trials": 3}, "`trials` must leave more than 3 trials that count"),
        ({"steps": 0}, "`steps` must be"),
        ({"max_lag": 0}, "`max_lag` must be"),
        ({"seed": -1}, "`seed` must be"),
        ({"given": "past"}, "`given` must be one of"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        measure_complexity(tasks.FlipFlop(n_steps=5), **options)


def test_between_needs_discrete_variables():
    with pytest.raises(ValueError, match="`given` must be 'present' for delay_line"):
        measure_complexity(DelayLine(smooth=True), given="between", trials=50)
