"""Tasks of arrays: who sees which trials, files and digests, what is measured, what is refused."""

import dataclasses
import pickle
import sys
from functools import partial

import jax
import numpy as np
import pytest
import safetensors.numpy

import rnnensemble as rnne
from rnnensemble import cli, tasks
from rnnensemble.analysis.intrinsic_dimension import measure_intrinsic_dimension
from rnnensemble.study.conditions import Condition, from_toml, to_toml
from rnnensemble.tasks.trial_arrays import KNOWN, TrialArrays
from rnnensemble.training.evaluation import evaluation_key
from rnnensemble.training.recipe import without_own_values
from rnnensemble.training.slots import launch, lowered_epoch
from tests import compiled
from tests.tiny import ANALYSIS, NETWORK, TINY

RNG = np.random.default_rng(0)
M, T = 15, 10
INPUTS = RNG.normal(size=(M, T, 2)).astype(np.float32)
TARGETS = np.tanh(np.cumsum(INPUTS, axis=1)[..., :1])
LENGTHS = np.array([T, 6, 9] * 5)
LISTS = [[x[:n] for x, n in zip(each, LENGTHS, strict=True)] for each in (INPUTS, TARGETS)]
LOUDER = {"louder": ([2 * x for x in LISTS[0]], LISTS[1])}
TRAINING = rnne.Training(batch=4, epoch_steps=4, max_epochs=2, threshold=1e3, patience=2)
from_arrays = tasks.ArrayTask.from_arrays


def task_of(**settings):
    return from_arrays(INPUTS, TARGETS, **settings)


@partial(jax.jit, static_argnums=(0, 3))
def plan(task, key, steps, batch):
    return task.plan(key, steps, batch)


@partial(jax.jit, static_argnums=(0, 2))
def taught(task, planned, batch):
    return jax.vmap(lambda each: task.training_trials(each, batch))(planned)


def which(inputs):
    """The trials that these are, by their first input."""
    return np.argmax(np.isclose(INPUTS[:, 0, 0], np.asarray(inputs)[:, :1, 0]), axis=1)


@pytest.fixture(scope="module")
def population():
    task = from_arrays(*LISTS, ood=LOUDER, replacement=False, held_out=(0, 4, 11))
    return rnne.train_population(task, network=NETWORK, training=TRAINING, size=3)


def test_held_out_trials_are_drawn_once():
    task = task_of(held_out=0.4)
    held, trained = task.held_out_trials, task.training_set
    assert len(held) == 6
    np.testing.assert_array_equal(np.sort(np.concatenate([held, trained])), np.arange(M))
    np.testing.assert_array_equal(task_of(held_out=0.4).held_out_trials, held)
    assert task_of(held_out=0.4, split_seed=1).held_out_trials.tolist() != held.tolist()
    assert task_of(held_out=[7, 2]).held_out_trials.tolist() == [2, 7]


def test_networks_train_on_some_trials_and_are_judged_on_the_others():
    task, key = task_of(), jax.random.key(3)
    planned = plan(task, key, np.arange(16), 8)
    seen = taught(task, planned, 8)
    rows = which(seen.inputs.reshape(-1, T, 2))
    assert set(rows) == set(task.training_set)
    np.testing.assert_array_equal(seen.targets.reshape(-1, T, 1), TARGETS[rows])
    judged = compiled.sample(task, key, 64)
    assert set(which(judged.inputs)) == set(task.held_out_trials)
    np.testing.assert_array_equal(judged.targets, TARGETS[which(judged.inputs)])
    other = plan(task, jax.random.key(4), np.arange(16), 8)
    assert not np.array_equal(other[1], planned[1])


def test_without_replacement_each_trial_comes_once_an_order():
    task, key = task_of(replacement=False, held_out=2 / M), jax.random.key(0)
    rows = np.asarray(plan(task, key, np.arange(9), 4)[1])
    orders = rows.reshape(3, 12)  # of 13 trials, the last of an order is left out
    assert all(len(set(order)) == 12 for order in orders.tolist())
    assert set(orders.ravel()) == set(task.training_set)
    assert orders[0].tolist() != orders[1].tolist()
    parts = [plan(task, key, np.arange(start, start + 3), 4)[1] for start in (0, 3, 6)]
    np.testing.assert_array_equal(np.concatenate(parts), rows)  # wherever an epoch begins


def test_noise_is_added_to_inputs_alone():
    task = task_of(input_noise=0.1)
    planned = plan(task, jax.random.key(0), np.arange(16), 8)
    seen = taught(task, planned, 8)
    noise = seen.inputs - INPUTS[planned[1]]
    assert float(noise.std()) == pytest.approx(0.1, rel=0.1)
    np.testing.assert_array_equal(seen.targets, TARGETS[planned[1]])


