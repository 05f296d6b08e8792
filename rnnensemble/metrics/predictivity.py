"""Linear predictivity: how much of one network's activity a linear map of another's explains."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.units import deviations
from rnnensemble.metrics.activity import (
    above_rounding,
    principal_components,
    require_activity,
    require_more_samples_than_units,
    samples,
)
from rnnensemble.metrics.base import Metric
from rnnensemble.metrics.masks import apart


class Regressor(NamedTuple):
    """A network's samples in its principal coordinates, where ridge regression is a product.

    The samples fitted on are X = basis diag(scale), centered and of unit Frobenius norm.

    Attributes:
        basis: Orthonormal columns, `[fitted, N]`.
        scale: Singular values, `[N]`.
        gain: scale / (scale^2 + rho), 0 for directions within rounding error of none, `[N]`.
        held_out: The samples scored on, in the same coordinates; None for those fitted on.
    """

    basis: Array
    scale: Array
    gain: Array
    held_out: Array | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearPredictivity(Metric):
    """One minus linear predictivity; asymmetric.

        S(X, Y) = 1 - || X M - Y ||_F^2 / || Y ||_F^2,    M = (X^T X + rho I)^-1 X^T Y

    with X and Y the centered rates of two networks on the same trials, `[B T, N]`. The distance
    d(X, Y) = 1 - S(X, Y) is the share of Y's variance that X does not predict: entry [i, j] of a
    matrix says how badly network i predicts network j. In the limit of no ridge it is invariant to
    invertible linear maps of X, and to rotations and scaling of Y. d(X, X) is not quite 0 with a
    ridge. A network whose rates do not vary has distance NaN to and from all.

    Source: Qian & Pehlevan (arXiv 2509.21504), who project on the null space of the readout. Their
    ridge is not known to us; scaling it by the mean eigenvalue, and centering, are ours.

    Attributes:
        ridge: rho as a share of the mean eigenvalue of X^T X.
        null_space: Removes from each network's rates what its own readout sees. The data of a
            network are then `{"activity": [B, T, N], "readout_weights": [O, N]}`.
        held_out: Fits M (and the means) on even trials and scores on odd ones, where d may
            exceed 1; otherwise both on all trials. A mask of valid steps renumbers no trial.
    """

    name: ClassVar[str] = "predictivity"
    data: ClassVar[str] = "activity"
    symmetric: ClassVar[bool] = False
    mixed_widths: ClassVar[bool] = True

    ridge: float = 1e-4
    null_space: bool = False
    held_out: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ridge >= 0:
            raise ValueError(f"`ridge` must be at least 0; got {self.ridge}.")

    @property
    def needs(self) -> tuple[str, ...]:
        return ("activity", "readout_weights") if self.null_space else ("activity",)

    def places(self, mask: np.ndarray) -> dict[str, np.ndarray]:
        if not self.held_out:
            return {}
        odd = np.nonzero(mask)[0] % 2 == 1  # the trial of each valid step
        halves = {"fitted": ~odd, "scored": odd}
        return {name: np.flatnonzero(x).astype(np.int32) for name, x in halves.items()}

    def check(self, shape: Any) -> None:
        shape, places = apart(shape)
        if self.null_space:
            shape = _require_readout(shape)
        trials, steps, units = require_activity(shape)
        if not self.held_out:
            require_more_samples_than_units((trials, steps, units))
        elif trials < 2 and not places:
            raise ValueError(f"`held_out` needs at least 2 trials; got {trials}.")
        elif not all(count for (count,) in places.values()):
            raise ValueError("`held_out` needs even and odd trials; the mask leaves one kind.")

    def prepare(self, data: Any) -> Regressor:
        """The regressor of rates `[B, T, N]`, or of rates and readout weights."""
        data, places = apart(data)
        if self.null_space:
            activity = outside_readout(data["activity"], data["readout_weights"])
        else:
            activity = jnp.asarray(data)
        activity = deviations(samples(activity)).reshape(activity.shape)
        fitted, scored = self._halves(activity, places)
        mean = fitted.mean(axis=0, keepdims=True)
        basis, scale, axes = principal_components(fitted - mean)
        size = jnp.linalg.norm(scale)
        gain = ridge_gain(scale / size, self.ridge / activity.shape[-1])
        held_out = None if scored is None else (scored - mean) @ axes.T / size
        return Regressor(basis, scale / size, gain, held_out)

    def _halves(self, activity: Array, places: dict[str, Array]) -> tuple[Array, Array | None]:
        """The samples that M is fitted on, and those it is scored on if they are others."""
        if not self.held_out:
            return samples(activity), None
        if places:
            rows = samples(activity)
            return rows[places["fitted"]], rows[places["scored"]]
        return samples(activity[::2]), samples(activity[1::2])

    def ranks(self, features: Regressor) -> np.ndarray:
        return np.count_nonzero(np.asarray(features.gain), axis=-1)

    def compare(self, key: Key, first: Regressor, second: Regressor) -> Array:
        """The share of the second network's variance that the first does not predict."""
        fitted = second.basis * second.scale[None, :]
        fit = first.gain[:, None] * (first.basis.T @ fitted)
        if first.held_out is None or second.held_out is None:
            source, target = first.basis * first.scale[None, :], fitted
        else:
            source, target = first.held_out, second.held_out
        return jnp.sum((target - source @ fit) ** 2) / jnp.sum(target**2)


def ridge_gain(scale: Array, rho: float) -> Array:
    """s / (s^2 + rho) for singular values s with sum s^2 = 1; 0 within rounding error of s = 0."""
    nonzero = above_rounding(scale)
    safe = jnp.where(nonzero, scale, 1.0)
    return jnp.where(nonzero, safe / (safe**2 + rho), 0.0)


def outside_readout(activity: Array, readout_weights: Array) -> Array:
    """Rates `[B, T, N]` on the null space of a readout `[O, N]`, whose rows may be dependent."""
    activity, readout_weights = jnp.asarray(activity), jnp.asarray(readout_weights)
    _, scale, seen = factorization.svd(readout_weights)
    seen = jnp.where(above_rounding(scale)[:, None], seen, 0.0)
    return activity - (activity @ seen.T) @ seen


def _require_readout(shape: Any) -> tuple[int, ...]:
    """The shape of the activity; ValueError unless a readout with O < N comes with it."""
    if not isinstance(shape, dict) or set(shape) != {"activity", "readout_weights"}:
        raise ValueError(
            "`null_space` needs data {'activity': [K, B, T, N], 'readout_weights': [K, O, N]}; "
            f"got {shape} for one network."
        )
    activity, readout = require_activity(shape["activity"]), shape["readout_weights"]
    if len(readout) != 2 or readout[1] != activity[-1] or readout[0] >= readout[1]:
        raise ValueError(
            f"`readout_weights` must be [K, O, N] with N = {activity[-1]} and O < N; got "
            f"{readout} for one network."
        )
    return activity
