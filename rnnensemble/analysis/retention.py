"""What networks that learned another task keep of the old one: `measure_retention`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnensemble import stats
from rnnensemble._core.config import require_at_least
from rnnensemble.analysis.lesions import outcomes
from rnnensemble.analysis.populations import data_for
from rnnensemble.metrics import Metric
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.blocks import compare_pairs
from rnnensemble.metrics.data import networks_of, shape_of
from rnnensemble.metrics.pairwise import as_metric, require_feasible
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.stats.intervals import Estimate, mean_distance
from rnnensemble.tasks import Task, Trials
from rnnensemble.training import evaluation
from rnnensemble.training.evaluation import Subject
from rnnensemble.training.population import Population
from rnnensemble.training.respond import tile_of


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Moved:
    """How far K networks moved by one metric, beside how far they lay apart.

    Attributes:
        distances: From each network before to itself after, `[K]`.
        mean: Their mean, with a 95% interval over networks.
        matrix: Distances between the networks before, `[K, K]`.
        between: Their mean, with a 95% interval over networks.
    """

    distances: np.ndarray
    mean: Estimate
    matrix: np.ndarray
    between: Estimate

    @property
    def share(self) -> np.ndarray:
        """The way of each network over the mean distance between networks, `[K]`."""
        return self.distances / self.between.value


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Retention:
    """What K networks keep of an old task after learning another.

    Attributes:
        loss_before: The old task's loss before they went on, `[K]`.
        loss_after: The same afterwards, on the same trials.
        forgetting: Mean over networks of loss after less loss before, with a 95% interval.
        accuracy_before: The old task's accuracy before, `[K]`; None if it defines none.
        accuracy_after: The same afterwards.
        moved: By the name of each metric, how far networks moved and lay apart before.
    """

    loss_before: np.ndarray
    loss_after: np.ndarray
    forgetting: Estimate
    accuracy_before: np.ndarray | None
    accuracy_after: np.ndarray | None
    moved: dict[str, Moved]


def measure_retention(
    before: Population,
    after: Population,
    *,
    metrics: Sequence[str | Metric] = ("pif", "dsa"),
    trials: int = 512,
    activity_trials: int = 64,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
) -> Retention:
    """Measures what networks keep of a task after they went on with another.

        forgetting_k = L(network k after) - L(network k before),   L the old task's loss

    on fresh trials of the old task, the same for all networks, without noise. Beside it stands how
    far each network moved, by any metric, and how far the networks lay apart before: PIF of
    recurrent weights, which lets units change places, and DSA of their activity on the old task.
    All networks count, converged or not.

    Args:
        before: Networks trained on the old task, at least 2.
        after: What became of them: by `train_population(..., start=before)`, or some stages later.
        metrics: Names, or metrics with their settings; may be empty.
        trials: Trials for losses and accuracies.
        activity_trials: Trials for metrics of activity and outputs.
        seed: Seed of the trials and of the searches' random starts.
        devices: How many local devices to use, None for all.
        tile: Networks or pairs that a device handles at once, None for the device's default.

    Returns:
        Losses, accuracies and distances by network, and their means.

    Raises:
        ValueError: If `after` did not start from `before`, network by network, networks of it
            diverged, there is one network alone, a metric is not symmetric, or an argument is out
            of range.

    Example:
        >>> import rnnensemble as rnne
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network, (old, new) = rnne.VanillaRNN(width=6), (
        ...     rnne.tasks.FlipFlop(n_bits=1, n_steps=10, pulse_probability=p) for p in (0.3, 0.6)
        ... )
        >>> before = rnne.train_population(old, network=network, training=short, size=3)
        >>> after = rnne.train_population(new, start=before, training=short, seed=1)
        >>> found = rnne.measure_retention(before, after, metrics=["pif"], trials=8)
        >>> found.loss_after.shape, found.moved["pif"].distances.shape
        ((3,), (3,))
    """
    require_at_least("trials", trials, 1)
    require_at_least("activity_trials", activity_trials, 1)
    _require_pairs(before, after)
    chosen, every = [as_metric(each) for each in metrics], np.arange(before.size)
    for metric in chosen:
        if not metric.symmetric:  # a distance, of which the way back is as long
            raise ValueError(f"`metrics` must be symmetric; {metric.name!r} is not.")
    old, task = evaluation.subject_of(before, every, devices, tile), before.task
    new = evaluation.subject_of(after, every, devices, tile)._replace(loss=old.loss)
    key = evaluation.evaluation_key(seed, 0)
    losses = [evaluation.losses(each, task, trials=trials, key=key) for each in (old, new)]
    drawn = evaluation.sampled(task, key, trials)
    right = [
        _accuracies(each, task, drawn) if task.has("accuracy") else None for each in (old, new)
    ]
    moved = {}
    for metric in chosen:
        how = {"trials": activity_trials, "seed": seed}
        found = [data_for(metric, each, task, **how) for each in (old, new)]
        both = [networks_of(metric, data, "data", mask) for data, mask in found]
        moved[metric.name] = _moved(metric, *both, seed=seed, devices=devices, tile=tile)
    return Retention(
        loss_before=losses[0],
        loss_after=losses[1],
        forgetting=stats.signed_mean(losses[1] - losses[0]),
        accuracy_before=right[0],
        accuracy_after=right[1],
        moved=moved,
    )


def _require_pairs(before: Population, after: Population) -> None:
    """Raises ValueError unless each network of `after` began as that of `before`."""
    if before.recipe not in after.recipe.lineage[1:]:
        raise ValueError(
            "`after` must have started from `before`, network by network, as by "
            "train_population(..., start=before); where some stopped, take "
            "`before[networks]` of those that went on."
        )
    if before.size < 2:
        raise ValueError("`before` must have at least 2 networks; got 1.")
    if after.diverged.any():
        raise ValueError(
            f"`after` must hold no network that diverged; {after.summary()}; take "
            "`[~after.diverged]` of both."
        )


def _accuracies(subject: Subject, task: Task, trials: Trials) -> np.ndarray:
    """The share of trials that each network does right, `[M]`."""
    tile = subject.tile or tile_of(subject.mesh, subject.network, *trials.mask.shape)
    where = {"network": subject.network, "mesh": subject.mesh, "tile": tile}
    found = outcomes(trials, subject.params, task=task, loss=subject.loss, **where)
    return np.asarray(found.accuracy)


def _moved(
    metric: Metric,
    old: list[Any],
    new: list[Any],
    *,
    seed: int,
    devices: int | None,
    tile: int | None,
) -> Moved:
    """Distances of K networks to themselves, and between them before."""
    networks = [*old, *new]
    count = len(networks) // 2
    metric = metric.fitted(map(shape_of, networks))
    where = require_feasible(metric, [networks], devices=devices, tile=tile)
    features = prepare_networks(metric, networks, mesh=where.mesh)
    own, (first, second) = np.arange(count), np.triu_indices(count, 1)
    pairs = np.append(first, own), np.append(second, own + count)
    found = distance_of(compare_pairs(metric, features, pairs, where=where, seed=seed))
    matrix, distances = np.zeros((count, count), np.float32), found[len(first) :]
    matrix[first, second] = matrix[second, first] = found[: len(first)]
    return Moved(
        distances=distances,
        mean=stats.mean_value(distances),
        matrix=matrix,
        between=mean_distance(matrix),
    )
