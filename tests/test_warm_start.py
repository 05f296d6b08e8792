"""Networks that start from trained ones: what they start from, what their recipe says, what of a
sequence of tasks and of an old task is left."""

import dataclasses
import os
import signal

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.analysis.populations import compare_populations
from rnnensemble.cli.commands import main
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from tests import compiled
from tests.tiny import ANALYSIS, NETWORK, TASK, TINY

SHORT = rnne.Training(batch=8, epoch_steps=4, max_epochs=3, threshold=10.0, patience=2)
NEVER = dataclasses.replace(SHORT, threshold=1e-9)
OTHER = dataclasses.replace(TASK, pulse_probability=0.6)


@pytest.fixture(scope="module")
def old():
    return rnne.train_population(TASK, network=NETWORK, training=SHORT, size=3)


@pytest.fixture(scope="module")
def new(old):
    """On another task, which none of them learns in time."""
    return rnne.train_population(OTHER, start=old, training=NEVER, seed=1)


def test_networks_start_from_the_end_of_others_with_a_new_optimizer(old, new):
    """Each becomes what it would alone, from those parameters and nothing else of the old run."""
    assert (new.size, new.network) == (old.size, old.network)
    assert_equal(new.initial_params, old.params)
    np.testing.assert_array_equal(new.stop_epoch, 3)
    assert not np.array_equal(new.params.recurrent_weights, old.params.recurrent_weights)
    forgetful = dataclasses.replace(old, history=None, initial_params=None, state=None)
    alone = rnne.train_population(OTHER, start=forgetful[1], training=NEVER, seed=1, first=1)
    assert alone == new[1]
    shard = rnne.train_population(OTHER, start=old, training=NEVER, seed=1, size=2, first=1)
    assert shard == new[1:]


def test_recipe_says_where_they_started(old, new):
    assert new.recipe.start == old.recipe
    assert new.recipe.lineage == (new.recipe, old.recipe)
    parts = [new[[0]], new[[1, 2]]]
    assert parts[1].recipe.start == old[[1, 2]].recipe
    assert rnne.concatenate(parts) == new
    drawn = dataclasses.replace(new.recipe, start=None)
    digests = {Condition(**vars(each)).recipe_digest for each in (new.recipe, drawn)}
    assert len(digests) == 2
    with pytest.raises(ValueError, match="`populations` must all have started from trained"):
        rnne.concatenate([new, dataclasses.replace(new, recipe=drawn)])
    with pytest.raises(ValueError, match="`start` of a recipe names trained networks"):
        rnne.train_populations([new.recipe])


def test_interrupted_goes_on_from_its_run_folder(old, new, tmp_path):
    calls = []

    def stop(progress):
        calls.append(progress)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(rnne.TrainingInterrupted) as interrupted:
        rnne.train_population(OTHER, start=old, training=NEVER, seed=1, progress=stop)
    rnne.save(tmp_path / "run", interrupted.value.population)
    loaded = rnne.load(tmp_path / "run")
    assert loaded.condition.start == old.recipe
    assert rnne.resume(loaded.population) == new
    with pytest.raises(ValueError, match="`start` must have ended"):
        rnne.train_population(TASK, start=interrupted.value.population)


def test_values_by_network_are_those_of_the_new_recipe():
    """gamma of the muP form stands among the parameters and scales the learning rate."""
    network = rnne.MuPRNN(width=6, gamma=(0.5, 2.0))
    start = rnne.train_population(TASK, network=network, training=SHORT, size=2)
    same = rnne.train_population(TASK, start=start, training=NEVER, seed=1)
    np.testing.assert_allclose(same.params.gamma, [0.5, 2.0])
    np.testing.assert_allclose(same.history.learning_rate[:, 0], [5e-4, 2e-3])
    richer = rnne.MuPRNN(width=6, gamma=4.0)
    other = rnne.train_population(TASK, start=start, network=richer, training=NEVER, seed=1)
    np.testing.assert_allclose(other.params.gamma, 4.0)
    assert_equal(other.initial_params.input_weights, start.params.input_weights)
    np.testing.assert_allclose(other.history.learning_rate[:, 0], 4e-3)


