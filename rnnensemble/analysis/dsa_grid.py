"""DSA under many settings: distances by rank and delays, and trends in each of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.axes import Array
from rnnensemble._core.config import finite
from rnnensemble.analysis.distances import of_pairs
from rnnensemble.analysis.settings import DSAGrid, at
from rnnensemble.metrics import DSA
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.blocks import compare_pairs, plan
from rnnensemble.metrics.data import as_networks, require_comparable
from rnnensemble.metrics.dsa import RunningSums
from rnnensemble.metrics.operators import finished, kept_coordinates
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.stats import reliability


class GridDistances(NamedTuple):
    """DSA distances of M networks under R ranks (and shares of variance) and D numbers of delays.

    Attributes:
        grid: The settings.
        ranks: The rank of each row of the grid, `[R]`; for shares of variance, what they came to.
        matrices: Distances, `[R, D, M, M]`.
        nulls: Distances of each network to itself on other trials, `[R, D, M]`; NaN without
            other trials.
        again: Distances measured a second time, on the other trials, `[R, D, M, M]`; NaN where
            they were not.
    """

    grid: DSAGrid
    ranks: np.ndarray
    matrices: np.ndarray
    nulls: np.ndarray
    again: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean distance over pairs, `[R, D]`."""
        count = self.matrices.shape[-1]
        return self.matrices.sum(axis=(-2, -1)) / (count * (count - 1))

    @property
    def null_ratios(self) -> np.ndarray:
        """Mean distance over mean null, `[R, D]`: how far networks differ beyond their trials."""
        return self.means / np.maximum(self.nulls.mean(axis=-1), 1e-12)

    @property
    def reliabilities(self) -> np.ndarray:
        """Agreement of both measurements of the repeated pairs, `[R, D]` (`reliability`)."""
        return reliability.of_repeated(self.matrices, self.again)

    @property
    def measurable(self) -> np.ndarray:
        """Settings in which distances are solutions rather than trials, bool `[R, D]`.

        All of them where there were no other trials to tell by.
        """
        shares = self.nulls.mean(axis=-1) / np.maximum(self.means, 1e-12)
        untold = np.isnan(self.nulls).all(axis=-1) & np.isfinite(self.means)
        return untold | reliability.measurable(shares, self.reliabilities)

    def table(self) -> list[dict[str, Any]]:
        """One row a setting, of plain values: `rank`, `share`, `delays`, `value`, `null`, ..."""
        values = {
            "value": self.means,
            "null": self.nulls.mean(axis=-1),
            "reliability": self.reliabilities,
            "measurable": self.measurable,
        }
        return [
            {"rank": int(self.ranks[i]), "share": row if row < 1 else None, "delays": delays}
            | {name: finite(found[i, j]) for name, found in values.items()}
            for i, row in enumerate(self.grid.rows)
            for j, delays in enumerate(self.grid.delays)
        ]


class GridOperators(NamedTuple):
    """Prepares a network for all settings: one embedding and factorization a number of delays.

    `ranks`, none above the largest of the grid, are those of the grid if there are none.
    """

    dsa: DSA
    grid: DSAGrid
    ranks: tuple[int, ...] = ()

    def prepare(self, data: Array) -> tuple[Any, ...]:
        """For each rank what pairs are compared by, leading axis D; lower ranks are corners."""
        return self.finish(self.add(self.begin(data), data))

    def columns(self, units: int) -> int:
        """Numbers that a step of so many units is embedded into, by all numbers of delays."""
        return sum(each.columns(units) for each in self._by_delays())

    def begin(self, data: Array) -> tuple[RunningSums, ...]:
        """Sums of no trials yet for each number of delays, in coordinates of the first trials."""
        return tuple(each.begin(data) for each in self._by_delays())

    def add(self, running: tuple[RunningSums, ...], data: Array) -> tuple[RunningSums, ...]:
        """The sums with further trials, `[B, T, N]`."""
        each = zip(self._by_delays(), running, strict=True)
        return tuple(dsa.add(sums, data) for dsa, sums in each)

    def finish(self, running: tuple[RunningSums, ...]) -> tuple[Any, ...]:
        """What `prepare` returns, of all trials that were added."""
        found = [finished(each.sums, max(self.grid.ranks)) for each in running]

        def of_rank(rank: int) -> Any:
            settings = [at(self.dsa, rank, d) for d in self.grid.delays]
            operators = [x.operator_from(y) for x, y in zip(settings, found, strict=True)]
            return jax.vmap(settings[0].features)(*map(jnp.stack, zip(*operators, strict=True)))

        return tuple(of_rank(rank) for rank in self.ranks or self.grid.ranks)

    def _by_delays(self) -> list[DSA]:
        """DSA at the largest rank, for each number of delays."""
        return [at(self.dsa, max(self.grid.ranks), d) for d in self.grid.delays]


class NeededRanks(NamedTuple):
    """How many coordinates of a network, without further delays, explain each share of variance.

    Attributes:
        operators: For all settings.
    """

    operators: GridOperators

    def prepare(self, data: Array) -> Array:
        """Of rates `[B, T, N]`, `[shares]`."""
        return self.finish(self.operators.add(self.operators.begin(data), data))

    def finish(self, running: tuple[RunningSums, ...]) -> Array:
        """Of all trials that were added, `[shares]`."""
        grid = self.operators.grid
        most = max(grid.ranks)
        found = finished(running[grid.delays.index(min(grid.delays))].sums, most)
        kept = [kept_coordinates(found, most, share, None) for share in grid.shares]
        return jnp.stack([jnp.sum(x) for x in kept])


