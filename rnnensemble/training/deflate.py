"""Alternative solutions of a task: `deflate` trains networks that keep away from earlier ones."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.axes import ArrayLike
from rnnensemble._core.conversion import real_array
from rnnensemble.networks import Network, VanillaRNN
from rnnensemble.tasks import Task
from rnnensemble.training import evaluation
from rnnensemble.training.epoch import Training
from rnnensemble.training.population import Population
from rnnensemble.training.progress import Progress
from rnnensemble.training.recipe import Recipe, shared
from rnnensemble.training.similarity import Deflation, References, readouts_of
from rnnensemble.training.train import for_one, train_populations
from rnnensemble.training.warm_start import own_part, warm_started


class Chosen(NamedTuple):
    """Some networks of a population as references.

    Attributes:
        population: Trained networks.
        networks: Their indices; None for all that converged.
    """

    population: Population
    networks: Sequence[int] | None = None


class ReferenceActivity(NamedTuple):
    """Rates of R earlier solutions, made elsewhere, on B trials.

    Attributes:
        inputs: The trials, `[B, T, I]`; new networks see them beside the task's own.
        rates: `[R, B, T, M]`.
        readout_weights: `[R, O, M]`; None if rates are compared as they are (`null_space` false).
    """

    inputs: ArrayLike
    rates: ArrayLike
    readout_weights: ArrayLike | None = None


AXES_TRIALS = 64
"""Trials that show along which axes references vary."""

AXES_VARIANCE = 0.9999
"""Share of a reference's variance that is compared."""

Reference = Population | Chosen | ReferenceActivity