def test_what_networks_cannot_start_from(old):
    def train(task=OTHER, start=old, **options):
        rnne.train_population(task, start=start, **options)

    with pytest.raises(ValueError, match="`size` must be that of `start`, 3"):
        train(size=4)
    with pytest.raises(ValueError, match="`network` must be that of `start`"):
        train(network=rnne.VanillaRNN(width=7))
    with pytest.raises(ValueError, match="`task` must have the 1 inputs and 1 outputs"):
        train(rnne.tasks.FlipFlop(n_bits=2))
    with pytest.raises(ValueError, match="`start` must be a Population; got 3"):
        train(start=3)
    with pytest.raises(ValueError, match="`start` must be a Recipe; got 3"):
        rnne.Recipe(TASK, NETWORK, SHORT, 3, start=3)  # type: ignore[arg-type]
    lost = dataclasses.replace(old, diverged=np.array([False, True, False]))
    with pytest.raises(ValueError, match=r"`start` must hold no network that diverged.*indices 1"):
        train(start=lost)


STAGES = [TASK, rnne.Stage(OTHER, NEVER)]
SEQUENCE = {"network": NETWORK, "size": 3}
FIRST = dataclasses.replace(SHORT, threshold=(10.0, 1e-9, 10.0), learning_rate=(1e-3, 1e-3, 1e38))
"""The first network converges, the second does not, the third diverges."""


def test_each_stage_starts_from_the_one_before():
    found = rnne.train_sequence(STAGES, training=FIRST, **SEQUENCE)
    first, second = found.populations
    assert first == rnne.train_population(TASK, training=FIRST, **SEQUENCE)
    assert second == rnne.train_population(OTHER, start=first[:2], training=NEVER, seed=1)
    assert [rows.tolist() for rows in found.networks] == [[0, 1, 2], [0, 1]]
    one, two = found.summary().splitlines()
    assert one.startswith("stage 0, flipflop: 1 of 3 networks converged; 1 of 3 networks diverged")
    assert two.endswith("0 of 2 networks converged; not converged: networks 0, 1")


def test_networks_that_fail_a_stage_may_stop():
    training = dataclasses.replace(FIRST, threshold=(1e-9, 10.0, 10.0))
    found = rnne.train_sequence([*STAGES, TASK], training=training, unconverged="stop", **SEQUENCE)
    assert [rows.tolist() for rows in found.networks] == [[0, 1, 2], [1]]  # and then none
    assert found.populations[1].recipe.starts == ((1, 1),)
    assert_equal(found.populations[1].initial_params, found.populations[0][1].params)


def test_sequence_goes_on_where_it_was_interrupted(old):
    whole = rnne.train_sequence(STAGES, start=old, training=NEVER)
    assert whole.populations[0].recipe.start == old.recipe
    calls, saved = [], []

    def stop(progress):
        calls.append(progress)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(rnne.TrainingInterrupted, match="train_sequence") as interrupted:
        rnne.train_sequence(
            STAGES,
            start=old,
            training=NEVER,
            progress=stop,
            checkpoint=saved.append,
            checkpoint_seconds=0,
        )
    for there in (interrupted.value.populations, saved[0], saved[-1]):
        again = rnne.train_sequence(STAGES, start=old, training=NEVER, resume=there)
        assert again.populations == whole.populations
    assert [len(each) for each in saved] == [1, 1, 1, 2]


def test_what_is_no_sequence():
    with pytest.raises(ValueError, match="`stages` must hold at least one task"):
        rnne.train_sequence([])
    with pytest.raises(ValueError, match="`task` must have the 1 inputs and 1 outputs"):
        rnne.train_sequence([TASK, rnne.tasks.FlipFlop(n_bits=2)])
    with pytest.raises(ValueError, match="`unconverged` must be 'go on' or 'stop'; got 'go'"):
        rnne.train_sequence(STAGES, unconverged="go")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`resume` must hold at most one population"):
        rnne.train_sequence(STAGES, resume=[None] * 3)  # type: ignore[list-item]


