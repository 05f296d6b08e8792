"""Dynamical Similarity Analysis: compare linear operators up to rotation and reflection."""

import dataclasses
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.platforms import by_platform
from rnnensemble.metrics.alignment import Alignment, Operator, align, as_operator
from rnnensemble.metrics.assignment import assignment
from rnnensemble.metrics.base import Metric, require_counts
from rnnensemble.metrics.data import shape_of
from rnnensemble.metrics.masks import apart, extent, pairs_of, rows_and_pairs, rows_of
from rnnensemble.metrics.operators import (
    Moments,
    Sums,
    add,
    begin,
    delay_embedding,
    finished,
    kept_coordinates,
    one_step_operator,
)
from rnnensemble.metrics.principal_axes import Axes, axes_of, on_axes


class Matching(NamedTuple):
    """How two sets of eigenvalues match: mean squared distance, exact, and so its bound."""

    distance: Array
    lower_bound: Array


class RunningSums(NamedTuple):
    """Sums of the embedding over the trials of one network, of rates reduced to axes, if any."""

    axes: Axes | None
    sums: Sums


RANK = 20
"""What `DSA.rank` is where it is left open and the data allow it."""
SCORES = ("euclidean", "angular", "wasserstein")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DSA(Metric):
    """Dynamical Similarity Analysis.

    Each network's rates are delay-embedded and whitened to `rank` coordinates; A is the linear
    operator that best predicts their next step. The distance of two networks is

        d(A, B) = min over C in O(rank) of || A - C B C^T ||_F    (`euclidean`)

    with A and B scaled to unit Frobenius norm, or the angle arccos <A, C B C^T> (`angular`,
    radians); euclidean^2 = 2 - 2 cos(angular). The minimum is searched from several starts: the
    value is an upper bound, and comes with a lower one. `wasserstein` compares eigenvalues alone,

        d(A, B) = min over permutations p of mean_i |lambda_i(A) - lambda_p(i)(B)|^2,

    without scaling and without a square root; it is exact.

    Source: Ostrow et al. (arXiv 2306.10168); follows the definitions of dsa-metric 2.0.2. The
    scale depends on the settings: compare only distances with the same ones.

    Attributes:
        rank: Number of whitened coordinates, the most: those within the rounding of the largest
            are left out, and the next two may leave out others. None for 20, or for as many as
            the data of all networks that are compared allow (see `fitted`).
        explained_variance: Keeps as few coordinates as explain this share of the embedding's sum
            of squares; operators of fewer coordinates are padded with zeros.
        threshold: Keeps coordinates with singular values above it.
        n_delays: Number of delays of the embedding, 1 for none.
        delay_interval: Steps between delays.
        components: Principal components that each network's centered rates are reduced to before
            the embedding; None for the rates themselves.
        ridge: Added to the normal equations of the operator.
        regression_rank: Rank of a reduced-rank regression; None for ordinary least squares.
        score: `euclidean`, `angular` or `wasserstein`.
        starts: Starts of the alignment: half from eigenvectors, half random.
        early_steps: Newton steps from every start.
        late_steps: Newton steps at most from the best of them.
    """

    name: ClassVar[str] = "dsa"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True

    rank: int | None = None
    explained_variance: float | None = None
    threshold: float | None = None
    n_delays: int = 1
    delay_interval: int = 1
    components: int | None = None
    ridge: float = 1e-8
    regression_rank: int | None = None
    score: Literal["euclidean", "angular", "wasserstein"] = "euclidean"
    starts: int = 96
    early_steps: int = 10
    late_steps: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = ("rank", "n_delays", "delay_interval", "starts", "early_steps", "late_steps")
        require_counts(self, *counts, "components", "regression_rank")
        if not self.ridge >= 0:
            raise ValueError(f"`ridge` must be at least 0; got {self.ridge}.")
        if self.explained_variance is not None and not 0 < self.explained_variance <= 1:
            raise ValueError(
                f"`explained_variance` must lie within (0, 1]; got {self.explained_variance}."
            )
        if self.explained_variance is not None and self.threshold is not None:
            raise ValueError("`explained_variance` and `threshold` exclude each other.")
        if (self.regression_rank or 0) > self.coordinates:
            raise ValueError(
                f"`regression_rank` must be at most `rank` = {self.coordinates}; got "
                f"{self.regression_rank}."
            )
        if self.score not in SCORES:
            raise ValueError(f"`score` must be one of {SCORES}; got {self.score!r}.")

    def fitted(self, shapes: Iterable[Any]) -> Self:
        """The metric with a rank: the one asked for, else 20, or what rates `[B, T, N]` allow."""
        if self.rank is not None:
            return self
        return dataclasses.replace(self, rank=min([RANK, *map(self._largest_rank, shapes)]))

    @property
    def lag(self) -> int:
        """Steps from the oldest one of an embedded row to the newest."""
        return (self.n_delays - 1) * self.delay_interval

    def places(self, mask: np.ndarray) -> dict[str, np.ndarray]:
        return rows_and_pairs(mask, self.lag)

    def check(self, shape: Any) -> None:
        most = self._largest_rank(shape)
        if (self.rank or 1) > most:
            rates, places = apart(shape)
            raise ValueError(
                f"`rank` must be at most {most} for {extent(rates, places)} and "
                f"{self.components or rates[-1]} units; got {self.rank}."
            )

    def _largest_rank(self, shape: Any) -> int:
        """The most coordinates of rates of this shape; ValueError if they have no operator."""
        shape, places = apart(shape)
        if len(shape) != 3:
            raise ValueError(f"`activity` must be [K, B, T, N]; got {shape} for one network.")
        trials, steps, units = shape
        if self.components is not None:
            if self.components > min(units, trials * steps):
                raise ValueError(
                    f"`components` must be at most {min(units, trials * steps)} for {units} units "
                    f"and {extent(shape, places)}; got {self.components}."
                )
            units = self.components
        pairs = places["pairs"][0] if places else trials * (steps - self.lag - 1)
        if pairs < 1 if places else steps - self.lag < 2:
            raise ValueError(
                f"`n_delays` = {self.n_delays} at `delay_interval` = {self.delay_interval} needs "
                f"trials of at least {self.lag + 2} steps; got "
                f"{'none without a gap' if places else steps}."
            )
        return min(units * self.n_delays, pairs)

    def prepare(self, data: Any) -> Any:
        """The operator of rates `[B, T, N]`; its eigenvalues `[r, 2]` for `wasserstein`."""
        dsa = self.fitted([shape_of(data)])
        return dsa.finish(dsa.add(dsa.begin(data), data))

    def fit(self, data: Array) -> Array:
        """The operator A of rates `[B, T, N]`, unscaled, `[rank, rank]`."""
        dsa = self.fitted([data.shape])
        running = dsa.add(dsa.begin(data), data)
        return dsa.operator_from(finished(running.sums, dsa.coordinates))[0]

    @property
    def coordinates(self) -> int:
        """The rank, 20 where it is left open."""
        return self.rank or RANK

    def columns(self, units: int) -> int:
        """Numbers that a step of so many units is embedded into."""
        return self.n_delays * (self.components or units)

    def begin(self, data: Any) -> "RunningSums":
        """Sums of no trials yet, in coordinates found from the first of them, `[B, T, N]`."""
        axes = None if self.components is None else axes_of(data, self.components)
        return RunningSums(axes, begin(self.embed(axes, data), self.coordinates))

    def add(self, running: "RunningSums", data: Any) -> "RunningSums":
        """The sums with further trials, `[B, T, N]`."""
        pairs, embedded = pairs_of(apart(data)[1], self.lag), self.embed(running.axes, data)
        return running._replace(sums=add(running.sums, embedded, **pairs))

    def finish(self, running: "RunningSums") -> Any:
        """What `prepare` returns, of all trials that were added."""
        return self.features(*self.operator_from(finished(running.sums, self.coordinates)))

    def embed(self, axes: Axes | None, data: Any) -> Array:
        """Delay-embedded rates, `[B, T', p]`, on principal axes if there are any."""
        rates, places = apart(data)
        rates = rates if axes is None else on_axes(axes, rates)
        return delay_embedding(rates, self.n_delays, self.delay_interval, **rows_of(places))

    def operator_from(self, found: Moments) -> tuple[Array, Array]:
        """The operator A, unscaled, `[rank, rank]`, and how many coordinates it uses.

        Args:
            found: Moments of at least `rank` coordinates.
        """
        kept = kept_coordinates(found, self.coordinates, self.explained_variance, self.threshold)
        rank = self.regression_rank
        matrix = one_step_operator(found, kept, ridge=self.ridge, regression_rank=rank)
        return matrix, jnp.sum(kept)

    def features(self, matrix: Array, used: Array) -> Any:
        """What pairs of operators are compared by."""
        return eigenvalues(matrix) if self.score == "wasserstein" else as_operator(matrix, used)

    def ranks(self, features: Any) -> np.ndarray | None:
        return np.asarray(features.rank) if isinstance(features, Operator) else None

    def compare(self, key: Key, first: Any, second: Any) -> Any:
        """The distance with its evidence: an `Alignment`, for `wasserstein` a `Matching`."""
        if self.score == "wasserstein":
            distance = wasserstein(first, second)
            return Matching(distance, distance)
        return self.align(key, first, second)

    def align(self, key: Key, first: Operator, second: Operator) -> Alignment:
        """Aligns two operators.

        Args:
            key: Random key for the starts, consumed.
            first: The operator A.
            second: The operator B.

        Returns:
            The distance, the C that attains it, a lower bound, and how many starts reached it.
        """
        found = align(
            key,
            first,
            second,
            starts=self.starts,
            early_steps=self.early_steps,
            late_steps=self.late_steps,
        )
        if self.score == "euclidean":
            return found
        distance, lower = (2 * jnp.arcsin(jnp.minimum(d / 2, 1.0)) for d in found[:2])
        return found._replace(distance=distance, lower_bound=lower)  # exact near 0, unlike arccos


def eigenvalues(matrix: Array) -> Array:
    """Eigenvalues of a real matrix as `[n, 2]`, real and imaginary parts.

    On the device where JAX has a nonsymmetric eigendecomposition for it, otherwise (on TPUs) by
    calling the host.
    """

    def on_host(matrix: Array) -> Array:
        shape = jax.ShapeDtypeStruct((*matrix.shape[:-1], 2), matrix.dtype)
        return jax.pure_callback(_host_eigenvalues, shape, matrix, vmap_method="broadcast_all")

    on_device = dict.fromkeys(factorization.with_eigenvalues(), factorization.eigenvalues)
    return by_platform(matrix, **on_device, default=on_host)


def _host_eigenvalues(matrix: np.ndarray) -> np.ndarray:
    values = np.linalg.eigvals(np.asarray(matrix))
    return np.stack([values.real, values.imag], axis=-1).astype(matrix.dtype)


def wasserstein(first: Array, second: Array) -> Array:
    """Mean squared distance of eigenvalues `[n, 2]` under their best matching."""
    cost = jnp.sum((first[:, None] - second[None]) ** 2, axis=-1)
    columns = assignment(-cost)
    return jnp.mean(jnp.take_along_axis(cost, columns[:, None], axis=1))
