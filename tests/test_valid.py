"""Trials of unequal length: what stands after the end of a trial changes nothing measured."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.analysis.decoding import decode
from rnnensemble.training.evaluation import evaluation_key
from tests.tiny import NETWORK


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uneven(rnne.tasks.FlipFlop):
    """The flip-flop in trials of 8, 10 and 12 steps, which garbage follows."""

    name: ClassVar[str] = "uneven"
    garbage: float = 0.0

    def clean_trials(self, key, batch):
        inputs, targets, mask, *_ = super().clean_trials(key, batch)
        valid = (jnp.arange(self.n_steps) < 8 + 2 * (jnp.arange(batch)[:, None] % 3)) * 1.0
        noise = self.garbage * jax.random.normal(jax.random.fold_in(key, 9), inputs.shape)
        inputs, targets = (jnp.where(valid[..., None] > 0, x, noise) for x in (inputs, targets))
        return rnne.Trials(inputs, targets, mask * valid, valid)

    def variables(self, trials):
        return {"bit": trials.targets[..., 0], "sign": trials.targets[..., 0] > 0}


TASK = Uneven(n_bits=1, n_steps=12)
SPOILED = dataclasses.replace(TASK, garbage=3.0)
SHORT = rnne.Training(batch=9, epoch_steps=4, max_epochs=2, threshold=10.0, patience=2)


def trained(task, **settings):
    training = dataclasses.replace(SHORT, **settings)
    return rnne.train_population(task, network=NETWORK, training=training, size=3)


@pytest.fixture(scope="module")
def population():
    return trained(TASK)


@pytest.fixture(scope="module")
def spoiled(population):
    """The same networks, whose trials are followed by something else."""
    recipe = dataclasses.replace(population.recipe, task=SPOILED)
    return dataclasses.replace(population, recipe=recipe)


def test_garbage_reaches_the_rates(population, spoiled):
    sample = jax.jit(lambda key, task: task.sample(key, 9), static_argnames="task")
    drawn = [sample(evaluation_key(0, 0), task=each.task) for each in (population, spoiled)]
    rates = [population.respond(each.inputs).rates for each in drawn]
    counts = np.asarray(drawn[0].valid) != 0
    np.testing.assert_array_equal(rates[0][:, counts], rates[1][:, counts])
    assert np.abs(rates[0] - rates[1])[:, ~counts].max() > 0.1


def solutions(population):
    analysis = rnne.SolutionAnalysis(trials=12, dynamics_trials=8, behavior_trials=8, dsa=DSA)
    found = rnne.compare_solutions({"all": population}, analysis=analysis)
    return {name: getattr(found, name) for name in ("predictivity", "whole", "dynamics", "shapes")}


def retention(population):
    later = rnne.train_population(population.task, start=population, training=SHORT, seed=1)
    found = rnne.measure_retention(
        population, later, metrics=["svcca"], trials=9, activity_trials=9
    )
    return found.moved["svcca"].distances


DSA = rnne.DSA(rank=2, starts=4)
SEARCH = rnne.FixedPointSearch(starts=8, trials=6, noise=0.0, steps=20, settle=20)
MEASURES = {
    "decodability": lambda each: rnne.measure_decodability(each, trials=40)[:4],
    "feature learning": lambda each: dataclasses.astuple(
        rnne.measure_feature_learning(each, analysis=rnne.FeatureAnalysis(trials=6, step_stride=3))
    )[:4],
    "fixed points": lambda each: [x[:4] for x in rnne.find_fixed_points(each, search=SEARCH)],
    "solutions": solutions,
    "groups": lambda each: rnne.compare_groups("cka", {"all": each}, trials=9).matrix,
    "populations": lambda each: rnne.compare_populations("rsa", each, trials=9).matrix(),
    "retention": retention,
    "kicks": lambda each: rnne.perturb(each, rnne.Kick(step=9, size=0.5)).params.kick,
    "ranks of units": lambda each: (
        rnne.perturb(each, rnne.Silence(share=0.3, by="rates")).params.kept
    ),
    "complexity": lambda each: rnne.measure_complexity(each.task, trials=90, steps=3, max_lag=2)[
        :5
    ],
}


SLOW = ("decodability", "retention", "solutions")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] * (name in SLOW)) for name in MEASURES],
)
def test_measures_do_not_see_what_follows_a_trial(name, population, spoiled):
    found, other = (jax.tree.leaves(MEASURES[name](each)) for each in (population, spoiled))
    assert len(found) == len(other) > 0
    for a, b in zip(found, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
def test_penalized_rates_are_those_of_valid_steps(population):
    """So is the likeness to earlier solutions."""
    penalized = [trained(task, rates_l2=0.1) for task in (TASK, SPOILED)]
    assert equal(*(each.params for each in penalized))
    assert not equal(population.params, penalized[0].params)
    kept = {"strength": 0.5, "target": 0.0}
    apart = [
        rnne.deflate(
            task,
            dataclasses.replace(
                population, recipe=dataclasses.replace(population.recipe, task=task)
            ),
            training=SHORT,
            deflation=rnne.Deflation(**kept),
            size=2,
        )
        for task in (TASK, SPOILED)
    ]
    assert equal(*(each.params for each in apart))
    np.testing.assert_array_equal(*(each.history.penalty for each in apart))


def equal(a, b):
    """Whether two trees hold the same numbers."""
    return all(map(np.array_equal, jax.tree.leaves(a), jax.tree.leaves(b)))


def test_decoding_of_valid_steps_is_that_of_trials_that_go_on():
    rng = np.random.default_rng(0)
    rates = rng.normal(size=(2, 24, 3, 5)).astype(np.float32)
    values = rates[0, ..., 0] + rng.normal(size=(24, 3))
    mask = np.ones((24, 3), bool)
    mask[16:, 1], mask[5:, 2] = False, False
    whole, found = decode(rates, values), decode(rates, values, mask=mask)
    alone = decode(rates[:, :16], values[:16])
    np.testing.assert_allclose(found[:, 0], whole[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], alone[:, 1], rtol=1e-4)
    assert np.isnan(found[:, 2]).all()  # of 5 trials, where a fold needs 2
    holes = np.where(mask[..., None], rates, np.nan)
    np.testing.assert_array_equal(decode(holes, np.where(mask, values, np.inf), mask=mask), found)
    signs = values > 0
    np.testing.assert_allclose(
        decode(rates, signs, mask=mask)[:, 1], decode(rates[:, :16], signs[:16])[:, 1], atol=1e-6
    )
    with pytest.raises(ValueError, match=r"`mask` must be \[B, T\], \(24, 3\); got \(24, 2\)"):
        decode(rates, values, mask=mask[:, :2])
