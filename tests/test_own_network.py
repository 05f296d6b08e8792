"""A network of one's own, of the least that one must give, goes through everything."""

import dataclasses
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli, metrics, networks, tasks
from rnnensemble._core.registry import load_plugins
from rnnensemble.analysis import measures
from rnnensemble.analysis.fixed_points.points import find_fixed_points
from rnnensemble.files import records, storage, trees
from rnnensemble.study.conditions import Condition, from_toml, own_modules, to_toml
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.study.sweep_file import to_toml as sweep_to_toml
from tests import compiled
from tests.own_network import Leaky
from tests.tiny import ANALYSIS, TASK, TINY

ROOT = Path(__file__).parent.parent


@networks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Unnamed(Leaky):
    """The same, which does not say what its weights are."""

    kind: ClassVar[str] = "unnamed"

    def weights(self, params):
        return {}


TRAINING = rnne.Training(batch=16, epoch_steps=16, max_epochs=20, patience=1, threshold=0.3)


def condition(kind, **more):
    training = dataclasses.replace(TRAINING, learning_rate=1e-2)
    rest = {"size": 3, "analysis": ANALYSIS, "training": training} | more
    return Condition(task=TASK, network=kind(spread=(0.5, 1.0, 1.5)), **rest)


@pytest.fixture(scope="module")
def population():
    (found,) = rnne.train_populations([condition(Leaky).recipe])
    assert found.converged.all()
    return found


def test_what_follows_from_the_least_is_right():
    network = Leaky(width=5)
    params = compiled.init(network, jax.random.key(0), n_inputs=2, n_outputs=3, spread=1.0)
    inputs = jax.random.normal(jax.random.key(1), (4, 6, 2))
    params["initial_state"] = 0.1 * jnp.ones(5)
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
    assert network.update_rule == "my-leaky"
    assert rnne.MuPRNN().update_rule == "mup"


def test_every_network_draws_its_own_values(population):
    short = dataclasses.replace(TRAINING, max_epochs=1)
    ones = rnne.train_population(TASK, network=Leaky(), training=short, size=3)
    first, other = (x.initial_params["recurrent_weights"] for x in (ones, population))
    spread = np.array([0.5, 1.0, 1.5])[:, None, None]
    np.testing.assert_allclose(other, spread * first, rtol=1e-6)
    moved = population.params["initial_state"] - population.initial_params["initial_state"]
    assert (np.abs(moved).max(axis=1) > 1e-3).all()  # learned as all parameters are


@pytest.mark.long
def test_it_is_measured_stored_and_rests_somewhere(population, tmp_path):
    found = rnne.measure_degeneracy(population, analysis=ANALYSIS)
    assert found.dynamics.mean.value > 0
    assert found.weights.mean.value > 0
    features = rnne.measure_feature_learning(
        population, analysis=rnne.FeatureAnalysis(trials=4, step_stride=6)
    )
    assert (features.weight_change > 0).all()
    folder = storage.save_run(tmp_path / "own", condition(Leaky), population, degeneracy=found)
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
    (deflated,) = [rnne.deflate(TASK, population, network=Leaky(), training=TRAINING, size=2)]
    assert deflated.size == 2


