"""How well DSA's operators predict held-out trials, to choose rank and delays by."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.axes import Array
from rnnensemble.analysis.settings import DSAGrid, at
from rnnensemble.metrics import DSA
from rnnensemble.metrics.data import as_networks, require_comparable
from rnnensemble.metrics.masks import Counted, as_mask, together
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
    mask: Any = None,
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
        mask: Where a step is valid, `[B, T]`, bools or zeros and ones (`Trials.valid`); None if all
            are. Neither are operators fitted to the other steps, nor are these predicted, or
            predicted from.
        grid: Ranks and delays, those of `DSAGrid()` that the data allow unless given.
        dsa: The other settings.
        devices: How many local devices to use, None for all.

    Returns:
        Errors; `.recommended()` names a rank and delays.

    Raises:
        ValueError: If there are fewer than 2 trials or networks, the data do not fit, the mask is
            none of theirs or leaves too little of them, or the grid has shares of variance.
    """
    valid = None if mask is None else as_mask(mask)
    dsa, networks = dsa or DSA(), _networks(activity, valid)
    trials, *others = networks[0].shape
    if trials < 2:
        raise ValueError(f"`activity` must have at least 2 trials to hold one out; got {trials}.")
    if grid and grid.shares:
        raise ValueError(f"`grid` must have no shares here, ranks alone; got {grid.shares}.")
    half = trials // 2
    fitted = None if valid is None else valid[:half]
    grid = (grid or DSAGrid()).within(dsa, (half, *others), fitted)
    require_comparable(at(dsa, min(grid.ranks), min(grid.delays)), [networks], ["activity"])
    how, shown = HeldOut(dsa, grid), networks
    if valid is not None:
        if not together(jnp.asarray(valid[half:]), how.lag + 2).any():
            raise ValueError(
                f"`mask` must leave {how.lag + 2} valid steps in a row in the second half of the "
                "trials, which the most delays need; got none."
            )
        counts = valid.astype(np.float32)
        shown = [{"data": each, "valid": counts} for each in networks]
    mesh = runtime.network_mesh(devices)
    errors, persistence = prepare_networks(how, shown, mesh=mesh)
    return Prediction(grid, errors, persistence)


def _networks(activity: Any, valid: np.ndarray | None) -> list[Any]:
    """The rates of each network, `[B, T, N]`, with zeros at steps that are not valid."""
    networks = as_networks(activity, "activity", valid)
    if valid is None or valid.all():
        return networks
    filled = [np.zeros((*valid.shape, each.shape[-1]), each.dtype) for each in networks]
    for into, each in zip(filled, networks, strict=True):
        into[valid] = each[0]
    return filled


class HeldOut(NamedTuple):
    """Fits operators to the first half of a network's trials and predicts the second."""

    dsa: DSA
    grid: DSAGrid

    @property
    def lag(self) -> int:
        """Steps of a trial before the first that all settings predict from."""
        return (max(self.grid.delays) - 1) * self.dsa.delay_interval

    def prepare(self, data: Any) -> tuple[Array, Array]:
        """Errors `[R, D]` of rates `[B, T, N]`, and that of persistence.

        Where not all steps count, `data` are what `Counted` takes.
        """
        data = Counted(**data) if isinstance(data, dict) else data
        now, weights = self._embed(data, 1), None
        half = len(now) // 2
        if isinstance(data, Counted):
            weights = together(data.valid[half:], self.lag + 2)
        now = now[half:, self.lag :]
        columns = [self._column(data, now[:, 1:], weights, delays) for delays in self.grid.delays]
        return jnp.array(columns).T, relative_error(now[:, 1:], now[:, :-1], weights)

    def _embed(self, data: Any, delays: int) -> Array:
        """Delay-embedded rates, on principal axes of all trials if there are any."""
        components = self.dsa.components
        axes = None if components is None else axes_of(data, components)
        return at(self.dsa, max(self.grid.ranks), delays).embed(axes, data)

    def _column(self, data: Any, target: Array, weights: Array | None, delays: int) -> list[Array]:
        """The error of every rank."""
        embedded = self._embed(data, delays)
        most, half, pairs = max(self.grid.ranks), len(embedded) // 2, None
        if isinstance(data, Counted):
            pairs = together(data.valid[:half], at(self.dsa, most, delays).lag + 2)
        found = moments(embedded[:half], most, pairs)
        rows = embedded[half:, -target.shape[1] - 1 : -1] @ found.basis
        back = found.basis[: target.shape[-1]] * found.scale[:most] ** 2
        errors = []
        for rank in self.grid.ranks:
            matrix, _ = at(self.dsa, rank, delays).operator_from(found)
            ahead = rows[..., :rank] @ matrix.T
            errors.append(relative_error(target, ahead @ back[:, :rank].T, weights))
        return errors


def relative_error(target: Array, predicted: Array, weights: Array | None) -> Array:
    """Squared error over the target's variance `[B, T, N]`, at all steps or those of weight 1."""
    if weights is None:
        rest = target - jnp.mean(target, axis=(0, 1))
        return jnp.sum((target - predicted) ** 2) / jnp.sum(rest**2)
    counts = weights[..., None]
    rest = target - jnp.sum(counts * target, axis=(0, 1)) / jnp.sum(counts)
    return jnp.sum(counts * (target - predicted) ** 2) / jnp.sum(counts * rest**2)
