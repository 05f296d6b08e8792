"""Penalties: the polar factor against an SVD, gradients, histories, and what they do to weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.metrics.orthogonal import polar_factor
from rnnensemble.training.penalties import l1, nuclear_norm, penalty
from tests import compiled

TASK = rnne.tasks.FlipFlop(n_bits=2, n_steps=12)

polar = jax.jit(polar_factor)
value_and_slope = jax.jit(jax.value_and_grad(penalty), static_argnums=2)


def with_spread(rng, n, least):
    """A matrix whose singular values run from 1 down to `least`."""
    u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return (u * np.geomspace(1.0, least, n)) @ v.T


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("n", [8, 64, 130])
def test_polar_factor_equals_that_of_an_svd(n, scale):
    rng = np.random.default_rng(n)
    for matrix in (rng.normal(size=(n, n)), with_spread(rng, n, 1e-3)):
        u, s, v = np.linalg.svd(matrix)
        found = np.asarray(polar(np.float32(scale * matrix)), np.float64)
        # direction by direction, those above 1e-3 of the largest
        along = np.diag(u.T @ found @ v.T)[s > 1e-3 * s[0]]
        assert np.abs(along - 1).max() < 1e-3
        value = np.sum(found * matrix)
        assert value == pytest.approx(s.sum(), rel=1e-3)
    exact = (u @ v)[np.newaxis]  # the last has no smaller ones
    assert np.linalg.norm(found - exact) / n**0.5 < 1e-3


def test_polar_factor_of_singular_matrices_is_finite():
    flat = np.outer(np.arange(1.0, 6), np.arange(2.0, 7))
    found = polar(np.float32(flat))  # rounding has singular values too, near 1e-7
    assert np.allclose(found, flat / np.linalg.norm(flat), atol=5e-3)
    assert not np.asarray(polar(np.zeros((5, 5), np.float32))).any()


def weights_of(network, **settings):
    key = jax.random.key(1)
    params = compiled.init(network, key, n_inputs=3, n_outputs=2, gain=jnp.float32(1.0), **settings)
    return params, network.weights(params)


def test_gradients_are_those_of_the_formulas():
    params, _ = weights_of(rnne.VanillaRNN(width=12))
    network, strengths = (
        rnne.VanillaRNN(width=12),
        {"nuclear_norm": jnp.float32(0.3), "l1": jnp.float32(0.2)},
    )
    value, slope = value_and_slope(params, strengths, network)
    w = np.float64(params.recurrent_weights)
    u, s, v = np.linalg.svd(w)
    sums = [np.abs(params[i]).sum() for i in (0, 1, 3)]
    assert float(value) == pytest.approx(0.3 * s.sum() + 0.2 * sum(sums), rel=1e-4)
    assert np.allclose(slope.recurrent_weights, 0.3 * (u @ v) + 0.2 * np.sign(w), atol=1e-4)
    assert np.allclose(slope.input_weights, 0.2 * np.sign(params.input_weights), atol=1e-6)
    assert not np.asarray(slope.bias).any()


def test_mup_pays_for_effective_weights_and_its_gamma_gets_no_gradient():
    network = rnne.MuPRNN(width=10, gamma=2.0)
    params, effective = weights_of(network, gamma=jnp.float32(2.0))
    strengths = {"nuclear_norm": jnp.float32(1.0), "l1": jnp.float32(1.0)}
    value, slope = value_and_slope(params, strengths, network)
    assert float(value) == pytest.approx(float(nuclear_norm(effective) + l1(effective)), rel=1e-6)
    u, _, v = np.linalg.svd(np.float64(params.recurrent_weights))
    expected = (u @ v + np.sign(params.recurrent_weights)) / 10
    assert np.allclose(slope.recurrent_weights, expected, atol=1e-4)
    assert float(slope.gamma) == 0


@pytest.fixture(scope="module")
def penalized():
    """Three populations' worth in one program: no penalty, nuclear norm, L1."""
    training = rnne.Training(
        learning_rate=5e-3,
        batch=16,
        epoch_steps=16,
        max_epochs=12,
        threshold=1e-6,
        nuclear_norm=(0.0, 3e-3, 0.0),
        l1=(0.0, 0.0, 3e-3),
    )
    network = rnne.VanillaRNN(width=16)
    return rnne.train_population(TASK, network=network, training=training, size=3)


def test_penalties_are_recorded_beside_the_task_loss(penalized):
    paid = penalized.history.penalty
    assert paid.shape == (3, 12)
    assert not paid[0].any()
    last = {name: each[1] for name, each in penalized.params._asdict().items()}
    # the mean over an epoch lies near the value at its end
    assert paid[1, -1] == pytest.approx(3e-3 * float(nuclear_norm(last)), rel=0.05)
    alone = rnne.train_population(
        TASK,
        network=rnne.VanillaRNN(width=16),
        training=rnne.Training(
            learning_rate=5e-3, batch=16, epoch_steps=16, max_epochs=12, threshold=1e-6
        ),
        size=1,
    )
    assert np.allclose(alone.history.loss[0], penalized.history.loss[0], rtol=1e-5)


def test_penalties_shrink_what_they_tax(penalized):
    recurrent = np.float64(penalized.params.recurrent_weights)
    singular = np.linalg.svd(recurrent)[1]
    stable_rank = (singular**2).sum(axis=1) / singular[:, 0] ** 2
    assert stable_rank[1] < 0.8 * stable_rank[0]
    sizes = [
        sum(np.abs(penalized.params[i][k]).sum() for i in (0, 1, 3)) for k in range(penalized.size)
    ]
    assert sizes[2] < 0.7 * sizes[0]


def test_thresholds_look_at_the_task_loss_alone():
    training = rnne.Training(
        learning_rate=1e-3, batch=8, epoch_steps=2, max_epochs=4, threshold=10.0, l1=100.0
    )
    population = rnne.train_population(
        TASK, network=rnne.VanillaRNN(width=8), training=training, size=1
    )
    assert population.history.penalty.min() > 10
    assert population.converged.all()


@pytest.mark.parametrize("value", [-1e-3, float("nan"), float("inf"), "much", (0.0, -1.0)])
def test_bad_strengths(value):
    for name in ("nuclear_norm", "l1"):
        training = rnne.Training(**{name: value})
        with pytest.raises(ValueError, match=f"`{name}` must be a number of at least 0"):
            rnne.train_population(TASK, training=training, size=2)


def test_wrong_number_of_strengths():
    training = rnne.Training(l1=(0.0, 1.0, 2.0))
    with pytest.raises(ValueError, match="`l1` must be one number or one for each of the 2"):
        rnne.train_population(TASK, training=training, size=2)
