"""The criterion that every task of a mixture has to meet, and what accuracy means there."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import tasks
from rnnensemble.cli.console import population_line
from rnnensemble.study.conditions import Condition, from_toml, to_toml
from rnnensemble.study.pages.charts import curves
from rnnensemble.training.evaluation import evaluation_key
from rnnensemble.training.objective import sums_by_task, terms_and_gradient
from rnnensemble.training.recipe import own_keys
from tests import compiled
from tests.tiny import NETWORK

BATCH, STEPS = 32, 3
PARTS = (
    tasks.FlipFlop(n_bits=1, n_steps=4),
    tasks.FlipFlop(n_bits=1, n_steps=9, pulse_probability=0.6),
)
MIXED = tasks.Mixture(tasks=PARTS, weights=[3, 1])
STILL = {"learning_rate": 1e-9, "batch": BATCH, "epoch_steps": STEPS, "max_epochs": 1}
"""Training that leaves the weights as they were, so that they say what each step saw."""


def train(task=MIXED, **settings):
    training = rnne.Training(**STILL | {"patience": 1} | settings)
    return rnne.train_population(task, network=NETWORK, training=training, size=2)


def seen(population):
    """Trials of the first epoch of every network, with its outputs, in NumPy: one a network."""

    @jax.jit
    def drawn(key):
        plan = MIXED.plan(jax.random.fold_in(key, 1), np.arange(STEPS), BATCH)
        return jax.vmap(lambda each: MIXED.training_trials(each, BATCH))(plan)

    for k, key in enumerate(own_keys(population.recipe)):
        flat = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), drawn(key))
        yield flat, population[k].respond(flat.inputs).outputs[0]


@pytest.mark.parametrize("criterion", ["loss", "accuracy"])
def test_the_worst_task_is_found_on_the_trials_of_the_epoch(criterion):
    found = train(criterion=criterion, threshold=0.5, every_task=True)
    for k, (trials, outputs) in enumerate(seen(found)):
        each, mean = [], []
        for rule, part in enumerate(PARTS):
            rows = trials.inputs[:, 0, 1 + rule] == 1
            errors = (outputs - trials.targets)[rows, : part.n_steps, 0] ** 2
            right = (outputs * trials.targets)[rows, : part.n_steps, 0] > 0
            values = errors.mean() if criterion == "loss" else right.all(axis=1).mean()
            each.append(values)
            mean += [values] * rows.sum()
        assert found.history.worst[k, 0] == pytest.approx(
            max(each) if criterion == "loss" else min(each), rel=1e-4
        )
        if criterion == "accuracy":
            assert found.history.accuracy[k, 0] == pytest.approx(np.mean(mean), rel=1e-5)
    assert (found.reached == found.history.worst).all()


def test_one_task_that_is_not_learned_keeps_a_network_from_converging():
    plain, every = train(threshold=10.0), train(threshold=10.0, every_task=True)
    for x, y in zip(*map(jax.tree.leaves, (plain.params, every.params)), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)
    mean, worst = plain.history.loss[:, 0], every.history.worst[:, 0]
    assert (worst > mean).all()
    between = {"threshold": tuple(map(float, (mean + worst) / 2))}
    assert train(**between).converged.all()
    assert not train(**between, every_task=True).converged.any()
    assert every.converged.all()


@pytest.mark.long
def test_a_task_without_trials_is_not_learned_and_one_never_drawn_not_asked():
    rare = train(dataclasses.replace(MIXED, weights=(1, 1e-9)), threshold=10.0, every_task=True)
    assert np.isnan(rare.history.worst).all()
    assert not rare.converged.any()
    never = train(MIXED.alone("flipflop_1"), threshold=10.0, every_task=True)
    assert never.converged.all()
    np.testing.assert_allclose(never.history.worst, never.history.loss, rtol=1e-5)


@pytest.mark.parametrize("loss", [None, "mse"])
def test_slices_of_a_batch_add_up(loss):
    params = compiled.init(NETWORK, jax.random.key(0), n_inputs=3, n_outputs=1, gain=jnp.ones(()))

    @jax.jit
    def found(trials):
        def by_task(outputs, part):
            return sums_by_task(outputs, part, task=MIXED, loss=loss)

        each = [
            terms_and_gradient(params, trials, NETWORK, slices=n, by_task=by_task)[0]
            for n in (1, 4)
        ]
        return [terms.by_task for terms in each]

    whole, parts = found(jax.jit(MIXED.sample, static_argnums=1)(jax.random.key(1), BATCH))
    np.testing.assert_allclose(whole, parts, rtol=1e-5)
    assert (whole[1] > 0).all()


def test_networks_that_are_kept_apart_are_asked_too():
    asked = {"threshold": 10.0, "every_task": True}
    standard = train(**asked)
    found = rnne.deflate(
        MIXED,
        standard,
        training=rnne.Training(**STILL | asked),
        deflation=rnne.Deflation(strength=0.0),
        size=2,
    )
    np.testing.assert_allclose(found.history.worst, standard.history.worst, rtol=1e-5)


def test_accuracies_of_a_mixture_are_those_of_its_tasks():
    ring = tasks.Ring(units=2, n_steps=12, fixation_steps=(1, 2), stimulus_steps=2)
    mixed = tasks.Mixture(tasks=[tasks.FlipFlop(n_bits=1, n_steps=5), ring])
    trials = jax.jit(mixed.sample, static_argnums=1)(jax.random.key(0), 64)
    trials = jax.tree.map(np.asarray, trials)
    noise = np.asarray(0.6 * jax.random.normal(jax.random.key(1), trials.targets.shape))
    found = jax.jit(mixed.accuracy)(trials.targets + noise, trials)
    assert 0.1 < np.mean(found) < 0.9
    for rule, part in enumerate(mixed.tasks):
        rows = np.flatnonzero(trials.inputs[:, 0, rule - 2] == 1)
        np.testing.assert_array_equal(trials.rule[rows], rule)
        own = rnne.Trials(
            *(x[rows, : part.n_steps] for x in (trials.inputs, trials.targets, trials.mask))
        )._replace(targets=trials.targets[rows, : part.n_steps, : part.n_outputs])
        outputs = (trials.targets + noise)[rows, : part.n_steps, : part.n_outputs]
        np.testing.assert_array_equal(found[rows], jax.jit(part.accuracy)(outputs, own))
    assert mixed.has("accuracy")
    assert not mixed.has("choice")
    assert not tasks.Mixture(tasks=[ring, tasks.Sine()]).has("accuracy")


@pytest.mark.parametrize("rule", ["anti", "delay_decision"])
def test_a_ring_is_right_within_36_degrees_if_fixation_is_kept_and_left(rule):
    task = tasks.Ring(rule=rule, units=32)
    trials = jax.jit(task.sample, static_argnums=1)(jax.random.key(0), 16)
    ring, fixation = trials.targets[..., 1:], trials.targets[..., :1]
    accuracy = jax.jit(task.accuracy)
    for units, right in ((0, 1), (3, 1), (-3, 1), (4, 0), (-4, 0), (16, 0)):  # of 11.25 degrees
        turned = jnp.concatenate([fixation, jnp.roll(ring, units, axis=-1)], axis=-1)
        np.testing.assert_array_equal(accuracy(turned, trials), np.full(16, right))
    early = trials.targets.at[:, 1, 0].set(0.4)  # left before it is due
    never = trials.targets.at[..., 0].set(0.6)
    late = trials.targets.at[:, -8:-4, 0].set(0.6)  # as long as it is left in the end
    for outputs, right in ((early, 0), (never, 0), (late, 1)):
        np.testing.assert_array_equal(accuracy(outputs, trials), np.full(16, right))


def test_accuracies_by_task_are_those_of_its_trials(population):
    found = rnne.accuracy_by_task(population, trials=16, seed=2)
    assert list(found) == ["flipflop_1", "flipflop_2"]
    alone = MIXED.alone("flipflop_2")
    trials = jax.jit(alone.sample, static_argnums=1)(evaluation_key(2, 1), 16)
    outputs = population.respond(trials.inputs).outputs
    right = (outputs * trials.targets > 0).all(axis=(2, 3))
    np.testing.assert_allclose(found["flipflop_2"], right.mean(axis=1), rtol=1e-6)
    recipe = rnne.Recipe(tasks.Mixture(tasks=[tasks.Sine(), tasks.MemoryPro()]), size=2)
    with pytest.raises(ValueError, match=r"none of \['sine', 'memory_pro'\] has one"):
        rnne.accuracy_by_task(dataclasses.replace(population, recipe=recipe))


@pytest.fixture(scope="module")
def population():
    """Networks of which none has learned both tasks."""
    return train(threshold=1e-6, every_task=True, max_epochs=2)


def test_what_was_reached_is_kept_shown_and_gone_on_with(population, tmp_path):
    assert rnne.load(rnne.save(tmp_path / "run", population)).population == population
    first = train(threshold=1e-6, every_task=True)
    assert rnne.resume(first, max_epochs=2) == population
    assert rnne.concatenate([population[0], population[1]]) == population
    last = ", ".join(f"{each:.2g}" for each in population.history.worst[:, -1])
    assert f"ended at loss of the worst task {last} (threshold 1e-06)" in population_line(
        population
    )
    with pytest.raises(ValueError, match="lowest epoch losses of the worst task"):
        rnne.measure_degeneracy(population)
    drawn = rnne.figures.learning_figure(population)
    labels = [axes.get_ylabel() for axes in drawn.axes]
    assert labels == ["training MSE", "loss of the worst task"]
    assert [row["worst"] for row in drawn.data] == population.history.worst.ravel().tolist()
    chart = curves("", population)
    assert chart["yname"] == "training MSE of the worst task"
    np.testing.assert_array_equal(chart["y"], population.history.worst)


def test_settings_are_read_and_those_of_older_folders_stay():
    asked = Condition(MIXED, training=rnne.Training(every_task=True))
    assert from_toml(to_toml(asked)) == asked
    plain = Condition(MIXED)
    assert plain.digest == PLAIN_DIGEST
    assert asked.digest != plain.digest


PLAIN_DIGEST = "524761f99ddb"
"""Of a condition before every task could be asked for."""


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (PARTS[0], {}, "`every_task` needs a task that is a mixture, which 'flipflop' is not"),
        (MIXED, {"every_task": 1}, "`every_task` must be a bool; got 1"),
        (
            tasks.Mixture(tasks=[PARTS[0], tasks.Sine(), tasks.MemoryPro()]),
            {"criterion": "accuracy", "threshold": 0.9},
            r"`criterion` needs .* accuracy, which 'mixture' has not \(sine, memory_pro\); give",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(task, settings, message):
    with pytest.raises(ValueError, match=message):
        rnne.Recipe(task, training=rnne.Training(**{"every_task": True} | settings))


def test_other_measures_refuse_it():
    asked = rnne.Training(every_task=True)
    with pytest.raises(ValueError, match="`every_task` must be false: the dimension"):
        rnne.measure_intrinsic_dimension(MIXED, training=asked)
