"""How much worse networks are on trials that they have not seen: the generalization gap."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble import stats
from rnnensemble._core import mapping
from rnnensemble._core.config import require_at_least
from rnnensemble.stats.intervals import Estimate
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population
from rnnensemble.training.respond import tile_of


class GeneralizationGap(NamedTuple):
    """Losses of K networks on the trials they trained on, and on those held out.

    Attributes:
        training: Masked MSE over all training trials, `[K]`, in squared output units.
        held_out: The same over all trials that are held out.
        mean: Mean over networks of held-out less training loss, with a 95% interval over networks.
    """

    training: np.ndarray
    held_out: np.ndarray
    mean: Estimate

    @property
    def gap(self) -> np.ndarray:
        """Held-out less training loss of each network, `[K]`."""
        return self.held_out - self.training


def generalization_gap(
    population: Population, *, devices: int | None = None, tile: int | None = None
) -> GeneralizationGap:
    """Measures how much worse networks are on held-out trials than on those they trained on.

        gap_k = L_k(held-out trials) - L_k(training trials),   L_k the masked MSE of network k

    All trials of both parts count, each once, without input noise. All networks are measured,
    converged or not; `measure_degeneracy` has the same number of the converged ones.

    Args:
        population: At least 2 networks, trained on a task with a fixed training set.
        devices: How many local devices to use, None for all.
        tile: Networks that a device drives at once, None for the device's default.

    Returns:
        Losses and gaps by network, and their mean.

    Raises:
        ValueError: If the task draws fresh trials for every step, or there is one network alone.

    Source: Huang et al. (arXiv 2410.03972, App. J.2).

    Example:
        >>> import numpy as np
        >>> import rnnensemble as rnne
        >>> inputs = np.random.default_rng(0).normal(size=(20, 8, 1))
        >>> task = rnne.tasks.ArrayTask.from_arrays(inputs, np.cumsum(inputs, axis=1))
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=4)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> rnne.generalization_gap(population).gap.shape
        (3,)
    """
    whole = population.task.whole_sets
    if whole is None:
        raise ValueError(
            "`population` must have trained on a fixed training set, as that of an ArrayTask; "
            f"{population.task.name!r} draws fresh trials for every step."
        )
    if population.size < 2:
        raise ValueError("`population` must have at least 2 networks; got 1.")
    subject = evaluation.subject_of(population, np.arange(population.size), devices, tile)
    found = {name: evaluation.losses_on(subject, trials) for name, trials in whole.items()}
    mean = stats.signed_mean(found["held_out"] - found["training"])
    return GeneralizationGap(**found, mean=mean)


def explained_variance(
    population: Population, *, trials: int = 512, seed: int = 0, devices: int | None = None
) -> np.ndarray:
    """How much of each output's variance every network explains, on fresh or held-out trials.

        1 - sum (y - z)^2 / sum (z - mean z)^2   over trials and the steps where the loss counts

    for outputs y and targets z: 1 where they agree, 0 for a network that shows the mean alone,
    below 0 for a worse one; NaN for outputs whose targets are constant. Of `tasks.match_activity`,
    the last R outputs are the recorded units.

    Args:
        population: Trained networks, converged or not.
        trials: Trials, the same for all networks; of a task of arrays draws of those held out.
        seed: Seed of the trials.
        devices: How many local devices to use, None for all.

    Returns:
        `[K, O]`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=2, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=4)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> rnne.explained_variance(population, trials=16).shape
        (3, 2)
    """
    require_at_least("trials", trials, 1)
    drawn = evaluation.sampled(population.task, evaluation.evaluation_key(seed, 0), trials)
    subject = evaluation.subject_of(population, np.arange(population.size), devices, None)
    tile = tile_of(subject.mesh, subject.network, *drawn.mask.shape)
    where = {"network": subject.network, "mesh": subject.mesh, "tile": tile}
    wanted = np.asarray(drawn.targets, float)[np.asarray(drawn.mask) > 0]
    whole = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    left = np.asarray(_unexplained(drawn, subject.params, **where))
    return 1 - left / np.where(whole > 0, whole, np.nan)


@partial(jax.jit, static_argnames=("network", "mesh", "tile"))
def _unexplained(trials, params, *, network, mesh, tile):  # noqa: ANN001, ANN202
    """Squared errors of each network and output, summed where the loss counts, `[K, O]`."""

    def one(params: Any, trials: Any) -> Any:
        errors = network.respond(params, trials.inputs)[1] - trials.targets
        return jnp.sum(errors**2, axis=(0, 1), where=trials.mask[..., None] > 0)

    return mapping.map_items(one, params, trials, mesh=mesh, tile=tile)
