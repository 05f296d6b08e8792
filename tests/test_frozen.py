"""Frozen parts stay as they were, to the last bit, and have no share in how the others learn."""

import dataclasses

import jax
import numpy as np
import optax
import pytest
from flax import nnx

import rnnensemble as rnne
from rnnensemble.analysis.kernel_alignment import output_jacobian
from rnnensemble.networks import shapes_of
from rnnensemble.training.frozen import has_gradient, paths, require_frozen
from rnnensemble.training.objective import loss_and_gradient
from tests import compiled
from tests.tiny import NETWORK, TASK

SHORT = rnne.Training(batch=8, epoch_steps=4, max_epochs=2, threshold=1e-9)
CASES = {
    "leaky": (
        rnne.LeakyRNN(width=6, noise=0.1),
        {"optimizer": rnne.optimizers.AdamW(weight_decay=0.5), "frozen": ("readout", "bias")},
        ["bias", "readout_bias", "readout_weights"],
    ),
    "flax": (
        rnne.FlaxRNN(cell=nnx.SimpleCell, width=6),
        {"optimizer": optax.adamw, "l2": 0.1, "frozen": ["cell.dense_h", "readout_bias"]},
        ["cell.dense_h.kernel", "readout_bias"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_frozen_parts_stay_to_the_last_bit_and_the_others_move(name):
    network, settings, frozen = CASES[name]
    training = dataclasses.replace(SHORT, **settings)
    population = rnne.train_population(TASK, network=network, training=training, size=2)
    before, after = (
        dict(zip(paths(tree), jax.tree.leaves(tree), strict=True))
        for tree in (population.initial_params, population.params)
    )
    untrained = {"initial_state", *network.per_network}  # neither do strengths of noise decay
    for path, x in before.items():
        same = np.array_equal(x, after[path])
        assert same == (path in frozen or path in untrained), path


def test_a_step_is_that_of_the_other_parts_alone():
    """Against the formula of SGD, clipped by the norm of what is trained."""
    training = dataclasses.replace(
        SHORT,
        optimizer=rnne.optimizers.SGD(momentum=0.0),
        learning_rate=0.1,
        clip_norm=0.01,
        epoch_steps=1,
        max_epochs=1,
        frozen=("recurrent", "readout"),
    )
    population = rnne.train_population(TASK, network=NETWORK, training=training, size=1, seed=4)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(4), 0), 1)
    trials = compiled.sample(TASK, jax.random.fold_in(key, 0), 8)
    params = jax.tree.map(lambda x: x[0], population.initial_params)
    gradient = jax.jit(loss_and_gradient, static_argnums=2)(params, trials, NETWORK)[1]
    free = {name: np.asarray(getattr(gradient, name)) for name in ("input_weights", "bias")}
    norm = np.sqrt(sum(np.sum(x**2) for x in free.values()))
    assert population.history.gradient_norm[0, 0] == pytest.approx(norm, rel=1e-5)
    assert norm > 0.01
    for name, slope in free.items():
        expected = getattr(params, name) - 0.1 * 0.01 / norm * slope
        np.testing.assert_allclose(getattr(population.params, name)[0], expected, rtol=1e-4)
    np.testing.assert_array_equal(
        population.params.recurrent_weights, population.initial_params.recurrent_weights
    )


def test_which_parts_have_a_gradient():
    mup = rnne.MuPRNN(width=4)
    found = dict(zip(paths(shapes_of(mup, TASK)), _gradients(mup), strict=True))
    assert [name for name, has in found.items() if has] == [
        "input_weights",
        "recurrent_weights",
        "readout_weights",
    ]
    loadings = rnne.LeakyRNN(width=4, rank=1, fixed_loadings="left")
    found = dict(zip(paths(shapes_of(loadings, TASK)), _gradients(loadings), strict=True))
    assert (found["left"], found["right"]) == (False, True)


def _gradients(network):
    return has_gradient(shapes_of(network, TASK), network, TASK)


def test_kernels_are_those_of_trained_parameters():
    params = compiled.init(NETWORK, jax.random.key(0), n_inputs=1, n_outputs=1, gain=np.float32(1))
    trials = compiled.sample(TASK, jax.random.key(1), 2)
    jacobian = jax.jit(output_jacobian, static_argnames=("network", "stride", "frozen"))
    whole, part = (
        jacobian(params, trials, network=NETWORK, stride=6, frozen=frozen)
        for frozen in ((), ("recurrent",))
    )
    assert np.any(np.asarray(whole.recurrent_weights))
    assert not np.any(np.asarray(part.recurrent_weights))
    np.testing.assert_allclose(part.input_weights, whole.input_weights, rtol=1e-5, atol=1e-7)


def test_what_cannot_be_frozen():
    with pytest.raises(ValueError, match="`frozen` must be a list of paths; got 'bias'"):
        rnne.Training(frozen="bias")  # type: ignore[arg-type]
    unknown = dataclasses.replace(SHORT, frozen=("recurrent", "weights"))
    with pytest.raises(ValueError, match=r"`frozen` must hold paths .*readout_weights.*'weights'"):
        rnne.train_population(TASK, network=NETWORK, training=unknown, size=2)
    # neither gamma nor what the muP form does not train is left to train
    with pytest.raises(ValueError, match="`frozen` must leave something to train"):
        require_frozen(("input", "recurrent", "readout"), rnne.MuPRNN(width=4), TASK)
    with pytest.raises(ValueError, match=r"`frozen` must hold paths .*'gamma'"):
        require_frozen(("gamma",), rnne.MuPRNN(width=4), TASK)
    with pytest.raises(ValueError, match="`frozen` must be empty"):
        rnne.measure_intrinsic_dimension(
            TASK, network=NETWORK, training=dataclasses.replace(SHORT, frozen=("bias",))
        )