def test_layers_may_be_lists_and_tuples(tmp_path):
    """Arrays of one shape or of several, as run folders keep them."""
    layers = [np.zeros((3, 4)), np.ones((3, 4))], (np.zeros((3, 2)), {"b": np.ones(3)})
    tree = {"layers": layers, "out": np.ones(3)}
    assert set(records.plain(tree)["layers"]["0"]) == {"0", "1"}
    trees.store(tmp_path, "tree", tree)
    again = trees.restore(tmp_path, "tree", tree)
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    for mine, other in zip(jax.tree.leaves(again), jax.tree.leaves(tree), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_settings_are_text(population):
    text = to_toml(condition(Leaky))
    assert from_toml(text) == condition(Leaky)
    assert 'kind = "my-leaky"' in text


def test_what_a_network_lacks_is_said_in_one_line():
    plain = condition(Unnamed)
    (population,) = rnne.train_populations([plain.recipe])
    assert "'unnamed' has no recurrent_weights" in ANALYSIS.left_out(TASK, Unnamed())["weights"]
    whole = dataclasses.replace(ANALYSIS, pif=rnne.PIF(parameters="all"))
    with pytest.raises(ValueError, match="'my-leaky' has no bias, which PIF needs"):
        whole.left_out(TASK, Leaky())
    with pytest.raises(ValueError, match="'unnamed' has no weights, which pif needs"):
        rnne.compare_populations("pif", population)
    training = dataclasses.replace(TRAINING, nuclear_norm=1e-3)
    with pytest.raises(ValueError, match="has no recurrent_weights, which a penalty needs"):
        rnne.train_population(TASK, network=Unnamed(), training=training, size=2)
    with pytest.raises(ValueError, match="has no readout_weights, which `null_space` needs"):
        rnne.deflate(TASK, population, network=Unnamed(), training=TRAINING, size=2)
    taken = type("Own", (Leaky,), {"kind": "vanilla"})
    with pytest.raises(ValueError, match="`kind` 'vanilla' is taken by VanillaRNN"):
        networks.register(taken)
    own = type("Own", (Leaky,), {"kind": "own", "per_network": ("l1",), "l1": 0.0})()
    with pytest.raises(ValueError, match=r"'own' holds \['l1'\], which training has too"):
        rnne.train_population(TASK, network=own, size=2)


MODULE = """
import dataclasses
from rnnensemble import tasks
@tasks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Slow(tasks.FlipFlop):
    name = "{name}"
"""


KINDS = (tasks, "slow"), (networks, "other"), (measures, "same"), (metrics, "near")
"""What modules of one's own register here."""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with a module that registers a task."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_lab.py").write_text(MODULE.replace("{name}", "slow"))
    (tmp_path / "broken_lab.py").write_text("1 / 0")
    yield tmp_path
    sys.modules.pop("my_lab", None)
    for registry, name in KINDS:
        registry.REGISTRY._classes.pop(name, None)
    load_plugins.cache_clear()


def test_presets_name_modules(lab):
    text = 'import = ["my_lab"]\n[task]\nkind = "slow"\n'
    with pytest.raises(ValueError, match=r"got 'slow'.* name its module: import = \[...\]"):
        from_toml('[task]\nkind = "slow"\n')
    found = from_toml(text)
    assert (found.task.name, found.imports) == ("slow", ("my_lab",))
    assert from_toml(to_toml(found)) == found
    assert found.digest == dataclasses.replace(found, imports=()).digest
    sweep = f"{text}[presets.x]\n".replace("[task]", "[tasks.slow.task]")
    sweep = (
        'name = "s"\n'
        + sweep
        + ('[[factors]]\nname = "bits"\ntask = "slow"\nfield = "task.n_bits"\nvalues = [1, 2]\n')
    )
    read = read_sweep(sweep)
    assert [c.imports for c in read.conditions.values()] == [("my_lab",)] * 2
    assert read_sweep(sweep_to_toml(read)) == read


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("['no_lab']", "`import` 'no_lab' failed .*ModuleNotFoundError: No module named 'no_lab'"),
        ("['broken_lab']", r"`import` 'broken_lab' failed \(ZeroDivisionError"),
        ("'my_lab'", "`import` must be a list of modules; got 'my_lab'"),
    ],
)
def test_modules_that_fail_are_one_line(lab, named, message):
    with pytest.raises(ValueError, match=message):
        from_toml(f"import = {named}\n[task]\nkind = 'slow'\n")
    with pytest.raises(ValueError, match="`imports` is not a setting; did you mean"):
        from_toml("imports = ['my_lab']\n[task]\nkind = 'flipflop'\n")


