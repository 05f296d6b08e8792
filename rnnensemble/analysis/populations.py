"""Trained populations by any metric, within one or between two: `compare_populations`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnensemble.metrics import Metric
from rnnensemble.metrics.pairwise import Comparison, as_metric, compare_networks
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population


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
    _require_alike(population, populations[-1])
    sets = []
    for each in populations:
        subject = evaluation.subject_of(each, np.flatnonzero(each.converged), devices, tile)
        sets.append(data_for(metric, subject, population.task, trials=trials, seed=seed))
    options = {"seed": seed, "devices": devices, "tile": tile, "progress": progress}
    return compare_networks(metric, *sets, **options)


def data_for(
    metric: Metric, subject: evaluation.Subject, task: Task, *, trials: int, seed: int
) -> Any:
    """What a metric compares of networks, with leading axis M: weights, or responses to trials.

    Raises:
        ValueError: If the networks do not name the weights that the metric needs.
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
    return needed[metric.data] if metric.needs == (metric.data,) else needed


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
