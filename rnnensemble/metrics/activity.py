"""What the metrics of activity share: samples as rows, and the checks of their shapes."""

from typing import Any

import jax.numpy as jnp

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array
from rnnensemble._core.units import deviations

ROUNDING = 64
"""Directions whose singular value is below so many roundings of the largest one are rounding. The
number does not depend on that of the samples: factorizations are that exact."""


def samples(activity: Array) -> Array:
    """The (trial, step) samples of rates `[B, T, N]` as rows, trial by trial: `[B T, N]`."""
    activity = jnp.asarray(activity)
    return activity.reshape(-1, activity.shape[-1])


def centered(rows: Array) -> Array:
    """Rows minus their mean, in a unit of their own; zeros if they vary by rounding alone."""
    rows = deviations(rows)
    return rows - rows.mean(axis=0, keepdims=True)


def principal_components(rows: Array) -> tuple[Array, Array, Array]:
    """U `[samples, n]`, s `[n]`, V^T `[n, N]` of centered rows = U diag(s) V^T, s falling.

    A QR decomposition goes first: of tall matrices that is several times faster than SVD alone. n
    is the lesser of samples and N.
    """
    q, triangle = factorization.qr(rows)
    basis, scale, axes = factorization.svd(triangle)
    return q @ basis, scale, axes


def above_rounding(scale: Array) -> Array:
    """Which singular values, from the largest down, are more than its rounding; none of zeros."""
    return scale > ROUNDING * jnp.finfo(scale.dtype).eps * scale[0]


def with_ties(kept: Array, scale: Array) -> Array:
    """The singular values kept, from the largest down, and those within rounding of the last.

    Of directions of one size any turn is as good as another: to keep some of them would be chance.
    """
    last = jnp.min(jnp.where(kept, scale, jnp.inf))
    return scale >= last * (1 - ROUNDING * jnp.finfo(scale.dtype).eps)


def require_activity(shape: Any) -> tuple[int, int, int]:
    """B, T and N; ValueError unless the shape of one network's data has these axes."""
    if not isinstance(shape, tuple) or len(shape) != 3:
        raise ValueError(f"`activity` must be [K, B, T, N]; got {shape} for one network.")
    return shape


def require_three_samples(shape: Any, why: str = "") -> None:
    """Raises ValueError, with why, where activity has fewer samples than vary in two ways."""
    trials, steps, _ = require_activity(shape)
    if trials * steps < 3:
        raise ValueError(
            f"`activity` must hold at least 3 (trial, step) samples; got {trials * steps}{why}."
        )


def require_more_samples_than_units(shape: tuple[int, int, int]) -> None:
    """Raises ValueError where N units span all centered samples: any two networks would agree."""
    trials, steps, units = shape
    if trials * steps < units + 2:
        raise ValueError(
            f"`activity` must hold at least N + 2 = {units + 2} (trial, step) samples; got "
            f"{trials * steps}; take more trials."
        )
