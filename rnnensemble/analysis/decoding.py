"""What can be read from the states of networks, and when: decodability of task variables."""

import dataclasses
import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import mapping, runtime
from rnnensemble._core.axes import Array, ArrayLike
from rnnensemble._core.config import Config, require_whole
from rnnensemble._core.conversion import real_array, single
from rnnensemble.analysis.regressions import accuracy, explained, varying
from rnnensemble.metrics.masks import as_mask
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population


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
        units: Units that count at each step, `[M, T]`: those whose rates vary by rounding alone are
            left out.
        networks: Indices of the M converged networks in their population, `[M]`.
        decoder: The settings.
    """

    scores: dict[str, np.ndarray]
    chance: dict[str, float]
    means: dict[str, Estimate]
    units: np.ndarray
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
    valid = None if sampled.valid is None else np.asarray(sampled.valid) != 0
    scores = {
        name: decode(rates, values, decoder=decoder, mask=valid, devices=devices)
        for name, values in variables.items()
    }
    return Decodability(
        scores=scores,
        chance={name: chance(_counted(values, valid)) for name, values in variables.items()},
        means={name: _mean(each) for name, each in scores.items()},
        units=np.asarray(jnp.sum(varying(jnp.asarray(rates), valid), axis=-1)),
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


def _counted(values: ArrayLike, valid: np.ndarray | None) -> np.ndarray:
    """The values of a variable, of steps that belong to a trial where it has some for each."""
    found = np.asarray(values)
    return found if valid is None or found.ndim == 1 else found[valid]


def chance(variable: ArrayLike) -> float:
    """The score of guessing: 0 for a quantity, 1 over the number of categories for those."""
    values = np.asarray(variable)
    return 1 / len(np.unique(values)) if np.issubdtype(values.dtype, np.integer) else 0.0


def decode(
    rates: ArrayLike,
    variable: ArrayLike,
    *,
    decoder: Decoder | None = None,
    mask: ArrayLike | None = None,
    devices: int | None = None,
) -> np.ndarray:
    """Cross-validated scores of one variable for K networks, step by step.

    At each step a linear decoder of the rates, standardized, is fitted on all trials but those of a
    fold and predicts these. Quantities (floats): ridge regression,

        w = (X^T X / n + ridge I)^-1 X^T y / n,    score R^2 = 1 - sum (y - y^)^2 / sum (y - m)^2

    with m the mean of the trials fitted on. Categories (integers): logistic regression of each
    against the others with the same penalty, the most probable is predicted; the score is the
    balanced accuracy, the mean over categories of the share of their trials that is recognized.
    Neither depends on the units. Rates that vary by less than the rounding of the largest are left
    out, and a ridge counts as at least the rounding of X^T X / n.

    Args:
        rates: `[K, B, T, N]`.
        variable: `[B]`, or `[B, T]` where it changes in time; floats, or integers or bools.
        decoder: Settings, `Decoder()` unless given.
        mask: Where a step is valid, bools or zeros and ones, `[B, T]`, where trials are of
            unequal length; what rates and variable hold at the others does not matter.
        devices: How many local devices to use, None for all.

    Returns:
        Scores, `[K, T]`; NaN at steps where all trials have one value, or fewer than 2 a fold have
        not ended.

    Raises:
        ValueError: If shapes do not fit, trials are fewer than folds, the variable never varies, or
            rates or variable are no real numbers.
    """
    decoder, rates = decoder or Decoder(), real_array(rates, "rates")
    values = real_array(variable, "variable")
    counts = None if mask is None else as_mask(mask)
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
    if values.ndim == 1:
        values = np.repeat(values[:, None], steps, axis=1)
    if counts is not None:
        values, rates = _without_ended(values, rates, counts)
    if not np.isfinite(values).all() or not np.isfinite(rates).all():
        raise ValueError("`rates` and `variable` must be finite.")
    if values.dtype == bool:
        values = values.astype(int)
    still = _still(values)
    if counts is not None:
        still |= counts.sum(axis=0) < 2 * decoder.folds
    if still.all():
        raise ValueError("`variable` must vary between trials; it has one value at each step.")
    shown = None if counts is None else counts.T
    categories = 0
    if np.issubdtype(values.dtype, np.integer):
        known = np.unique(values)
        values, categories = np.searchsorted(known, values), len(known)
    else:
        values = _in_units(values)
    rates = np.stack([single(x, f"rates[{k}]") for k, x in enumerate(rates)])
    mesh = runtime.network_mesh(devices)
    target = values.astype(np.float32).T  # [T, B]
    settings = {"folds": decoder.folds, "categories": categories, "mesh": mesh}
    scores = np.array(_decode(rates, target, shown, decoder.ridge, **settings))
    scores[:, still] = np.nan
    return scores


def _without_ended(
    values: np.ndarray, rates: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A variable `[B, T]` and rates `[K, B, T, N]` without what they hold where trials have ended.

    There the variable has a value that it has in a trial that goes on; rates are zero.
    """
    if counts.shape != rates.shape[1:3]:
        raise ValueError(f"`mask` must be [B, T], {rates.shape[1:3]}; got {counts.shape}.")
    first = values[counts.argmax(axis=0), np.arange(counts.shape[1])]  # of a trial that goes on
    first = np.where(counts.any(axis=0), first, values[counts][0])
    return np.where(counts, values, first), np.where(counts[..., None], rates, 0)


def _still(values: np.ndarray) -> np.ndarray:
    """Steps at which all trials have one value, within rounding, bool `[T]`."""
    moves = np.ptp(values, axis=0)
    if np.issubdtype(values.dtype, np.integer):
        return moves == 0
    return moves <= 4 * np.finfo(values.dtype).eps * np.abs(values).max(axis=0)


def _in_units(values: np.ndarray) -> np.ndarray:
    """A quantity `[B, T]` less its mean, in a unit whose squares are numbers; R^2 has neither."""
    values = values - values.astype(float).mean(axis=0)
    return np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])


@partial(jax.jit, static_argnames=("folds", "categories", "mesh"))
def _decode(rates, target, valid, ridge, *, folds, categories, mesh):  # noqa: ANN001, ANN202
    score = accuracy if categories else explained

    def one(rates: Array, shared: tuple) -> Array:
        target, valid, ridge = shared
        at_step = partial(score, ridge=ridge, folds=folds, categories=categories)
        by_step = jnp.swapaxes(rates, 0, 1), target, valid
        return jax.lax.map(lambda x: at_step(*x), by_step, batch_size=None if batch == 1 else batch)

    _, trials, steps, units = rates.shape
    work = max(trials, units) * units
    batch = runtime.default_tile(mesh, work)  # of steps
    tile = runtime.default_tile(mesh, min(batch, steps) * work)  # of networks
    return mapping.map_items(one, rates, (target, valid, ridge), mesh=mesh, tile=tile)
