"""How much single units matter, network by network: `unit_importance`."""

import dataclasses
from typing import Any

import numpy as np

from rnnensemble import stats
from rnnensemble.analysis.lesions import converged_alone, estimate, runner
from rnnensemble.analysis.perturb import require_silent, unit_sizes
from rnnensemble.analysis.perturbations import RANKED
from rnnensemble.networks import PerturbedParams
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class UnitImportance:
    """How much worse M converged networks do without each of their N units alone.

    Attributes:
        importance: Loss without a unit less that of the intact network, `[M, N]`.
        again: The same on other trials, `[M, N]`.
        intact: Loss of the intact networks, `[M]`.
        alignment: By what units are ranked by (`rates`, and `recurrent_weights` and
            `readout_weights` where there are some): mean over networks of Spearman's correlation of
            it with importance, with a 95% interval: whether the same ranks matter in all.
        networks: Indices of the networks in their population, `[M]`.
    """

    importance: np.ndarray
    again: np.ndarray
    intact: np.ndarray
    alignment: dict[str, Estimate]
    networks: np.ndarray

    @property
    def profiles(self) -> np.ndarray:
        """Shares of importance a_n = max(importance_n, 0), largest first, `[M, N]`.

        How units are numbered does not matter to it. NaN for a network that needs no single unit.
        """
        return _profiles(self.importance)

    @property
    def participation(self) -> np.ndarray:
        """How many units carry the function, (sum_n a_n)^2 / sum_n a_n^2, from 1 to N, `[M]`."""
        return 1 / np.sum(self.profiles**2, axis=1)

    @property
    def matrix(self) -> np.ndarray:
        """How far profiles lie apart, 1/2 sum_n |p_in - p_jn|, from 0 to 1, `[M, M]`."""
        return _apart(self.profiles[:, None], self.profiles)

    @property
    def null(self) -> np.ndarray:
        """How far the profiles of each network on two draws of trials lie apart, `[M]`."""
        return _apart(self.profiles, _profiles(self.again))

    @property
    def mean(self) -> Estimate:
        """The mean of `matrix` over pairs of networks, with a 95% interval over networks."""
        return stats.mean_distance(self.matrix)


def unit_importance(
    population: Population,
    *,
    trials: int = 512,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
) -> UnitImportance:
    """Measures how much each unit of each converged network matters: its loss without it.

    All networks, intact and without one unit, are driven by the same fresh trials; a second draw
    shows what trials alone do (`null`).

    Args:
        population: Trained networks, of which at least 2 converged.
        trials: Number of trials of each draw.
        seed: Of the trials.
        devices: How many local devices to use, None for all.
        tile: Networks that a device handles at once, None for the device's default.

    Returns:
        Importance by network and unit, and what follows from it.

    Raises:
        ValueError: If fewer than 2 networks converged, or their units cannot be silenced.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
        >>> easy = rnne.Training(batch=8, epoch_steps=1, patience=1, threshold=1e9)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=easy, size=3)
        >>> rnne.unit_importance(population, trials=8).profiles.shape
        (3, 6)
    """
    chosen = converged_alone(population)
    require_silent(chosen)
    where: dict[str, Any] = {"trials": trials, "devices": devices, "tile": tile}
    drawn, run = runner(chosen, seed=seed, **where)
    other = evaluation.sampled(chosen.task, evaluation.evaluation_key(seed, 1), trials)
    intact, found = [run(PerturbedParams(chosen.params), each).loss for each in (drawn, other)], []
    for unit in np.eye(chosen.network.width, dtype=np.float32):
        params = PerturbedParams(chosen.params, np.tile(1 - unit, (chosen.size, 1)))
        found.append([run(params, each).loss for each in (drawn, other)])
    importance, again = np.moveaxis(np.array(found), 0, -1) - np.array(intact)[..., None]
    named = [by for by in RANKED if by == "rates" or by in chosen.network.weights(chosen.params)]
    sizes = {by: unit_sizes(chosen, by, drawn, devices) for by in named}
    return UnitImportance(
        importance=importance,
        again=again,
        intact=intact[0],
        alignment={by: _alignment(importance, each) for by, each in sizes.items()},
        networks=np.flatnonzero(population.converged),
    )


def _profiles(importance: np.ndarray) -> np.ndarray:
    needed = np.sort(np.maximum(importance, 0).astype(float), axis=1)[:, ::-1]
    total = needed.sum(axis=1, keepdims=True)
    return np.divide(needed, total, out=np.full_like(needed, np.nan), where=total > 0)


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first - second).sum(axis=-1) / 2


def _alignment(importance: np.ndarray, sizes: np.ndarray) -> Estimate:
    from scipy.stats import rankdata  # takes longer to import than all of this package

    ranks = [rankdata(x, axis=1) for x in (importance, sizes)]
    first, second = (x - x.mean(axis=1, keepdims=True) for x in ranks)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return estimate(
        stats.signed_mean, (first * second).sum(axis=1) / np.where(scale, scale, np.nan)
    )