def test_trials_of_unequal_length_are_filled():
    task = from_arrays(*LISTS, mask=[np.ones(n) for n in LENGTHS])
    own = task.arrays.sets[""]
    valid = np.arange(T) < LENGTHS[:, None]
    np.testing.assert_array_equal(own["valid"], valid)
    np.testing.assert_array_equal(own["mask"], valid)
    np.testing.assert_array_equal(own["inputs"], INPUTS * valid[..., None])
    again = from_arrays(INPUTS * valid[..., None], TARGETS * valid[..., None], valid=valid)
    assert again == task
    assert hash(again) == hash(task)
    assert compiled.sample(task_of(), jax.random.key(0), 2).valid is None


def test_tasks_are_told_apart_by_what_their_arrays_hold():
    task = task_of()
    assert task == from_arrays(INPUTS.tolist(), TARGETS.tolist())
    assert task != from_arrays(INPUTS + 1e-3, TARGETS)
    assert task != from_arrays(INPUTS, TARGETS, ood={"same": (INPUTS, TARGETS)})
    restored = pickle.loads(pickle.dumps(task))
    assert restored == task
    assert restored.arrays is task.arrays
    assert dataclasses.replace(task, held_out=0.5).n_steps == T


def test_arrays_are_no_part_of_the_program(population):
    recipe = without_own_values(rnne.Recipe(population.task, NETWORK, TRAINING, 1), size=1)
    large = np.zeros((3000, T, 2), np.float32)
    recipe = dataclasses.replace(recipe, task=from_arrays(large, large[..., :1]))
    slots = launch(recipe, rnne.runtime.network_mesh(1), 1)
    assert len(lowered_epoch(slots, np.ones(1, bool)).as_text()) < large.nbytes


def test_gap_is_held_out_less_training_loss(population):
    found, task = rnne.generalization_gap(population), population.task
    own = task.arrays.sets[""]
    outputs = population.respond(own["inputs"]).outputs
    squared = ((outputs - own["targets"]) ** 2).mean(axis=-1) * own["mask"]
    for name, rows in (("training", task.training_set), ("held_out", task.held_out_trials)):
        expected = squared[:, rows].sum(axis=(1, 2)) / own["mask"][rows].sum()
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-5)
    assert found.mean.value == pytest.approx((found.held_out - found.training).mean())
    assert found.mean.low < found.mean.value < found.mean.high
    with pytest.raises(ValueError, match=r"`population` must have at least 2 networks"):
        rnne.generalization_gap(population[:1])


@pytest.mark.long
def test_measured_stored_and_loaded_where_the_arrays_are_unknown(population, tmp_path, monkeypatch):
    found = rnne.measure_degeneracy(population, analysis=ANALYSIS)
    rows = {row["measure"]: row for row in found.table()}
    gap = rnne.generalization_gap(population)
    assert rows["generalization_gap"]["value"] == pytest.approx(gap.mean.value)
    assert found.behavior.sigma == found.behavior.sigmas["louder"]
    assert set(found.behavior.losses) == {"in_distribution", "louder", "training", "held_out"}
    folder = rnne.save(tmp_path / "run", population, degeneracy=found)
    known = dict(KNOWN)
    KNOWN.clear()
    loaded = rnne.load(folder)
    KNOWN.update(known)
    assert loaded.population == population
    assert loaded.population.task.arrays is not population.task.arrays
    assert loaded.degeneracy.table() == found.table()
    (stored,) = folder.glob("task/*.npz")
    stored.write_bytes(stored.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"task/.*is missing or damaged"):
        rnne.load(folder)


def test_distances_are_those_of_valid_steps(population):
    task = population.task
    analysis = dataclasses.replace(ANALYSIS, measures=("representation",))
    found = rnne.measure_degeneracy(population, analysis=analysis)
    drawn = compiled.sample(task, evaluation_key(0, 0), ANALYSIS.dynamics_trials)
    rates = population.respond(drawn.inputs).rates
    valid = np.asarray(drawn.valid, bool)
    assert not valid.all()
    for name, metric in (("dynamics", ANALYSIS.dsa), ("autocovariance", ANALYSIS.autocovariance)):
        alone = rnne.distance_matrix(metric, rates, mask=valid)
        np.testing.assert_allclose(found.distances[name].matrix, alone, atol=2e-3)
    drawn = compiled.sample(task, evaluation_key(0, 0), 256)
    rates = population.respond(drawn.inputs).rates
    alone = rnne.distance_matrix("svcca", rates, mask=np.asarray(drawn.valid, bool))
    np.testing.assert_allclose(found.distances["representation"].matrix, alone, atol=1e-5)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "trials.npz"
    np.savez(path, inputs=INPUTS, targets=TARGETS)
    return path


