"""The leaky RNN against its equation, against autodiff, and in what its connections promise."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble.analysis.fixed_points.points import find_fixed_points
from rnnensemble.networks import LeakyRNN, recurrence
from rnnensemble.networks.cell import ACTIVATIONS, SLOPES, Scheme
from rnnensemble.networks.connectivity import balanced
from rnnensemble.networks.noise import Noise, standard_normal, words_of
from rnnensemble.study.conditions import Condition, from_toml, to_toml
from rnnensemble.study.factors import groups_of
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.training.objective import terms_and_gradient
from tests import compiled
from tests.test_networks import example
from tests.tiny import ANALYSIS, TASK

NUMPY = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
SHORT = rnne.Training(batch=8, epoch_steps=4, max_epochs=3, threshold=10.0, patience=2)
NEVER = dataclasses.replace(SHORT, threshold=1e-9)
DALE = {"activation": "relu", "excitatory": 0.67, "density": 0.7, "noise": 0.1}


@partial(jax.jit, static_argnames=("network",))
def init(key, network):
    own = {"gain": 1.0, "noise": 0.3, "initial_noise": 0.2}
    own = {name: jnp.float32(value) for name, value in own.items()}
    return compiled.init(network, key, n_inputs=2, n_outputs=3, **own)


def make(width=6, **settings):
    network = LeakyRNN(width=width, **settings)
    return network, init(jax.random.key(0), network)


@pytest.mark.parametrize("activation", NUMPY)
def test_respond_is_the_equation(activation):
    network, params = make(activation=activation, dt=1.0, tau=4.0, train_initial_state=True)
    params["initial_state"] = jnp.linspace(-1.0, 1.0, 6)
    params["readout_bias"] = jnp.arange(3.0)
    inputs = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    rates, outputs = jax.jit(network.respond)(params, inputs)
    p, phi = {k: np.asarray(v, float) for k, v in params.items()}, NUMPY[activation]
    state = np.broadcast_to(p["initial_state"], (2, 6))
    for t in range(5):
        drive = phi(state) @ p["recurrent_weights"].T + inputs[:, t] @ p["input_weights"].T
        state = 0.75 * state + 0.25 * (drive + p["bias"])
        expected = phi(state) @ p["readout_weights"].T + p["readout_bias"]
        np.testing.assert_allclose(rates[:, t], phi(state), atol=1e-5)
        np.testing.assert_allclose(outputs[:, t], expected, atol=1e-5)
    slope = jax.jit(jax.vmap(jax.grad(ACTIVATIONS[activation])))(state.ravel())
    np.testing.assert_allclose(
        SLOPES[activation](jnp.float32(phi(state))).ravel(), slope, atol=1e-5
    )
    follows = partial(super(LeakyRNN, network).jacobian, params)
    found = jax.jit(partial(network.jacobian, params))(jnp.float32(state), inputs[:, 0])
    np.testing.assert_allclose(found, jax.jit(follows)(state, inputs[:, 0]), atol=1e-5)


def plain(scheme, params, inputs, noise):
    """The equation with noise, for autodiff."""
    phi, shape = ACTIVATIONS[scheme.activation], (inputs.shape[1], len(params.bias))
    start = params.initial_state + noise.start * standard_normal(noise.words[0], noise.first, shape)

    def step(x, now):
        given, words = now
        drive = phi(x) @ params.recurrent_weights.T + given @ params.input_weights.T + params.bias
        x = (1 - scheme.tau) * x + scheme.tau * drive
        x = x + noise.process * standard_normal(words, noise.first, shape)
        return x, (phi(x), phi(x) @ params.readout_weights.T)

    return jax.lax.scan(step, start, (inputs, noise.words[1:]))[1]


@partial(jax.jit, static_argnames=("function", "scheme"))
def gradients(function, scheme, params, inputs, probes, noise):
    def loss(params, inputs):
        results = function(scheme, params, inputs, noise)
        return sum(jnp.sum(p * r) for p, r in zip(probes, results, strict=True)), results

    return jax.tree.leaves(jax.value_and_grad(loss, (0, 1), has_aux=True)(params, inputs))


@pytest.mark.parametrize(("activation", "leak"), [("sigmoid", 0.3), ("softplus", 1.0)])
def test_backward_pass_with_noise_equals_autodiff(activation, leak):
    params, inputs, probes = example(7, 5, 2, 3)
    scheme = Scheme(activation, tau=leak, starts="potentials")
    noise = Noise(words_of(jax.random.key(3), 11), 2, jnp.float32(0.2), jnp.float32(0.4))
    ours, theirs = (
        gradients(function, scheme, params, inputs, probes, noise)
        for function in (recurrence.respond, plain)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_a_leak_that_is_data_gives_the_same_gradients_and_has_none():
    params, inputs, probes = example(7, 5, 2, 3)
    noise = Noise(words_of(jax.random.key(3), 11), 2, jnp.float32(0.2), jnp.float32(0.4))
    constant = Scheme("sigmoid", tau=0.3, starts="potentials")

    def with_leak(scheme, params, inputs, noise):
        return recurrence.respond(scheme, params, inputs, noise, jnp.float32(0.3))

    fused = constant._replace(tau=1.0, method="interpreted")  # no kernel takes it
    ours = gradients(with_leak, fused, params, inputs, probes, noise)
    theirs = gradients(recurrence.respond, constant, params, inputs, probes, noise)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())

    def by_leak(leak):
        return recurrence.respond(constant, params, inputs, None, leak)[1].sum()

    assert jax.jit(jax.grad(by_leak))(jnp.float32(0.3)) == 0


@pytest.mark.long
def test_the_kernel_starts_from_potentials_too():
    params, inputs, probes = example(16, 16, 2, 3)
    ours, theirs = (
        gradients(
            recurrence.respond,
            Scheme("softplus", method=method, tau=0.3, starts="potentials"),
            params,
            inputs,
            (0.0, probes[1]),
            None,
        )
        for method in ("interpreted", "scan")
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


@pytest.mark.long
@pytest.mark.parametrize("activation", ["sigmoid", "softplus"])
def test_the_kernel_lowers_to_triton(activation):
    params, inputs, probes = example(64, 64, 3, 3)
    scheme = Scheme(activation, method="fused", tau=0.2, starts="potentials")

    def loss(params, inputs):  # of outputs alone: the kernel takes no gradient of rates
        return jnp.sum(probes[1] * recurrence.respond(scheme, params, inputs, None)[1])

    h200 = AbstractDevice(device_kind="NVIDIA H200", num_cores=132, platform="gpu")
    with use_abstract_mesh(AbstractMesh((), (), abstract_device=h200)):
        traced = jax.jit(jax.grad(loss, (0, 1))).trace(params, inputs)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("__gpu$xla.gpu.triton") == 2  # forward and backward


@pytest.fixture(scope="module")
def numbers():
    """Normal numbers of two networks, `[2, T, B, N]`."""
    words = jnp.stack([words_of(jax.random.key(k), 199) for k in range(2)])
    draw = jax.jit(jax.vmap(jax.vmap(lambda x: standard_normal(x, 0, (32, 32)))))
    return np.asarray(draw(words), float)


def test_noise_is_normal_and_independent(numbers):
    assert scipy.stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    count = numbers.size
    assert abs(numbers.mean()) < 4 / count**0.5
    assert abs((numbers**2).mean() - 1) < 4 * (2 / count) ** 0.5
    assert abs((numbers**4).mean() - 3) < 4 * (96 / count) ** 0.5
    for axis in range(4):  # networks, steps, trials, units
        moved = np.moveaxis(numbers, axis, 0)
        for function in (lambda x: x, lambda x: (x**2 - 1) / 2**0.5):
            product = function(moved[1:]) * function(moved[:-1])
            assert abs(product.mean()) < 4 / product.size**0.5


@pytest.mark.long
def test_a_slice_has_the_noise_of_its_trials(numbers):
    words = words_of(jax.random.key(0), 199)
    part = jax.jit(lambda x: standard_normal(x, 5, (9, 32)))(words[7])
    np.testing.assert_array_equal(part, numbers[0, 7, 5:14].astype(np.float32))
    network, params = make(noise=1.0, initial_noise=1.0, dt=1.0, tau=2.0)
    trials = compiled.sample(TASK, jax.random.key(1), 8)
    params["input_weights"] = params["input_weights"][:, :1]
    params |= {name: params[name][:1] for name in ("readout_weights", "readout_bias")}
    how = partial(jax.jit, static_argnames="slices")(partial(terms_and_gradient, network=network))
    key = jax.random.key(2)
    whole, parts, none = (
        jax.tree.leaves(how(params, trials, slices=n, key=k))
        for n, k in ((1, key), (4, key), (1, None))
    )
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert abs(whole[0] - none[0]) > 1e-3


def test_noise_has_the_size_that_is_asked_for():
    network = LeakyRNN(width=50, noise=1.0, initial_noise=1.0, dt=1.0, tau=5.0)
    params = {name: 0 * x for name, x in init(jax.random.key(0), network).items()}
    params |= {"noise": jnp.float32(0.3), "initial_noise": jnp.float32(0.7)}
    run = jax.jit(network.respond_noisily)
    potentials = np.arctanh(run(params, jnp.zeros((200, 40, 2)), jax.random.key(0))[0])
    alone = 0.3 / np.sqrt(1 - 0.2 / 2)
    assert potentials[:, -1].std() == pytest.approx(alone, rel=0.03)
    first = np.hypot(0.8 * 0.7, 0.3 * np.sqrt(2 * 0.2))
    assert potentials[:, 0].std() == pytest.approx(first, rel=0.03)


def test_connections_hold_through_training():
    mask = (np.arange(36).reshape(6, 6) % 3 != 0).astype(int)
    for settings in (DALE, {"mask": mask}):
        network = LeakyRNN(width=6, **settings)
        found = rnne.train_population(TASK, network=network, training=SHORT, size=3)
        before, after = (
            np.asarray(network.weights(params)["recurrent_weights"])
            for params in (found.initial_params, found.params)
        )
        np.testing.assert_array_equal(before == 0, after == 0)
        assert (before != after)[before != 0].mean() > 0.5  # rectified units may rest
        absent = found.params["connections"] == 0
        assert (after[absent] == 0).all()
        assert absent.any(axis=(1, 2)).all()
        if "mask" in settings:
            np.testing.assert_array_equal(absent, np.broadcast_to(mask == 0, absent.shape))
        else:
            assert (absent[0] != absent[1]).any()  # each network has its own
            assert (after[:, :, :4] >= 0).all()
            assert (after[:, :, 4:] <= 0).all()


def test_excitatory_units_alone_are_read_out():
    network, params = make(activation="relu", excitatory=0.5, readout_units="excitatory")
    assert (network.weights(params)["readout_weights"][:, 3:] == 0).all()
    rates = jax.random.uniform(jax.random.key(1), (4, 6))
    same = jnp.where(jnp.arange(6) < 3, rates, 0.0)
    np.testing.assert_allclose(
        network.readout(params, rates), network.readout(params, same), atol=1e-6
    )


@pytest.mark.long
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_excitation_and_inhibition_balance_within_a_disk(density):
    key = jax.random.key(0)
    connections = jax.random.bernoulli(key, density, (400, 400)).astype(jnp.float32)
    sizes = jax.jit(balanced, static_argnums=(2, 3))(jax.random.key(1), connections, density, 320)
    weights = np.asarray(sizes) * np.where(np.arange(400) < 320, 1, -1)
    np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-4)
    assert np.abs(np.linalg.eigvals(weights)).max() == pytest.approx(1, abs=0.1)


@pytest.mark.long
def test_gain_is_the_spectral_radius():
    for settings in ({}, {"density": 0.3}):
        network, params = make(width=400, **settings)
        weights = np.asarray(network.weights(params)["recurrent_weights"])
        assert np.abs(np.linalg.eigvals(weights)).max() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("fixed", "still"),
    [("none", ()), ("left", ("left",)), ("right", ("right",)), ("both", ("left", "right"))],
)
def test_rank_is_that_of_the_loadings(fixed, still):
    network, params = make(rank=2, fixed_loadings=fixed)
    weights = np.asarray(network.weights(params)["recurrent_weights"])
    np.testing.assert_allclose(weights, params["left"] @ params["right"].T / 6, atol=1e-6)
    assert np.linalg.matrix_rank(weights, tol=1e-5) == 2
    loss = jax.jit(jax.grad(lambda p: jnp.sum(network.respond(p, jnp.ones((2, 3, 2)))[1] ** 2)))
    gradient = loss(params)
    assert [name for name in ("left", "right") if not gradient[name].any()] == list(still)


NOISY = Condition(
    task=TASK,
    network=LeakyRNN(width=6, noise=(0.0, 0.1, 0.2), initial_noise=0.1, **{"density": 0.7}),
    training=dataclasses.replace(SHORT, batch=16, nuclear_norm=1e-4),
    size=3,
    analysis=ANALYSIS,
)
"""What goes through everything."""


@pytest.fixture(scope="module")
def population():
    (found,) = rnne.train_populations([NOISY.recipe])
    return found


def test_noise_is_a_network_s_own(population):
    again = rnne.train_populations([NOISY.recipe], tile=3, devices=1)[0]
    for mine, other in zip(*map(jax.tree.leaves, (population.params, again.params)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)
    quiet = dataclasses.replace(NOISY.network, noise=0.0)
    none = rnne.train_populations([dataclasses.replace(NOISY, network=quiet).recipe])[0]
    moved = np.abs(population.params["input_weights"] - none.params["input_weights"]).max((1, 2))
    assert moved[0] < 1e-6 < 1e-5 < min(moved[1:])
    np.testing.assert_array_equal(population.params["noise"], np.float32([0.0, 0.1, 0.2]))


def test_responses_have_noise_if_asked(population):
    inputs = np.zeros((4, 10, 1), np.float32)
    noisy, again, other, part = (
        each.respond(inputs, noise=seed).rates
        for each, seed in ((population, 0), (population, 0), (population, 1), (population[[2]], 0))
    )
    np.testing.assert_array_equal(noisy, again)
    assert (np.abs(noisy - other) > 1e-4).any(axis=(1, 2, 3)).all()
    np.testing.assert_allclose(part[0], noisy[2], atol=1e-5)
    quiet = population.respond(inputs).rates
    assert (quiet == quiet[:, :1]).all()
    assert not (noisy[2] == noisy[2, :1]).all()
    recipe = dataclasses.replace(population.recipe, network=LeakyRNN(width=6, density=0.7))
    with pytest.raises(ValueError, match="`noise` needs a network that has noise; 'leaky'"):
        dataclasses.replace(population, recipe=recipe).respond(inputs, noise=0)
    with pytest.raises(ValueError, match="`noise` must be a whole number of at least 0"):
        population.respond(inputs, noise=-1)


@pytest.mark.long
def test_it_is_measured_stored_and_rests_somewhere(population, tmp_path):
    assert population.converged.all()
    found = rnne.measure_degeneracy(population, analysis=ANALYSIS)
    assert found.dynamics.mean.value > 0
    assert found.weights.mean.value > 0
    rnne.save(tmp_path / "leaky", population, degeneracy=found)
    assert rnne.load(tmp_path / "leaky").population == population
    for each in find_fixed_points(population):
        assert (each.speeds[each.fixed] < 1e-12).all()
    assert from_toml(to_toml(NOISY)) == NOISY
    mask = dataclasses.replace(NOISY, network=LeakyRNN(width=2, mask=np.eye(2) > 0))
    assert from_toml(to_toml(mask)).network.mask == ((1, 0), (0, 1))


TAUS = [20.0, 50.0, 100.0]


@pytest.fixture(scope="module")
def of_taus():
    return rnne.train_population(TASK, network=LeakyRNN(width=6, tau=TAUS), training=NEVER, size=3)


@pytest.mark.long
def test_each_network_has_its_tau(of_taus):
    """It becomes what it would among others of its tau, where tau is a constant."""
    assert of_taus.network.own_tau
    assert "tau" not in LeakyRNN().per_network
    np.testing.assert_array_equal(of_taus.params["tau"], np.float32(TAUS))
    inputs = np.random.default_rng(0).normal(size=(2, 5, 1)).astype(np.float32)
    for k in (0, 2):
        alone = rnne.train_population(
            TASK, network=LeakyRNN(width=6, tau=TAUS[k]), training=NEVER, size=1, first=k
        )
        for name, x in alone.params.items():
            np.testing.assert_allclose(of_taus.params[name][k], x[0], rtol=1e-4, atol=1e-6)
        responses = [each.respond(inputs) for each in (of_taus[[k]], alone)]
        np.testing.assert_allclose(*[x.rates for x in responses], atol=1e-5)
        one = jax.tree.map(lambda x, k=k: jnp.asarray(x[k]), of_taus.params)
        state = jnp.linspace(-1.0, 1.0, 6)
        derivatives = [
            jax.jit(each)(one, state, inputs[0, 0])
            for each in (of_taus.network.jacobian, super(LeakyRNN, of_taus.network).jacobian)
        ]
        np.testing.assert_allclose(*derivatives, atol=1e-5)


def test_populations_of_several_taus_are_stored_cut_joined_and_gone_on_with(of_taus, tmp_path):
    rnne.save(tmp_path / "taus", of_taus)
    assert rnne.load(tmp_path / "taus").population == of_taus
    parts = of_taus[:1], of_taus[1:]
    assert [part.network.tau for part in parts] == [(20.0,), (50.0, 100.0)]
    assert rnne.concatenate(parts) == of_taus
    short = dataclasses.replace(NEVER, max_epochs=1)
    begun = rnne.train_population(TASK, network=of_taus.network, training=short, size=3)
    assert rnne.resume(begun, max_epochs=NEVER.max_epochs) == of_taus
    slower = dataclasses.replace(of_taus.network, tau=[40, 50, 200])
    started = rnne.train_population(TASK, network=slower, start=of_taus, training=short)
    np.testing.assert_array_equal(started.initial_params["tau"], np.float32([40, 50, 200]))
    with pytest.raises(ValueError, match="`network` must be that of `start`"):
        rnne.train_population(TASK, network=LeakyRNN(width=6), start=of_taus, training=short)
    with pytest.raises(ValueError, match="`tau` must be one number or one for each of the 2 netw"):
        rnne.train_population(TASK, network=slower, training=short, size=2)


def test_a_sweep_over_tau_is_one_group_if_tau_is_data():
    text = SWEEP.replace(", mask = MASK", ", own_tau = true").replace(
        "network.noise", "network.tau"
    )
    text = text.replace("[0.0, 0.1]", "[20, 100]")
    (group,) = groups_of(read_sweep(text))
    assert [condition.network.tau for condition in group.conditions] == [20.0, 100.0]
    assert len(groups_of(read_sweep(text.replace("own_tau = true", "own_tau = false")))) == 2


SWEEP = """
name = "leaky"
[tasks.flipflop]
size = 3
task = {kind = "flipflop", n_bits = 1, n_steps = 12}
network = {kind = "leaky", width = 6, mask = MASK}
training = {batch = 8, epoch_steps = 4, max_epochs = 3, threshold = 10.0, patience = 2}
analysis = {dynamics_trials = 8, behavior_trials = 8, output_trials = 4, fixed_trials = true, \
dsa = {rank = 2, starts = 4}, grid = {ranks = [2], delays = [1]}, pif = {starts = 1}, \
autocovariance = {components = 2, starts = 4}}
features = {trials = 4, step_stride = 6}
[[factors]]
name = "noise"
task = "flipflop"
field = "network.noise"
values = [0.0, 0.1]
""".replace("\\\n", "")


@pytest.mark.long
def test_a_sweep_takes_it(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP.replace("MASK", str((1 - np.eye(6, dtype=int)).tolist())))
    cli.main(["sweep", str(file), "--runs", str(tmp_path)])
    assert "2 of 2 conditions finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "`width` must be a whole number of at least 1; got 0"),
        ({"activation": "sin"}, "`activation` must be one of"),
        ({"precision": "float16"}, "`precision` must be one of"),
        ({"initialization": "zeros"}, "`initialization` must be one of"),
        ({"readout_units": "some"}, "`readout_units` must be one of"),
        ({"fixed_loadings": "m"}, "`fixed_loadings` must be one of"),
        ({"dt": 0.0}, "`dt` must be a positive number; got 0.0"),
        ({"tau": float("nan")}, "`tau` must be a positive number; got nan"),
        ({"dt": 30, "tau": 20}, "`dt` must be at most `tau`, 20; got 30"),
        ({"tau": (40, 10)}, "`dt` must be at most `tau`, 10; got 20"),
        ({"tau": [40, float("inf")]}, "`tau` must be a positive number; got inf"),
        ({"own_tau": 1}, "`own_tau` must be a bool; got 1"),
        ({"noise": -0.1}, "`noise` must be a number of at least 0; got -0.1"),
        ({"initial_noise": (0.1, -1)}, "`initial_noise` must be a number of at least 0; got -1"),
        ({"density": 0.0}, "`density` must be above 0 and at most 1; got 0.0"),
        ({"mask": np.ones((5, 6))}, r"`mask` must be \[N, N\] with N = `width` 6; got \(5, 6\)"),
        ({"mask": [[1], [1, 0]]}, r"`mask` must be \[N, N\] with N = `width` 6; got \(\)"),
        ({"mask": np.full((6, 6), 2)}, "`mask` must hold 0 and 1, and a 1 at least"),
        ({"mask": np.ones((6, 6)), "density": 0.5}, "`mask` and `density` both say"),
        ({"excitatory": 0.8}, r"`activation` must never be below zero .* got 'tanh'"),
        ({"excitatory": 1.0, "activation": "relu"}, "leaves units of both kinds of 6; got 1.0"),
        ({"readout_units": "excitatory"}, "`readout_units` 'excitatory' needs `excitatory`"),
        ({"rank": 7}, "`rank` must be at most `width`, 6; got 7"),
        ({"rank": 0}, "`rank` must be a whole number of at least 1; got 0"),
        ({"rank": 2, "density": 0.5}, "`rank` and `density` exclude one another"),
        (
            {"rank": 2, "initialization": "uniform"},
            "`initialization` must be 'gaussian' with",
        ),
        ({"fixed_loadings": "left"}, "`fixed_loadings` 'left' needs `rank`"),
        ({"fused": "on"}, "`fused` must be true, false or 'auto'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        LeakyRNN(**{"width": 6} | settings)
