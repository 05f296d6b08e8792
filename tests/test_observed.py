"""Networks of which some units are recorded neurons, and how their weights are compared."""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.metrics import PIF
from rnnensemble.study.conditions import Condition, from_toml, to_toml
from rnnensemble.tasks import match_activity
from tests import compiled, tiny

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
BASES = [
    rnne.VanillaRNN(width=6),
    rnne.LeakyRNN(width=6, noise=0.1),
    rnne.GRU(width=6),
    rnne.MuPRNN(width=6, gamma=0.5),
]
OBSERVED = rnne.Observed(network=tiny.NETWORK, units=2)


def gaussian(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.kind)
def test_the_last_outputs_are_rates_of_the_first_units(base):
    network = rnne.Observed(network=base, units=2, scale=3.0)
    params = compiled.init(network, KEY, n_inputs=1, n_outputs=3)
    params = params._replace(offset=jnp.array([0.5, -1.0]))
    inputs = gaussian(4, 9, 1)
    rates, outputs = compiled.respond(network, params, inputs)
    own_rates, own_outputs = compiled.respond(base, params.network, inputs)
    np.testing.assert_array_equal(rates, own_rates)
    np.testing.assert_array_equal(outputs[..., :1], own_outputs)
    expected = 3 * own_rates[..., :2] + np.array([0.5, -1.0])
    np.testing.assert_allclose(outputs[..., 1:], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.readout(params, rates), outputs, rtol=1e-5, atol=1e-6)
    acting = network.weights(params)["readout_weights"]
    np.testing.assert_allclose(acting[1:], 3 * np.eye(6)[:2], rtol=1e-6)
    assert network.in_place == 2
    assert network.update_rule == base.update_rule


@pytest.mark.parametrize("base", BASES[:3], ids=lambda base: base.kind)
def test_activity_alone_is_fitted_without_other_outputs(base):
    network = rnne.Observed(network=base, units=2)
    params, inputs = compiled.init(network, KEY, n_inputs=1, n_outputs=2), gaussian(4, 9, 1)

    def cost(params):
        return jnp.sum(network.respond(params, inputs)[1] ** 2)

    def plain_cost(inner):
        return jnp.sum(base.respond(inner, inputs)[0][..., :2] ** 2)

    found = jax.jit(jax.grad(cost))(params).network
    expected = jax.jit(jax.grad(plain_cost))(params.network)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def recorded():
    """Rates of two units of a circuit that does the task."""
    trials = compiled.sample(tiny.TASK, jax.random.key(5), 64)
    circuit = compiled.init(
        tiny.NETWORK, jax.random.key(9), n_inputs=1, n_outputs=1, gain=jnp.ones(())
    )
    rates = compiled.respond(tiny.NETWORK, circuit, trials.inputs)[0][..., :2]
    return match_activity(trials.inputs, rates, targets=trials.targets, threshold=0.6)


@pytest.fixture(scope="module")
def population(recorded):
    training = rnne.Training(
        learning_rate=1e-2, batch=16, epoch_steps=32, max_epochs=20, patience=1
    )
    return rnne.train_population(recorded, network=OBSERVED, training=training, size=3)


def test_units_come_to_show_what_was_recorded(population):
    assert population.converged.all()
    explained = rnne.explained_variance(population)
    assert explained.shape == (3, 3)
    start = dataclasses.replace(population, params=population.initial_params)
    assert (explained[:, 1:] > rnne.explained_variance(start)[:, 1:]).all()
    moved = population.params.log_scale - population.initial_params.log_scale
    assert (moved != 0).all()


def test_scale_and_offset_can_be_fixed(recorded):
    training = rnne.Training(batch=16, epoch_steps=2, max_epochs=1, frozen=("log_scale", "offset"))
    found = rnne.train_population(recorded, network=OBSERVED, training=training, size=2)
    np.testing.assert_array_equal(found.params.log_scale, 0)
    np.testing.assert_array_equal(found.params.offset, 0)
    before, after = (x.network.recurrent_weights for x in (found.initial_params, found.params))
    assert (before != after).any()


def test_noise_of_a_wrapped_network_neither_trains_nor_decays(recorded):
    network = rnne.Observed(network=BASES[1], units=2)
    training = rnne.Training(
        batch=16, epoch_steps=2, max_epochs=1, optimizer=rnne.optimizers.AdamW(weight_decay=0.5)
    )
    found = rnne.train_population(recorded, network=network, training=training, size=2)
    np.testing.assert_array_equal(found.params.network["noise"], np.float32(0.1))
    with pytest.raises(ValueError, match=r"`frozen` must hold paths .*; got 'network.noise'"):
        rnne.train_population(
            recorded,
            network=network,
            training=dataclasses.replace(training, frozen=("network.noise",)),
            size=2,
        )


@pytest.mark.long
def test_degeneracy_leaves_observed_units_in_place(population, tmp_path):
    found = rnne.measure_degeneracy(population, analysis=tiny.ANALYSIS)
    assert found.analysis.pif.fixed == 2
    (row,) = (row for row in found.table() if row["measure"] == "pif")
    assert row["title"] == "mean PIF distance (2 units in place)"
    weights = np.asarray(population.params.network.recurrent_weights)
    expected = rnne.distance_matrix(dataclasses.replace(tiny.ANALYSIS.pif, fixed=2), weights)
    np.testing.assert_allclose(found.weights.matrix, expected, rtol=1e-5)
    np.testing.assert_allclose(found.weights.null, 0, atol=1e-4)
    free = rnne.distance_matrix(tiny.ANALYSIS.pif, weights)
    assert (found.weights.matrix >= free - 1e-5).all()
    rnne.save(tmp_path / "mine", population)
    loaded = rnne.load(tmp_path / "mine").population
    assert loaded.network == OBSERVED
    np.testing.assert_array_equal(loaded.params.offset, population.params.offset)


