"""Populations that something is done to: `perturb`."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core import runtime
from rnnensemble._core.config import require_at_least
from rnnensemble.analysis.fixed_points.points import states_at
from rnnensemble.analysis.perturbations import Cut, Kick, Perturbation, Silence, cannot_silence
from rnnensemble.networks import Perturbed, PerturbedParams, weights_of
from rnnensemble.tasks import Trials
from rnnensemble.training.evaluation import evaluation_key, sampled
from rnnensemble.training.memory import require_fit
from rnnensemble.training.population import Population
from rnnensemble.training.recipe import shared

DRAW = 2000
"""Number of the draw of evaluation trials that perturbations are fitted to."""


def perturb(
    population: Population,
    perturbation: Perturbation,
    *,
    trials: int = 64,
    seed: int = 0,
    devices: int | None = None,
) -> Population:
    """A population whose networks are perturbed, which goes wherever populations go.

    `perturb(population, Silence(share=0.2)).respond(inputs)` is what lesioned networks do,
    `measure_degeneracy` of it how far they lie apart. Task and recipe are those of the population
    but for the network (`networks.Perturbed`); it cannot be stored or trained further.

    Args:
        population: Trained networks.
        perturbation: What is done to each.
        trials: Fresh trials that give rates which units are ranked by, and the spread of states.
        seed: Of these trials.
        devices: How many local devices to use, None for all.

    Returns:
        As many networks; what they were before training (`initial_params`) is perturbed alike.

    Raises:
        ValueError: If networks cannot be perturbed so, units or steps are out of range, states do
            not differ after a step, or the population is perturbed already.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> lesioned = rnne.perturb(population, rnne.Silence(units=[2, 5]))
        >>> rates = lesioned.respond(np.ones((4, 10, 1))).rates
        >>> np.flatnonzero((rates == 0).all(axis=(0, 1, 2))).tolist()
        [2, 5]
    """
    network = shared(population.network)
    if isinstance(network, Perturbed):
        raise ValueError("`population` is perturbed already; perturb the one that it was made of.")
    if not isinstance(perturbation, (Silence, Cut, Kick)):
        raise ValueError(f"`perturbation` must be a Silence, Cut or Kick; got {perturbation!r}.")
    require_at_least("trials", trials, 2)
    fitted: Any = {Silence: _silence, Cut: _cut, Kick: _kick}[type(perturbation)]
    drawn = sampled(population.task, evaluation_key(seed, DRAW), trials)
    done = fitted(population, perturbation, drawn, devices)

    def changed(params: Any) -> PerturbedParams:
        if isinstance(perturbation, Cut):
            return PerturbedParams(network.cut(params, done["kept"]))
        return PerturbedParams(params, **done)

    return dataclasses.replace(
        population,
        recipe=dataclasses.replace(population.recipe, network=Perturbed(network=network)),
        params=jax.tree.map(np.asarray, changed(population.params)),
        initial_params=jax.tree.map(np.asarray, changed(population.initial_params)),
        state=None,
    )


def unit_sizes(
    population: Population, by: str, drawn: Trials, devices: int | None = None
) -> np.ndarray:
    """What units are ranked by, `[K, N]`: mean squared rates on trials, or norms of weights.

    ValueError if the networks have no such weights, or rates do not fit into memory.
    """
    if by == "rates":
        counts = np.asarray(drawn.mask * 0 + 1 if drawn.valid is None else drawn.valid)
        numbers = population.size * counts.size * population.network.n_rates
        require_fit(f"`trials` of {len(counts):,}", 4 * numbers)
        rates = population.respond(drawn.inputs, devices=devices).rates
        powers = np.einsum("bt,kbtn->kn", counts, rates**2) / counts.sum()
        return powers[:, : population.network.width]
    (weights,) = weights_of(population.network, population.params, [by], "the rank of units")
    return np.sqrt(np.sum(np.asarray(weights) ** 2, axis=tuple(range(1, weights.ndim - 1))))


def _silence(
    population: Population, silence: Silence, drawn: Trials, devices: int | None
) -> dict[str, np.ndarray]:
    require_silent(population)
    width = population.network.width
    kept = np.ones((population.size, width), np.float32)
    if silence.units is not None:
        _require_units("units", silence.units, width)
        kept[:, silence.units] = 0
        return {"kept": kept}
    if silence.by == "random":
        order = np.array([rng.permutation(width) for rng in _own_rngs(population, silence.seed)])
    else:
        sizes = unit_sizes(population, silence.by, drawn, devices)
        order = np.argsort(-sizes, axis=1, kind="stable")
    np.put_along_axis(kept, order[:, : _count(silence.share, width)], 0, axis=1)
    return {"kept": kept}


def require_silent(population: Population) -> None:
    """Raises ValueError unless the units of these networks can be silenced."""
    network = population.network
    state = np.array(network.initial_state(_first(population)))
    state[: network.width] = np.nan if network.silent is None else network.silent
    if np.any(network.rates(jnp.asarray(state))[: network.width]):  # so is NaN
        raise ValueError(cannot_silence(network))


def _cut(
    population: Population, cut: Cut, drawn: Trials, devices: int | None
) -> dict[str, np.ndarray]:
    del drawn, devices
    network, n = population.network, population.network.width
    (weights,) = weights_of(network, population.params, ["recurrent_weights"], "a cut")
    there = (np.asarray(weights) != 0).reshape(population.size, -1, n * n).any(axis=1)
    kept = np.ones((population.size, n * n), np.float32)
    if cut.pairs is not None:
        _require_units("pairs", sum(cut.pairs, ()), n)
        kept[:, [n * i + j for i, j in cut.pairs]] = 0
    else:
        for row, found, rng in zip(kept, there, _own_rngs(population, cut.seed), strict=True):
            places = rng.permutation(np.flatnonzero(found))
            row[places[: _count(cut.share, len(places))]] = 0
    return {"kept": kept.reshape(-1, n, n)}


def _kick(
    population: Population, kick: Kick, drawn: Trials, devices: int | None
) -> dict[str, np.ndarray]:
    trials, steps = drawn.mask.shape
    if kick.step >= steps:
        raise ValueError(f"`step` must be below the {steps} of a trial; got {kick.step}.")
    network, mesh = shared(population.network), runtime.network_mesh(devices)
    going = np.ones(trials) if drawn.valid is None else np.asarray(drawn.valid)[:, kick.step]
    kept = np.flatnonzero(going)  # trials that have not ended
    if len(kept) < 2:
        raise ValueError(f"`step` must be one that 2 trials reach; got {kick.step}.")
    picked = kept, np.full(len(kept), kick.step)
    states = states_at(drawn.inputs, picked, population.params, network=network, mesh=mesh)
    spread = np.sqrt(np.var(np.asarray(states, float), axis=1).sum(axis=-1))
    count = states.shape[-1]
    if kick.direction is not None and len(kick.direction) != count:
        raise ValueError(
            f"`direction` must have an entry for each of the {count} of a state; got "
            f"{len(kick.direction)}."
        )
    if not (spread > 0).all():
        raise ValueError(
            f"`step` must be one after which states of different trials differ; those of network "
            f"{np.argmin(spread > 0)} do not after step {kick.step}."
        )
    toward = [rng.normal(size=count) for rng in _own_rngs(population, kick.seed)]
    toward = np.array(toward if kick.direction is None else [kick.direction], float)
    push = kick.size * spread[:, None] * toward / np.linalg.norm(toward, axis=1, keepdims=True)
    when = np.full(population.size, kick.step, np.float32)
    return {"kick": push.astype(np.float32), "when": when}


def _count(share: float | None, most: int) -> int:
    return max(1, round(float(share or 0) * most))


def _own_rngs(population: Population, seed: int) -> list[np.random.Generator]:
    """A generator for each network, from its own start: the population's size does not matter."""
    return [np.random.default_rng((seed, *start)) for start in population.recipe.own_starts]


def _first(population: Population) -> Any:
    """The parameters of the first network."""
    return jax.tree.map(lambda x: x[0], population.params)


def _require_units(name: str, units: tuple[int, ...], width: int) -> None:
    """Raises ValueError unless there are units of these indices."""
    if max(units) >= width:
        raise ValueError(f"`{name}` must be below the {width} units; got {max(units)}.")
