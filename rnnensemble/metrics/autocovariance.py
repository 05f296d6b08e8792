"""Distance of autocovariances: how states lie and how they move, weighed by their variance."""

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.products import summed_products
from rnnensemble._core.units import ROUNDING, divided, unit_of
from rnnensemble.metrics import alignment
from rnnensemble.metrics.activity import require_activity
from rnnensemble.metrics.alignment import Operator
from rnnensemble.metrics.base import Metric, require_counts
from rnnensemble.metrics.masks import apart, successions, together
from rnnensemble.metrics.operators import in_turn

SCALES = ("norm", "variance")


class RunningProducts(NamedTuple):
    """Sums over the trials of one network; their size does not depend on the number of trials.

    Attributes:
        origin: Mean of the first trials, `[N]`; all rates are taken from here, so that float32
            resolves small variances beside a large mean.
        unit: What rates are divided by, a power of two.
        counts: For each lag, the number of samples that have one so much later, `[L]`; the first
            lag is 0, its samples are all.
        earlier: The sum of these samples, `[L, N]`.
        later: The sum of those so much later.
        products: The sum of their products, later times earlier, `[L, N, N]`.
    """

    origin: Array
    unit: Array
    counts: Array
    earlier: Array
    later: Array
    products: Array


class Autocovariances(NamedTuple):
    """What is kept of a network.

    Attributes:
        matrices: Scaled autocovariances on the principal components, from the largest variance
            down, `[L, n, n]`.
        spectra: What bounds them from below (`alignment.spectra`), `[L, angles, 2, n]`.
        rank: Number of components.
        left_out: Norm of what other components would add.
    """

    matrices: Array
    spectra: Array
    rank: Array
    left_out: Array

    def operator(self) -> Operator:
        """What is aligned; padded with zeros, it is still one."""
        frame = jnp.eye(self.matrices.shape[-1])  # components are eigenvectors of Gamma(0)
        return Operator(self.matrices, frame, jnp.sort(self.spectra), self.rank)


