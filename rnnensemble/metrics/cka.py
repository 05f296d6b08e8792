"""Linear centered kernel alignment."""

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble.metrics.activity import (
    centered,
    principal_components,
    require_three_samples,
    samples,
)
from rnnensemble.metrics.base import Metric


class Kernel(NamedTuple):
    """The kernel X X^T of centered rates over samples, of unit Frobenius norm, by its spectrum.

    Attributes:
        basis: Eigenvectors as columns, `[B T, N]`.
        eigenvalues: Their eigenvalues, `[N]`.
    """

    basis: Array
    eigenvalues: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class CKA(Metric):
    """Linear centered kernel alignment.

        CKA(X, Y) = || Y^T X ||_F^2 / (|| X^T X ||_F || Y^T Y ||_F)

    with X and Y the centered rates of two networks on the same trials, `[B T, N]`. The distance is
    the angle arccos CKA between the kernels X X^T and Y Y^T (`angular`, radians, at most pi / 2),
    which satisfies the triangle inequality, or 1 - CKA (`complement`), which does not. Both are
    invariant to translation, rotation, reflection and isotropic scaling. A network whose rates do
    not vary has distance NaN.

    Source: Kornblith et al. (2019, arXiv 1905.00414, eq. 3 with a linear kernel); Williams et al.
    (2021, arXiv 2110.14739) for the angle.

    Attributes:
        score: `angular` or `complement`.
    """

    name: ClassVar[str] = "cka"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True
    by_sample: ClassVar[bool] = True

    score: Literal["angular", "complement"] = "angular"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.score not in ("angular", "complement"):
            raise ValueError(f"`score` must be 'angular' or 'complement'; got {self.score!r}.")

    def check(self, shape: Any) -> None:
        require_three_samples(shape, ": two centered samples have one kernel only")

    def prepare(self, data: Array) -> Kernel:
        """The kernel of rates `[B, T, N]`."""
        basis, scale, _ = principal_components(centered(samples(data)))
        eigenvalues = (scale / scale[0]) ** 2
        return Kernel(basis, eigenvalues / jnp.linalg.norm(eigenvalues))

    def compare(self, key: Key, first: Kernel, second: Kernel) -> Array:
        squared = squared_difference(first, second)  # 2 - 2 CKA
        if self.score == "complement":
            return squared / 2
        return 2 * jnp.arcsin(jnp.minimum(jnp.sqrt(squared) / 2, 1.0))


def squared_difference(first: Kernel, second: Kernel) -> Array:
    """||K1 - K2||_F^2 as a sum of squares, which cancels nothing near 0, unlike 2 - 2 CKA.

    With c_ij = u_i . v_j and r_i the part of u_i outside the span of all v (s_j likewise):
    sum of c_ij^2 (l_i - m_j)^2 + sum of l_i^2 |r_i|^2 + sum of m_j^2 |s_j|^2.
    """
    u, v = first.basis, second.basis
    cross = u.T @ v
    gaps = first.eigenvalues[:, None] - second.eigenvalues[None, :]
    beyond_v = first.eigenvalues[None, :] * (u - v @ cross.T)
    beyond_u = second.eigenvalues[None, :] * (v - u @ cross)
    return jnp.sum((cross * gaps) ** 2) + jnp.sum(beyond_v**2) + jnp.sum(beyond_u**2)
