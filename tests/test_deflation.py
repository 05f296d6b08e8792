"""Deflation: predictivity and its gradient, and populations kept away from earlier ones."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import rnnensemble as rnne
from rnnensemble._core.inverse import inverse
from rnnensemble.metrics import LinearPredictivity
from rnnensemble.training.deflate import Chosen, ReferenceActivity, deflate
from rnnensemble.training.similarity import (
    Deflation,
    References,
    deflated_loss_and_gradient,
    predictivity,
)
from tests import compiled
from tests.samples import compare, jitted_prepare

TASK = rnne.tasks.FlipFlop(n_bits=2, n_steps=20)
NETWORK = rnne.VanillaRNN(width=24)
TRAINING = rnne.Training(
    batch=32, epoch_steps=32, learning_rate=4e-3, threshold=0.01, max_epochs=120
)


def weights(seed: int, network: rnne.VanillaRNN = NETWORK):
    """The initial parameters of a network."""
    return compiled.init(
        network, jax.random.key(seed), n_inputs=2, n_outputs=2, gain=jnp.float32(1.0)
    )


def stacked(*trees):
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def axes_outside(readouts):
    """Orthonormal rows of all that readouts `[R, O, N]` do not see."""
    count = readouts.shape[1]
    return jnp.stack([jnp.linalg.svd(each, full_matrices=True)[2][count:] for each in readouts])


def of_rates(rates, targets, *, readout=None, ridge=1e-6):
    """Predictivity of rates `[B, T, M]` from others, outside a readout of the first if given."""
    targets = jnp.asarray(targets)[None]
    inputs = jnp.zeros((*rates.shape[:2], 1))
    references = References(None, inputs, targets, jnp.eye(targets.shape[-1])[None])
    readout = None if readout is None else jnp.asarray(readout)
    return float(
        _predictivity(NETWORK, jnp.asarray(rates), readout, references, (inputs, None), ridge)[0]
    )


_predictivity = jax.jit(predictivity, static_argnums=0)
_deflated = jax.jit(deflated_loss_and_gradient, static_argnums=(2, 4))
_respond = jax.jit(lambda params, inputs: NETWORK.respond(params, inputs)[0])


@pytest.fixture(scope="module")
def rates():
    """Rates `[8, 15, 10]` of full rank."""
    return np.random.default_rng(0).normal(size=(8, 15, 10)).astype(np.float32)


@pytest.fixture(scope="module")
def standard():
    return rnne.train_population(TASK, network=NETWORK, training=TRAINING, size=3)


@pytest.fixture(scope="module")
def alternative(standard):
    how = Deflation(strength=0.1, target=0.4)
    return deflate(TASK, Chosen(standard, [0]), training=TRAINING, deflation=how, size=2, seed=5)


@pytest.mark.parametrize("size", [1, 2, 17, 64])
def test_inverse_is_the_inverse(size):
    rows = np.random.default_rng(size).normal(size=(3 * size, size))
    matrix = (rows.T @ rows).astype(np.float32)
    found = np.asarray(jax.jit(inverse)(matrix))
    np.testing.assert_allclose(found @ matrix, np.eye(size), atol=2e-4)


def test_an_invertible_linear_image_is_predicted_wholly(rates):
    image = rates @ np.random.default_rng(1).normal(size=(10, 10)).astype(np.float32) + 3.0
    assert of_rates(rates, image) == pytest.approx(1.0, abs=1e-4)


def test_orthogonal_activity_is_not_predicted():
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(120, 21)) @ np.eye(21))[0]
    basis = np.linalg.qr(np.concatenate([np.ones((120, 1)), basis], axis=1))[0][:, 1:]
    first, second = (
        x.reshape(8, 15, 10).astype(np.float32) for x in (basis[:, :10], basis[:, 10:20])
    )
    assert of_rates(first, second) == pytest.approx(0.0, abs=1e-5)


def test_invertible_maps_of_the_predictor_do_not_matter_without_a_ridge(rates):
    targets = rates[..., :4] ** 2 + rates[..., 4:8]
    image = rates @ np.random.default_rng(3).normal(size=(10, 10)).astype(np.float32)
    assert of_rates(rates, targets, ridge=0.0) == pytest.approx(
        of_rates(image, targets, ridge=0.0), abs=2e-3
    )
    assert 0.2 < of_rates(rates, targets, ridge=0.0) < 0.9


def test_what_the_readout_sees_predicts_nothing(rates):
    """Targets that are linear in the one direction that the readout sees."""
    readout = np.random.default_rng(4).normal(size=(1, 10)).astype(np.float32)
    targets = rates @ readout.T
    assert of_rates(rates, targets) == pytest.approx(1.0, abs=1e-4)
    x, y, seen = (np.asarray(each, float) for each in (rates, targets, readout))
    outside = (x - x @ seen.T * seen / np.sum(seen**2)).reshape(120, 10)
    y = y.reshape(120, 1) - y.mean()
    outside -= outside.mean(axis=0)
    left = y - outside @ np.linalg.lstsq(outside, y, rcond=1e-9)[0]
    chance = 1 - np.sum(left**2) / np.sum(y**2)  # what chance leaves in 120 samples
    assert of_rates(rates, targets, readout=readout) == pytest.approx(chance, abs=1e-5)
    assert chance < 0.2


@pytest.mark.parametrize("null_space", [True, False])
def test_as_the_metric_says(null_space):
    """1 - d of `LinearPredictivity`, which leaves rho |M|^2 out: close at a small ridge."""
    references = stacked(weights(1), weights(2))
    trials = compiled.sample(TASK, jax.random.key(9), 12)
    axes = axes_outside(references.readout_weights) if null_space else jnp.eye(24)[None]
    tree = References(references, None, None, jnp.broadcast_to(axes, (2, *axes.shape[1:])))
    how = Deflation(null_space=null_space, compared=1.0)
    _, found, _ = _deflated(weights(0), trials, NETWORK, tree, how, strength=1.0, ridge=1e-5)
    metric = LinearPredictivity(ridge=1e-5, null_space=null_space)

    def prepared(params):
        activity = _respond(params, trials.inputs)
        both = {"activity": activity, "readout_weights": params.readout_weights}
        return jitted_prepare(metric, both if null_space else activity)

    mine = prepared(weights(0))
    wanted = [1 - float(compare(metric, mine, prepared(weights(i)))) for i in (1, 2)]
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("null_space", [True, False])
def test_gradient_equals_finite_differences(null_space, foreign):
    network = rnne.VanillaRNN(width=12, train_initial_state=True)
    with jax.enable_x64(True):
        as_64 = partial(jax.tree.map, lambda x: jnp.asarray(x, jnp.float64))
        params, references = as_64(weights(0, network)), as_64(stacked(weights(1), weights(2)))
        trials = as_64(compiled.sample(TASK, jax.random.key(9), 6))
        axes = as_64(axes_outside(references.readout_weights))
        tree = References(references, None, None, axes)
        if foreign:
            other = as_64(compiled.sample(TASK, jax.random.key(8), 5)).inputs
            rates = jnp.stack([_respond(as_64(weights(i)), other) for i in (1, 2)])
            axes = as_64(jnp.stack([jnp.eye(24)] * 2))
            tree = References(None, other, rates, axes)
        vector, as_params = ravel_pytree(params)
        deflation = Deflation(null_space=null_space)
        how = {"strength": 0.7, "ridge": 1e-3}

        @jax.jit
        def value(vector):
            terms, each, _ = deflated_loss_and_gradient(
                as_params(vector), trials, network, tree, deflation, **how
            )
            return terms.loss + 0.7 * each.sum()

        _, _, gradient = _deflated(params, trials, network, tree, deflation, **how)
        gradient, rng = ravel_pytree(gradient)[0], np.random.default_rng(0)
        for _ in range(5):
            step = rng.normal(size=vector.shape)
            difference = (value(vector + 1e-5 * step) - value(vector - 1e-5 * step)) / 2e-5
            assert float(gradient @ step) == pytest.approx(float(difference), rel=1e-5, abs=1e-7)


def test_no_strength_changes_nothing(standard):
    how = {"training": dataclasses.replace(TRAINING, max_epochs=10), "size": 2, "seed": 5}
    deflated = deflate(TASK, Chosen(standard, [0]), deflation=Deflation(strength=0.0), **how)
    plain = rnne.train_population(TASK, network=NETWORK, **how)
    for mine, wanted in zip(deflated.params, plain.params, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)  # two programs' rounding
    assert not deflated.history.penalty[:, 0].any()


@pytest.mark.long
def test_deflated_networks_solve_the_task_differently(standard, alternative):
    assert alternative.converged.all()
    assert (alternative.stop_epoch > standard.stop_epoch.max()).all()
    last = alternative.history.loss[np.arange(2), alternative.stop_epoch - 1]
    assert (last < 0.01).all()

    def predicted(population, other=None):
        found = rnne.compare_populations(
            LinearPredictivity(null_space=True), population, other, trials=64, seed=3
        )
        return 1 - found.matrix()

    between = predicted(standard)[~np.eye(3, dtype=bool)]
    away = predicted(alternative, standard)
    assert away.max() < between.min()
    assert away[:, 0].max() < 0.45  # the reference, on fresh trials


@pytest.mark.long
def test_a_network_does_not_depend_on_its_neighbors(standard):
    how = {"training": dataclasses.replace(TRAINING, max_epochs=10), "seed": 5}
    alone = Deflation(strength=0.1, target=0.4)
    beside = Deflation(strength=(0.1, 0.3, 0.1), target=(0.4, 0.5, 0.4))
    two = deflate(TASK, Chosen(standard, [0]), deflation=alone, size=2, **how)
    more = deflate(TASK, Chosen(standard, [0]), deflation=beside, size=3, **how)
    for mine, other in zip(more.params, two.params, strict=True):
        np.testing.assert_allclose(mine[0], other[0], atol=1e-5)
    assert not np.allclose(more.params.bias[1], two.params.bias[1], atol=1e-5)


def test_goes_on_where_it_was(standard):
    how = {"deflation": Deflation(strength=0.1), "size": 2, "seed": 1}
    training = dataclasses.replace(TRAINING, max_epochs=6, threshold=1e-6)
    stops = []

    def stop(population):
        stops.append(population)

    whole = deflate(
        TASK, standard, training=training, checkpoint=stop, checkpoint_seconds=0.0, **how
    )
    resumed = deflate(TASK, standard, training=training, resume=stops[2], **how)
    assert stops[2].stop_epoch.max() == 3
    np.testing.assert_array_equal(resumed.history.loss, whole.history.loss)
    np.testing.assert_array_equal(resumed.params.bias, whole.params.bias)


@pytest.mark.long
def test_rates_from_elsewhere_stand_for_networks(standard):
    """Deflated from a network's rates on fixed trials, another network predicts it less."""
    params = jax.tree.map(lambda x: x[0], standard.params)
    inputs = compiled.sample(TASK, jax.random.key(77), 48).inputs
    rates = np.asarray(compiled.respond(NETWORK, params, inputs)[0])[None]
    activity = ReferenceActivity(inputs, rates, params.readout_weights[None])
    how = {"network": NETWORK, "training": TRAINING, "size": 1, "seed": 5}
    found = deflate(TASK, activity, deflation=Deflation(strength=0.1, target=0.4), **how)
    assert found.converged.all()
    away = rnne.compare_populations(LinearPredictivity(null_space=True), found, standard, seed=3)
    assert 1 - away.matrix()[0, 0] < 0.5


