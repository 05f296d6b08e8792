"""How well DSA's operators predict held-out trials, to choose rank and delays by."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.axes import Array
from rnnensemble.analysis.settings import DSAGrid, at
from rnnensemble.metrics import DSA
from rnnensemble.metrics.data import as_networks, require_comparable
from rnnensemble.metrics.operators import moments
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.metrics.principal_axes import axes_of


class Prediction(NamedTuple):
    """How well operators predict the next step of trials that they were not fitted to.

    Attributes:
        grid: Ranks and delays.
        errors: Squared error over the variance of the rates, `[K, R, D]`.
        persistence: The same for predicting that nothing changes, `[K]`.
    """

    grid: DSAGrid
    errors: np.ndarray
    persistence: np.ndarray

    def recommended(self) -> tuple[int, int]:
        """Rank and delays: the fewest within one standard error of the least mean error.

        Fewest coordinates first, then fewest delays (the one-standard-error rule of Breiman et
        al. 1984, over networks).
        """
        mean = self.errors.mean(axis=0)
        best = np.unravel_index(mean.argmin(), mean.shape)
        spread = self.errors[:, best[0], best[1]].std(ddof=1) / len(self.errors) ** 0.5
        enough = np.argwhere(mean <= mean[best] + spread)
        sizes = [(self.grid.ranks[i], self.grid.delays[j]) for i, j in enough]
        return min(sizes)


def prediction_errors(
    activity: Any,
    *,
    grid: DSAGrid | None = None,
    dsa: DSA | None = None,
    devices: int | None = None,
) -> Prediction:
    """Held-out prediction error of DSA's operators by rank and delays, to choose them by.

        e = sum_t |x_{t+1} - xhat_{t+1}|^2 / sum_t |x_{t+1} - mean x|^2

    Operators are fitted to the first half of the trials; the rates x of the second half are
    predicted one step ahead, the same steps for every setting. Inputs are not predictable, so
    that e does not go to 0 in driven networks.

    Args:
        activity: Rates `[K, B, T, N]`, or a list of K networks' own; B at least 2.
        grid: Ranks and delays, those of `DSAGrid()` that the data allow unless given.
        dsa: The other settings.
        devices: How many local devices to use, None for all.

    Returns:
        Errors; `.recommended()` names a rank and delays.

    Raises:
        ValueError: If there are fewer than 2 trials or networks, the data do not fit, or the grid
            has shares of variance.
    """
    dsa, networks = dsa or DSA(), as_networks(activity)
    trials, *others = networks[0].shape
    if trials < 2:
        raise ValueError(f"`activity` must have at least 2 trials to hold one out; got {trials}.")
    if grid and grid.shares:
        raise ValueError(f"`grid` must have no shares here, ranks alone; got {grid.shares}.")
    grid = (grid or DSAGrid()).within(dsa, (trials // 2, *others))
    require_comparable(at(dsa, min(grid.ranks), min(grid.delays)), [networks])
    mesh = runtime.network_mesh(devices)
    errors, persistence = prepare_networks(HeldOut(dsa, grid), networks, mesh=mesh)
    return Prediction(grid, errors, persistence)


class HeldOut(NamedTuple):
    """Fits operators to the first half of a network's trials and predicts the second."""

    dsa: DSA
    grid: DSAGrid

    def prepare(self, data: Array) -> tuple[Array, Array]:
        """Errors `[R, D]` of rates `[B, T, N]`, and that of persistence."""
        first = (max(self.grid.delays) - 1) * self.dsa.delay_interval  # too few delays before it
        now = self._embed(data, 1)[len(data) // 2 :, first:]
        columns = [self._column(data, now[:, 1:], delays) for delays in self.grid.delays]
        return jnp.array(columns).T, relative_error(now[:, 1:], now[:, :-1])

    def _embed(self, data: Array, delays: int) -> Array:
        """Delay-embedded rates, on principal axes of all trials if there are any."""
        components = self.dsa.components
        axes = None if components is None else axes_of(data, components)
        return at(self.dsa, max(self.grid.ranks), delays).embed(axes, data)

    def _column(self, data: Array, target: Array, delays: int) -> list[Array]:
        """The error of every rank."""
        most, half = max(self.grid.ranks), len(data) // 2
        embedded = self._embed(data, delays)
        found = moments(embedded[:half], most)
        rows = embedded[half:, -target.shape[1] - 1 : -1] @ found.basis
        back = found.basis[: target.shape[-1]] * found.scale[:most] ** 2
        errors = []
        for rank in self.grid.ranks:
            matrix, _ = at(self.dsa, rank, delays).operator_from(found)
            ahead = rows[..., :rank] @ matrix.T
            errors.append(relative_error(target, ahead @ back[:, :rank].T))
        return errors


def relative_error(target: Array, predicted: Array) -> Array:
    """Squared error over the target's variance."""
    rest = target - jnp.mean(target, axis=(0, 1))
    return jnp.sum((target - predicted) ** 2) / jnp.sum(rest**2)
