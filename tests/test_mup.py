"""The muP form against its equation, its parametrization across widths, and gamma by network."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import (
    PIF,
    MuPRNN,
    Training,
    VanillaRNN,
    compare_populations,
    conditions,
    degeneracy,
    distance_matrix,
    levels,
    networks,
    storage,
    tasks,
    train_population,
)
from rnnensemble.conditions import Condition
from rnnensemble.flags import parse_condition
from tests.test_cli import TINY
from tests.test_population import compilations

GAMMAS = (0.25, 1.0, 4.0)
TASK = tasks.FlipFlop(n_bits=1, n_steps=12)
SHORT = Training(
    batch=8, epoch_steps=4, max_epochs=2, learning_rate=1e-2, threshold=1e9, patience=2
)


def make(width=12, gamma=2.0, key=0, **settings):
    network = MuPRNN(width=width, gamma=gamma, **settings)
    traced = {"gain": jnp.float32(1), "gamma": jnp.float32(gamma)}
    return network, network.init(jax.random.key(key), n_inputs=2, n_outputs=3, **traced)


def plain(network, params, inputs):
    """The published equation, trial after trial and step after step."""
    phi, n = {"tanh": jnp.tanh, "relu": jax.nn.relu}[network.activation], network.width
    rates, outputs = [], []
    for trial in inputs:
        h, row = jnp.zeros(n), []
        for x in trial:
            drive = params.recurrent_weights @ phi(h) / n + params.input_weights @ x
            h = h + network.tau * (-h + drive)
            row.append(phi(h))
        rates.append(jnp.stack(row))
        outputs.append(rates[-1] @ params.readout_weights.T / (params.gamma * n))
    return jnp.stack(rates), jnp.stack(outputs)


@pytest.mark.parametrize(
    ("settings", "bits", "tolerance"),
    [({}, 64, 1e-11), ({"activation": "relu", "tau": 0.5}, 64, 1e-11), ({"tau": 1.0}, 32, 1e-4)],
)
def test_rollout_and_gradients_are_those_of_the_published_equation(settings, bits, tolerance):
    with jax.enable_x64(bits == 64):
        network, params = make(width=4, **settings)
        params = jax.tree.map(lambda x: jnp.asarray(x, f"float{bits}"), params)
        inputs, probe, other = (
            jax.random.normal(jax.random.key(k), (2, 4, size), f"float{bits}")
            for k, size in ((1, 2), (2, 4), (3, 3))
        )

        def loss(params, inputs, respond):
            rates, outputs = respond(params, inputs)
            return jnp.sum(probe * rates) + jnp.sum(other * outputs), (rates, outputs)

        both = [
            jax.value_and_grad(loss, (0, 1), has_aux=True)(params, inputs, respond)
            for respond in (network.respond, lambda *given: plain(network, *given))
        ]
        untrained = both[0][1][0]
        assert not any(np.any(x) for x in (untrained.bias, untrained.initial_state))
        assert untrained.gamma == 0  # though the outputs depend on it
        trained = [
            (found, gradient._replace(gamma=0.0, bias=0.0, initial_state=0.0), of_inputs)
            for found, (gradient, of_inputs) in both
        ]
        for ours, theirs in zip(*map(jax.tree.leaves, trained), strict=True):
            limit = tolerance * np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=limit)


def test_initial_weights_have_the_published_laws():
    network, params = make(width=300)
    assert np.std(params.recurrent_weights) == pytest.approx(300**0.5, rel=0.01)
    assert np.std(params.input_weights) == pytest.approx(1, rel=0.1)
    assert np.std(params.readout_weights) == pytest.approx(1, rel=0.1)
    effective = network.effective(params)
    np.testing.assert_allclose(effective.recurrent_weights, params.recurrent_weights / 300)
    np.testing.assert_allclose(effective.readout_weights, params.readout_weights / 600)
    assert not params.bias.any()


def test_scaled_gradients_depend_on_neither_width_nor_gamma():
    inputs = jax.random.normal(jax.random.key(1), (8, 20, 2))
    norms = []
    for width, gamma in ((32, 1.0), (32, 4.0), (512, 1.0), (512, 0.25)):
        network, params = make(width, gamma)
        gradient = jax.grad(lambda p, n=network: jnp.mean(n.respond(p, inputs)[1]))(params)
        scaled = network.scaled_gradient(gradient, params.gamma)
        names = ("recurrent_weights", "input_weights", "readout_weights")
        norms.append([jnp.linalg.norm(getattr(scaled, name)) for name in names])
    assert (np.ptp(np.log2(np.array(norms)), axis=0) < 1).all()  # unscaled, 2^2 to 2^6


def test_gammas_share_one_program_and_do_not_matter_to_each_other():
    train = lambda size, **fields: train_population(
        TASK, network=MuPRNN(width=9, **fields), training=SHORT, size=size
    )
    together = train(3, gamma=GAMMAS)
    seen = compilations()
    same = train(3, gamma=(0.5, 4.0, 0.5))
    train(3, gain=1.2)
    assert seen == []
    assert np.abs(same.params.recurrent_weights[1] - together.params.recurrent_weights[1]).max() > 0
    np.testing.assert_allclose(together.history.learning_rate[:, 0], 1e-2 * np.array(GAMMAS))
    np.testing.assert_array_equal(together.params.gamma, np.float32(GAMMAS))
    np.testing.assert_array_equal(together.params.bias, 0)
    alone = train(2, gamma=GAMMAS[1])  # network 1 is the same network in either population
    for x, y in zip(alone.params, together.params, strict=True):
        np.testing.assert_allclose(x[1], y[1], atol=1e-5)


@pytest.fixture(scope="module")
def condition():
    settings = conditions.from_toml(TINY)
    network = MuPRNN(width=8, gamma=GAMMAS)
    return dataclasses.replace(settings, task=TASK, network=network, training=SHORT)


@pytest.fixture(scope="module")
def population(condition):
    return train_population(TASK, network=condition.network, training=SHORT, size=3)


def test_every_network_of_a_population_responds_with_its_gamma(population, condition):
    subject = levels.subject_of(population, np.arange(3), None, None)
    trials = TASK.sample(jax.random.key(5), 4)
    found = levels.responses(subject, TASK, trials=4, key=jax.random.key(5))["outputs"]
    for k, outputs in enumerate(found):
        params = jax.tree.map(lambda x, k=k: x[k], population.params)
        np.testing.assert_allclose(
            outputs, plain(condition.network, params, trials.inputs)[1], atol=1e-5
        )


def test_weights_are_compared_as_they_act(population):
    pif = PIF(starts=1)
    found = distance_matrix(pif, population.params.recurrent_weights / 8)
    np.testing.assert_allclose(compare_populations(pif, population).matrix(), found, atol=1e-5)
    subject = levels.subject_of(population, np.arange(3), None, None)
    weights = degeneracy._weights(subject, degeneracy.Analysis(pif=pif), None)
    np.testing.assert_allclose(weights.matrix, found, atol=1e-5)


def test_run_folders_hold_gammas(tmp_path, population, condition):
    storage.save_run(tmp_path / "run", condition, population)
    run = storage.load_run(tmp_path / "run")
    assert run.condition == condition
    for x, y in zip(
        jax.tree.leaves(run.population.params), jax.tree.leaves(population.params), strict=True
    ):
        np.testing.assert_array_equal(x, y)


def test_flags_are_those_of_the_form_that_a_preset_names():
    preset = conditions.from_toml(TINY.replace("[network]", '[network]\nkind = "mup"'))
    assert preset.network == MuPRNN(width=8)
    _, given = parse_condition("train", ["--network.gamma", "2.5"], preset, name=None)
    assert given.network == MuPRNN(width=8, gamma=2.5)
    with pytest.raises(ValueError, match=r"did you mean `--network.gamma`"):
        parse_condition("train", ["--network.gama", "2"], preset, name=None)


def test_networks_are_known_by_kind():
    assert networks.registered() == {"vanilla": VanillaRNN, "mup": MuPRNN}
    vanilla = Condition(task=TASK, network=VanillaRNN(width=8))
    muP = Condition(task=TASK, network=MuPRNN(width=8))
    assert vanilla.digest != muP.digest
    text = '[task]\nkind = "flipflop"\n'
    assert conditions.from_toml(text).network == VanillaRNN()
    with pytest.raises(ValueError, match=r"`network.kind` must be one of .*Did you mean 'mup'"):
        conditions.from_toml(text + '[network]\nkind = "mupp"')
    with pytest.raises(ValueError, match=r"`network.gama` is not a setting; did you mean"):
        conditions.from_toml(text + '[network]\nkind = "mup"\ngama = 2.0')
    with pytest.raises(ValueError, match="`network` must be a table; got 3"):
        conditions.from_toml("network = 3\n" + text)


def test_networks_of_both_forms_never_stand_in_one_matrix(population):
    vanilla = train_population(TASK, network=VanillaRNN(width=8), training=SHORT, size=3)
    with pytest.raises(ValueError, match="`other` must follow the same update rule, mup"):
        compare_populations("pif", population, vanilla)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "`width` must be a whole number of at least 1; got 0"),
        ({"tau": 0.0}, "`tau` must be above 0 and at most 1; got 0.0"),
        ({"activation": "sigmoid"}, "`activation` must be one of"),
        ({"precision": "float16"}, "`precision` must be one of"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MuPRNN(**settings)


def test_gamma_must_be_positive():
    with pytest.raises(ValueError, match="`gamma` must be a positive number; got 0"):
        train_population(TASK, network=MuPRNN(width=8, gamma=0.0), training=SHORT, size=2)


@pytest.mark.parametrize(("network", "rate"), [(MuPRNN(gamma=2.0), 1e-2), (VanillaRNN(), 1e-3)])
def test_moves_in_the_first_steps_do_not_depend_on_width_in_the_form(monkeypatch, network, rate):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    import coordinate_check

    task = tasks.FlipFlop(n_bits=2, n_steps=15)
    found = {"rates": {}, "outputs": {}}
    for width in (16, 256):
        made = dataclasses.replace(network, width=width)
        sizes = coordinate_check.sizes(made, rate, task=task, steps=2, seeds=6)
        for quantity, values in sizes.items():
            found[quantity][width] = values
    for by_width in found.values():
        mean = coordinate_check.slopes(by_width)[0]
        assert (np.abs(mean) < 0.1).all() if network.kind == "mup" else (mean > 0.2).all()
