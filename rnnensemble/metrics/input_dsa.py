"""InputDSA: compare driven systems by what their inputs can reach."""

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.units import unit_of
from rnnensemble.metrics.base import Metric, require_counts
from rnnensemble.metrics.masks import apart, extent, rows_and_pairs
from rnnensemble.metrics.operators import delay_embedding, driven_operator
from rnnensemble.metrics.orthogonal import polar


class DrivenOperator(NamedTuple):
    """A driven network's operators and what its inputs reach.

    Attributes:
        state: A, `[n, n]`, of unit Frobenius norm.
        input: B, `[n, I]`, of unit Frobenius norm.
        reach: Controllability matrix of the unscaled operators, `[n, m]`, of unit norm.
    """

    state: Array
    input: Array
    reach: Array


class DrivenAlignment(NamedTuple):
    """How two driven systems were aligned.

    Attributes:
        distance: The score of the controllability matrices.
        state: The same score of the state parts, A1 and C A2 C^T, at `rotation`.
        input: The same score of the input parts, B1 and C B2, at `rotation`.
        rotation: C, orthogonal, `[n, n]`.
    """

    distance: Array
    state: Array
    input: Array
    rotation: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputDSA(Metric):
    """InputDSA: compares the dynamics v_{t+1} = A v_t + B u_t of driven networks.

    From the whitened coordinates of `DSA`, A and B are fitted by least squares inside each trial
    (DMD with control). With the controllability matrices

        R = [B, A B, A^T B, A^2 B, (A^T)^2 B, ..., (A^T)^{n-1} B]

    the distance is min over C in O(n) of ||R1 - C R2||_F, a Procrustes problem that is solved
    exactly (C is the polar factor of R1 R2^T), for R of unit norm; `angular` is the angle between
    R1 and C R2. At that C the state parts, C A2 C^T, and the input parts, C B2, are compared
    separately.

    Source: InputDSA (arXiv 2510.25943); R as dsa-metric 2.0.2 builds it. We differ: A and B come
    from DMD with control inside each trial instead of subspace identification, R is scaled to
    unit norm, and C is the minimizer (dsa-metric's `compare_systems_procrustes` applies its
    transpose, which is an upper bound).

    Attributes:
        rank: Number of whitened coordinates n.
        n_delays: Number of delays of the embedding, 1 for none.
        delay_interval: Steps between delays.
        ridge: Added to the mean squares of the normal equations.
        score: `angular` (radians) or `euclidean`.
    """

    name: ClassVar[str] = "input_dsa"
    data: ClassVar[str] = "activity"
    mixed_widths: ClassVar[bool] = True

    rank: int = 10
    n_delays: int = 1
    delay_interval: int = 1
    ridge: float = 1e-6
    score: Literal["angular", "euclidean"] = "angular"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "rank", "n_delays", "delay_interval")
        if not self.ridge >= 0:
            raise ValueError(f"`ridge` must be at least 0; got {self.ridge}.")
        if self.score not in ("angular", "euclidean"):
            raise ValueError(f"`score` must be 'angular' or 'euclidean'; got {self.score!r}.")

    @property
    def needs(self) -> tuple[str, ...]:
        return ("activity", "inputs")

    @property
    def lag(self) -> int:
        """Steps from the oldest one of an embedded row to the newest."""
        return (self.n_delays - 1) * self.delay_interval

    def places(self, mask: np.ndarray) -> dict[str, np.ndarray]:
        return rows_and_pairs(mask, self.lag)

    def check(self, shape: Any) -> None:
        shape, places = apart(shape)
        if not isinstance(shape, dict) or set(shape) != {"activity", "inputs"}:
            raise ValueError(
                "`input_dsa` takes a dictionary of `activity` [K, B, T, N] and `inputs` "
                f"[K, B, T, I]; got {shape}."
            )
        activity, inputs = shape["activity"], shape["inputs"]
        if len(activity) != 3 or len(inputs) != 3 or activity[:2] != inputs[:2]:
            raise ValueError(
                "`activity` and `inputs` must be [K, B, T, N] and [K, B, T, I] with the same "
                f"trials and steps; got {activity} and {inputs} for one network."
            )
        trials, steps, units = activity
        pairs = places["pairs"][0] if places else trials * (steps - self.lag - 1)
        most = min(units * self.n_delays, pairs - inputs[2])
        if steps - self.lag < 2 or self.rank > most:
            raise ValueError(
                f"`rank` must be at most {max(most, 0)} for {extent(activity, places)}, "
                f"{units} units and {self.n_delays} delays; got {self.rank}."
            )

    def prepare(self, data: Any) -> DrivenOperator:
        """Operators of `activity` h `[B, T, N]` and `inputs` x `[B, T, I]`.

        h_t has already seen x_t, so that x_{t+1} takes h_t to h_{t+1}.
        """
        data, places = apart(data)
        rows, pairs = places.get("rows"), places.get("pairs")
        embedded = delay_embedding(data["activity"], self.n_delays, self.delay_interval, rows)
        inputs = data["inputs"] / unit_of(data["inputs"])  # R has unit norm, and so no unit
        inputs = jnp.roll(inputs, -1, axis=1)[:, self.lag :]  # the last step is not used
        inputs = inputs if rows is None else inputs[:, rows]
        state, drive = driven_operator(
            embedded, inputs, rank=self.rank, ridge=self.ridge, pairs=pairs
        )
        reach = controllability(state, drive)
        return DrivenOperator(*(x / jnp.linalg.norm(x) for x in (state, drive, reach)))

    def ranks(self, features: DrivenOperator) -> np.ndarray:
        return np.any(np.asarray(features.state), axis=-1).sum(axis=-1)  # others are zeros

    def compare(self, key: Key, first: DrivenOperator, second: DrivenOperator) -> DrivenAlignment:
        """Aligns two driven systems; the key is not used."""
        del key
        product = first.reach @ second.reach.T
        bound = jnp.linalg.norm(product) + 1e-30  # no singular value is larger
        # a little of I completes C to an orthogonal matrix where inputs do not reach
        rotation = polar(product / bound + 1e-6 * jnp.eye(len(product)), bound=1.0, steps=60)
        scores = (
            self._score(first.reach, rotation @ second.reach),
            self._score(first.state, rotation @ second.state @ rotation.T),
            self._score(first.input, rotation @ second.input),
        )
        return DrivenAlignment(*scores, rotation)

    def _score(self, first: Array, second: Array) -> Array:
        distance = jnp.linalg.norm(first - second)
        if self.score == "euclidean":
            return distance
        return 2 * jnp.arcsin(jnp.minimum(distance / 2, 1.0))  # exact near 0, unlike arccos


def controllability(state: Array, drive: Array) -> Array:
    """[B, A B, A^T B, A^2 B, (A^T)^2 B, ...] up to the power n - 1, `[n, I (2 n - 1)]`."""
    forward = backward = drive
    blocks = [drive]
    for _ in range(len(state) - 1):
        forward, backward = state @ forward, state.T @ backward
        blocks += [forward, backward]
    return jnp.concatenate(blocks, axis=1)
