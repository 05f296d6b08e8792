"""Singular vector canonical correlation analysis."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble.metrics.activity import (
    ROUNDING,
    above_rounding,
    centered,
    principal_components,
    require_activity,
    require_more_samples_than_units,
    samples,
    with_ties,
)
from rnnensemble.metrics.base import Metric
from rnnensemble.metrics.orthogonal import nuclear_norm


class Subspace(NamedTuple):
    """The span of a network's leading principal components over samples.

    Attributes:
        basis: Orthonormal columns for the kept directions, zeros for the others, `[B T, N]`.
        kept: Which directions are kept, zeros and ones, `[N]`.
    """

    basis: Array
    kept: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class SVCCA(Metric):
    """Singular vector canonical correlation analysis.

    The centered rates of each network, `[B T, N]`, are reduced to their fewest leading principal
    components that explain `explained_variance` of the variance. With U1 and U2 orthonormal bases
    of these components over samples, and rho_i the singular values of U1^T U2,

        d = 1 - (1 / min(k1, k2)) sum over i of rho_i,

    one minus the mean canonical correlation. It is invariant to translation, rotation and scaling,
    and at `explained_variance` = 1 to every invertible linear map. No triangle inequality holds.
    A network whose rates do not vary has distance NaN.

    Source: Raghu et al. (2017, arXiv 1706.05806).

    Attributes:
        explained_variance: Share of the variance that is kept, in (0, 1].
    """

    name: ClassVar[str] = "svcca"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True
    by_sample: ClassVar[bool] = True

    explained_variance: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.explained_variance <= 1:
            raise ValueError(
                f"`explained_variance` must lie in (0, 1]; got {self.explained_variance}."
            )

    def check(self, shape: Any) -> None:
        require_more_samples_than_units(require_activity(shape))

    def prepare(self, data: Array) -> Subspace:
        """The kept subspace of rates `[B, T, N]`."""
        rows = centered(samples(data))
        basis, scale, _ = principal_components(rows)
        kept = self.kept(scale)
        return Subspace(basis * kept[None, :], kept)

    def kept(self, scale: Array) -> Array:
        """Which singular values are kept, `[N]`, zeros and ones.

        Direction k is needed while those before it leave more than the share 1 -
        `explained_variance`; sums from the smallest up stay accurate where sums from the largest
        would round that share away. Directions within rounding error of 0 are never kept, and ties
        within rounding are kept together.
        """
        left = jnp.cumsum(scale[::-1] ** 2)[::-1]
        tie = 1 + ROUNDING * jnp.finfo(scale.dtype).eps
        needed = left > (1 - self.explained_variance) * tie * left[0]
        needed = with_ties(needed.at[0].set(True), scale)
        return (needed & above_rounding(scale)).astype(scale.dtype)

    def ranks(self, features: Subspace) -> np.ndarray:
        return np.count_nonzero(np.asarray(features.kept), axis=-1)

    def compare(self, key: Key, first: Subspace, second: Subspace) -> Array:
        correlations = nuclear_norm(first.basis.T @ second.basis, bound=1.0)
        similarity = correlations / jnp.minimum(jnp.sum(first.kept), jnp.sum(second.kept))
        return jnp.maximum(1 - similarity, 0.0)
