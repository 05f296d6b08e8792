"""Recorded activity as what networks must show."""

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.tasks import match_activity
from tests import compiled, tiny

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(20, 12, 1))
RATES = np.stack([np.sin(np.cumsum(INPUTS[..., 0], axis=1) + k) * (k + 1) for k in range(3)], -1)


def test_units_share_one_scale():
    valid = np.ones((20, 12))
    valid[::2, 9:] = 0
    rates = np.where(valid[..., None] > 0, RATES, np.nan)
    with pytest.raises(ValueError, match="`activity` must be finite; mask steps"):
        match_activity(INPUTS, rates)
    targets = RNG.normal(size=(20, 12, 2))
    task = match_activity(INPUTS, rates, targets=targets, weight=4.0, valid=valid)
    stored = task.arrays.sets[""]
    counts = valid > 0
    np.testing.assert_allclose(stored["targets"][..., :2][counts], targets[counts], rtol=1e-5)
    found = stored["targets"][..., 2:][counts]
    seen = RATES[counts]
    scale = np.sqrt(seen.var(axis=0).mean())
    np.testing.assert_allclose(found, 2 * (seen - seen.mean(axis=0)) / scale, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.var(axis=0).mean(), 4.0, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": 0}, "`weight` must be a number above 0; got 0"),
        ({"activity": RATES[:, :5]}, r"`activity` must be \[M, T, R\] with .* \(20, 12\); got"),
        ({"activity": RATES[:19]}, r"`activity` must be \[M, T, R\] with .* \(20, 12\); got"),
        ({"activity": np.ones((20, 12, 2))}, "`activity` must have units that vary"),
        ({"targets": RATES[:, :5]}, r"`targets` must be \[M, T, O\] with .* \(20, 12\); got"),
        ({"valid": np.ones((20, 5))}, r"`valid` must be \[M, T\], \(20, 12\); got \(20, 5\)"),
    ],
)
def test_recordings_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        match_activity(**({"inputs": INPUTS, "activity": RATES} | change))


def test_explained_variance_is_that_of_the_outputs():
    training = rnne.Training(batch=8, epoch_steps=4, max_epochs=3, threshold=10.0, patience=2)
    population = rnne.train_population(tiny.TASK, network=tiny.NETWORK, training=training, size=3)
    found = rnne.explained_variance(population, trials=16, seed=3)
    trials = compiled.sample(tiny.TASK, rnne.training.evaluation.evaluation_key(3, 0), 16)
    outputs = population.respond(trials.inputs).outputs
    targets = np.asarray(trials.targets)
    left = ((outputs - targets) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(found, 1 - left / targets.var(axis=(0, 1)), rtol=1e-4)
    with pytest.raises(ValueError, match="`trials` must be a whole number of at least 1; got 0"):
        rnne.explained_variance(population, trials=0)


@pytest.mark.long
def test_fitted_networks_come_closer_to_what_was_recorded():
    """Students of a teacher's rates against those of its outputs alone, at the same task."""
    task = rnne.tasks.FlipFlop(n_bits=2, n_steps=25)
    training = rnne.Training(learning_rate=5e-3, batch=32, epoch_steps=64, max_epochs=40)
    network = rnne.VanillaRNN(width=16)
    teacher = rnne.train_population(task, network=network, training=training, size=1, seed=7)
    trials = compiled.sample(task, jax.random.key(5), 512)
    rates = teacher.respond(trials.inputs).rates[0]
    shown = match_activity(trials.inputs, rates, targets=trials.targets, threshold=0.03)
    alone = rnne.tasks.ArrayTask.from_arrays(trials.inputs, trials.targets, threshold=0.003)
    students = {
        name: rnne.train_population(each, network=network, training=training, size=3)
        for name, each in {"fitted": shown, "unfitted": alone}.items()
    }
    assert all(each.converged.all() for each in students.values())
    explained = rnne.explained_variance(students["fitted"])
    assert explained[:, 2:].mean(axis=1).min() > 0.9
    distances = {
        name: rnne.compare_populations("procrustes", each, teacher).matrix()
        for name, each in students.items()
    }
    assert distances["fitted"].max() < 0.7 * distances["unfitted"].min()
