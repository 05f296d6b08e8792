"""Networks of a mixture of tasks, judged on each task alone."""

import dataclasses

import numpy as np

from rnnensemble._core.config import require_at_least
from rnnensemble.tasks import Mixture
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
    every = np.arange(population.size)
    subject = evaluation.subject_of(population, every, devices, None)
    return {
        rule: evaluation.losses(
            subject, alone.task, trials=trials, key=evaluation.evaluation_key(seed, draw)
        )
        for draw, (rule, alone) in enumerate(by_task(population).items())
    }
