"""Several populations trained together become what each would alone."""

import dataclasses

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.training.recipe import Recipe, group_key

TASK = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
TRAINING = rnne.Training(batch=8, epoch_steps=8, max_epochs=6, threshold=0.2, patience=2)
FIRST = Recipe(TASK, rnne.VanillaRNN(width=8), TRAINING, 3, 0)
SECOND = Recipe(
    TASK,
    rnne.VanillaRNN(width=8, gain=(0.5, 1.5)),
    dataclasses.replace(TRAINING, learning_rate=2e-2, threshold=(0.3, 1e-6), clip_norm=0.5),
    2,
    7,
)


def alone(recipe, **options):
    names = ("network", "training", "size", "seed")
    settings = {name: getattr(recipe, name) for name in names}
    return rnne.train_population(recipe.task, **settings, **options)


def require_equal(found, expected):
    arrays = ("params", "initial_params", "history", "converged", "diverged", "stop_epoch")
    for name in arrays:
        pairs = zip(
            jax.tree.leaves(getattr(found, name)),
            jax.tree.leaves(getattr(expected, name)),
            strict=True,
        )
        for mine, other in pairs:
            assert mine.shape == other.shape, name
            assert np.allclose(mine, other, rtol=1e-6, atol=1e-7, equal_nan=True), name
    assert found.recipe == expected.recipe


@pytest.fixture(scope="module")
def separate():
    return [alone(recipe) for recipe in (FIRST, SECOND)]


@pytest.mark.parametrize(
    ("devices", "tile"), [pytest.param(1, 1, marks=pytest.mark.long), (2, 1), (2, 3)]
)
def test_each_population_is_what_it_is_alone(separate, devices, tile):
    together = rnne.train_populations([FIRST, SECOND], devices=devices, tile=tile)
    for found, expected in zip(together, separate, strict=True):
        require_equal(found, expected)
    assert separate[1].stop_epoch[0] < separate[1].stop_epoch[1]  # they do not stop together


def test_a_group_goes_on_where_it_was(separate):
    def interrupt(progress):
        if progress.epoch == 2:
            signal_self()

    with pytest.raises(rnne.TrainingInterrupted, match="resume=populations") as stop:
        rnne.train_populations([FIRST, SECOND], progress=interrupt)
    there = stop.value.populations
    assert [each.size for each in there] == [3, 2]
    for resume in (there, [None, there[1]]):
        again = rnne.train_populations([FIRST, SECOND], resume=resume)
        for found, expected in zip(again, separate, strict=True):
            require_equal(found, expected)


def signal_self():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGINT)


def test_finished_populations_come_back_as_they_are(separate):
    again = rnne.train_populations([FIRST, SECOND], resume=separate)
    assert all(found is given for found, given in zip(again, separate, strict=True))


def test_checkpoints_hold_all_populations(separate):
    seen = []
    rnne.train_populations([FIRST, SECOND], checkpoint=seen.append, checkpoint_seconds=0.0)
    assert [each.size for each in seen[0]] == [3, 2]
    again = rnne.train_populations([FIRST, SECOND], resume=seen[1])
    for found, expected in zip(again, separate, strict=True):
        require_equal(found, expected)


def test_group_key_sees_what_compiles():
    assert group_key(FIRST) == group_key(SECOND)
    other_batch = dataclasses.replace(FIRST, training=dataclasses.replace(TRAINING, batch=4))
    with_penalty = dataclasses.replace(
        FIRST, training=dataclasses.replace(TRAINING, l1=(0.0, 1e-3, 0.0))
    )
    more = dataclasses.replace(FIRST, training=dataclasses.replace(TRAINING, l1=1e-2))
    assert group_key(FIRST) != group_key(other_batch)
    assert group_key(FIRST) != group_key(with_penalty) == group_key(more)


def test_bad_groups():
    with pytest.raises(ValueError, match="`recipes` must hold at least one recipe"):
        rnne.train_populations([])
    wider = dataclasses.replace(FIRST, network=rnne.VanillaRNN(width=9))
    with pytest.raises(ValueError, match=r"`recipes` must share the network .* recipe 1 has"):
        rnne.train_populations([FIRST, wider])
    with pytest.raises(ValueError, match="`resume` must hold one population"):
        rnne.train_populations([FIRST], resume=[])
    with pytest.raises(ValueError, match="`tile` must be at least 1"):
        rnne.train_populations([FIRST], tile=0)