def test_a_run_of_a_task_that_cannot_be_imported_says_so(lab, capsys):
    (lab / "p.toml").write_text(
        'import = ["my_lab"]\n' + TINY.replace('kind = "flipflop"', 'kind = "slow"')
    )
    cli.main(["train", "p.toml", "--quiet"])
    cli.main(["show", "runs/p"])
    (lab / "my_lab.py").unlink()
    sys.modules.pop("my_lab")
    importlib.invalidate_caches()
    with pytest.raises(SystemExit):
        cli.main(["show", "runs/p"])
    assert "`import` 'my_lab' failed" in capsys.readouterr().err


OWN = """
import dataclasses
from rnnensemble import metrics, networks, tasks
from rnnensemble.analysis import measures

@tasks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Slow(tasks.FlipFlop):
    name = "slow"

@networks.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Other(networks.VanillaRNN):
    kind = "other"

@measures.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Same(measures.Representation):
    name = "same"

@metrics.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class Near(metrics.CKA):
    name = "near"
"""
"""A module with one of each kind."""


@pytest.fixture
def own(lab):
    (lab / "my_lab.py").write_text(OWN)
    return lab


@pytest.mark.parametrize(("registry", "name"), KINDS)
def test_installed_packages_name_their_modules(own, monkeypatch, registry, name):
    entry = importlib.metadata.EntryPoint("lab", "my_lab", "rnnensemble")
    with pytest.raises(ValueError, match="name its module"):
        registry.find(name)
    load_plugins.cache_clear()
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [entry])
    assert registry.find(name).__module__ == "my_lab"
    assert name in registry.registered()


def test_installed_packages_that_fail_are_one_line(lab, monkeypatch):
    entry = importlib.metadata.EntryPoint("lab", "broken_lab", "rnnensemble")
    load_plugins.cache_clear()
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [entry])
    with pytest.raises(ValueError, match="entry point 'lab' failed"):
        tasks.registered()


@pytest.mark.long
def test_a_new_process_loads_what_was_saved(own):
    lab = importlib.import_module("my_lab")
    training = rnne.Training(batch=16, epoch_steps=2, max_epochs=1, patience=1, threshold=1e9)
    network = lab.Other(width=6)
    task = lab.Slow(n_bits=1, n_steps=12)
    population = rnne.train_population(task, network=network, training=training, size=2)
    analysis = dataclasses.replace(ANALYSIS, measures=("same",))
    found = rnne.measure_degeneracy(population, analysis=analysis)
    rnne.save("mine", population, degeneracy=found)
    assert rnne.load("mine").condition.imports == ("my_lab",)
    code = "import rnnensemble as rnne; print([*rnne.load('mine').degeneracy.distances][-1])"
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join((str(own), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=paths, check=False
    )
    assert done.stdout == "same\n", done.stderr


def test_what_cannot_be_imported_again_is_not_recorded():
    here = type("Here", (), {"__module__": "__main__"})()
    nowhere = type("Nowhere", (), {"__module__": "not_a_module"})()
    assert own_modules(here, nowhere, TASK, Leaky()) == ("tests.own_network",)


def test_a_sweep_takes_it(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(
        """
name = "own"

[tasks.flipflop]
size = 2
task = {kind = "flipflop", n_bits = 1, n_steps = 12}
network = {kind = "my-leaky"}
training = {batch = 16, epoch_steps = 16, max_epochs = 20, patience = 1, threshold = 0.3, \
learning_rate = 1e-2}
analysis = {dynamics_trials = 8, behavior_trials = 8, output_trials = 4, fixed_trials = true, \
dsa = {rank = 2, starts = 4}, grid = {ranks = [2], delays = [1]}, pif = {starts = 1}, \
autocovariance = {components = 2, starts = 4}}
features = {trials = 4, step_stride = 6}

[[factors]]
name = "spread"
task = "flipflop"
field = "network.spread"
values = [0.5, 1.0]
""".replace("\\\n", "")
    )
    cli.main(["sweep", str(file), "--runs", str(tmp_path)])
    assert "2 of 2 conditions finished" in capsys.readouterr().out
