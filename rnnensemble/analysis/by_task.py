"""Networks of a mixture of tasks, judged on each task alone."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from rnnensemble._core.config import require_at_least
from rnnensemble.tasks import Mixture, Task
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population


def by_task(population: Population) -> dict[str, Population]:
    """The same networks for each task of their mixture, to be judged on its trials alone.

    What measures a population (`measure_degeneracy`, `measure_decodability`, `compare_populations`)
    then draws trials of this task, with the rule inputs of the mixture.

    Args:
        population: Networks trained on a `Mixture`.

    Returns:
        Populations by rule (`Mixture.labels`). They are for measuring: none of them trained so.

    Raises:
        ValueError: If the task is no mixture.

    Example:
        >>> import rnnensemble as rnne
        >>> both = rnne.tasks.Mixture(tasks=rnne.tasks.ring_tasks(units=2)[:2])
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=4)
        >>> population = rnne.train_population(both, network=network, training=short, size=2)
        >>> list(rnne.by_task(population))
        ['go', 'delay_go']
    """
    mixture = population.task
    if not isinstance(mixture, Mixture):
        raise ValueError(
            f"`population` must have trained on a tasks.Mixture; its task is {mixture.name!r}."
        )
    return {
        rule: dataclasses.replace(
            population, recipe=dataclasses.replace(population.recipe, task=mixture.alone(rule))
        )
        for rule in mixture.labels
    }


def loss_by_task(
    population: Population, *, trials: int = 512, seed: int = 0, devices: int | None = None
) -> dict[str, np.ndarray]:
    """The loss of every network on fresh trials of each task of their mixture.

    Args:
        population: Networks trained on a `Mixture`, converged or not.
        trials: Trials of each task, the same for all networks.
        seed: Seed of the trials.
        devices: How many local devices to use, None for all.

    Returns:
        Masked MSE by rule, `[K]` each, in squared output units.

    Raises:
        ValueError: If the task is no mixture, or an argument is out of range.
    """
    require_at_least("trials", trials, 1)
    tasks = {rule: alone.task for rule, alone in by_task(population).items()}
    subject = evaluation.subject_of(population, np.arange(population.size), devices, None)
    return _losses(subject, tasks, trials=trials, seed=seed, first=0)


def accuracy_by_task(
    population: Population, *, trials: int = 512, seed: int = 0, devices: int | None = None
) -> dict[str, np.ndarray]:
    """The accuracy of every network on fresh trials of each task of their mixture that has one.

    Args:
        population: Networks trained on a `Mixture`, converged or not.
        trials: Trials of each task, those of `loss_by_task`.
        seed: Seed of the trials.
        devices: How many local devices to use, None for all.

    Returns:
        Mean accuracy by rule, `[K]` each, from 0 to 1 (`Task.accuracy`).

    Raises:
        ValueError: If the task is no mixture, none of its tasks has an accuracy, or an argument is
            out of range.

    Example:
        >>> import rnnensemble as rnne
        >>> both = rnne.tasks.Mixture(tasks=rnne.tasks.ring_tasks(units=2)[:2])
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=4)
        >>> population = rnne.train_population(both, network=network, training=short, size=2)
        >>> {rule: x.shape for rule, x in rnne.accuracy_by_task(population, trials=8).items()}
        {'go': (2,), 'delay_go': (2,)}
    """
    require_at_least("trials", trials, 1)
    tasks = {rule: alone.task for rule, alone in by_task(population).items()}
    known = [each.has("accuracy") for each in population.task.tasks]  # pyright: ignore[reportAttributeAccessIssue]
    if not any(known):
        raise ValueError(
            f"`population` must have trained on a task with an accuracy; none of {list(tasks)} has "
            "one; see `loss_by_task`."
        )
    subject = evaluation.subject_of(population, np.arange(population.size), devices, None)
    return {
        rule: evaluation.accuracies(
            subject, task, trials=trials, key=evaluation.evaluation_key(seed, draw)
        )
        for draw, (rule, task) in enumerate(tasks.items())
        if known[draw]
    }


def losses_of_mixed(
    subject: evaluation.Subject, task: Task, *, trials: int, seed: int, first: int
) -> dict[str, np.ndarray]:
    """The loss of every network on each task that a mixture draws; empty for any other task.

    Args:
        subject: The networks.
        task: What they learned.
        trials: Trials of each task.
        seed: Seed of the trials.
        first: Which draw of evaluation trials is the first task's.
    """
    if not isinstance(task, Mixture):
        return {}
    drawn = [rule for rule, weight in zip(task.labels, task.weights, strict=True) if weight]
    alone = {rule: task.alone(rule) for rule in drawn} if len(drawn) > 1 else {}
    return _losses(subject, alone, trials=trials, seed=seed, first=first)


def _losses(
    subject: evaluation.Subject, tasks: Mapping[str, Task], *, trials: int, seed: int, first: int
) -> dict[str, np.ndarray]:
    """The loss of every network on each task, by rule."""
    return {
        rule: evaluation.losses(
            subject, task, trials=trials, key=evaluation.evaluation_key(seed, first + draw)
        )
        for draw, (rule, task) in enumerate(tasks.items())
    }
