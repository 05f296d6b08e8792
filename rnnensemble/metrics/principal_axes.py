"""Principal axes of rates, on which further trials are taken too."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.metrics.activity import centered, principal_components, samples
from rnnensemble.metrics.masks import apart


class Axes(NamedTuple):
    """Principal axes of one network's rates.

    Attributes:
        sample: One of the samples, `[N]`: taken out first, large offsets go exactly.
        mean: Of all samples less this one, `[N]`.
        axes: As rows, `[components, N]`.
    """

    sample: Array
    mean: Array
    axes: Array


def axes_of(data: Any, components: int) -> Axes:
    """The first principal axes of centered rates `[B, T, N]`, of the steps that count."""
    rates, places = apart(data)
    rows, valid = samples(rates), places.get("valid")
    if valid is None:
        mean = jnp.mean(rows - rows[0], axis=0)
        return Axes(rows[0], mean, principal_components(centered(rows))[2][:components])
    weights = valid.reshape(-1, 1)
    mean = jnp.sum(weights * (rows - rows[0]), axis=0) / jnp.sum(weights)
    counted = weights * (rows - rows[0] - mean)
    return Axes(rows[0], mean, principal_components(counted)[2][:components])


def on_axes(axes: Axes, rates: Array) -> Array:
    """Rates `[B, T, N]` as principal components, `[B, T, components]`."""
    return (rates - axes.sample - axes.mean) @ axes.axes.T