def compare_grid(
    prepared: Callable[[Any], Sequence[Any]],
    *,
    dsa: DSA,
    grid: DSAGrid,
    mesh: Any,
    known: Sequence[np.ndarray] | None = None,
    tile: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> GridDistances:
    """Distances between networks, and of each to itself, under every setting.

    Args:
        prepared: Gives, by `GridOperators` or `NeededRanks`, what either makes of the networks'
            sums, and of the same networks' on other trials if there are any: host arrays with
            leading axis M.
        dsa: The other settings.
        grid: Ranks and delays.
        mesh: Devices.
        known: The distances, the nulls and the distances measured again of `dsa` itself, if it has
            been measured on other trials too: the grid then takes them as they are.
        tile: Pairs that a device compares at once.
        seed: Seed of the searches' random starts.
        progress: Called with the pairs of networks done, in all settings, and those in all.
    """
    ranks = list(grid.ranks)
    if grid.shares:
        needed = np.concatenate(prepared(NeededRanks(GridOperators(dsa, grid))))
        ranks += [int(x) for x in np.ceil(np.median(needed, axis=0))]
    distinct = tuple(dict.fromkeys(ranks))
    operators = prepared(GridOperators(dsa, grid, distinct))
    settings = {rank: list(range(len(grid.delays))) for rank in distinct}
    own = None
    if known is not None and dsa.rank in settings and dsa.n_delays in grid.delays:
        own = grid.delays.index(dsa.n_delays)
        settings[dsa.rank].remove(own)
    found, done = [], 0
    for (rank, columns), *sets in zip(settings.items(), *operators, strict=True):
        metric = at(dsa, rank, 1)
        values = _distances_at(metric, sets, columns, mesh=mesh, tile=tile, seed=seed)
        count, done = len(jax.tree.leaves(sets[0])[0]), done + len(columns)
        if (told := of_pairs(progress, count)) and columns:
            told(done, sum(map(len, settings.values())))
        if len(sets) == 1:
            values = np.pad(values, ((0, 0), (0, count)), constant_values=np.nan)
        measured = reliability.split(values, count)[:3]
        if known is not None and own is not None and rank == dsa.rank:
            pairs = zip(measured, known, strict=True)
            measured = tuple(np.insert(x, own, y, axis=0) for x, y in pairs)
        found.append(measured)
    rows = [found[distinct.index(rank)] for rank in ranks]
    return GridDistances(grid, np.array(ranks), *map(np.array, zip(*rows, strict=True)))


def _distances_at(
    metric: DSA, sets: Sequence[Any], columns: list[int], *, mesh: Any, tile: int | None, seed: int
) -> np.ndarray:
    """Distances of one rank for some numbers of delays, `[columns, pairs]`."""
    count, delays = jax.tree.leaves(sets[0])[0].shape[:2]
    left, right = np.triu_indices(count, 1)
    if len(sets) > 1:
        left, right = reliability.pairs_of_both(count, again=True)
    if not columns:
        return np.zeros((0, len(left)), np.float32)
    flat = jax.tree.map(
        lambda *x: np.concatenate([each.reshape(-1, *each.shape[2:]) for each in x]), *sets
    )
    every = np.array(columns)[:, None]
    pairs = ((left * delays + every).ravel(), (right * delays + every).ravel())
    where = plan(flat, mesh, tile)
    compared = compare_pairs(metric, flat, pairs, where=where, seed=seed)
    return distance_of(compared).reshape(len(columns), -1)


def dsa_grid(
    activity: Any,
    other_trials: Any = None,
    *,
    grid: DSAGrid | None = None,
    dsa: DSA | None = None,
    seed: int = 0,
    devices: int | None = None,
) -> GridDistances:
    """DSA distances of K networks under every rank and number of delays.

    A result on dynamics depends on these settings more than the literature says (docs/metrics/
    dsa.md): show it for each. Embeddings and factorizations are shared.

    Args:
        activity: Rates `[K, B, T, N]`, or a list of K networks' own.
        other_trials: Rates of the same networks on other trials, for the null.
        grid: Ranks and delays, those of `DSAGrid()` that the data allow unless given.
        dsa: The other settings.
        seed: Seed of the searches' random starts.
        devices: How many local devices to use, None for all.

    Raises:
        ValueError: If the data do not fit the settings, or are not finite.
    """
    dsa, sets = dsa or DSA(), [as_networks(activity)]
    sets += [] if other_trials is None else [as_networks(other_trials, "other_trials")]
    grid = (grid or DSAGrid()).within(dsa, sets[0][0].shape)
    smallest = at(dsa, min(grid.ranks), min(grid.delays))
    for networks in sets:
        require_comparable(smallest, [networks])
    mesh = runtime.network_mesh(devices)

    def prepared(how: Any) -> list[Any]:
        return [prepare_networks(how, networks, mesh=mesh) for networks in sets]

    return compare_grid(prepared, dsa=dsa, grid=grid, mesh=mesh, seed=seed)
