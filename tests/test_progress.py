"""What is left of a training, from how losses fell."""

import numpy as np
import pytest

from rnnensemble import Training
from rnnensemble.training.epoch import CONVERGED, TRAINING
from rnnensemble.training.progress import measure_progress

EPOCHS = 6


def left(losses, *, patience=2, status=TRAINING, **training):
    """Seconds left of one network whose epochs take a second."""
    row = np.full((1, 40), np.nan)
    row[0, : len(losses)] = losses
    return measure_progress(
        row,
        np.array([0.01]),
        status=np.array([status]),
        epoch=np.array([len(losses)]),
        trained=np.array([True]),
        training=Training(patience=patience, max_epochs=40, epoch_steps=10, **training),
        seconds=1.0,
    ).seconds_left


def test_a_loss_goes_on_falling_as_it_did():
    falling = 0.64 / 2.0 ** np.arange(EPOCHS)  # 0.02 after six, two more halvings to below 0.01
    assert left(falling) == pytest.approx(1 + 2)


def test_nothing_is_left_of_what_converged():
    assert left([0.1, 0.005, 0.004], status=CONVERGED) == 0


@pytest.mark.parametrize("losses", [[0.5] * EPOCHS, [0.1, 0.2, 0.4], [0.1, 0.009, 0.004, 0.003]])
def test_what_is_not_known_is_the_most(losses):
    """A loss that stays or rises, and one that met its threshold but still trains."""
    assert left(losses) == 40 - len(losses)


def test_one_epoch_below_the_threshold_needs_only_patience():
    assert left([0.1, 0.05, 0.009]) == 2
