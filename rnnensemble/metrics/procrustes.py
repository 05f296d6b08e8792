"""Procrustes shape distance: the angle between activities after the best rotation."""

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble.metrics.activity import centered, require_three_samples, samples
from rnnensemble.metrics.base import Metric
from rnnensemble.metrics.orthogonal import polar

STEPS = 60
"""Newton-Schulz steps: they lift any singular value above 1e-10 to 1, so that what
rounding leaves of a zero direction becomes a whole one and none stays halfway."""


class Superposition(NamedTuple):
    """How two shapes were superposed.

    Attributes:
        distance: The score at `rotation`.
        rotation: Q, which maps the units of the second network onto those of the first, `[N, N]`;
            orthogonal, up to directions that are zero in one of the two.
    """

    distance: Array
    rotation: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Procrustes(Metric):
    """Procrustes shape distance.

        d(X, Y) = min over Q in O(N) of arccos <X, Y Q>            (`angular`, radians)
                = arccos( || X^T Y ||_* / (|| X ||_F || Y ||_F) )

    with X and Y the centered rates of two networks on the same trials, `[B T, N]`, and the nuclear
    norm ||.||_*; or the chord min || X - Y Q ||_F of X and Y at unit norm (`euclidean`), equal to
    2 sin(angular / 2). Both satisfy the triangle inequality and are invariant to translation,
    rotation, reflection and isotropic scaling. A network whose rates do not vary has distance NaN.

    Source: Williams et al. (2021, arXiv 2110.14739).

    Attributes:
        score: `angular` or `euclidean`.
    """

    name: ClassVar[str] = "procrustes"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True
    by_sample: ClassVar[bool] = True

    score: Literal["angular", "euclidean"] = "angular"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.score not in ("angular", "euclidean"):
            raise ValueError(f"`score` must be 'angular' or 'euclidean'; got {self.score!r}.")

    def check(self, shape: Any) -> None:
        require_three_samples(shape, ": two centered samples have one shape only")

    def prepare(self, data: Array) -> Array:
        """The centered samples of rates `[B, T, N]` at unit Frobenius norm, `[B T, N]`."""
        rows = centered(samples(data))
        return rows / jnp.linalg.norm(rows)

    def compare(self, key: Key, first: Array, second: Array) -> Array:
        return self.align(first, second).distance

    def align(self, first: Array, second: Array) -> Superposition:
        """Superposes two prepared networks.

        Args:
            first: X, `[B T, N]`.
            second: Y, `[B T, N]`.

        Returns:
            The distance and the Q that attains it.
        """
        rotation = polar(second.T @ first, bound=1.0, steps=STEPS)
        turned = second @ rotation
        # directions of Y that match nothing in X, where Q is zero: they add their whole norm
        unmatched = second - turned @ rotation.T
        euclidean = jnp.sqrt(jnp.sum((first - turned) ** 2) + jnp.sum(unmatched**2))
        if self.score == "euclidean":
            return Superposition(euclidean, rotation)
        angle = 2 * jnp.arcsin(jnp.minimum(euclidean / 2, 1.0))  # exact near 0, unlike arccos
        return Superposition(angle, rotation)
