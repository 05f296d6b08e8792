"""How choices follow the evidence: psychometric curves of every network."""

import dataclasses

import jax
import numpy as np

from rnnensemble._core.config import require_at_least
from rnnensemble.stats import binomial_interval
from rnnensemble.tasks import Task
from rnnensemble.training.evaluation import evaluation_key
from rnnensemble.training.memory import require_fit
from rnnensemble.training.population import Population


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PsychometricCurve:
    """How often networks choose the positive side, by how much speaks for it.

    Attributes:
        evidence: Mean evidence of the trials in each bin, in the task's units, `[E]`.
        trials: Choices in each bin, the same for every network, `[E]`.
        positive: Share of these that were for the positive side, `[K, E]`.
        low: Lower ends of its 95% intervals, `[K, E]` (see `stats.binomial_interval`).
        high: Upper ends, `[K, E]`.
        accuracy: Share of all trials done right, `[K]`.
    """

    evidence: np.ndarray
    trials: np.ndarray
    positive: np.ndarray
    low: np.ndarray
    high: np.ndarray
    accuracy: np.ndarray


def psychometric_curve(
    population: Population,
    *,
    task: Task | None = None,
    trials: int = 512,
    bins: int = 8,
    seed: int = 0,
    devices: int | None = None,
) -> PsychometricCurve:
    """Measures how the choices of every network follow the evidence, on trials that all share.

    Bins hold equal numbers of choices, but for ties: evidence that is equal stays together.

    Args:
        population: Trained networks.
        task: Whose trials are shown, as a variant of the population's task; its own unless given.
        trials: How many.
        bins: Number of bins E, at most; fewer where the evidence takes fewer values.
        seed: Seed of the trials.
        devices: How many local devices to use, None for all.

    Returns:
        Shares of choices with binomial intervals, by network and bin.

    Raises:
        ValueError: If the task defines no evidence, choice or accuracy, has other numbers of inputs
            and outputs, or an argument is out of range.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.DelayedDiscrimination()
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> rnne.psychometric_curve(population, trials=64, bins=4).positive.shape
        (3, 4)
    """
    task = population.task if task is None else task
    require_at_least("trials", trials, 1)
    require_at_least("bins", bins, 1)
    if bins > trials:
        raise ValueError(f"`bins` must be at most `trials`, {trials}; got {bins}.")
    for name in ("evidence", "choice", "accuracy"):
        if not task.has(name):
            raise ValueError(
                f"`task` {task.name!r} defines no {name}, which psychometric curves need; give it "
                f"the method `{name}`."
            )
    channels = [(each.n_inputs, each.n_outputs) for each in (task, population.task)]
    if channels[0] != channels[1]:
        raise ValueError(
            f"`task` must have the inputs and outputs of the population's, {channels[1]}; got "
            f"{channels[0]}."
        )
    numbers = 4 * trials * task.n_steps * (population.network.width + sum(channels[0]))
    require_fit(f"`trials` of {trials:,}", numbers * population.size)
    sampled = jax.jit(task.sample, static_argnums=1)(evaluation_key(seed, 0), trials)
    outputs = population.respond(sampled.inputs, devices=devices).outputs
    chosen = np.asarray(jax.jit(jax.vmap(task.choice, (0, None)))(outputs, sampled))
    right = np.asarray(jax.jit(jax.vmap(task.accuracy, (0, None)))(outputs, sampled))
    evidence = np.asarray(jax.jit(task.evidence)(sampled)).ravel()
    return _curve(evidence, chosen.reshape(len(chosen), -1), right.mean(axis=1), bins)


def _curve(
    evidence: np.ndarray, chosen: np.ndarray, accuracy: np.ndarray, bins: int
) -> PsychometricCurve:
    """The curve of choices `[K, C]` of this evidence `[C]`."""
    edges = np.unique(np.quantile(evidence, np.arange(1, bins) / bins, method="inverted_cdf"))
    place = np.unique(np.searchsorted(edges, evidence), return_inverse=True)[1]
    member = np.eye(place.max() + 1)[place]
    counts = member.sum(axis=0)
    positive = chosen @ member
    low, high = binomial_interval(positive, np.broadcast_to(counts, positive.shape))
    return PsychometricCurve(
        evidence=evidence @ member / counts,
        trials=counts.astype(int),
        positive=positive / counts,
        low=low,
        high=high,
        accuracy=accuracy,
    )
