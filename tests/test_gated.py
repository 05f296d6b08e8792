"""GRU and LSTM: flax's own numbers, on the same parameters; gradients; what units carry."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnensemble as rnne
from rnnensemble.networks import shapes_of
from rnnensemble.training.penalties import penalty
from tests.tiny import TASK

WIDTH, INPUTS, OUTPUTS = 5, 3, 2
CELLS = {
    "gru": (rnne.GRU(width=WIDTH), nnx.GRUCell, "dense_i"),
    "lstm": (rnne.LSTM(width=WIDTH, hidden="all"), nnx.OptimizedLSTMCell, "dense_h"),
}


@pytest.fixture(scope="module", params=CELLS)
def both(request):
    """A gated network with biases, its parameters, and flax's cell with the same ones."""
    network, kind, biased = CELLS[request.param]
    params = jax.jit(partial(network.init, n_inputs=INPUTS, n_outputs=OUTPUTS, gain=1.0))(
        jax.random.key(0)
    )
    drawn = np.random.default_rng(0)
    params = params._replace(
        bias=jnp.asarray(drawn.normal(size=params.bias.shape), jnp.float32),
        readout_bias=jnp.asarray(drawn.normal(size=OUTPUTS), jnp.float32),
    )
    cell = kind(INPUTS, WIDTH, rngs=nnx.Rngs(0))
    cell.dense_h.kernel[...] = jnp.concatenate(list(params.recurrent_weights)).T
    cell.dense_i.kernel[...] = jnp.concatenate(list(params.input_weights)).T
    getattr(cell, biased).bias[...] = params.bias.reshape(-1)
    return network, params, cell


def trials(steps=7, batch=4):
    return jax.random.normal(jax.random.key(1), (batch, steps, INPUTS))


def test_rates_are_those_of_flax(both):
    network, params, cell = both
    rates, outputs = jax.jit(network.respond)(params, trials())
    graph, state = nnx.split(cell)

    @jax.jit
    def flax(state, inputs):
        return nnx.RNN(nnx.merge(graph, state), return_carry=True)(inputs)

    carry, expected = flax(state, trials())
    np.testing.assert_allclose(rates[..., :WIDTH], expected, atol=5e-7)
    if network.n_rates > WIDTH:  # flax's carry is (c, h)
        np.testing.assert_allclose(rates[:, -1, WIDTH:], carry[0], atol=5e-7)
    again = expected @ params.readout_weights.T + params.readout_bias
    np.testing.assert_allclose(outputs, again, atol=2e-6)


@pytest.mark.parametrize("seen", ["outputs", "both"])
def test_the_backward_pass_is_the_derivative(both, seen):
    network, params, _ = both
    weigh = jax.random.normal(jax.random.key(2), (network.n_rates,))

    def stepwise(params, inputs):
        return rnne.Network.respond(network, params, inputs)

    def loss(respond, params, inputs):
        rates, outputs = respond(params, inputs)
        return jnp.sum(jnp.sin(outputs)) + (seen == "both") * jnp.sum(rates**2 * weigh)

    mine, theirs = (
        jax.jit(jax.grad(partial(loss, each), argnums=(0, 1)))(params, trials())
        for each in (network.respond, stepwise)
    )
    for found, expected in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(found, expected, atol=3e-6 * np.abs(expected).max())


def test_weight_gradients_are_no_products_that_sum_over_rows(both):
    """On a CPU, where XLA hands such products to a slower library."""
    network, params, _ = both

    def loss(params):
        return jnp.sum(network.respond(params, trials())[1] ** 2)

    text = jax.jit(jax.grad(loss)).lower(params).compile().as_text()
    assert text.count("lhs_contracting_dims={1}") > 1
    assert text.count("lhs_contracting_dims={0}") <= 1  # the last step's part of the readout


def test_mapped_networks_are_each_one(both):
    network, params, _ = both
    many = jax.tree.map(lambda x: np.stack([x, -np.asarray(x)]), params)
    found = jax.jit(jax.vmap(network.respond, in_axes=(0, None)))(many, trials())
    respond = jax.jit(network.respond)
    for k in range(2):
        one = respond(jax.tree.map(lambda x, k=k: x[k], many), trials())
        for x, y in zip(found, one, strict=True):
            np.testing.assert_allclose(x[k], y, atol=5e-7)


@pytest.mark.parametrize("kind", [rnne.GRU, rnne.LSTM])
def test_they_start_as_flax_starts(kind):
    network = kind(width=16)
    init = jax.jit(partial(network.init, n_inputs=40, n_outputs=2))
    params = init(jax.random.key(0), gain=2.0)
    for matrix in params.recurrent_weights:
        np.testing.assert_allclose(matrix @ matrix.T, 4 * np.eye(16), atol=1e-5)
    assert abs(np.var(params.input_weights) * 40 - 1) < 0.1  # lecun_normal; 5 standard errors
    assert not params.bias.any()
    assert not params.readout_bias.any()
    assert np.abs(params.readout_weights).max() <= 0.25


def test_what_metrics_see_of_the_state():
    assert [rnne.LSTM(width=4, hidden=each).n_rates for each in ("h", "all")] == [4, 8]
    assert rnne.GRU(width=4).n_rates == 4
    network = rnne.LSTM(width=4)
    params = jax.tree.map(lambda x: jnp.ones(x.shape), shapes_of(network, TASK))
    state = jnp.arange(8.0)
    np.testing.assert_array_equal(network.rates(state), state[:4])
    outputs = network.readout(params, network.rates(state))
    np.testing.assert_array_equal(outputs, [state[:4].sum() + 1])
    everything = dataclasses.replace(network, hidden="all")
    np.testing.assert_array_equal(everything.readout(params, state), outputs)


def test_the_nuclear_norm_is_the_sum_over_gates(both):
    network, params, _ = both
    found = jax.jit(partial(penalty, network=network))(params, {"nuclear_norm": 2.0, "l1": 1.0})
    nuclear = sum(np.linalg.norm(w, "nuc") for w in np.asarray(params.recurrent_weights))
    sizes = sum(
        np.abs(x).sum()
        for x in (params.recurrent_weights, params.input_weights, params.readout_weights)
    )
    np.testing.assert_allclose(found, 2 * nuclear + sizes, rtol=1e-5)


def test_what_is_wrong_is_said_in_one_line():
    for kind in (rnne.GRU, rnne.LSTM):
        with pytest.raises(ValueError, match="`width` must be a whole number of at least 1; got 0"):
            kind(width=0)
    with pytest.raises(ValueError, match=r"`hidden` must be one of \['all', 'h'\]; got 'c'"):
        rnne.LSTM(hidden="c")