class AutocovarianceAlignment(NamedTuple):
    """How the autocovariances of two networks were aligned.

    Attributes:
        distance: At `rotation`; an upper bound of the minimum on the principal components.
        lower_bound: No orthogonal C comes below this.
        rotation: C, orthogonal, `[n, n]`.
        reached: How many of the finished starts came within 1e-4 of the least.
        ranks: How many components either network has, `[2]`.
        left_out: With all components the minimum would differ by at most this.
    """

    distance: Array
    lower_bound: Array
    rotation: Array
    reached: Array
    ranks: Array
    left_out: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Autocovariance(Metric):
    """How differently two networks' states are spread and move, up to rotation; without a rank.

    With the autocovariances of the rates x over all trials and steps,

        Gamma(k) = mean of (x_{t+k} - m)(x_t - m)^T,   m = mean of x,

    the distance of two networks is

        d(A, B)^2 = min over C in O(N) of sum_k || Gamma_A(k) - C Gamma_B(k) C^T ||_F^2

    with all Gamma of a network divided by the root of the sum of their squared norms (`norm`), or
    by the trace of Gamma(0) (`variance`). Gamma(0) says how states are spread, Gamma(1) how they
    move. Directions count by their variance: none is whitened, and none must be left out, so that
    there is no rank to choose. `components` only bounds the cost, and `left_out` in the evidence
    bounds what it costs the distance.

    Products are divided by the number of all samples, for every lag: then
    ||Gamma(0)^{-1/2} Gamma(k) Gamma(0)^{-1/2}|| <= 1, the overlap of two networks is a convex
    function of C, and padding with zeros changes no minimum. (Neither holds for more lags.)

    Invariant to rotation, reflection, translation and scaling of the rates, to the order of units
    and to silent units. From 0 to sqrt(2) (`norm`). See docs/metrics/autocovariance.md.

    Source: ours; second-order statistics, aligned as DSA aligns operators (arXiv 2306.10168).

    Example:
        >>> import numpy as np
        >>> from rnnensemble import distance_matrix
        >>> activity = np.random.default_rng(0).normal(size=(2, 8, 20, 5))  # [K, B, T, N]
        >>> activity[1] = 2 * activity[0, ..., ::-1] + 1  # the same, in other units
        >>> bool(distance_matrix(Autocovariance(), activity)[0, 1] < 0.01)
        True

    Attributes:
        lags: Which k, in steps: 0, and one other.
        components: Principal components that are aligned, at most.
        scale: `norm` or `variance`.
        starts: Starts of the alignment: half from eigenvectors, half random.
        early_steps: Newton steps from every start.
        late_steps: Newton steps at most from the best of them.
    """

    name: ClassVar[str] = "autocovariance"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True

    lags: tuple[int, ...] = (0, 1)
    components: int = 16
    scale: Literal["norm", "variance"] = "norm"
    starts: int = 32
    early_steps: int = 10
    late_steps: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "components", "starts", "early_steps", "late_steps")
        if self.lags[:1] != (0,) or not all(isinstance(x, int) and x > 0 for x in self.lags[1:]):
            raise ValueError(f"`lags` must be 0 and a whole number of steps; got {self.lags}.")
        if len(self.lags) > 2:
            raise ValueError(f"`lags` must be 0 and at most one other; got {self.lags}.")
        if self.scale not in SCALES:
            raise ValueError(f"`scale` must be one of {SCALES}; got {self.scale!r}.")

    def places(self, mask: np.ndarray) -> dict[str, np.ndarray]:
        return {"pairs": successions(mask, self.lags[-1] + 1)}

    def check(self, shape: Any) -> None:
        shape, places = apart(shape)
        _, steps, _ = require_activity(shape)
        if places["pairs"][0] < 1 if places else steps <= self.lags[-1]:
            raise ValueError(
                f"`lags` of {self.lags[-1]} steps need trials of at least {self.lags[-1] + 1} "
                f"steps; got {'none without a gap' if places else steps}."
            )

    def prepare(self, data: Any) -> Autocovariances:
        """The autocovariances of rates `[B, T, N]`."""
        return self.finish(self.add(self.begin(data), data))

    def columns(self, units: int) -> int:
        """Numbers that a step of so many units becomes: one copy of it for each lag."""
        return len(self.lags) * units

    def begin(self, data: Any) -> RunningProducts:
        """Sums of no trials yet, from the mean of the first of them, `[B, T, N]`."""
        data, places = apart(data)
        units, lags = data.shape[-1], len(self.lags)
        none = jnp.zeros((lags, units), data.dtype)
        moved, counted = data - data[0, 0], places.get("valid")
        if counted is None:
            origin = data[0, 0] + jnp.mean(moved, axis=(0, 1))
        else:
            mean = jnp.sum(counted[..., None] * moved, axis=(0, 1)) / jnp.sum(counted)
            origin, data = data[0, 0] + mean, data[0, 0] + counted[..., None] * moved
        return RunningProducts(
            origin=origin,
            unit=unit_of(data - origin),
            counts=jnp.zeros(lags, data.dtype),
            earlier=none,
            later=none,
            products=jnp.zeros((lags, units, units), data.dtype),
        )

    def add(self, running: RunningProducts, data: Any) -> RunningProducts:
        """The sums with further trials, `[B, T, N]`."""
        data, places = apart(data)
        rates = (data - running.origin) / running.unit
        if "valid" in places:
            return self._with_counted(running, rates, places["valid"])
        pairs = [in_turn(rates, places.get("pairs") if k else None, later=k) for k in self.lags]
        return RunningProducts(
            running.origin,
            running.unit,
            running.counts + jnp.array([len(x) for x, _ in pairs], rates.dtype),
            running.earlier + jnp.stack([x.sum(axis=0) for x, _ in pairs]),
            running.later + jnp.stack([y.sum(axis=0) for _, y in pairs]),
            running.products + jnp.stack([summed_products(y, x) for x, y in pairs]),
        )

    def _with_counted(
        self, running: RunningProducts, rates: Array, valid: Array
    ) -> RunningProducts:
        """The sums with further rates from the origin, of which some steps count."""
        pairs, counts = [], []
        for lag in self.lags:
            weights = together(valid, lag + 1).reshape(-1, 1)  # no gap between them
            counts.append(jnp.sum(weights))
            pairs.append(tuple(weights * x for x in in_turn(rates, later=lag)))
        return running._replace(
            counts=running.counts + jnp.stack(counts),
            earlier=running.earlier + jnp.stack([x.sum(axis=0) for x, _ in pairs]),
            later=running.later + jnp.stack([y.sum(axis=0) for _, y in pairs]),
            products=running.products + jnp.stack([y.T @ x for x, y in pairs]),
        )

    def finish(self, running: RunningProducts) -> Autocovariances:
        """What `prepare` returns, of all trials that were added."""
        whole = self.autocovariances(running)
        size = jnp.max(jnp.abs(running.origin)) / running.unit
        rounding = (ROUNDING * jnp.finfo(whole.dtype).eps * size) ** 2
        whole = jnp.where(jnp.max(jnp.abs(whole)) > rounding, whole, 0.0)  # rates that do not vary
        whole = whole / jnp.maximum(jnp.max(jnp.abs(whole)), jnp.finfo(whole.dtype).tiny)
        sizes = {"norm": jnp.sqrt(jnp.sum(whole**2)), "variance": jnp.trace(whole[0])}
        size = jnp.maximum(sizes[self.scale], jnp.finfo(whole.dtype).tiny)
        axes = factorization.eigh(whole[0])[1][:, ::-1][:, : self.components]
        largest = jnp.take_along_axis(axes, jnp.argmax(jnp.abs(axes), axis=0)[None], axis=0)
        axes = axes * jnp.where(largest < 0, -1.0, 1.0)  # signs that rounding does not decide
        kept = axes.T @ whole @ axes
        rest = jnp.sqrt(jnp.sum((whole - axes @ kept @ axes.T) ** 2)) / size
        spectra = jnp.stack([alignment.spectra(x / size) for x in kept])
        return Autocovariances(kept / size, spectra, jnp.asarray(axes.shape[1]), rest)

    def autocovariances(self, running: RunningProducts) -> Array:
        """Gamma(k) of each lag, unscaled, `[L, N, N]`."""
        mean = divided(running.earlier[0], running.counts[0])
        sums = (  # (x_{t+k} - m)(x_t - m)^T, multiplied out
            running.products
            - mean[:, None] * running.earlier[:, None]
            - running.later[:, :, None] * mean
            + running.counts[:, None, None] * jnp.outer(mean, mean)
        )
        return divided(sums, running.counts[0])

    def ranks(self, features: Autocovariances) -> np.ndarray:
        return np.asarray(features.rank)

    def compare(
        self, key: Key, first: Autocovariances, second: Autocovariances
    ) -> AutocovarianceAlignment:
        """Aligns two networks; see `AutocovarianceAlignment`."""
        found = alignment.align(
            key,
            first.operator(),
            second.operator(),
            starts=self.starts,
            early_steps=self.early_steps,
            late_steps=self.late_steps,
        )
        return AutocovarianceAlignment(*found, first.left_out + second.left_out)
