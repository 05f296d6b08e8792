"""The vanilla RNN against its equation and against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble.networks import VanillaParams, VanillaRNN
from rnnensemble.networks.recurrence import ACTIVATIONS, THIN, respond


def make(key=0, **settings):
    network = VanillaRNN(width=12, **settings)
    params = network.init(jax.random.key(key), n_inputs=2, n_outputs=3, gain=jnp.float32(1.0))
    return network, params


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_respond_is_the_published_equation(activation):
    network, params = make(activation=activation)
    inputs = np.random.default_rng(0).normal(size=(4, 9, 2)).astype(np.float32)
    rates, outputs = network.respond(params, inputs)
    phi = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[activation]
    for trial in range(4):
        h = np.zeros(12)
        for t in range(9):
            drive = params.recurrent_weights @ h + params.input_weights @ inputs[trial, t]
            h = phi(drive + params.bias)
            np.testing.assert_allclose(rates[trial, t], h, atol=1e-5)
            np.testing.assert_allclose(outputs[trial, t], params.readout_weights @ h, atol=1e-5)


def plain(activation, params, inputs):
    """The reference: nothing but the equation, for autodiff."""

    def step(h, x):
        drive = params.recurrent_weights @ h + params.input_weights @ x + params.bias
        h = ACTIVATIONS[activation](drive)
        return h, (h, params.readout_weights @ h)

    def trial(inputs):
        return jax.lax.scan(step, params.initial_state, inputs)[1]

    return jax.vmap(trial, 1, 1)(inputs)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("seen", [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(2, 3), (THIN + 1, THIN + 1)])
def test_backward_pass_equals_autodiff(activation, seen, n_inputs, n_outputs):
    keys = jax.random.split(jax.random.key(1), 8)
    params = VanillaParams(
        input_weights=jax.random.normal(keys[0], (7, n_inputs)),
        recurrent_weights=jax.random.normal(keys[1], (7, 7)) / 7**0.5,
        bias=jax.random.normal(keys[2], (7,)),
        readout_weights=jax.random.normal(keys[3], (n_outputs, 7)),
        initial_state=jax.random.normal(keys[4], (7,)),
    )
    inputs = jax.random.normal(keys[5], (11, 5, n_inputs))
    probes = (
        jax.random.normal(keys[6], (11, 5, 7)),
        jax.random.normal(keys[7], (11, 5, n_outputs)),
    )

    def loss(function):
        def of(params, inputs):
            results = function(activation, params, inputs)
            parts = [jnp.sum(p * r) for p, r, s in zip(probes, results, seen, strict=True) if s]
            return sum(parts)

        return of

    ours = jax.value_and_grad(loss(respond), (0, 1))(params, inputs)
    theirs = jax.value_and_grad(loss(plain), (0, 1))(params, inputs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_initial_state_is_trained_only_on_request():
    inputs = jnp.ones((2, 5, 2))
    for trained in (False, True):
        network, params = make(train_initial_state=trained)
        gradient = jax.grad(lambda p, n=network: jnp.sum(n.respond(p, inputs)[1] ** 2))(params)
        assert bool(jnp.any(gradient.initial_state != 0)) is trained


def test_initializations():
    for name in ("uniform", "gaussian", "orthogonal", "identity"):
        network = VanillaRNN(width=200, initialization=name)
        draw = lambda gain, n=network: n.init(
            jax.random.key(0), n_inputs=1, n_outputs=1, gain=jnp.float32(gain)
        )
        w = np.asarray(draw(1.0).recurrent_weights)
        np.testing.assert_allclose(draw(1.5).recurrent_weights, 1.5 * w, rtol=1e-6)
        if name == "uniform":
            assert np.abs(w).max() <= 200**-0.5
            assert w.std() == pytest.approx((3 * 200) ** -0.5, rel=0.02)
        elif name == "gaussian":
            assert w.std() == pytest.approx(200**-0.5, rel=0.02)
        else:
            np.testing.assert_allclose(w @ w.T, np.eye(200), atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "`width` must be a whole number of at least 1; got 0"),
        ({"activation": "sigmoid"}, "`activation` must be one of"),
        ({"initialization": "zeros"}, "`initialization` must be one of"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        VanillaRNN(**settings)