def deflate(
    task: Task,
    references: Reference | Sequence[Population | Chosen],
    *,
    network: Network | None = None,
    training: Training | None = None,
    deflation: Deflation | None = None,
    size: int | None = None,
    seed: int = 0,
    start: Population | None = None,
    devices: int | None = None,
    tile: int | None = None,
    resume: Population | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Callable[[Population], None] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Population:
    """Trains K networks on a task that keep away from earlier solutions of it.

    Iterative Neural Similarity Deflation: each network lowers L_task + lambda * sum_r S(X, Y_r), S
    the share of reference r's variance that a ridge regression on the network's own rates explains,
    both outside their readouts (see `Deflation`). References that are networks see each batch of
    trials; a round's networks do not see one another. Call it again with the result among the
    references for the next round.

    Args:
        task: What to learn.
        references: A population (its converged networks), some networks of one (`Chosen`), several
            of either, or `ReferenceActivity` from elsewhere.
        network: Architecture, that of the references unless given.
        training: Optimization, `Training()` unless given.
        deflation: Strength, ridge, target and space.
        size: Number of networks K: that of `start`, or 4 unless given.
        seed: Network k draws from `fold_in(key(seed), k)`.
        start: Trained networks to start from instead of drawn weights, as in `train_population`.
            From the references themselves they leave a solution that they had.
        devices: As in `train_population`.
        tile: As in `train_population`.
        resume: A population with the same references and settings, but for a higher `max_epochs`
            of `training` perhaps, to go on from.
        progress: Called after every epoch.
        checkpoint: Called with the unfinished population every `checkpoint_seconds`.
        checkpoint_seconds: Seconds between checkpoints.

    Returns:
        The population; its `history.penalty` is lambda * sum_r S, by epoch.

    Raises:
        ValueError: If an argument is out of range, or references learned another task, did not
            converge, or cannot be compared.
        TrainingInterrupted: On Ctrl-C, after the running epoch, with what is there.

    Source: Qian & Pehlevan (arXiv 2509.21504).
    """
    deflation, training = deflation or Deflation(), training or Training()
    if start is not None and resume is not None:
        raise ValueError("`start` and `resume` exclude one another: what is resumed has its start.")
    if start is not None:
        start = own_part(start, size, 0)
        network, size = network or start.network, start.size if size is None else size
    if isinstance(references, (Population, Chosen)):
        references = [references]
    if not isinstance(references, ReferenceActivity):
        references = list(references)
    if network is None and not isinstance(references, ReferenceActivity):
        first = next(iter(references), None)
        population = first.population if isinstance(first, Chosen) else first
        network = None if population is None else population.network
    origin = None if start is None else start.recipe
    origin = origin if resume is None else resume.recipe.start
    size = 4 if size is None else size
    recipe = Recipe(task, network or VanillaRNN(), training, size, seed, deflation, start=origin)
    begun = resume if start is None else warm_started(recipe, start)
    (population,) = train_populations(
        [recipe],
        references=references_of(recipe, references),
        devices=devices,
        tile=tile,
        resume=None if begun is None else [begun],
        progress=progress,
        checkpoint=for_one(checkpoint),
        checkpoint_seconds=checkpoint_seconds,
    )
    return population


def references_of(
    recipe: Recipe, references: Sequence[Population | Chosen] | ReferenceActivity
) -> References:
    """What networks of a recipe with a deflation keep away from, checked and prepared."""
    deflation = recipe.deflation or Deflation()
    if isinstance(references, ReferenceActivity):
        found = _from_activity(references, recipe.task, deflation)
    else:
        chosen = [each if isinstance(each, Chosen) else Chosen(each) for each in references]
        if not chosen:
            raise ValueError("`references` must hold at least one population; got none.")
        found = _from_networks(chosen, recipe, deflation)
    _require_samples(found, recipe, deflation)
    return found


def _from_networks(chosen: list[Chosen], settings: Recipe, deflation: Deflation) -> References:
    """References that see each batch."""
    parts = []
    for population, networks in chosen:
        if population.task != settings.task:
            raise ValueError(
                f"`references` must have learned the same task, {settings.task}; got "
                f"{population.task}."
            )
        if shared(population.network) != shared(settings.network):
            raise ValueError(
                f"`references` must share the architecture {shared(settings.network)}, or be given "
                f"as ReferenceActivity; got {shared(population.network)}."
            )
        if networks is None:
            networks = np.flatnonzero(population.converged)
        if not len(networks):
            raise ValueError(f"`references` must have converged; {population.summary()}.")
        _require_converged(population, networks)
        parts.append(_rows(population.params, np.asarray(networks)))
    params = jax.tree.map(lambda *each: np.concatenate(each), *parts)
    outside = deflation.null_space
    readouts = np.asarray(readouts_of(settings.network, params)) if outside else None
    mesh = runtime.network_mesh(1)
    subject = evaluation.Subject(params, shared(settings.network), mesh, None)
    key = evaluation.evaluation_key(settings.seed, 0)
    found = evaluation.responses(subject, settings.task, trials=AXES_TRIALS, key=key)
    counts = found["valid"][0] != 0 if "valid" in found else None
    axes = _axes(found["activity"], readouts, counts)
    return References(params, None, None, axes)


def _rows(params: Any, networks: np.ndarray) -> Any:
    return jax.tree.map(lambda x: np.asarray(x)[networks], params)


def _require_converged(population: Population, networks: Sequence[int] | np.ndarray) -> None:
    """Raises ValueError unless these networks exist and reached their thresholds."""
    for k in networks:
        if not 0 <= k < population.size:
            raise ValueError(
                f"`networks` must lie between 0 and {population.size - 1}; got {int(k)}."
            )
        if not population.converged[k]:
            raise ValueError(
                f"`references` must have converged; network {int(k)} did not reach its threshold "
                f"{population.thresholds[k]:g}."
            )


def _from_activity(activity: ReferenceActivity, task: Task, deflation: Deflation) -> References:
    """References as rates on trials of their own."""
    inputs, rates = (
        real_array(getattr(activity, name), name).astype(np.float32) for name in ("inputs", "rates")
    )
    if rates.ndim != 4 or inputs.ndim != 3 or rates.shape[1:3] != inputs.shape[:2]:
        raise ValueError(
            f"`rates` must be [R, B, T, M] on trials `inputs` [B, T, I]; got {rates.shape} and "
            f"{inputs.shape}."
        )
    if inputs.shape[2] != task.n_inputs:
        raise ValueError(
            f"`inputs` must have the task's {task.n_inputs} channels; got {inputs.shape[2]}."
        )
    if not (np.isfinite(inputs).all() and np.isfinite(rates).all()):
        raise ValueError("`inputs` and `rates` of references must be finite.")
    count, units = rates.shape[0], rates.shape[3]
    readouts = None
    if deflation.null_space and activity.readout_weights is not None:
        readouts = real_array(activity.readout_weights, "readout_weights").astype(np.float32)
    elif deflation.null_space:
        raise ValueError(
            "`readout_weights` of references are needed for their null spaces; give them, or set "
            "`null_space` to false."
        )
    expected = count, units
    if readouts is not None and (readouts.ndim != 3 or readouts.shape[::2] != expected):
        raise ValueError(
            f"`readout_weights` must be [R, O, M] with R = {count} and M = {units}; got "
            f"{readouts.shape}."
        )
    return References(None, inputs, rates, _axes(rates, readouts))


def _axes(
    rates: np.ndarray, readouts: np.ndarray | None, counts: np.ndarray | None = None
) -> np.ndarray:
    """The principal axes of rates `[R, B, T, M]` outside readouts `[R, O, M]`, `[R, Q, M]`.

    They are those of the steps that count, `[B, T]`, or of all. Each reference has as many as hold
    `AXES_VARIANCE`; fewer than Q are filled with zeros.
    """
    found = []
    for k, each in enumerate(rates):
        samples = each.reshape(-1, each.shape[-1]) if counts is None else each[counts]
        samples = samples.astype(float)
        samples = samples - samples.mean(axis=0)
        if readouts is not None:
            _, scale, seen = np.linalg.svd(readouts[k].astype(float), full_matrices=False)
            seen = seen[scale > max(readouts[k].shape) * np.finfo(np.float32).eps * scale[0]]
            samples = samples - (samples @ seen.T) @ seen
        variance, axes = np.linalg.eigh(samples.T @ samples)
        variance, axes = np.maximum(variance[::-1], 0), axes.T[::-1]
        if not variance.sum() > 0:
            raise ValueError(f"`references` must vary; the rates of reference {k} do not.")
        held = np.cumsum(variance) / variance.sum()
        found.append(axes[: int(np.searchsorted(held, AXES_VARIANCE)) + 1])
    most = max(map(len, found))
    return np.array([np.pad(x, ((0, most - len(x)), (0, 0))) for x in found], np.float32)


def _require_samples(references: References, settings: Recipe, deflation: Deflation) -> None:
    """Raises ValueError if a ridge of 0 would meet fewer samples than units."""
    batch, steps = deflation.trials(settings.training.batch), settings.task.n_steps
    if references.inputs is not None:
        batch, steps = references.inputs.shape[:2]
    if np.min(deflation.ridge) == 0 and batch * steps <= settings.network.n_rates:
        raise ValueError(
            f"`ridge` of 0 needs more samples than units: {batch} trials of {steps} steps for "
            f"{settings.network.n_rates} units."
        )
