"""The muP form against its equation, its parametrization across widths, and gamma by network."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import (
    PIF,
    FeatureAnalysis,
    MuPRNN,
    Training,
    VanillaRNN,
    compare_populations,
    distance_matrix,
    measure_feature_learning,
    networks,
    tasks,
    train_population,
)
from rnnensemble.analysis import degeneracy, feature_learning, settings
from rnnensemble.cli.flags import parse
from rnnensemble.cli.options import Quickstart
from rnnensemble.files import storage
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from rnnensemble.training import evaluation
from tests import compiled
from tests.test_population import compilations
from tests.tiny import TINY

ROOT = Path(__file__).parent.parent

GAMMAS = (0.25, 1.0, 4.0)
TASK = tasks.FlipFlop(n_bits=1, n_steps=12)
SHORT = Training(
    batch=8, epoch_steps=4, max_epochs=2, learning_rate=1e-2, threshold=1e9, patience=2
)


def make(width=12, gamma=2.0, key=0, **settings):
    network = MuPRNN(width=width, gamma=gamma, **settings)
    traced = {"gain": jnp.float32(1), "gamma": jnp.float32(gamma)}
    return network, compiled.init(network, jax.random.key(key), n_inputs=2, n_outputs=3, **traced)


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
    [({}, 64, 1e-11), ({"activation": "relu", "tau": 0.5}, 32, 1e-4)],
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
            jax.jit(jax.value_and_grad(partial(loss, respond=respond), (0, 1), has_aux=True))(
                params, inputs
            )
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
    for width, gamma in ((32, 1.0), (32, 4.0), (512, 0.25)):
        network, params = make(width, gamma)
        output = lambda p, n=network: jnp.mean(n.respond(p, inputs)[1])
        gradient = jax.jit(jax.grad(output))(params)
        scaled = network.scaled_gradient(gradient, gamma=params.gamma, gain=1.0)
        names = ("recurrent_weights", "input_weights", "readout_weights")
        norms.append([jnp.linalg.norm(getattr(scaled, name)) for name in names])
    assert (np.ptp(np.log2(np.array(norms)), axis=0) < 1).all()  # unscaled, 2^2 to 2^6


@pytest.mark.long
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
    training = dataclasses.replace(SHORT, learning_rate=0.2)  # enough to change the kernel
    return train_population(TASK, network=condition.network, training=training, size=3)


def test_every_network_of_a_population_responds_with_its_gamma(population, condition):
    subject = evaluation.subject_of(population, np.arange(3), None, None)
    trials = compiled.sample(TASK, jax.random.key(5), 4)
    found = evaluation.responses(subject, TASK, trials=4, key=jax.random.key(5))["outputs"]
    for k, outputs in enumerate(found):
        params = jax.tree.map(lambda x, k=k: x[k], population.params)
        np.testing.assert_allclose(
            outputs, plain(condition.network, params, trials.inputs)[1], atol=1e-5
        )


def test_weights_are_compared_as_they_act(population):
    pif = PIF(starts=1)
    found = distance_matrix(pif, population.params.recurrent_weights / 8)
    np.testing.assert_allclose(compare_populations(pif, population).matrix(), found, atol=1e-5)
    subject = evaluation.subject_of(population, np.arange(3), None, None)
    weights = degeneracy._weights(subject, settings.Analysis(pif=pif), None)
    np.testing.assert_allclose(weights.matrix, found, atol=1e-5)


@pytest.mark.long
def test_feature_learning_is_that_of_the_published_form(population, condition):
    analysis = FeatureAnalysis(trials=3, step_stride=4)
    found = measure_feature_learning(population, analysis=analysis)
    inputs = compiled.sample(TASK, evaluation.evaluation_key(0, feature_learning.DRAW), 3).inputs
    trained = ("input_weights", "recurrent_weights", "readout_weights")

    @jax.jit
    def jacobian_and_rates(params):
        def outputs(weights):
            return plain(condition.network, params._replace(**weights), inputs)[1][:, 3::4]

        jacobian = jax.jacfwd(outputs)({name: getattr(params, name) for name in trained})
        flat = [x.reshape(9, -1) for x in jacobian.values()]
        return jnp.concatenate(flat, axis=1), plain(condition.network, params, inputs)[0]

    def alignment(before, after):
        grams = [x @ x.T for x in (before, after)]
        return np.vdot(*grams) / np.prod([np.linalg.norm(gram) for gram in grams])

    for k in range(3):
        both = [
            jax.tree.map(lambda x, k=k: np.float32(x[k]), params)
            for params in (population.initial_params, population.params)
        ]
        jacobians, rates = zip(*(map(np.float64, jacobian_and_rates(p)) for p in both), strict=True)
        assert alignment(*jacobians) < 0.995
        np.testing.assert_allclose(found.kernel_alignment[k], alignment(*jacobians), rtol=1e-4)
        of_rates = alignment(*(x.reshape(-1, 8) for x in rates))
        np.testing.assert_allclose(found.representation_alignment[k], of_rates, rtol=1e-4)
        moved = both[1].recurrent_weights - both[0].recurrent_weights
        np.testing.assert_allclose(found.weight_change[k], np.linalg.norm(moved) / 8, rtol=1e-5)


def test_run_folders_hold_gammas(tmp_path, population, condition):
    condition = dataclasses.replace(condition, training=population.training)
    storage.save_run(tmp_path / "run", condition, population)
    run = storage.load_run(tmp_path / "run")
    assert run.condition == condition
    for x, y in zip(
        jax.tree.leaves(run.population.params), jax.tree.leaves(population.params), strict=True
    ):
        np.testing.assert_array_equal(x, y)


def test_flags_are_those_of_the_form_that_a_preset_names():
    preset = conditions.from_toml(TINY.replace("[network]", '[network]\nkind = "mup"'))
    assert preset.network == MuPRNN(width=6)
    given = parse(Quickstart, "train", ["--network.gamma", "2.5"], condition=preset)
    assert given.condition == dataclasses.replace(preset, network=MuPRNN(width=6, gamma=2.5))
    with pytest.raises(ValueError, match=r"did you mean `--network.gamma`"):
        parse(Quickstart, "train", ["--network.gama", "2"], condition=preset)


def test_networks_are_known_by_kind():
    assert networks.registered().items() >= {"vanilla": VanillaRNN, "mup": MuPRNN}.items()
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


@pytest.fixture
def _benchmarks_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.mark.usefixtures("_benchmarks_on_path")
def test_moves_in_the_first_steps_do_not_depend_on_width():
    import coordinate_check

    task = tasks.FlipFlop(n_bits=2, n_steps=15)
    found = {"rates": {}, "outputs": {}}
    for width in (16, 256):
        sizes = coordinate_check.sizes(
            MuPRNN(width=width, gamma=2.0), 1e-2, task=task, steps=2, seeds=6
        )
        for quantity, values in sizes.items():
            found[quantity][width] = values
    for by_width in found.values():
        assert (np.abs(coordinate_check.slopes(by_width)[0]) < 0.1).all()


@pytest.mark.usefixtures("_benchmarks_on_path")
def test_page_shows_the_results_and_says_what_they_say():
    import coordinate_check
    import richness

    page = (ROOT / "docs" / "mup.md").read_text()
    result = json.loads(coordinate_check.RESULTS.read_text())
    assert coordinate_check.table(result) in page
    for form, found in coordinate_check.curves(result).items():
        for by_width in found.values():
            slopes = coordinate_check.slopes(by_width)[0]
            assert (slopes > 0.3).all() if form == "vanilla" else (np.abs(slopes) < 0.05).all()
    trained = json.loads(richness.RESULTS.read_text())
    for factor in ("gamma", "width"):
        assert richness.table(trained, factor) in page
    for preset in trained["gamma"].values():
        rows = list(preset["levels"].values())
        converged = [row["converged"] for level in rows for row in level]
        assert np.mean(converged) >= 0.9  # 19 of 20 on path integration
        rows = [[row for row in level if row["converged"]] for level in rows]
        changes = [np.mean([row["weight_change"] for row in level]) for level in rows]
        assert (np.diff(changes) > 0).all()
        kernels = [np.mean([row["kernel_alignment"] for row in level]) for level in rows]
        assert kernels[-1] < kernels[0]


@pytest.mark.usefixtures("_benchmarks_on_path")
def test_slopes_are_those_of_a_power_law():
    import coordinate_check

    sizes = {n: np.full((3, 2), 5.0 * n**0.5) * [[1.0], [2.0], [3.0]] for n in (8, 16, 64)}
    mean, error = coordinate_check.slopes(sizes)
    np.testing.assert_allclose(mean, 0.5)
    np.testing.assert_allclose(error, 0, atol=1e-9)
