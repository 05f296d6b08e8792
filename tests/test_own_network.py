"""A network of one's own, of the least that one must give, goes through everything."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli, networks
from rnnensemble.analysis.fixed_points.points import find_fixed_points
from rnnensemble.files import storage
from rnnensemble.networks.base import Network
from rnnensemble.study.conditions import Condition, from_toml, to_toml


@networks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaky(Network):
    """Rates that follow tanh of their drive with a time constant; starts where it learns to."""

    kind: ClassVar[str] = "leaky"
    per_network: ClassVar[tuple[str, ...]] = ("spread",)

    width: int = 12
    tau: float = 0.5
    spread: float | tuple[float, ...] = 1.0

    def init(self, key, *, n_inputs, n_outputs, spread):
        keys, n = jax.random.split(key, 3), self.width
        shapes = {"recurrent_weights": (n, n), "input_weights": (n, n_inputs)}
        shapes |= {"readout_weights": (n_outputs, n)}
        draw = {k: jax.random.normal(s, x) for s, (k, x) in zip(keys, shapes.items(), strict=True)}
        draw["recurrent_weights"] *= spread
        return {k: x / n**0.5 for k, x in draw.items()} | {"start": 0.1 * jnp.ones(n)}

    def initial_state(self, params):
        return params["start"]

    def step(self, params, state, inputs):
        drive = state @ params["recurrent_weights"].T + inputs @ params["input_weights"].T
        return state + self.tau * (jnp.tanh(drive) - state)

    def rates(self, state):
        return state

    def readout(self, params, rates):
        return rates @ params["readout_weights"].T


@networks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Weighed(Leaky):
    """The same, which says what its weights are."""

    kind: ClassVar[str] = "weighed"

    def weights(self, params):
        return {name: params[name] for name in params if name.endswith("_weights")}


TASK = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
TRAINING = rnne.Training(batch=16, epoch_steps=16, max_epochs=20, patience=1, threshold=0.3)
ANALYSIS = rnne.Analysis(
    dsa=rnne.DSA(rank=3, starts=4),
    grid=rnne.DSAGrid(ranks=(2,), delays=(1,)),
    pif=rnne.PIF(starts=1),
    dynamics_trials=8,
    behavior_trials=16,
    fixed_trials=True,
)


def condition(kind, **more):
    training = dataclasses.replace(TRAINING, learning_rate=1e-2)
    rest = {"size": 3, "analysis": ANALYSIS, "training": training} | more
    return Condition(task=TASK, network=kind(spread=(0.5, 1.0, 1.5)), **rest)


@pytest.fixture(scope="module")
def population():
    (found,) = rnne.train_populations([condition(Weighed).recipe])
    assert found.converged.all()
    return found


def test_what_follows_from_the_least_is_right():
    network = Leaky(width=5)
    params = network.init(jax.random.key(0), n_inputs=2, n_outputs=3, spread=1.0)
    inputs = jax.random.normal(jax.random.key(1), (4, 6, 2))
    rates, outputs = network.respond(params, inputs)
    state = np.broadcast_to(0.1, (4, 5))
    for step in range(6):
        state = network.step(params, state, inputs[:, step])
        np.testing.assert_allclose(rates[:, step], state, atol=1e-6)
        np.testing.assert_allclose(outputs[:, step], state @ params["readout_weights"].T, atol=1e-5)
    found = network.jacobian(params, jnp.asarray(state), jnp.zeros(2))
    slope = 1 - np.tanh(state @ params["recurrent_weights"].T) ** 2
    expected = 0.5 * np.eye(5) + 0.5 * slope[:, :, None] * params["recurrent_weights"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert network.update_rule == "leaky"
    assert rnne.MuPRNN().update_rule == "mup"


def test_every_network_draws_its_own_values(population):
    short = dataclasses.replace(TRAINING, max_epochs=1)
    ones = rnne.train_population(TASK, network=Weighed(), training=short, size=3)
    first, other = (x.initial_params["recurrent_weights"] for x in (ones, population))
    spread = np.array([0.5, 1.0, 1.5])[:, None, None]
    np.testing.assert_allclose(other, spread * first, rtol=1e-6)
    moved = population.params["start"] - population.initial_params["start"]
    assert (np.abs(moved).max(axis=1) > 1e-3).all()  # learned as all parameters are


def test_it_is_measured_stored_and_rests_somewhere(population, tmp_path):
    found = rnne.measure_degeneracy(population, analysis=ANALYSIS)
    assert found.dynamics.mean.value > 0
    assert found.weights.mean.value > 0
    features = rnne.measure_feature_learning(
        population, analysis=rnne.FeatureAnalysis(trials=4, step_stride=6)
    )
    assert (features.weight_change > 0).all()
    folder = storage.save_run(tmp_path / "own", condition(Weighed), population, degeneracy=found)
    run = storage.load_run(folder)
    for mine, theirs in zip(
        jax.tree.leaves(run.population.params), jax.tree.leaves(population.params), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert run.degeneracy is not None
    np.testing.assert_array_equal(run.degeneracy.weights.matrix, found.weights.matrix)
    points = find_fixed_points(population)
    for each in points:
        assert each.outputs.shape[1] == 1
        assert (each.speeds[each.fixed] < 1e-12).all()
    (deflated,) = [rnne.deflate(TASK, population, network=Weighed(), training=TRAINING, size=2)]
    assert deflated.size == 2


def test_settings_are_text(population):
    text = to_toml(condition(Weighed))
    assert from_toml(text) == condition(Weighed)
    assert 'kind = "weighed"' in text


def test_what_a_network_lacks_is_said_in_one_line():
    plain = condition(Leaky)
    (population,) = rnne.train_populations([plain.recipe])
    with pytest.raises(ValueError, match="'leaky' has no recurrent_weights, which PIF needs"):
        rnne.measure_degeneracy(population, analysis=ANALYSIS)
    training = dataclasses.replace(TRAINING, nuclear_norm=1e-3)
    with pytest.raises(ValueError, match="has no recurrent_weights, which a penalty needs"):
        rnne.train_population(TASK, network=Leaky(), training=training, size=2)
    with pytest.raises(ValueError, match="has no readout_weights, which `null_space` needs"):
        rnne.deflate(TASK, population, network=Leaky(), training=TRAINING, size=2)
    taken = type("Own", (Leaky,), {"kind": "vanilla"})
    with pytest.raises(ValueError, match="`kind` 'vanilla' is taken by VanillaRNN"):
        networks.register(taken)
    own = type("Own", (Leaky,), {"kind": "own", "per_network": ("l1",), "l1": 0.0})()
    with pytest.raises(ValueError, match=r"'own' holds \['l1'\], which training has too"):
        rnne.train_population(TASK, network=own, size=2)


def test_a_sweep_takes_it(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(
        """
name = "own"

[tasks.flipflop]
size = 3
task = {kind = "flipflop", n_bits = 1, n_steps = 12}
network = {kind = "weighed"}
training = {batch = 16, epoch_steps = 16, max_epochs = 20, patience = 1, threshold = 0.3, \
learning_rate = 1e-2}
analysis = {dynamics_trials = 8, behavior_trials = 16, fixed_trials = true, \
dsa = {rank = 3, starts = 4}, grid = {ranks = [2], delays = [1]}, pif = {starts = 1}}
features = {trials = 4, step_stride = 6}

[[factors]]
name = "leak"
task = "flipflop"
field = "network.tau"
values = [0.5, 1.0]
""".replace("\\\n", "")
    )
    cli.main(["sweep", str(file), "--runs", str(tmp_path)])
    assert "2 of 2 conditions finished" in capsys.readouterr().out
