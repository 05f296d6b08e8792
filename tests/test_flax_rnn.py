"""Cells of flax as networks: flax's own numbers, text and back, what a cell must not be."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import rnnensemble as rnne
from rnnensemble.networks import GatedParams
from rnnensemble.networks.flax_weights import KNOWN
from rnnensemble.study.conditions import Condition, from_toml, to_toml
from tests import compiled, own_cells
from tests.tiny import TASK

WIDTH, INPUTS = 4, 3


def drawn(network, key=0):
    """Parameters of one network, with biases that are not zero."""
    init = jax.jit(partial(network.init, n_inputs=INPUTS, n_outputs=2))
    params = init(jax.random.key(key))
    biased = lambda x: x + 0.1 * np.cos(np.arange(x.size, dtype=np.float32)).reshape(x.shape)
    return jax.tree.map(biased, jax.tree.map(np.asarray, params))


def trials():
    return jax.random.normal(jax.random.key(1), (2, 5, INPUTS))


@pytest.mark.parametrize(
    "kind", [nnx.GRUCell, pytest.param(nnx.LSTMCell, marks=pytest.mark.long), own_cells.Traced]
)
def test_nnx_cells_give_the_numbers_of_flax(kind):
    network = rnne.FlaxRNN(cell=kind, width=WIDTH)
    params = drawn(network)
    cell = kind(INPUTS, WIDTH, rngs=nnx.Rngs(0))
    for name, value in params.cell.items():
        *layers, last = name.split(".")
        place = cell
        for layer in layers:
            place = getattr(place, layer)
        getattr(place, last)[...] = value
    graph, state = nnx.split(cell)

    @jax.jit
    def flax(state, inputs):
        return nnx.RNN(nnx.merge(graph, state))(inputs)

    rates, outputs = jax.jit(network.respond)(params, trials())
    np.testing.assert_array_equal(rates, flax(state, trials()))
    again = rates @ params.readout_weights.T + params.readout_bias
    np.testing.assert_allclose(outputs, again, atol=1e-6)


def test_linen_cells_give_the_numbers_of_flax():
    network = rnne.FlaxRNN(cell=linen.GRUCell, width=WIDTH)
    params = drawn(network)
    tree = {}
    for name, value in params.cell.items():
        layer, last = name.split(".")
        tree.setdefault(layer, {})[last] = value
    whole = linen.RNN(linen.GRUCell(features=WIDTH))
    expected = jax.jit(whole.apply)({"params": {"cell": tree}}, trials())
    np.testing.assert_array_equal(jax.jit(network.respond)(params, trials())[0], expected)


def test_the_state_is_the_output_and_the_rest_of_the_carry():
    network = rnne.FlaxRNN(cell=own_cells.Traced, width=WIDTH, hidden="all")
    assert (network.n_rates, network.n_states) == (3 * WIDTH, 3 * WIDTH)  # 2 h, h and 2 x 2
    assert dataclasses.replace(network, hidden="h").n_rates == WIDTH
    assert rnne.FlaxRNN(cell=nnx.LSTMCell, width=WIDTH, hidden="all").n_rates == 2 * WIDTH
    params = drawn(network)
    rates = jax.jit(network.respond)(params, trials())[0]
    state = network.initial_state(params)
    step = jax.jit(network.step)
    for now, expected in zip(trials()[0], rates[0], strict=True):
        state = step(params, state, now)
        np.testing.assert_allclose(state, expected, atol=1e-6)
    np.testing.assert_allclose(state[:WIDTH], 2 * state[WIDTH : 2 * WIDTH], atol=1e-6)
    several = step(params, jnp.asarray(np.stack([[state] * 2] * 3)), trials()[0, 0])
    assert several.shape == (3, 2, 3 * WIDTH)
    slope = jax.jit(network.jacobian)(params, state, trials()[0, 0])
    assert not np.asarray(slope)[:, :WIDTH].any()  # nothing depends on the output


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (rnne.GRU(width=WIDTH), nnx.GRUCell),
        (rnne.LSTM(width=WIDTH), nnx.LSTMCell),
        (rnne.LSTM(width=WIDTH), linen.OptimizedLSTMCell),
    ],
)
def test_weights_of_known_cells_are_those_of_ours(mine, theirs):
    """What one network's weights say, the other computes."""
    network = rnne.FlaxRNN(cell=theirs, width=WIDTH)
    params = drawn(network)
    found = network.weights(params)
    given = {name: found[name] for name in ("input_weights", "recurrent_weights", "bias")}
    same = GatedParams(**given, **{name: getattr(params, name) for name in params._fields[1:]})
    pairs = (jax.jit(each.respond)(p, trials()) for each, p in ((mine, same), (network, params)))
    for x, y in zip(*pairs, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


@pytest.mark.parametrize("path", KNOWN)
def test_known_cells_have_a_matrix_a_gate(path):
    network = rnne.FlaxRNN(cell=path, width=WIDTH)
    found = jax.eval_shape(
        lambda key: network.weights(network.init(key, n_inputs=INPUTS, n_outputs=2)),
        jax.random.key(0),
    )
    gates = found["recurrent_weights"].shape[:-2]
    assert found["recurrent_weights"].shape[-2:] == (WIDTH, WIDTH)
    assert found["input_weights"].shape == (*gates, WIDTH, INPUTS)
    assert found["bias"].shape[-1] == WIDTH
    unknown = rnne.FlaxRNN(cell=own_cells.Traced, width=WIDTH)
    assert list(unknown.weights(drawn(unknown))) == ["readout_weights"]


def test_it_is_text_and_back():
    for network in (
        rnne.FlaxRNN(cell=nnx.SimpleCell, width=4, arguments={"residual": True}),
        rnne.FlaxRNN(cell=own_cells.Traced, width=4, arguments={"decay": 0.25}, hidden="all"),
        rnne.FlaxRNN(cell=own_cells.made, width=4),
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, arguments={"activation_fn": jnp.sin}),
    ):
        condition = Condition(task=TASK, network=network)
        assert from_toml(to_toml(condition)) == condition
        assert hash(network) == hash(dataclasses.replace(network))
    assert network.arguments == (("activation_fn", "jax.numpy:sin"),)
    text = '[task]\nkind = "flipflop"\n[network]\nkind = "flax"\ncell = "flax.linen:GRUCell"\n'
    with pytest.raises(ValueError, match="`width` must be given: the number of units"):
        from_toml(text)
    assert from_toml(text + "width = 4\n").network == rnne.FlaxRNN(cell=linen.GRUCell, width=4)


