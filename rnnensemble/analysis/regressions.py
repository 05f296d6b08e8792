"""Cross-validated linear regressions of one variable on the rates of one step."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array
from rnnensemble._core.units import unit_of

ROUNDING = 8
"""Units that vary by at most so many roundings of the largest rate are constant."""
LOGISTIC_STEPS = 300
"""Steps of the logistic regression, each of which lowers its loss."""


def _folds(x: Array, folds: int, valid: Array | None) -> list[tuple[Array, Array]]:
    """For each fold, the weight of each trial when fitting, and whether it is predicted, `[B]`.

    Trials that have ended are in no fold: those that go on are dealt out one after another.
    """
    if valid is None:
        fold = jnp.arange(len(x)) % folds
        return [((fold != k).astype(x.dtype), fold == k) for k in range(folds)]
    fold = jnp.where(valid, (jnp.cumsum(valid) - 1) % folds, folds)
    return [(((fold != k) & valid).astype(x.dtype), fold == k) for k in range(folds)]


def _standardized(x: Array, fitted: Array) -> Array:
    """Rates `[B, N]` with mean 0 and deviation 1 over the trials fitted on; constant ones 0.

    Units that vary by less than the rounding of the largest rate are constant.
    """
    x = x / unit_of(x)
    mean = fitted @ x / fitted.sum()
    deviation = jnp.sqrt(fitted @ (x - mean) ** 2 / fitted.sum())
    least = ROUNDING * jnp.finfo(x.dtype).eps * jnp.max(jnp.abs(x))
    return (x - mean) / jnp.where(deviation > least, deviation, jnp.inf)


def varying(rates: Array, valid: Array | None = None) -> Array:
    """Which units vary at each step, bool `[K, T, N]`, of rates `[K, B, T, N]`.

    Where steps are `valid` `[B, T]`, those of other trials do not count.
    """
    counts = None if valid is None else valid[None, :, :, None]
    rates = rates if counts is None else jnp.where(counts, rates, 0.0)
    largest = jnp.max(jnp.abs(rates), axis=(1, 3), keepdims=True)
    rates = rates / jnp.where(largest > 0, largest, 1.0)
    return jnp.std(rates, axis=1, where=counts) > ROUNDING * jnp.finfo(rates.dtype).eps


def explained(
    x: Array, y: Array, valid: Array | None, *, ridge: Array, folds: int, categories: int
) -> Array:
    """R^2 of a quantity `[B]` from rates `[B, N]` of valid trials, `[B]`, or of all."""
    del categories
    missed, total = jnp.zeros(()), jnp.zeros(())
    for fitted, held in _folds(x, folds, valid):
        rows, mean = _standardized(x, fitted), fitted @ y / fitted.sum()
        square = (rows * fitted[:, None]).T @ rows / fitted.sum()
        cross = (fitted * (y - mean)) @ rows / fitted.sum()
        square += resolved(ridge, square) * jnp.eye(len(square))
        weights = factorization.solve(square, cross[:, None])[:, 0]
        missed += jnp.sum(held * (y - mean - rows @ weights) ** 2)
        total += jnp.sum(held * (y - mean) ** 2)
    return 1 - missed / jnp.where(total > 0, total, jnp.nan)


def accuracy(
    x: Array, y: Array, valid: Array | None, *, ridge: Array, folds: int, categories: int
) -> Array:
    """Balanced accuracy of a category `[B]` from rates `[B, N]`; trials as for `explained`."""
    is_of = (y[:, None] == jnp.arange(categories)).astype(x.dtype)  # [B, C]
    is_of = is_of if valid is None else is_of * valid[:, None]
    hits = jnp.zeros(categories)
    for fitted, held in _folds(x, folds, valid):
        rows = _standardized(x, fitted)
        logits = rows @ (found := logistic(rows, is_of, fitted, ridge))[0] + found[1]
        right = jax.nn.one_hot(jnp.argmax(logits, axis=1), categories) * is_of
        hits += jnp.sum(held[:, None] * right, axis=0)
    counts = jnp.sum(is_of, axis=0)
    recalls = hits / jnp.maximum(counts, 1)
    return jnp.sum(recalls) / jnp.sum(counts > 0)


def resolved(ridge: Any, square: Array) -> Array:
    """The ridge, and at least the rounding of what it is added to.

    Directions in which rates vary by rounding alone then get no weight, instead of any.
    """
    return jnp.maximum(ridge, ROUNDING / 2 * jnp.finfo(square.dtype).eps * jnp.trace(square))


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
    bound = (with_one * fitted[:, None]).T @ with_one / (4 * count)
    bound += jnp.diag(resolved(penalty, bound))
    solve = factorization.solve(bound, jnp.eye(len(bound)))

    def step(_: int, weights: Array) -> Array:
        gap = fitted[:, None] * (jax.nn.sigmoid(with_one @ weights) - is_of)
        return weights - solve @ (with_one.T @ gap / count + penalty[:, None] * weights)

    start = jnp.zeros((with_one.shape[1], is_of.shape[1]))
    weights = jax.lax.fori_loop(0, LOGISTIC_STEPS, step, start)
    return weights[:-1], weights[-1]
