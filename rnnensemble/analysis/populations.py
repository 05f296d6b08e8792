"""Trained populations by any metric: `compare_populations` and, for many, `compare_groups`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnensemble.metrics import Metric
from rnnensemble.metrics.masks import STEPWISE, as_mask
from rnnensemble.metrics.pairwise import Comparison, as_metric, compare_networks
from rnnensemble.stats.intervals import Estimate, mean_cross_distance, mean_distance
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population


class Groups(NamedTuple):
    """M converged networks of several populations in one comparison.

    Attributes:
        groups: The group of each network, `[M]`.
        networks: Its index in its population, `[M]`.
        comparison: All their pairs, with the evidence for each distance.
    """

    groups: np.ndarray
    networks: np.ndarray
    comparison: Comparison

    @property
    def matrix(self) -> np.ndarray:
        """The distances, `[M, M]`."""
        return self.comparison.matrix()

    def means(self) -> dict[tuple[str, str], Estimate]:
        """Mean distances within groups and between any two, with intervals over networks."""
        names, matrix = list(dict.fromkeys(self.groups.tolist())), self.matrix
        found = {}
        for number, first in enumerate(names):
            for second in names[number:]:
                part = matrix[np.ix_(self.groups == first, self.groups == second)]
                one = first == second
                if not one or len(part) > 1:
                    found[first, second] = (mean_distance if one else mean_cross_distance)(part)
        return found


def compare_groups(
    metric: str | Metric,
    groups: Mapping[str, Population],
    *,
    settings: dict[str, Any] | None = None,
    trials: int = 64,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Groups:
    """Compares the converged networks of several populations, architectures for example, at once.

    All are driven by the same fresh trials of the first population's task. `stats.separation` says
    how much of the distances is the group, `figures.groups_figure` draws them.

    Args:
        metric: A name, or a metric with its settings; one that takes networks of several widths
            where theirs differ.
        groups: Populations by the name of their group.
        settings: Settings of the metric named.
        trials: Trials for metrics of activity and outputs.
        seed: Seed of the trials and of the searches' random starts.
        devices: How many local devices to use, None for all.
        tile: Pairs that a device compares at once.
        progress: Called with the pairs done and the pairs in all.

    Returns:
        All networks, in the order of the groups.

    Raises:
        ValueError: If there are no groups or one has no converged network, and as
            `compare_populations`.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> easy = rnne.Training(threshold=9.0, patience=1, batch=8, epoch_steps=1, max_epochs=1)
        >>> groups = {
        ...     kind: rnne.train_population(task, network=network, training=easy, size=3)
        ...     for kind, network in {"gru": rnne.GRU(width=6), "lstm": rnne.LSTM(width=6)}.items()
        ... }
        >>> found = rnne.compare_groups("svcca", groups, trials=4)
        >>> found.matrix.shape, list(found.means())
        ((6, 6), [('gru', 'gru'), ('gru', 'lstm'), ('lstm', 'lstm')])
    """
    metric = as_metric(metric, settings)
    if not groups:
        raise ValueError("`groups` must hold at least one population; got none.")
    for name, each in groups.items():
        if not each.converged.any():
            raise ValueError(f"`groups` must hold converged networks; {name!r} has none.")
    data, mask = _needed(metric, list(groups.values()), trials, seed, devices, tile)
    options = {"seed": seed, "devices": devices, "tile": tile, "progress": progress}
    options |= {"mask": mask}
    kept = [np.flatnonzero(each.converged) for each in groups.values()]
    together = [one for networks in map(_listed, data) for one in networks]
    return Groups(
        groups=np.repeat(list(groups), list(map(len, kept))),
        networks=np.concatenate(kept),
        comparison=compare_networks(metric, together, **options),
    )


def compare_populations(
    metric: str | Metric,
    population: Population,
    other: Population | None = None,
    *,
    settings: dict[str, Any] | None = None,
    trials: int = 64,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compares the converged networks of a population by any metric, or those of two populations.

    All are driven by the same fresh in-distribution trials of the first population's task.

    Args:
        metric: A name, or a metric with its settings.
        population: Trained networks.
        other: Networks to compare with; None for all pairs of the first.
        settings: Settings of the metric named.
        trials: Trials for metrics of activity and outputs.
        seed: Seed of the trials and of the searches' random starts.
        devices: How many local devices to use, None for all.
        tile: Pairs that a device compares at once.
        progress: Called with the pairs done and the pairs in all.

    Returns:
        The pairs, their distances and the evidence for them.

    Raises:
        ValueError: If the populations follow different update rules or cannot see the same
            trials, or as `compare_networks`.
    """
    metric = as_metric(metric, settings)
    populations = [population] if other is None else [population, other]
    sets, mask = _needed(metric, populations, trials, seed, devices, tile)
    options = {"mask": mask, "seed": seed, "devices": devices, "tile": tile, "progress": progress}
    return compare_networks(metric, *sets, **options)


def _needed(
    metric: Metric,
    populations: list[Population],
    trials: int,
    seed: int,
    devices: int | None,
    tile: int | None,
) -> tuple[list[Any], np.ndarray | None]:
    """What the metric takes of the converged networks of each population, and valid steps."""
    task, sets, mask = populations[0].task, [], None
    for each in populations:
        _require_alike(populations[0], each)
    for each in populations:
        subject = evaluation.subject_of(each, np.flatnonzero(each.converged), devices, tile)
        data, mask = data_for(metric, subject, task, trials=trials, seed=seed)
        sets.append(data)
    return sets, mask


def _listed(data: Any) -> list[Any]:
    """Each network's own data, of arrays or of a dictionary of arrays with leading axis K."""
    if not isinstance(data, dict):
        return list(data)
    names = list(data)
    return [dict(zip(names, values, strict=True)) for values in zip(*data.values(), strict=True)]


def data_for(
    metric: Metric, subject: evaluation.Subject, task: Task, *, trials: int, seed: int
) -> tuple[Any, np.ndarray | None]:
    """What a metric compares of networks, with leading axis M: weights, or responses to trials.

    Beside it the steps of responses that belong to a trial, `[B, T]`; None if all do. ValueError if
    the networks do not name the weights that the metric needs.
    """
    available = dict(subject.network.weights(subject.params))
    if "recurrent_weights" in available:
        available["weights"] = available["recurrent_weights"]
    if set(metric.needs) - set(available):
        key = evaluation.evaluation_key(seed, 0)
        available |= evaluation.responses(subject, task, trials=trials, key=key)
    if missing := [name for name in metric.needs if name not in available]:
        raise ValueError(
            f"`network` {subject.network.kind!r} has no {' and no '.join(missing)}, which "
            f"{metric.name} needs; give it the method `weights`."
        )
    needed = {name: available[name] for name in metric.needs}
    mask = None
    if "valid" in available and set(needed) & set(STEPWISE):
        mask = as_mask(available["valid"][0])
    return needed[metric.data] if metric.needs == (metric.data,) else needed, mask


def _require_alike(first: Population, second: Population) -> None:
    """Raises ValueError unless networks of both can stand in one matrix."""
    rules = [each.network.update_rule for each in (first, second)]
    if rules[0] != rules[1]:
        raise ValueError(
            f"`other` must follow the same update rule, {rules[0]}, to stand in one matrix; got "
            f"{rules[1]}."
        )
    if first.task.n_inputs != second.task.n_inputs:
        raise ValueError(
            f"`other` must take the same {first.task.n_inputs} inputs, to be driven by the same "
            f"trials; its networks take {second.task.n_inputs}."
        )