def test_references_that_do_not_fit_are_refused(standard):
    longer = dataclasses.replace(TASK, n_steps=21)
    quick = {"training": dataclasses.replace(TRAINING, max_epochs=1)}
    with pytest.raises(ValueError, match="must have learned the same task"):
        deflate(longer, standard, **quick)
    with pytest.raises(ValueError, match="must share the architecture"):
        deflate(TASK, standard, network=rnne.VanillaRNN(width=25), **quick)
    with pytest.raises(ValueError, match="must lie between 0 and 2; got 3"):
        deflate(TASK, Chosen(standard, [3]), **quick)
    failed = rnne.train_population(TASK, network=NETWORK, size=2, **quick)
    with pytest.raises(ValueError, match=r"must have converged; 0 of 2"):
        deflate(TASK, failed, **quick)
    with pytest.raises(ValueError, match=r"network 1 did not reach its threshold 0\.01"):
        deflate(TASK, Chosen(failed, [1]), **quick)
    with pytest.raises(ValueError, match="must have converged; 3 of 3"):
        deflate(TASK, Chosen(standard, []), **quick)
    with pytest.raises(ValueError, match="at least one population"):
        deflate(TASK, [], **quick)


def test_activity_that_does_not_fit_is_refused():
    inputs, rates = np.zeros((4, 6, 2)), np.ones((1, 4, 6, 5))
    readout = np.ones((1, 2, 5))
    for change, message in (
        ({"rates": rates[0]}, r"must be \[R, B, T, M\]"),
        ({"rates": rates[:, :3]}, r"must be \[R, B, T, M\]"),
        ({"inputs": inputs[..., :1]}, "must have the task's 2 channels; got 1"),
        ({"rates": np.nan * rates}, "must be finite"),
        ({"readout_weights": None}, "are needed for their null spaces"),
        ({"rates": 0 * rates + 3.0}, "must vary; the rates of reference 0 do not"),
        ({"readout_weights": readout[..., :4]}, r"must be \[R, O, M\] with R = 1 and M = 5"),
    ):
        given = {"inputs": inputs, "rates": rates, "readout_weights": readout} | change
        with pytest.raises(ValueError, match=message):
            deflate(TASK, ReferenceActivity(**given), network=NETWORK)


def test_settings_out_of_range_are_refused(standard):
    for change, message in (
        ({"strength": -0.1}, "`strength` must be a number of at least 0"),
        ({"target": -1.0}, "`target` must be a number of at least 0"),
        ({"ridge": float("nan")}, "`ridge` must be a number of at least 0"),
        ({"target": (0.1,)}, "one for each of the 4 networks"),
    ):
        with pytest.raises(ValueError, match=message):
            deflate(TASK, standard, deflation=Deflation(**change))
    few = rnne.Training(batch=2)
    with pytest.raises(ValueError, match="needs more samples than units: 1 trials of 20 steps"):
        deflate(TASK, standard, training=few, deflation=Deflation(ridge=0.0))
    with pytest.raises(ValueError, match="`compared` must be above 0 and at most 1; got 0"):
        Deflation(compared=0)
    settings = dataclasses.replace(standard.recipe, deflation=Deflation())
    with pytest.raises(ValueError, match="`references` must come with recipes"):
        rnne.train_populations([settings])
