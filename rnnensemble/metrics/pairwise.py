"""Distance matrices of networks, wherever they were trained."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import metrics
from rnnensemble._core import runtime
from rnnensemble._core.config import require_seed
from rnnensemble.metrics import Metric
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.blocks import Checkpoint, Where, compare_pairs, plan
from rnnensemble.metrics.data import count_of, networks_of, require_comparable, shape_of
from rnnensemble.metrics.masks import as_mask
from rnnensemble.metrics.preparation import expected_features, prepare_networks


class Comparison(NamedTuple):
    """All pairs of the networks of one set, or of two.

    Attributes:
        first: Index i of each pair, `[pairs]`.
        second: Index j of each pair, `[pairs]`.
        shape: `(K, K)`, or `(K, L)` for two sets.
        mirrored: Whether each pair (i, j) stands for (j, i) too.
        found: What the metric's `compare` returned, with leading axis `pairs`: the distances, or
            a NamedTuple of them and the evidence.
        ranks: How many coordinates of each network count, `[K]`, then those of the second set;
            None for a metric that has none.
    """

    first: np.ndarray
    second: np.ndarray
    shape: tuple[int, int]
    mirrored: bool
    found: Any
    ranks: np.ndarray | None = None

    def matrix(self, field: str = "distance") -> np.ndarray:
        """A number of each pair as `[K, K]` or `[K, L]`; 0 where nothing was compared."""
        values = distance_of(self.found) if field == "distance" else getattr(self.found, field)
        matrix = np.zeros(self.shape, values.dtype)
        matrix[self.first, self.second] = values
        if self.mirrored:
            matrix[self.second, self.first] = values
        return matrix


def distance_matrix(
    metric: str | Metric,
    data: Any,
    other: Any = None,
    *,
    mask: Any = None,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
    memory: float | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """All pairwise distances of K networks, or those from K networks to L others.

    Takes what `compare_networks` takes, which also returns the evidence for each distance.

    Returns:
        `[K, K]`, or `[K, L]` with `other`. Symmetric with a zero diagonal unless the metric says
        that it is asymmetric; then entry (i, j) goes from i to j.

    Raises:
        ValueError: As `compare_networks`.

    Example:
        >>> import numpy as np
        >>> weights = np.random.default_rng(0).normal(size=(3, 8, 8))
        >>> distance_matrix("pif", weights).shape
        (3, 3)

        Trials of unequal length, here of 20 and of 12 steps, are padded and masked:

        >>> activity = np.random.default_rng(0).normal(size=(3, 2, 20, 5))  # [K, B, T, N]
        >>> activity[:, 1, 12:] = np.nan
        >>> mask = np.arange(20) < np.array([[20], [12]])  # [B, T]
        >>> distance_matrix("cka", activity, mask=mask).shape
        (3, 3)
    """
    return compare_networks(
        metric,
        data,
        other,
        mask=mask,
        settings=settings,
        seed=seed,
        devices=devices,
        tile=tile,
        memory=memory,
        checkpoint=checkpoint,
        progress=progress,
    ).matrix()


def compare_networks(
    metric: str | Metric,
    data: Any,
    other: Any = None,
    *,
    mask: Any = None,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
    memory: float | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compares all pairs of networks.

    Networks are prepared in groups and compared in blocks that fit into a device's memory: the
    host holds the data, what the metric keeps of them, and the results.

    Args:
        metric: A name (`dsa`, `pif`, ...), or a metric with its settings.
        data: What the metric takes, with leading axis K: rates `[K, B, T, N]`, recurrent weights
            `[K, N, N]`, or a dictionary of arrays; or a list of each network's own, which may
            differ in N where the metric allows it.
        other: Data of L other networks; None for all pairs of the first.
        mask: Where a step is valid, `[B, T]`, bools or zeros and ones, for all networks of both
            sets; None if all are. Trials of unequal length are padded with anything and masked.
            The distance is that of the data without the other steps, whatever they hold: a gap
            makes two trials of one, and no step is joined to another over it.
        settings: Settings of the metric named, where they differ from its defaults.
        seed: Seed of the searches' random starts; pair (i, j) draws from it, i and j alone.
        devices: How many local devices to use, None for all.
        tile: Pairs that a device compares at once; None for 1 on a CPU, elsewhere for 256 and
            more, as memory allows.
        memory: Bytes that each device may use, None for half of what it has.
        checkpoint: Keeps unfinished results and gives them back at the next call.
        progress: Called with the pairs done and the pairs in all.

    On a machine with accelerators a metric may run on the host's cores (`Metric.host_cores`; for
    PIF its `place` decides): all of them, whatever `devices`, `tile` and `memory` say of
    accelerators. `use_all_cores` makes every core a device.

    Returns:
        The pairs, their distances and the evidence for them.

    Raises:
        ValueError: If the data do not fit the metric, are not finite, or would not fit into
            memory; if the mask is none of these data, leaves too little of them, or the metric
            compares no steps (`pif`).
    """
    require_seed(seed)
    metric = as_metric(metric, settings)
    valid = None if mask is None else as_mask(mask)
    given = {"data": data} | ({} if other is None else {"other": other})
    require_matrix_room(
        *(count_of(each) for each in given.values())
    )  # before a million are looked at
    sets = [networks_of(metric, each, name, valid) for name, each in given.items()]
    metric = metric.fitted(shape_of(one) for each in sets for one in each)
    where = require_feasible(metric, sets, devices=devices, tile=tile, memory=memory)
    features = prepare_networks(metric, [one for each in sets for one in each], mesh=where.mesh)
    pairs, shape = all_pairs(metric, *(len(each) for each in sets))
    found = compare_pairs(
        metric,
        features,
        pairs,
        where=where,
        offsets=(0, 0 if other is None else len(sets[0])),
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
    )
    mirrored = other is None and metric.symmetric
    return Comparison(*pairs, shape, mirrored, found, metric.ranks(features))