def test_in_float64_all_is_float64():
    network = rnne.FlaxRNN(cell=nnx.SimpleCell, width=WIDTH)  # a cell that computes in float32
    with jax.enable_x64(True):
        params = compiled.init(network, jax.random.key(0), n_inputs=INPUTS, n_outputs=2)
        rates, outputs = compiled.respond(network, params, np.zeros((1, 2, INPUTS)))
        kinds = {x.dtype.name for x in jax.tree.leaves((params, rates, outputs))}
    assert kinds == {"float64"}


def test_arguments_reach_the_cell():
    plain = rnne.FlaxRNN(cell=nnx.SimpleCell, width=WIDTH)
    residual = dataclasses.replace(plain, arguments={"residual": True})
    params, state, now = drawn(plain), 0.1 * jnp.ones(WIDTH), trials()[0, 0]
    before = jnp.arctanh(plain.step(params, state, now))
    np.testing.assert_allclose(
        residual.step(params, state, now), jnp.tanh(before + state), atol=1e-6
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "`cell` must be given: a recurrent cell of flax or its import path"),
        (3, "`cell` must be given: a recurrent cell of flax or its import path, .* got 3"),
        ("flax.nnx:GRUCel", "'flax.nnx:GRUCel' leads to none"),
        ("no_lab:Cell", "'no_lab:Cell' leads to none"),
        (nnx.Linear, "'flax.nnx:Linear' must be a subclass of flax's RNNCellBase; got Linear"),
        (lambda *_: None, "must be found by their import path to be stored; got <function"),
        (own_cells.made_wrong, "must make an `RNNCellBase` of flax; got Linear"),
        (own_cells.Noisy, "must draw no random numbers; it holds Rng"),
        (own_cells.Normed, "must keep no statistics of batches; it holds BatchStat"),
        (own_cells.LinenNormed, "must keep no statistics of batches; it holds batch_stats"),
        (own_cells.Fixed, r"must hold parameters alone \(`Param`\); it holds Variable"),
        (own_cells.Counted, "must have parameters that can be trained; `count` is int32"),
        (own_cells.OneTrial, r"carries with an axis of trials, \[B, ...\]; got \(4,\) for B = 3"),
        (own_cells.Narrow, r"put out \[B, N\] with N = `width` = 4; got \(3, 3\) for B = 3"),
        (own_cells.Changed, "must return a carry of the shapes that it started with"),
        (own_cells.Alone, "must return the next carry and its output"),
        (own_cells.Broken, r"failed on 3 trials \(RuntimeError: no such luck\)"),
        (nnx.RNNCellBase, r"'flax.nnx:RNNCellBase' failed to be made \(TypeError"),
    ],
)
def test_what_is_no_cell_is_one_line(cell, message):
    with pytest.raises(ValueError, match=message) as told:
        rnne.FlaxRNN(cell=cell, width=WIDTH)
    assert "\n" not in str(told.value)


def test_wrong_settings_are_one_line():
    with pytest.raises(ValueError, match=r"`width` must be given: .* got 0"):
        rnne.FlaxRNN(cell=nnx.GRUCell)
    with pytest.raises(ValueError, match=r"`hidden` must be one of \['all', 'h'\]; got 'c'"):
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, hidden="c")
    with pytest.raises(ValueError, match="`arguments` must not hold `hidden_features`, which"):
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, arguments={"hidden_features": 4})
    with pytest.raises(ValueError, match="`arguments` must be a dictionary, or pairs"):
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, arguments={"carry_init": [1]})
    with pytest.raises(ValueError, match="`arguments` must be a dictionary, or pairs"):
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, arguments=7)
    with pytest.raises(ValueError, match=r"failed to be made \(TypeError: .*'none'"):
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, arguments={"none": 1})
    with pytest.raises(ValueError, match=r"`arguments` must be the import path of .*'jax.nn:no'"):
        rnne.FlaxRNN(cell=nnx.GRUCell, width=4, arguments={"activation_fn": "jax.nn:no"})
    grown = rnne.FlaxRNN(cell=own_cells.Grown, width=4)
    with pytest.raises(ValueError, match="a carry that does not depend on the number of inputs"):
        rnne.train_population(rnne.tasks.FlipFlop(n_bits=2, n_steps=10), network=grown, size=2)
