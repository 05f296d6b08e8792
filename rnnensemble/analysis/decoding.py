"""What can be read from the states of networks, and when: decodability of task variables."""

import dataclasses
import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Array, ArrayLike
from rnnensemble._core.config import Config, require_whole
from rnnensemble._core.inverse import inverse
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population

LOGISTIC_STEPS = 300
"""Steps of the logistic regression, each of which lowers its loss."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoder(Config):
    """How task variables are decoded; recorded with every score.

    Attributes:
        ridge: Penalty on squared weights of standardized rates, per trial.
        folds: Parts that trials are cut into; each is predicted from the others.
    """

    ridge: float = 1e-2
    folds: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.ridge < math.inf:
            raise ValueError(f"`ridge` must be a positive number; got {self.ridge!r}.")
        require_whole(self, "folds", least=2)


class Decodability(NamedTuple):
    """How well a task's variables can be read from M networks, over time.

    Attributes:
        scores: By variable, `[M, T]`: R^2 of a quantity, balanced accuracy of a category. NaN at
            steps where all trials have one value.
        chance: By variable, the score of guessing: 0, or 1 over the number of categories.
        means: By variable, the mean over networks and steps, with an interval over networks.
        networks: Indices of the M converged networks in their population, `[M]`.
        decoder: The settings.
    """

    scores: dict[str, np.ndarray]
    chance: dict[str, float]
    means: dict[str, Estimate]
    networks: np.ndarray
    decoder: Decoder


def measure_decodability(
    population: Population,
    *,
    decoder: Decoder | None = None,
    trials: int = 256,
    seed: int = 0,
    devices: int | None = None,
) -> Decodability:
    """How well the variables of a task can be read from its converged networks, step by step.

    All networks see the same fresh trials; which variables there are, the task's `variables` says.

    Args:
        population: Trained networks.
        decoder: Settings, `Decoder()` unless given.
        trials: Number of trials.
        seed: Seed of the trials.
        devices: How many local devices to use, None for all.

    Raises:
        ValueError: If no network converged, or as `decode`.
    """
    decoder, networks = decoder or Decoder(), np.flatnonzero(population.converged)
    if not len(networks):
        raise ValueError(f"`population` must hold converged networks; {population.summary()}.")
    subject = evaluation.subject_of(population, networks, devices, None)
    key = evaluation.evaluation_key(seed, 0)
    sampled = population.task.sample(key, trials)
    rates = evaluation.responses(subject, population.task, trials=trials, key=key)["activity"]
    variables = population.task.variables(sampled)
    scores = {
        name: decode(rates, values, decoder=decoder, devices=devices)
        for name, values in variables.items()
    }
    return Decodability(
        scores=scores,
        chance={name: chance(values) for name, values in variables.items()},
        means={name: _mean(each) for name, each in scores.items()},
        networks=networks,
        decoder=decoder,
    )


def _mean(scores: np.ndarray) -> Estimate:
    """The mean of scores `[M, T]` over steps and networks, with Student's interval.

    One network has no interval; scores may be negative, so that logarithms are no help.
    """
    values = np.nanmean(scores, axis=1)
    if len(values) < 2:
        return Estimate(float(values[0]), -math.inf, math.inf)
    from scipy.special import stdtrit

    error = values.std(ddof=1) / math.sqrt(len(values))
    mean, half = values.mean(), stdtrit(len(values) - 1, 0.975) * error
    return Estimate(float(mean), float(mean - half), float(mean + half))


def chance(variable: ArrayLike) -> float:
    """The score of guessing: 0 for a quantity, 1 over the number of categories for those."""
    values = np.asarray(variable)
    return 1 / len(np.unique(values)) if np.issubdtype(values.dtype, np.integer) else 0.0


def decode(
    rates: ArrayLike,
    variable: ArrayLike,
    *,
    decoder: Decoder | None = None,
    devices: int | None = None,
) -> np.ndarray:
    """Cross-validated scores of one variable for K networks, step by step.

    At each step a linear decoder of the rates, standardized, is fitted on all trials but those of a
    fold and predicts these. Quantities (floats): ridge regression,

        w = (X^T X / n + ridge I)^-1 X^T y / n,    score R^2 = 1 - sum (y - y^)^2 / sum (y - m)^2

    with m the mean of the trials fitted on. Categories (integers): logistic regression of each
    against the others with the same penalty, the most probable is predicted; the score is the
    balanced accuracy, the mean over categories of the share of their trials that is recognized.

    Args:
        rates: `[K, B, T, N]`.
        variable: `[B]`, or `[B, T]` where it changes in time; floats or integers.
        decoder: Settings, `Decoder()` unless given.
        devices: How many local devices to use, None for all.

    Returns:
        Scores, `[K, T]`; NaN at steps where all trials have one value.

    Raises:
        ValueError: If shapes do not fit, trials are fewer than folds, or the variable never varies.
    """
    decoder, rates, values = (
        decoder or Decoder(),
        np.asarray(rates, np.float32),
        np.asarray(variable),
    )
    if rates.ndim != 4 or values.shape not in (rates.shape[1:2], rates.shape[1:3]):
        raise ValueError(
            f"`variable` must be [B] or [B, T] for `rates` [K, B, T, N]; got {values.shape} and "
            f"{rates.shape}."
        )
    trials, steps = rates.shape[1:3]
    if trials < 2 * decoder.folds:
        raise ValueError(
            f"`rates` must hold at least 2 trials a fold, {2 * decoder.folds}; got {trials}."
        )
    if not np.isfinite(values).all() or not np.isfinite(rates).all():
        raise ValueError("`rates` and `variable` must be finite.")
    if values.ndim == 1:
        values = np.repeat(values[:, None], steps, axis=1)
    if not np.ptp(values, axis=0).any():
        raise ValueError("`variable` must vary between trials; it has one value at each step.")
    categories = 0
    if np.issubdtype(values.dtype, np.integer):
        known = np.unique(values)
        values, categories = np.searchsorted(known, values), len(known)
    mesh = runtime.network_mesh(devices)
    target = values.astype(np.float32).T  # [T, B]
    settings = {"folds": decoder.folds, "categories": categories, "mesh": mesh}
    scores = np.array(_decode(rates, target, decoder.ridge, **settings))
    scores[:, np.ptp(values, axis=0) == 0] = np.nan
    return scores


@partial(jax.jit, static_argnames=("folds", "categories", "mesh"))
def _decode(rates, target, ridge, *, folds, categories, mesh):  # noqa: ANN001, ANN202
    score = _accuracy if categories else _explained

    def one(rates: Array, shared: tuple) -> Array:
        target, ridge = shared
        at_step = partial(score, ridge=ridge, folds=folds, categories=categories)
        by_step = jnp.swapaxes(rates, 0, 1), target
        return jax.lax.map(lambda x: at_step(*x), by_step, batch_size=None if batch == 1 else batch)

    _, trials, steps, units = rates.shape
    work = max(trials, units) * units
    batch = runtime.default_tile(mesh, work)  # of steps
    tile = runtime.default_tile(mesh, min(batch, steps) * work)  # of networks
    return mapping.map_items(one, rates, (target, ridge), mesh=mesh, tile=tile)


def _folds(x: Array, folds: int) -> list[tuple[Array, Array]]:
    """For each fold, the weight of each trial when fitting, and whether it is predicted, `[B]`."""
    fold = jnp.arange(len(x)) % folds
    return [((fold != k).astype(x.dtype), fold == k) for k in range(folds)]


def _standardized(x: Array, fitted: Array) -> Array:
    """Rates `[B, N]` with mean 0 and deviation 1 over the trials fitted on; constant ones 0."""
    mean = fitted @ x / fitted.sum()
    deviation = jnp.sqrt(fitted @ (x - mean) ** 2 / fitted.sum())
    return (x - mean) / jnp.where(deviation > 1e-6, deviation, jnp.inf)


def _explained(x: Array, y: Array, *, ridge: Array, folds: int, categories: int) -> Array:
    """R^2 of a quantity `[B]` from rates `[B, N]`."""
    del categories
    missed, total = jnp.zeros(()), jnp.zeros(())
    for fitted, held in _folds(x, folds):
        rows, mean = _standardized(x, fitted), fitted @ y / fitted.sum()
        square = (rows * fitted[:, None]).T @ rows / fitted.sum()
        cross = (fitted * (y - mean)) @ rows / fitted.sum()
        weights = inverse(square + ridge * jnp.eye(len(square))) @ cross
        missed += jnp.sum(held * (y - mean - rows @ weights) ** 2)
        total += jnp.sum(held * (y - mean) ** 2)
    return 1 - missed / jnp.where(total > 0, total, jnp.nan)


def _accuracy(x: Array, y: Array, *, ridge: Array, folds: int, categories: int) -> Array:
    """Balanced accuracy of a category `[B]` from rates `[B, N]`."""
    is_of = (y[:, None] == jnp.arange(categories)).astype(x.dtype)  # [B, C]
    hits = jnp.zeros(categories)
    for fitted, held in _folds(x, folds):
        rows = _standardized(x, fitted)
        logits = rows @ (found := logistic(rows, is_of, fitted, ridge))[0] + found[1]
        right = jax.nn.one_hot(jnp.argmax(logits, axis=1), categories) * is_of
        hits += jnp.sum(held[:, None] * right, axis=0)
    counts = jnp.sum(is_of, axis=0)
    recalls = hits / jnp.maximum(counts, 1)
    return jnp.sum(recalls) / jnp.sum(counts > 0)


def logistic(rows: Array, is_of: Array, fitted: Array, ridge: Any) -> tuple[Array, Array]:
    """Logistic regressions of C categories, each against the others.

    Each lowers mean_n log-loss + ridge / 2 |w|^2 by steps with a bound of its Hessian that holds
    everywhere, X^T X / 4 + ridge I, so that each step lowers it and one inverse does for all.

    Args:
        rows: Standardized rates, `[B, N]`.
        is_of: Whether a trial is of a category, zeros and ones, `[B, C]`.
        fitted: Weight of each trial, `[B]`.
        ridge: The penalty.

    Returns:
        Weights `[N, C]` and offsets `[C]`.

    Source: Boehning & Lindsay (1988) for the bound.
    """
    count = fitted.sum()
    with_one = jnp.concatenate([rows, jnp.ones((len(rows), 1))], axis=1)
    penalty = jnp.append(jnp.full(rows.shape[1], ridge), 1e-6)
    bound = (with_one * fitted[:, None]).T @ with_one / (4 * count) + jnp.diag(penalty)
    solve = inverse(bound)

    def step(_: int, weights: Array) -> Array:
        gap = fitted[:, None] * (jax.nn.sigmoid(with_one @ weights) - is_of)
        return weights - solve @ (with_one.T @ gap / count + penalty[:, None] * weights)

    start = jnp.zeros((with_one.shape[1], is_of.shape[1]))
    weights = jax.lax.fori_loop(0, LOGISTIC_STEPS, step, start)
    return weights[:-1], weights[-1]