def as_metric(metric: str | Metric, settings: dict[str, Any] | None = None) -> Metric:
    """The metric of a name and its settings; ValueError if one of these is unknown."""
    if isinstance(metric, Metric):
        if settings:
            raise ValueError("`settings` go with a metric's name; a metric given has its own.")
        return metric
    found: Any = metrics.find(metric)
    known = [field.name for field in dataclasses.fields(found)]
    for name in settings or {}:
        if name not in known:
            raise ValueError(f"`settings` of {metric!r} are {', '.join(known)}; got {name!r}.")
    return found(**(settings or {}))


def require_feasible(
    metric: Metric,
    sets: Sequence[list[Any]],
    *,
    names: Sequence[str] = ("data", "other"),
    devices: int | None = None,
    tile: int | None = None,
    memory: float | None = None,
) -> Where:
    """All that can be said against a comparison, as ValueError; returns where it will be made."""
    require_comparable(metric, sets, names)
    require_matrix_room(*(len(each) for each in sets), name=names[0])
    expected = expected_features(metric, [one for each in sets for one in each])
    return place_for(metric, expected, runtime.network_mesh(devices), tile=tile, memory=memory)


def mesh_for(metric: Metric, mesh: Any) -> Any:
    """The devices that a metric's pairs are compared on, where others are at hand."""
    return runtime.host_mesh(mesh, cores=metric.host_cores)


def place_for(
    metric: Metric,
    features: Any,
    mesh: Any,
    *,
    tile: int | None = None,
    memory: float | None = None,
) -> Where:
    """Where a metric's pairs are compared: on the devices given, or on the host's cores.

    A tile and an amount of memory that were meant for accelerators do not hold for cores.
    ValueError as `blocks.plan`.
    """
    chosen = mesh_for(metric, mesh)
    if chosen is not mesh:
        tile = memory = None
    return plan(features, chosen, tile, memory)


def require_matrix_room(count: int, others: int | None = None, *, name: str = "data") -> None:
    """Raises ValueError if the matrix itself would take more than half of the host's memory."""
    needed, there = 4.0 * count * (count if others is None else others), runtime.host_bytes()
    if needed > there / 2:
        raise ValueError(
            f"`{name}` of {count} networks gives a matrix of {needed / 1e9:.3g} GB, more than half "
            f"of this machine's {there / 1e9:.3g} GB; at most {int((there / 8) ** 0.5)} fit."
        )


def all_pairs(
    metric: Metric, count: int, others: int | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[int, int]]:
    """The pairs to compare, and the shape of their matrix."""
    if others is None and metric.symmetric:
        first, second = np.triu_indices(count, 1)
        return (first, second), (count, count)
    shape = (count, count if others is None else others)
    first, second = np.indices(shape).reshape(2, -1)
    return (first, second), shape