@pytest.mark.parametrize("metric", ["pif", pytest.param("dsa", marks=pytest.mark.long)])
def test_retention_is_loss_accuracy_and_way_on_the_old_task(old, new, metric):
    metric = getattr(ANALYSIS, metric)
    how = {"trials": 16, "activity_trials": 8, "seed": 3}
    found = rnne.measure_retention(old, new, metrics=[metric], **how)
    trials = compiled.sample(TASK, rnne.training.evaluation.evaluation_key(3, 0), 16)
    for population, loss, right in (
        (old, found.loss_before, found.accuracy_before),
        (new, found.loss_after, found.accuracy_after),
    ):
        outputs = population.respond(trials.inputs).outputs
        errors = np.mean((outputs - trials.targets) ** 2, axis=-1) * trials.mask
        np.testing.assert_allclose(loss, errors.sum(axis=(1, 2)) / trials.mask.sum(), rtol=1e-4)
        expected = [float(TASK.accuracy(each, trials).mean()) for each in outputs]
        np.testing.assert_allclose(right, expected)
    change = found.loss_after - found.loss_before
    assert found.forgetting.value == pytest.approx(change.mean(), rel=1e-5)
    ends = [
        dataclasses.replace(each, recipe=dataclasses.replace(each.recipe, task=TASK), **every)
        for each, every in ((old, {}), (new, {"converged": ~new.converged}))
    ]
    moved = found.moved[metric.name]
    both = compare_populations(metric, *ends, trials=8, seed=3).matrix()
    np.testing.assert_allclose(moved.distances, np.diag(both), rtol=2e-3, atol=1e-5)
    alone = compare_populations(metric, old, trials=8, seed=3).matrix()
    np.testing.assert_allclose(moved.matrix, alone, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(moved.share, moved.distances / moved.between.value)


def test_nothing_is_forgotten_where_nothing_moved(old):
    still = rnne.train_population(
        OTHER, start=old, training=dataclasses.replace(NEVER, learning_rate=1e-30), seed=1
    )
    found = rnne.measure_retention(old, still, metrics=[ANALYSIS.pif], trials=16)
    assert tuple(found.forgetting) == (0, 0, 0)
    assert not found.moved["pif"].distances.any()


def test_whose_retention_cannot_be_measured(old, new):
    with pytest.raises(ValueError, match="`after` must have started from `before`"):
        rnne.measure_retention(new, old)
    with pytest.raises(ValueError, match="`after` must have started from `before`"):
        rnne.measure_retention(old[[1, 0, 2]], new)
    with pytest.raises(ValueError, match="`before` must have at least 2 networks"):
        rnne.measure_retention(old[0], new[0])
    with pytest.raises(ValueError, match="`trials` must be a whole number"):
        rnne.measure_retention(old, new, trials=0)
    with pytest.raises(ValueError, match="`metrics` must be symmetric; 'predictivity' is not"):
        rnne.measure_retention(old, new, metrics=["predictivity"])
    lost = dataclasses.replace(new, diverged=np.array([True, False, False]))
    with pytest.raises(ValueError, match="`after` must hold no network that diverged"):
        rnne.measure_retention(old, lost)


def test_presets_do_not_hold_trained_networks(old, tmp_path, capsys):
    recipe = Condition(task=TASK, network=NETWORK, training=SHORT, size=3, start=old.recipe)
    text = conditions.to_toml(recipe)
    assert conditions.from_toml(text) == recipe
    (tmp_path / "preset.toml").write_text(text)
    arguments = ["train", str(tmp_path / "preset.toml"), "--runs", str(tmp_path)]
    for more in ([], ["--shard", "1/2"]):
        with pytest.raises(SystemExit):
            main([*arguments, *more])
        assert "--start-from RUN" in capsys.readouterr().err


@pytest.mark.long
def test_command_starts_from_a_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.toml").write_text(TINY)
    (tmp_path / "new.toml").write_text(f"seed = 1\n{TINY}")
    main(["train", "old.toml", "--quiet"])
    main(["train", "new.toml", "--quiet", "--start-from", "runs/old"])
    parts = [["--shard", f"{k}/2", "--name", "parts"] for k in (1, 2)]
    for part in parts:
        main(["train", "new.toml", "--quiet", "--start-from", "runs/old", *part])
    main(["join", "runs/parts-1-of-2", "runs/parts-2-of-2", "--quiet", "--no-analyse"])
    old, new = (rnne.load(f"runs/{name}").population for name in ("old", "new"))
    expected = rnne.train_population(TASK, start=old, training=new.training, seed=1)
    assert new == expected == rnne.load("runs/parts").population


@pytest.mark.long
def test_run_folders_hold_the_arrays_of_all_tasks_before(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(2, 12, 8, 1)).astype(np.float32)
    tasks = [rnne.tasks.ArrayTask.from_arrays(each, np.cumsum(each, axis=1)) for each in inputs]
    found = rnne.train_sequence(tasks, network=NETWORK, training=SHORT, size=2)
    rnne.save(tmp_path / "run", found.populations[1])
    stored = list((tmp_path / "run").glob("task/*.npz"))
    assert len(stored) == len({name for task in tasks for name in task.given_arrays})
    assert rnne.load(tmp_path / "run").population == found.populations[1]


def assert_equal(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)
