"""Subspaces: an objective of known dimension, and a flip-flop that needs enough of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import (
    LeakyRNN,
    Training,
    VanillaRNN,
    measure_intrinsic_dimension,
    tasks,
    train_population,
)
from rnnensemble.analysis.intrinsic_dimension import IntrinsicDimension
from rnnensemble.analysis.subspace import directions, train_subspace
from rnnensemble.training.epoch import CONVERGED, DIVERGED, state_at

TASK = tasks.FlipFlop(n_bits=1, n_steps=15)
NETWORK = VanillaRNN(width=12)
TRAINING = Training(learning_rate=4e-3, batch=16, epoch_steps=32, max_epochs=6, threshold=0.1)
BLOCKS, LENGTH, MOST = 10, 20, 14
KEY = jax.random.key(4)  # of which the first ten directions are well conditioned


def blocks_objective(key, vector):
    """Li et al. 2018, section 2: the sum of each of 10 blocks must be its index, 1 to 10."""
    del key

    def loss(vector):
        sums = vector.reshape(BLOCKS, LENGTH).sum(axis=1)
        return jnp.sum((sums - jnp.arange(1, BLOCKS + 1)) ** 2)

    return jax.value_and_grad(loss)(vector)


@partial(jax.jit, static_argnames=("objective", "training"))
def train_on_blocks(dimension, rate, *, objective, training):
    trained = jnp.ones(BLOCKS * LENGTH)
    hyper = {"learning_rate": rate, "clip_norm": jnp.inf, "threshold": 1e-4}
    train = partial(
        train_subspace,
        KEY,
        hyper=hyper,
        origin=jnp.zeros(BLOCKS * LENGTH),
        basis=directions(KEY, trained, MOST),
        dimension=dimension,
        trained=trained.sum(),
        objective=objective,
        training=training,
    )
    states, reports = jax.lax.scan(
        lambda state, _: train(state), state_at(jnp.zeros(MOST)), length=training.max_epochs
    )
    return states, reports.loss


def test_blocks_have_dimension_ten():
    training = Training(epoch_steps=500, max_epochs=30, plateau_patience=2, plateau_factor=0.5)
    run = partial(train_on_blocks, objective=blocks_objective, training=training)
    found = {d: run(d, 0.1) for d in (6, 9, 10, 12)}
    for d, (state, losses) in found.items():
        assert (losses[-1] < 1e-4) == (d >= 10), (d, losses[-1])
        assert (state.status == CONVERGED) == (d >= 10)
        assert (state.params[d:] == 0).all()
        assert (state.params[:d] != 0).all()
        # in a subspace, the best loss is a least-squares problem
        basis = np.asarray(directions(KEY, jnp.ones(BLOCKS * LENGTH), MOST))
        sums = basis[:, :d].reshape(BLOCKS, LENGTH, d).sum(axis=1)
        target = np.arange(1, BLOCKS + 1.0)
        best = target - sums @ np.linalg.lstsq(sums, target)[0]
        assert losses[-1] == pytest.approx((best**2).sum(), abs=1e-4, rel=0.01)


def test_not_finite_freezes():
    def overflows(key, vector):
        loss, gradient = blocks_objective(key, vector)
        return jnp.where(vector[0] == 0, loss, jnp.nan), gradient

    training = Training(epoch_steps=3, max_epochs=1)
    state, _ = train_on_blocks(4, 0.1, objective=overflows, training=training)
    assert state.status == DIVERGED
    assert np.isfinite(state.params).all()


def test_directions_are_nested_and_leave_untrained_parameters():
    key, trained = jax.random.key(0), np.ones(500, np.float32)
    trained[:100] = 0
    drawn = jax.jit(directions, static_argnums=2)
    few, many = (np.asarray(drawn(key, trained, most)) for most in (3, 8))
    np.testing.assert_array_equal(few, many[:, :3])
    np.testing.assert_allclose(np.linalg.norm(many, axis=0), 1, rtol=1e-5)
    assert (many[:100] == 0).all()
    assert np.abs(many.T @ many - np.eye(8)).max() < 0.2


@pytest.fixture(scope="module")
def found():
    seen = []
    result = measure_intrinsic_dimension(
        TASK,
        network=NETWORK,
        training=TRAINING,
        dimensions=[100, 1, 12],
        size=3,
        progress=seen.append,
    )
    return result, seen


def test_more_dimensions_reach_a_lower_loss(found):
    result, seen = found
    np.testing.assert_array_equal(result.dimensions, [1, 12, 100])
    assert result.loss.shape == result.converged.shape == result.epochs.shape == (3, 3)
    assert (np.diff(result.loss, axis=0) < 0).all()  # of every network: subspaces are nested
    assert result.loss[2].max() < 0.3 < result.loss[0].min()
    assert result.n_parameters == 12 * (12 + 1 + 1 + 1)  # not h_0, which is not trained
    np.testing.assert_array_equal(result.thresholds, np.float32([0.1] * 3))
    assert not result.diverged.any()
    assert [each.epoch for each in seen] == list(range(1, 1 + result.epochs.max()))
    assert seen[-1].converged == result.converged.sum()
    assert seen[0].size == 9


def test_networks_do_not_depend_on_the_others(found):
    alone = measure_intrinsic_dimension(
        TASK, network=NETWORK, training=TRAINING, dimensions=[1, 100], size=1, devices=1
    )
    np.testing.assert_allclose(alone.loss[:, 0], found[0].loss[[0, 2], 0], rtol=1e-3)


def test_starts_where_population_starts():
    """With a rate of nearly 0 both stay at theta_0 and see the same trials."""
    training = Training(learning_rate=1e-12, batch=16, epoch_steps=4, max_epochs=1)
    subspace = measure_intrinsic_dimension(
        TASK, network=NETWORK, training=training, dimensions=[4], size=2
    )
    whole = train_population(TASK, network=NETWORK, training=training, size=2)
    np.testing.assert_allclose(subspace.loss[0], whole.history.loss[:, 0], rtol=1e-5)


def test_dimension_is_the_first_at_which_half_converge():
    def result(converged):
        blank = np.zeros((3, 4))
        return IntrinsicDimension(
            np.array([2, 4, 8]), blank, np.array(converged), blank, blank, blank[0], 9
        )

    reached = [[0, 0, 0, 1], [0, 1, 1, 0], [1, 1, 1, 1]]
    assert result(reached).dimension == 4
    np.testing.assert_array_equal(result(reached).share, [0.25, 0.5, 1])
    assert result(np.zeros((3, 4))).dimension is None


def test_noise_is_refused():
    with pytest.raises(ValueError, match="`network` must have no noise"):
        measure_intrinsic_dimension(TASK, network=LeakyRNN(width=6, noise=0.1))


def test_penalties_are_refused():
    penalized = Training(nuclear_norm=(0.0, 1e-3, 0.0, 0.0))
    with pytest.raises(ValueError, match="`nuclear_norm` must be 0: the dimension is that"):
        measure_intrinsic_dimension(tasks.FlipFlop(), training=penalized)


@pytest.mark.parametrize("dimensions", [[], [0, 2], [2, 2], [1.5], [True]])
def test_bad_dimensions(dimensions):
    with pytest.raises(ValueError, match="`dimensions` must be distinct whole numbers"):
        measure_intrinsic_dimension(TASK, dimensions=dimensions)
