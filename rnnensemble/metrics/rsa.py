"""Representational similarity analysis."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.units import deviations, unit_of
from rnnensemble.metrics.activity import require_three_samples, samples
from rnnensemble.metrics.base import Metric

ROUNDING = 8
"""Entries of an RDM within so many roundings of the rates are ties."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RSA(Metric):
    """Representational similarity analysis.

    A network's representational dissimilarity matrix (RDM) holds the dissimilarity of its rates in
    any two conditions. Two networks are compared by

        d = 1 - r(v1, v2),

    r the correlation of the upper triangles of their RDMs; d lies in [0, 2] and satisfies no
    triangle inequality. With `euclidean` dissimilarities it is invariant to translation, rotation,
    reflection and isotropic scaling of the rates; with `correlation` to permutations of units,
    scaling, and a shift that all units share. An RDM without variance, beyond
    the rounding of the rates, has distance NaN.

    Conditions are (trial, step) samples: all of them, or where there are more than `conditions`,
    that many at even distances among all, trial after trial, the first and the last included.

    Source: Kriegeskorte et al. (2008); the choice of conditions is ours.

    Attributes:
        conditions: Rows of the RDM at most.
        dissimilarity: `euclidean` (squared distance) or `correlation` (one minus the correlation
            over units; 1 where the rates of a sample are the same in all units).
        correlation: `spearman` (ranks; entries that lie within the rounding of the rates share the
            mean of theirs) or `pearson`.
    """

    name: ClassVar[str] = "rsa"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True
    by_sample: ClassVar[bool] = True

    conditions: int = 256
    dissimilarity: Literal["euclidean", "correlation"] = "euclidean"
    correlation: Literal["spearman", "pearson"] = "spearman"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.conditions < 3:
            raise ValueError(f"`conditions` must be at least 3; got {self.conditions}.")
        if self.dissimilarity not in ("euclidean", "correlation"):
            raise ValueError(
                f"`dissimilarity` must be 'euclidean' or 'correlation'; got {self.dissimilarity!r}."
            )
        if self.correlation not in ("spearman", "pearson"):
            raise ValueError(
                f"`correlation` must be 'spearman' or 'pearson'; got {self.correlation!r}."
            )

    def check(self, shape: Any) -> None:
        require_three_samples(shape)
        units = shape[2]
        if self.dissimilarity == "correlation" and units < 3:
            raise ValueError(
                f"`dissimilarity` = 'correlation' needs at least 3 units; got {units}; take "
                "'euclidean'."
            )

    def prepare(self, data: Array) -> Array:
        """The RDM of rates `[B, T, N]`: its upper triangle, or its ranks, centered at unit norm."""
        rows = samples(data)
        chosen = np.linspace(0, len(rows) - 1, min(len(rows), self.conditions)).round().astype(int)
        matrix, rounding = DISSIMILARITIES[self.dissimilarity](rows[chosen])
        triangle = matrix[np.triu_indices(len(chosen), 1)]
        compared = jnp.sqrt(triangle) if self.dissimilarity == "euclidean" else triangle
        varies = jnp.ptp(compared) > rounding
        if self.correlation == "spearman":
            triangle = average_ranks(compared, rounding)
        triangle = triangle - triangle.mean()
        return triangle / jnp.where(varies, jnp.linalg.norm(triangle), jnp.nan)

    def compare(self, key: Key, first: Array, second: Array) -> Array:
        return jnp.sum((first - second) ** 2) / 2  # 1 - r of unit vectors, exact near 0


def squared_distances(rows: Array) -> tuple[Array, Array]:
    """Squared Euclidean distances of all rows `[n, n]`, in a unit of their own; exact near 0.

    Returns them, from differences first, which cancel nothing, and by how much their roots round.
    """
    rows = rows / unit_of(rows - rows[:1])
    rounding = ROUNDING * jnp.finfo(rows.dtype).eps * jnp.linalg.norm(rows, axis=1).max()
    return jax.lax.map(lambda row: jnp.sum((rows - row[None]) ** 2, axis=1), rows), rounding


def correlation_distances(rows: Array) -> tuple[Array, Array]:
    """One minus Pearson correlations of rows `[n, n]`, and their rounding; constant ones have 0."""
    eps = jnp.finfo(rows.dtype).eps
    rows = jax.vmap(lambda row: deviations(row[:, None])[:, 0])(rows)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = jnp.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / jnp.where(norms > 0, norms, 1.0)
    return 1 - rows @ rows.T, jnp.asarray(ROUNDING * eps)


def average_ranks(values: Array, rounding: Array | float = 0.0) -> Array:
    """Ranks from 1; values that lie within rounding share the mean of theirs.

    Each has the mean rank of those around it: where values lie closer than rounding in a long
    row, none is drawn to the row's far end.
    """
    ordered = jnp.sort(values)
    below = jnp.searchsorted(ordered, values - rounding, side="left")
    through = jnp.searchsorted(ordered, values + rounding, side="right")
    return (below + through + 1).astype(values.dtype) / 2


DISSIMILARITIES = {"euclidean": squared_distances, "correlation": correlation_distances}