def test_a_file_is_named_with_the_digest_of_its_arrays(file, tmp_path):
    task = tasks.ArrayTask(path=str(file))
    assert task == task_of()
    assert task.given_arrays == {}
    assert set(task_of().given_arrays) == {task.digest}
    other = tmp_path / "trials.safetensors"
    named = {"inputs": INPUTS, "targets": TARGETS}
    safetensors.numpy.save_file(named, other)
    condition = Condition(task=task)
    elsewhere = Condition(task=tasks.ArrayTask(path=str(other)))
    assert condition.digest == elsewhere.digest  # where a file lies decides nothing
    text = to_toml(condition)
    assert from_toml(text) == condition
    assert from_toml(text).task.path == str(file)
    digest = task.digest
    np.savez(file, inputs=INPUTS, targets=-TARGETS)
    KNOWN.clear()
    with pytest.raises(ValueError, match=rf"`path` file .* has changed: `digest` must be {digest}"):
        from_toml(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            (INPUTS[:9], TARGETS),
            "`targets` must have the 9 trials and 10 steps of `inputs`; got 15",
        ),
        ((INPUTS, TARGETS[:, :7]), "`targets` must have the 15 trials and 10 steps"),
        ((INPUTS, TARGETS, np.ones((M, 3))), "`mask` must have the 15 trials and 10 steps"),
        ((INPUTS * np.nan, TARGETS), "`inputs` must hold finite numbers; got nan in trial 0"),
        ((INPUTS, TARGETS * np.inf), "`targets` must hold finite numbers"),
        ((INPUTS[0], TARGETS), r"`inputs` must be \[M, T, channels\] and not empty"),
        ((INPUTS, TARGETS, np.full((M, T), 0.5)), "`mask` must hold zeros and ones; got 0.5"),
        ((INPUTS, TARGETS, np.arange(M)[:, None] != np.full(T, 4)), "trial 4 has none"),
        ((INPUTS[:1], TARGETS[:1]), "at least 2 trials of at least 2 steps; got 1 of 10"),
        ((LISTS[0], LISTS[1][1:]), "`targets` must have the trials and steps of .*14 and 15"),
        ((LISTS[0], LISTS[1][::-1]), "`targets` must have the trials and steps .* 9 and 10 steps"),
        (([*LISTS[0][1:], INPUTS], LISTS[1]), r"`inputs\[14\]` must be \[steps, channels\]"),
        ((INPUTS, "targets"), "`targets` must hold real numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(*given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"held_out": 0.0}, "`held_out` must leave trials on both sides; got 0 of 15"),
        ({"held_out": 0.01}, "`held_out` must leave trials on both sides; got 0 of 15"),
        ({"held_out": range(M)}, "`held_out` must be a share"),
        ({"held_out": tuple(range(M))}, "`held_out` must leave trials on both sides; got 15 of"),
        ({"held_out": 1.5}, "`held_out` must be a share of the trials"),
        ({"held_out": (3, 3)}, "`held_out` must hold different indices"),
        ({"held_out": (15,)}, "`held_out` must hold different indices of the 15 trials"),
        ({"n_steps": 9}, "`n_steps` must be left out, or be the arrays' 10"),
        ({"replacement": "no"}, "`replacement` must be true or false"),
        ({"variant": "longer"}, "`variant` must be one of"),
        ({"threshold": -1.0}, "`threshold` must be a finite number of at least 0.0"),
        ({"ood": {"a/b": (INPUTS, TARGETS)}}, "`ood` must name its variants by plain words"),
        ({"ood": {"more": INPUTS}}, r"`ood` must hold \(inputs, targets\)"),
        ({"ood": {"more": (INPUTS[..., :1], TARGETS)}}, "`more/inputs` must have the 2 channels"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        task_of(**settings)


def test_what_cannot_be_trained_or_lengthened_is_refused():
    task = task_of(replacement=False)
    with pytest.raises(ValueError, match="`batch` must be at most the 12 training trials"):
        rnne.Recipe(task, training=rnne.Training(batch=13))
    rnne.Recipe(dataclasses.replace(task, replacement=True), training=rnne.Training(batch=13))
    with pytest.raises(ValueError, match="`factor` of 2: trials from arrays have no longer form"):
        task.lengthened(2)
    with pytest.raises(ValueError, match="`task` must draw fresh trials"):
        measure_intrinsic_dimension(task, training=TRAINING)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`path` is missing, and no arrays are given"),
        ({"digest": "0" * 32}, "`path` is missing, and the arrays of `digest` 000.* are given"),
        ({"path": "nowhere.npz"}, "`path` file nowhere.npz does not exist"),
        ({"path": "trials.csv"}, "`path` must be a .npz or .safetensors file"),
    ],
)
def test_missing_files_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tasks.ArrayTask(**settings)


