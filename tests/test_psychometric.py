"""Psychometric curves against planted choices, their intervals against scipy, and bad input."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats as scipy_stats

import rnnensemble as rnne
from rnnensemble.stats import binomial_interval
from rnnensemble.training.evaluation import evaluation_key
from tests.own_task import Evidence

TASK = rnne.tasks.DelayedDiscrimination()
SHORT = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
NETWORK = rnne.VanillaRNN(width=6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sides(Evidence):
    """The sign of a drift, as one of two classes."""

    name: ClassVar[str] = "sides"
    n_outputs = 2

    def clean_trials(self, key, batch):
        trials = super().clean_trials(key, batch)
        positive = trials.targets > 0
        return trials._replace(targets=jnp.concatenate([positive, ~positive], axis=-1) * 1.0)

    def accuracy(self, outputs, trials):
        said, true = (jnp.argmax(x[:, -1], axis=-1) for x in (outputs, trials.targets))
        return (said == true) * 1.0


@pytest.fixture(scope="module")
def population():
    return rnne.train_population(TASK, network=NETWORK, training=SHORT, size=2)


@pytest.mark.parametrize(("count", "trials"), [(0, 10), (8, 10), (10, 10), (37, 200)])
def test_intervals_are_those_of_scipy(count, trials):
    low, high = binomial_interval(count, trials)
    wanted = scipy_stats.binomtest(count, trials).proportion_ci(method="wilson")
    assert (float(low), float(high)) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_intervals_without_trials_and_bad_input():
    assert [float(end) for end in binomial_interval(0, 0)] == [0, 1]
    with pytest.raises(ValueError, match="`count` must lie between 0 and `trials`"):
        binomial_interval(3, 2)
    with pytest.raises(ValueError, match="`confidence` must lie between 0 and 1; got 1"):
        binomial_interval(1, 2, confidence=1)


def test_curves_are_counts_of_choices(population):
    curve = rnne.psychometric_curve(population, trials=64, bins=4)
    key = evaluation_key(0, 0)
    trials = jax.jit(TASK.sample, static_argnums=1)(key, 64)
    outputs = population.respond(trials.inputs).outputs
    chosen = np.asarray(jax.jit(jax.vmap(TASK.choice, (0, None)))(outputs, trials))[..., 0]
    evidence = np.asarray(TASK.evidence(trials))[:, 0]
    first = np.argsort(evidence)[: curve.trials[0]]
    assert curve.positive[1, 0] == pytest.approx(chosen[1, first].mean())
    assert curve.evidence[0] == pytest.approx(evidence[first].mean(), rel=1e-5)
    assert curve.trials.sum() == 64
    assert ((curve.low <= curve.positive) & (curve.positive <= curve.high)).all()
    right = (evidence > 0) == chosen
    np.testing.assert_allclose(curve.accuracy, right.mean(axis=1))
    assert rnne.figures.psychometric_figure(curve).axes


def test_bad_input(population):
    with pytest.raises(ValueError, match="`bins` must be at most `trials`, 4; got 5"):
        rnne.psychometric_curve(population, trials=4, bins=5)
    with pytest.raises(ValueError, match="`trials` must be a whole number of at least 1"):
        rnne.psychometric_curve(population, trials=0)
    with pytest.raises(ValueError, match="`task` 'sine' defines no evidence"):
        rnne.psychometric_curve(population, task=rnne.tasks.Sine())
    with pytest.raises(ValueError, match=r"the inputs and outputs of the population's, \(1, 1\)"):
        rnne.psychometric_curve(population, task=rnne.tasks.ContextIntegration())


def test_classes_are_learned_by_cross_entropy_until_accurate():
    training = rnne.Training(
        loss="cross_entropy",
        criterion="accuracy",
        threshold=0.9,
        patience=1,
        learning_rate=1e-2,
        batch=32,
        epoch_steps=32,
        max_epochs=20,
    )
    found = rnne.train_population(Sides(), network=NETWORK, training=training, size=2)
    assert found.converged.all()
    last = found.history.accuracy[np.arange(2), found.stop_epoch - 1]
    assert (last >= 0.9).all()
    drawn = rnne.figures.learning_figure(found)
    labels = [axes.get_ylabel() for axes in drawn.axes]
    assert labels == ["training cross-entropy, nats", "accuracy on training trials"]
    with pytest.raises(ValueError, match="highest epoch accuracies"):
        rnne.measure_degeneracy(dataclasses.replace(found, converged=np.zeros(2, bool)))
