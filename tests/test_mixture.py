"""Six tasks on a ring against their definitions, and mixtures of tasks behind rules."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest
from scipy.optimize import least_squares

import rnnensemble as rnne
from rnnensemble import tasks
from rnnensemble.analysis.by_task import losses_of_mixed
from rnnensemble.files.folders import read_rows
from rnnensemble.study.conditions import Condition, from_toml, to_toml
from rnnensemble.training.evaluation import evaluation_key, subject_of
from rnnensemble.training.recipe import without_own_values
from tests.own_task import Evidence
from tests.tiny import ANALYSIS, NETWORK

UNITS, BATCH = 32, 32
PREFERRED = 2 * np.pi * np.arange(UNITS) / UNITS
SIX = tasks.ring_tasks(units=UNITS)
STEPS = {"stimulus": 6, "fixation": (2, 6), "delay": (4, 12)}
FEW = {"units": 2, "n_steps": 10, "fixation_steps": (1, 2), "stimulus_steps": 2, "delay": (0, 2)}
SMALL = tasks.Mixture(
    tasks=[tasks.Ring(rule=rule, answer_steps=4, **FEW) for rule in ("go", "delay_go")]
)


@partial(jax.jit, static_argnums=(0, 2))
def sample(task, key, batch):
    return task.sample(key, batch)


def draw(task, batch=BATCH, seed=0):
    return jax.tree.map(np.asarray, sample(task, jax.random.key(seed), batch))


def direction(ring):
    """The direction and height of a bump of rates, by its vector sum and largest entry."""
    angle = np.angle((ring * np.exp(1j * PREFERRED)).sum(axis=-1)) % (2 * np.pi)
    return angle, ring.max(axis=-1)


def apart(first, second):
    """The angle between two directions."""
    return np.abs((first - second + np.pi) % (2 * np.pi) - np.pi)


@pytest.mark.parametrize("task", SIX, ids=lambda task: task.rule)
def test_ring_tasks_follow_their_definitions(task):
    trials = draw(task)
    fixation, rings = trials.inputs[..., 0], trials.inputs[..., 1:].reshape(BATCH, -1, 2, UNITS)
    began = (fixation == 1).sum(axis=1)
    assert (np.diff(fixation, axis=1) <= 0).all()
    np.testing.assert_allclose(trials.targets[..., 0], np.where(fixation == 1, 0.85, 0.05))
    for row, start in enumerate(began):
        assert trials.mask[row].sum() == task.n_steps - 2
        assert not trials.mask[row, start : start + 2].any()
        np.testing.assert_allclose(trials.targets[row, :start, 1:], 0.05)
        ring = rings[row]
        on = np.flatnonzero(ring.any(axis=(1, 2)))
        assert 2 <= on[0] <= 6
        answer, height = direction(trials.targets[row, start:, 1:] - 0.05)
        assert height == pytest.approx(0.8, abs=0.06)  # between two units
        if "decision" in task.rule:
            expected = _stronger(task, ring, on, start)
        else:
            shown = ring[on[0]].any(axis=1)
            assert shown.sum() == 1
            expected = direction(ring[on[0], np.argmax(shown)])[0]
            expected += np.pi * (task.rule == "anti")
            last = 39 if task.rule in ("go", "anti") else on[0] + 5
            assert on[-1] == last
            assert start - on[0] - 6 in (range(4, 13) if task.rule == "delay_go" else [0])
        assert apart(answer, expected).max() < 1e-3


def _stronger(task, ring, on, start):
    """The direction of the stronger stimulus, by a fit of both bumps to what was shown."""
    second = task.rule == "context_decision"
    assert ring[:, 1].any() == second
    if task.rule == "delay_decision":
        gap = np.flatnonzero(np.diff(on) > 1)
        assert len(gap) <= 1
        assert start == on[-1] + 1
        later = on[-1] - 5
        assert later - on[0] - 6 in range(4, 13)
        parts = [direction(ring[step, 0]) for step in (on[0], later)]
        strengths = [ring[step, 0].sum() for step in (on[0], later)]
        assert apart(parts[0][0], parts[1][0]) >= np.pi / 2 - 1e-3
        return parts[int(strengths[1] > strengths[0])][0]
    assert start == on[-1] + 1 == on[0] + 6
    heard, ignored = (
        (_fitted(x) for x in ring[on[0]]) if second else (_fitted(ring[on[0], 0]), None)
    )
    strengths = heard[1]
    assert np.abs(np.diff(strengths)).round(3) in (0.08, 0.16, 0.32)
    if second:
        both = np.abs(np.subtract.outer(heard[0], ignored[0]))
        assert both.min(axis=0).max() < 1e-3
    return heard[0][np.argmax(strengths)]


def _fitted(heard):
    """The directions and strengths of two stimuli on one ring, by least squares."""
    first = int(np.argmax(heard))
    second = int(np.argmax(np.where(apart(PREFERRED, PREFERRED[first]) > 1.2, heard, 0)))

    def missing(x):
        bumps = np.exp(-((8 * apart(PREFERRED, x[:2, None]) / np.pi) ** 2) / 2)
        return 0.8 * x[2:] @ bumps - heard

    found = least_squares(missing, [*PREFERRED[[first, second]], 1.0, 1.0], xtol=1e-12, ftol=1e-12)
    assert np.abs(found.fun).max() < 1e-4
    return found.x[:2] % (2 * np.pi), found.x[2:]


def test_ring_tasks_are_lengthened_by_their_delay_or_stimulus():
    for task in SIX:
        longer = task.out_of_distribution()["temporal"]
        waits = task.rule.startswith("delay")
        assert longer.n_steps == task.n_steps + (12 if waits else 6)
        assert (longer.delay == (8, 24)) == waits
        assert (longer.stimulus_steps == 12) != waits
    found = jax.jit(SIX[2].variables)(draw(SIX[2]))
    np.testing.assert_allclose(np.hypot(found["cos"], found["sin"]), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "stay"}, r"`rule` must be one of \['go'"),
        ({"n_steps": 37, "rule": "delay_decision"}, "`n_steps` must be at least 38 for 'delay_dec"),
        ({"answer_steps": 2}, "`answer_steps` must be a whole number of at least 3"),
        ({"delay": (4, 2)}, "`delay` must be "),
    ],
)
def test_ring_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tasks.Ring(**settings)


def test_mixtures_draw_each_task_by_its_weight_and_say_which():
    parts = [tasks.FlipFlop(n_bits=2, n_steps=6), tasks.Sine(n_steps=9)]
    mixture = tasks.Mixture(tasks=parts, weights=[3, 1])
    assert (mixture.n_steps, mixture.n_inputs, mixture.n_outputs) == (9, 4, 2)
    assert mixture.threshold == pytest.approx((3 * 0.001 + 0.05) / 4)
    trials = draw(mixture, 2000)
    rules = trials.inputs[..., 2:]
    assert (rules == rules[:, :1]).all()
    first = rules[:, 0, 0] == 1
    np.testing.assert_array_equal(rules[:, 0, 1], ~first)
    assert first.mean() == pytest.approx(0.75, abs=0.04)
    np.testing.assert_array_equal(trials.valid[first], np.tile(np.arange(9) < 6, (first.sum(), 1)))
    assert (trials.valid[~first] == 1).all()
    np.testing.assert_array_equal(trials.mask, trials.valid)
    assert set(np.unique(trials.inputs[first][:, :6, :2])) == {-1.0, 0.0, 1.0}
    assert not trials.inputs[first][:, 6:, :2].any()
    assert not trials.inputs[~first][..., 1].any()
    assert not trials.targets[~first][..., 1].any()
    assert set(mixture.variables(trials)["rule"].tolist()) == {0, 1}


def test_alone_a_task_of_a_mixture_has_its_own_trials():
    parts = [tasks.FlipFlop(n_bits=1, n_steps=6), Evidence(n_steps=6)]
    mixture = tasks.Mixture(tasks=parts, rules=False)
    assert mixture.labels == ("flipflop", "evidence")
    alone = draw(mixture.alone("flipflop"), 20)
    assert alone.valid is None
    assert set(np.unique(alone.inputs)) == {-1.0, 0.0, 1.0}
    assert mixture.alone("evidence").threshold == mixture.threshold
    same = tasks.Mixture(tasks=[parts[0], parts[0]])
    assert same.labels == ("flipflop_1", "flipflop_2")
    with pytest.raises(ValueError, match=r"`rule` must be one of .*; got 'flipfop'. Did you mean"):
        mixture.alone("flipfop")


def test_variants_are_those_that_all_tasks_have():
    ring, pro = tasks.Ring(units=2), tasks.MemoryPro()
    mixture = tasks.Mixture(tasks=[ring, pro])
    assert set(mixture.out_of_distribution()) == {"temporal", "noise"}
    longer = mixture.out_of_distribution()["temporal"]
    assert longer.tasks == (ring.lengthened(2), pro.lengthened(2))
    assert longer.n_steps == 60
    assert set(mixture.alone("memory_pro").out_of_distribution()) == {
        "temporal",
        "noise",
        "distractor",
    }
    assert mixture.lengthened(2).tasks == longer.tasks


def test_mixtures_of_arrays_keep_who_is_trained_on_what():
    inputs = np.arange(1.0, 11.0)[:, None, None] * np.ones((10, 4, 1))
    own = tasks.ArrayTask.from_arrays(inputs, inputs, held_out=(8, 9), replacement=False)
    mixture = tasks.Mixture(tasks=[own, tasks.FlipFlop(n_bits=1, n_steps=4)], weights=(1, 0))
    assert mixture.given_arrays.keys() == own.given_arrays.keys()
    bound = mixture.bound(mixture.operands)

    @jax.jit
    def taught(key):
        plan = bound.plan(key, np.arange(5), 4)
        return jax.vmap(lambda each: bound.training_trials(each, 4))(plan)

    seen = np.asarray(taught(jax.random.key(0)).inputs)[..., 0, 0]
    assert set(seen.ravel()) == set(range(1, 9))
    assert len(set(seen[:2].ravel())) == 8
    assert set(draw(mixture, 40).inputs[:, 0, 0]) == {9.0, 10.0}
    with pytest.raises(ValueError, match="`batch` must be at most the 8 training trials"):
        rnne.Recipe(mixture, training=rnne.Training(batch=9))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": [tasks.Sine()]}, "`tasks` must hold at least two tasks"),
        ({"tasks": ["sine", "flipflop"]}, "`tasks` must hold at least two tasks"),
        ({"tasks": [SMALL, tasks.Sine()]}, "`tasks` must not hold mixtures"),
        ({"weights": (1.0,)}, "`weights` must be a number of at least 0 for each of the 2"),
        ({"weights": (0, 0)}, "`weights` must be .* not all 0"),
        ({"weights": (1, -1)}, "`weights` must be a number of at least 0"),
        ({"rules": False}, "`tasks` must have equally many inputs .* got 1 and 1, 3 and 3"),
        ({"rules": "no"}, "`rules` must be true or false"),
        ({"n_steps": 7}, "`n_steps` must be left out, or be that of the longest task, 100"),
        ({"threshold": -1}, "`threshold` must be at least 0"),
    ],
)
def test_mixtures_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        tasks.Mixture(**{"tasks": [tasks.Sine(), tasks.FlipFlop()]} | settings)


def test_mixtures_are_read_and_written():
    condition = Condition(task=SMALL)
    assert from_toml(to_toml(condition)) == condition
    with pytest.raises(ValueError, match=r"`task.tasks.kind` is missing"):
        from_toml('[task]\nkind = "mixture"\ntasks = [{rule = "go"}]')


@pytest.fixture(scope="module")
def population():
    training = rnne.Training(batch=8, epoch_steps=4, max_epochs=2, threshold=10.0, patience=2)
    return rnne.train_population(SMALL, network=NETWORK, training=training, size=3)


def test_losses_by_task_are_those_of_its_trials(population, tmp_path):
    assert population.converged.all()
    found = rnne.loss_by_task(population, trials=16, seed=2)
    assert list(found) == ["go", "delay_go"]
    trials = sample(SMALL.alone("delay_go"), evaluation_key(2, 1), 16)
    outputs = population.respond(trials.inputs).outputs
    squared = ((outputs - trials.targets) ** 2).mean(axis=-1) * trials.mask
    expected = squared.sum(axis=(1, 2)) / trials.mask.sum()
    np.testing.assert_allclose(found["delay_go"], expected, rtol=1e-4)
    assert rnne.load(rnne.save(tmp_path / "run", population)).population == population
    with pytest.raises(ValueError, match=r"`trials` must be a whole number of at least 1"):
        rnne.loss_by_task(population, trials=0)
    other = dataclasses.replace(population, recipe=rnne.Recipe(tasks.FlipFlop(), size=3))
    with pytest.raises(ValueError, match=r"`population` must have trained on a tasks\.Mixture"):
        rnne.by_task(other)


@pytest.mark.long
def test_each_task_of_a_mixture_is_measured_alone(population):
    assert without_own_values(population.recipe, size=1).task == SMALL
    for rule, alone in rnne.by_task(population).items():
        found = rnne.measure_degeneracy(alone, analysis=ANALYSIS)
        assert set(found.behavior.sigmas) == {"temporal", "noise"}
        assert found.behavior.losses["in_distribution"].shape == (3,)
        assert alone.task == SMALL.alone(rule)


def test_degeneracy_has_the_loss_on_each_task_that_is_drawn(population):
    subject = subject_of(population, np.arange(3), None, None)
    how = {"trials": 16, "seed": 2, "first": 0}
    found, expected = (
        losses_of_mixed(subject, SMALL, **how),
        rnne.loss_by_task(population, trials=16, seed=2),
    )
    assert list(found) == list(expected)
    for rule, values in expected.items():
        np.testing.assert_array_equal(found[rule], values)
    assert losses_of_mixed(subject, SMALL.alone("go"), **how) == {}
    assert losses_of_mixed(subject, tasks.FlipFlop(), **how) == {}


SWEEP = """
name = "mixed"
[tasks.rules]
size = 3
network = {width = 6}
training = {batch = 8, epoch_steps = 4, max_epochs = 2, threshold = 10.0, patience = 2}
analysis = {dynamics_trials = 8, behavior_trials = 8, output_trials = 4, fixed_trials = true, \
dsa = {rank = 2, starts = 4}, grid = {ranks = [2], delays = [1]}, pif = {starts = 1}, \
autocovariance = {components = 2, starts = 4}}
features = {trials = 4, step_stride = 5}
task = {kind = "mixture", tasks = [
    {kind = "flipflop", n_bits = 1, n_steps = 10},
    {kind = "flipflop", n_bits = 1, n_steps = 12, pulse_probability = 0.6},
]}
[[factors]]
name = "rules"
task = "rules"
levels = [
    {value = 1, label = "one", task = {weights = [1, 0]}},
    {value = 2, label = "both"},
]
""".replace("\\\n", "")


@pytest.mark.long
def test_a_sweep_of_mixtures_comes_to_summary_findings_and_report(tmp_path):
    folder = rnne.run_sweep(SWEEP, runs=tmp_path, quiet=True)
    _, outcomes = rnne.load_sweep(folder)
    found = {each.condition.task.weights: each.degeneracy for each in outcomes.values()}
    assert found[1.0, 0.0].behavior.by_task == {}
    by_task = found[1.0, 1.0].behavior.by_task
    rows = {row["label"]: row for row in read_rows(folder / "summary.csv")}
    measured = {row["measure"]: row["value"] for row in found[1.0, 1.0].table()}
    for rule, values in by_task.items():
        assert values.shape == (3,)
        mean = float(rows["both"][f"loss_{rule}"])
        assert mean == pytest.approx(measured[f"loss_{rule}"]) == pytest.approx(values.mean())
        assert rows["one"][f"loss_{rule}"] == ""
    assert len(by_task) == 2
    page = rnne.write_report(folder).read_text()
    assert "rules" in page
    factors = {row["factor"] for row in read_rows(folder / "findings.csv")}
    assert factors == {"rules"}
    (digest,) = (
        each.condition.digest for each in outcomes.values() if each.degeneracy.behavior.by_task
    )
    again = rnne.load(folder / "conditions" / digest)
    assert again.degeneracy.table() == found[1.0, 1.0].table()