def test_unreadable_files_are_refused(file, tmp_path):
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"`path` file .*trials\.npz cannot be read"):
        tasks.ArrayTask(path=str(file))
    np.savez(file, inputs=np.array([{}], object), targets=TARGETS)
    with pytest.raises(ValueError, match="nothing is unpickled"):
        tasks.ArrayTask(path=str(file))
    np.savez(file, inputs=INPUTS)
    with pytest.raises(ValueError, match="`targets` is missing"):
        tasks.ArrayTask(path=str(file))
    np.savez(file, inputs=INPUTS, targets=TARGETS, masks=TARGETS[..., 0])
    with pytest.raises(ValueError, match="`masks` is no array of a task; known are inputs"):
        tasks.ArrayTask(path=str(file))


def test_a_missing_package_for_a_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "trials.safetensors"
    safetensors.numpy.save_file({"inputs": INPUTS, "targets": TARGETS}, path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ValueError, match=r"`path` file .* needs the package safetensors: pip"):
        tasks.ArrayTask(path=str(path))


def test_only_fixed_training_sets_have_a_gap():
    task = tasks.FlipFlop(n_bits=1, n_steps=12)
    training = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
    population = rnne.train_population(task, network=NETWORK, training=training, size=2)
    with pytest.raises(ValueError, match="`population` must have trained on a fixed training set"):
        rnne.generalization_gap(population)


def test_an_array_is_kept_once_in_a_process():
    first, second = task_of(), task_of(held_out=0.3)
    assert first.arrays is second.arrays
    assert isinstance(KNOWN[first.digest], TrialArrays)


@pytest.mark.long
def test_presets_and_sweeps_of_a_file(file, tmp_path, capsys):
    start, rest = TINY.index("[task]"), TINY.index("[network]")
    table = f'[task]\nkind = "arrays"\npath = "{file}"\n'
    preset = tmp_path / "mine.toml"
    preset.write_text(TINY[:start] + table + TINY[rest:])
    cli.main(["train", str(preset), "--runs", str(tmp_path), "--name", "mine"])
    said = capsys.readouterr().out
    assert "sigma_OOD is not defined" in said
    assert "generalization gap" in said
    assert "figures:" in said
    run = rnne.load(tmp_path / "mine")
    assert run.degeneracy.behavior.sigmas == {}
    assert np.isnan(run.degeneracy.behavior.sigma.value)
    assert not (tmp_path / "mine" / "task").exists()  # the file has them
    cli.main(["show", str(tmp_path / "mine")])
    parts = ["[tasks.arrays]", "size = 3", table.replace("[task]", "[tasks.arrays.task]")]
    body = TINY[rest:].replace("[", "[tasks.arrays.", 1)
    for name in ("training", "analysis", "analysis.dsa", "analysis.grid"):
        body = body.replace(f"\n[{name}]", f"\n[tasks.arrays.{name}]")
    for name in ("analysis.autocovariance", "analysis.pif"):
        body = body.replace(f"\n[{name}]", f"\n[tasks.arrays.{name}]")
    factor = (
        '[[factors]]\nname = "share"\ntask = "arrays"\nfield = "task.held_out"\n'
        "values = [0.2, 0.4]\n"
    )
    text = 'name = "shares"\n' + "\n".join(parts) + body + factor
    folder = rnne.run_sweep(text, runs=tmp_path, quiet=True)
    sweep, outcomes = rnne.load_sweep(folder)
    shares = sorted(len(x.task.held_out_trials) for x in sweep.conditions.values())
    assert shares == [3, 6]
    assert all(each.degeneracy.behavior.gap is not None for each in outcomes.values())
    cli.main(["report", str(folder)])
    np.savez(file, inputs=INPUTS, targets=-TARGETS)
    KNOWN.clear()
    with pytest.raises(SystemExit):
        cli.main(["train", str(tmp_path / "mine" / "config.toml"), "--runs", str(tmp_path)])
    assert "has changed: `digest` must be" in capsys.readouterr().err