def test_readouts_without_rows_are_stored(tmp_path):
    alone = rnne.Observed(network=tiny.NETWORK, units=1)  # all outputs are observed
    training = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
    population = rnne.train_population(tiny.TASK, network=alone, training=training, size=2)
    assert population.params.network.readout_weights.shape == (2, 0, 6)
    rnne.save(tmp_path / "alone", population)
    loaded = rnne.load(tmp_path / "alone").population
    for ours, theirs in zip(
        jax.tree.leaves(loaded.params), jax.tree.leaves(population.params), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_settings_are_read_from_presets():
    text = to_toml(Condition(task=tiny.TASK, network=OBSERVED, size=2))
    assert "[network.network]" in text
    assert from_toml(text).network == OBSERVED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": OBSERVED}, "`network` must be a network such as .*neither observed nor"),
        ({"network": 3}, "`network` must be a network such as"),
        ({"units": 0}, "`units` must be a whole number of at least 1; got 0"),
        ({"units": 7}, "`units` must be at most the 6 of the network; got 7"),
        ({"scale": 0.0}, "`scale` must be a positive number; got 0.0"),
        ({"network": rnne.VanillaRNN(width=6, gain=[1, 2])}, "`network.gain` must be one number"),
        ({"network": rnne.VanillaRNN(width=32, fused=True)}, "`network.fused` must be false"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        rnne.Observed(**({"network": tiny.NETWORK, "units": 2} | change))


def test_a_task_with_fewer_outputs_is_refused():
    with pytest.raises(ValueError, match="`units` must be at most the outputs of the task, 1,"):
        rnne.train_population(tiny.TASK, network=OBSERVED, size=2)


@partial(jax.jit, static_argnums=0)
def matched(pif, first, second):
    return pif.match(KEY, first, second)


def orders(units, fixed):
    """All orders of units of which the first keep their places."""
    for rest in itertools.permutations(range(fixed, units)):
        yield np.array([*range(fixed), *rest])


@pytest.mark.parametrize("gates", [(), (2,)], ids=["one matrix", "gates"])
def test_pif_with_units_in_place_is_the_least_over_orders_of_the_others(gates):
    first, second = gaussian(*gates, 7, 7), gaussian(*gates, 7, 7)
    found = matched(PIF(fixed=3), first, second)
    tried = {tuple(p): np.linalg.norm(first - second[..., p, :][..., p]) for p in orders(7, 3)}
    best = min(tried, key=tried.get)
    np.testing.assert_allclose(found.distance, tried[best], rtol=1e-5)
    np.testing.assert_array_equal(found.permutation, best)
    share = matched(PIF(fixed=3, normalize=True), first, second).distance
    np.testing.assert_allclose(share, found.distance / first.size, rtol=1e-5)


def test_signs_of_units_in_place_stay():
    first, second = gaussian(5, 5), gaussian(5, 5)
    found = matched(PIF(fixed=2, signed=True), first, second)
    tried = [
        np.linalg.norm(first - np.outer(d, d) * second[p][:, p])
        for p in orders(5, 2)
        for d in ([1, 1, *signs] for signs in itertools.product([1, -1], repeat=3))
    ]
    np.testing.assert_allclose(found.distance, min(tried), rtol=1e-5)
    np.testing.assert_array_equal(found.signs[:2], 1)


def test_all_parameters_of_units_in_place_are_compared():
    def parameters():
        shapes = {"recurrent_weights": (6, 6), "input_weights": (6, 2), "bias": (6,)}
        return {name: gaussian(*x) for name, x in (shapes | {"readout_weights": (3, 6)}).items()}

    first, second = parameters(), parameters()
    found = matched(PIF(fixed=2, parameters="all"), first, second)
    tried = [
        np.sqrt(
            np.sum((first["recurrent_weights"] - second["recurrent_weights"][p][:, p]) ** 2)
            + np.sum((first["input_weights"] - second["input_weights"][p]) ** 2)
            + np.sum((first["bias"] - second["bias"][p]) ** 2)
            + np.sum((first["readout_weights"] - second["readout_weights"][:, p]) ** 2)
        )
        for p in orders(6, 2)
    ]
    np.testing.assert_allclose(found.distance, min(tried), rtol=1e-5)


def test_planted_orders_are_found_and_bounds_hold():
    weights = gaussian(20, 20)
    p = np.array([*range(5), *(5 + RNG.permutation(15))])
    pif = PIF(fixed=5)
    found = matched(pif, weights[p][:, p], weights)
    np.testing.assert_allclose(found.distance, 0, atol=1e-4)
    np.testing.assert_array_equal(found.permutation, p)
    other = matched(pif, gaussian(20, 20), weights)
    assert 0 < other.lower_bound <= other.distance
    first = gaussian(20, 20)
    for fixed in (19, 20):  # one unit has nowhere to go, or none is free
        stay = matched(PIF(fixed=fixed), first, weights)
        np.testing.assert_allclose(stay.distance, np.linalg.norm(first - weights), rtol=1e-5)
        np.testing.assert_array_equal(stay.permutation, np.arange(20))


def test_more_units_in_place_than_there_are_is_refused():
    with pytest.raises(ValueError, match="`fixed` must be at most the 4 units; got 5"):
        rnne.distance_matrix(PIF(fixed=5), gaussian(2, 4, 4))
    with pytest.raises(ValueError, match="`fixed` must be a whole number of at least 0; got -1"):
        PIF(fixed=-1)
