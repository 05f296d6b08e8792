"""How far a training has come: `Progress`."""

import math
from typing import NamedTuple

import numpy as np

from rnnensemble.training.epoch import CONVERGED, DIVERGED, TRAINING, Training

WINDOW = 10
"""Epochs whose fall of the loss is taken to go on."""


class Progress(NamedTuple):
    """How far training has come, after each epoch.

    Attributes:
        epoch: Epochs done.
        size: Networks K.
        active: Networks still training.
        converged: Networks converged.
        diverged: Networks diverged.
        loss: Median loss of the networks that trained this epoch.
        net_steps_per_second: Training steps summed over networks, a second.
        seconds_left: Estimate from the recent fall of each loss; never beyond `max_epochs`.
        losses: Loss of each network in this epoch, `[K]`; NaN for those that did not train.
    """

    epoch: int
    size: int
    active: int
    converged: int
    diverged: int
    loss: float
    net_steps_per_second: float
    seconds_left: float
    losses: np.ndarray


def measure_progress(
    losses: np.ndarray,
    thresholds: np.ndarray,
    *,
    status: np.ndarray,
    epoch: np.ndarray,
    trained: np.ndarray,
    training: Training,
    seconds: float,
) -> Progress:
    """How far a training has come, after an epoch that took these seconds.

    Losses are by epoch, `[K, max_epochs]`; status, epochs, and which networks trained in the last
    one are `[K]`.
    """
    last = losses[np.arange(len(epoch)), epoch - 1]
    finite = last[trained & np.isfinite(last)]
    left = training.max_epochs - epoch
    active = (status == TRAINING) & (left > 0)
    epochs = np.minimum(_epochs_left(losses, thresholds, epoch, training.patience), left)[active]
    speed = float(trained.sum() * training.epoch_steps / seconds)
    return Progress(
        epoch=int(epoch.max()),
        size=len(active),
        active=int(active.sum()),
        converged=int((status == CONVERGED).sum()),
        diverged=int((status == DIVERGED).sum()),
        loss=float(np.median(finite)) if len(finite) else math.nan,
        net_steps_per_second=speed,
        seconds_left=float(epochs.sum() * training.epoch_steps / speed),
        losses=np.where(trained, last, np.nan),
    )


def _epochs_left(
    losses: np.ndarray, thresholds: np.ndarray, epoch: np.ndarray, patience: int
) -> np.ndarray:
    """Epochs until each loss meets its threshold if its logarithm goes on falling as it did, `[K]`.

    Infinity where a loss does not fall, or has met its threshold and the network still trains: what
    is missing then (the target of a deflation) is not forecast.
    """
    networks, first, last = np.arange(len(epoch)), np.maximum(epoch - WINDOW, 0), epoch - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        start, end = (np.log(losses[networks, each]) for each in (first, last))
        missing = np.maximum(end - np.log(thresholds), 0.0)
        epochs = np.where(missing > 0, missing / (start - end) * (last - first), 0.0) + patience
    recent = losses[networks[:, None], np.maximum(epoch[:, None] - 1 - np.arange(patience), 0)]
    met = (recent < thresholds[:, None]).all(axis=1) & (epoch >= patience)
    known = (epochs >= 0) & np.isfinite(epochs) & (last > first) & ~met
    return np.where(known, epochs, np.inf)
