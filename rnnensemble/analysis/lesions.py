"""What perturbations do to behavior, network by network: `measure_lesions`."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble import stats
from rnnensemble._core import mapping
from rnnensemble._core.config import finite, require_at_least
from rnnensemble.analysis.perturb import perturb
from rnnensemble.analysis.perturbations import Perturbation
from rnnensemble.networks import Perturbed, PerturbedParams
from rnnensemble.stats.intervals import Estimate
from rnnensemble.tasks import Task, Trials
from rnnensemble.training import evaluation, losses
from rnnensemble.training.population import Population, require_two
from rnnensemble.training.respond import tile_of


class Outcomes(NamedTuple):
    """How well networks do on trials.

    Attributes:
        loss: What they were trained to lower, `[..., M]`, in its unit.
        accuracy: Share of trials done right, `[..., M]`; None where the task defines none.
    """

    loss: np.ndarray
    accuracy: np.ndarray | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Lesions:
    """Behavior of M converged networks after each of P perturbations, on trials that all share.

    Attributes:
        perturbations: What was done, P.
        intact: Outcomes without it, `[M]` each.
        perturbed: Outcomes with it, `[P, M]` each.
        networks: Indices of the networks in their population, `[M]`.
        loss: Which loss, as `Training.loss` names it.
    """

    perturbations: tuple[Perturbation, ...]
    intact: Outcomes
    perturbed: Outcomes
    networks: np.ndarray
    loss: str

    @property
    def ratio(self) -> np.ndarray:
        """Loss over that of the same network without perturbation, `[P, M]`."""
        return self.perturbed.loss / self.intact.loss

    def table(self) -> list[dict[str, Any]]:
        """Numbers with 95% intervals over networks, a row each: what is intact, then the P.

        `loss` is the mean; `ratio` the geometric mean; `sigma` the spread of the losses as
        sigma_OOD is that of others; `log_spread` by how much effects differ between networks
        (`stats.log_spread` of the ratios: exp of it is a factor); `accuracy` the mean, if there is
        one. Each has `_low` and `_high`; None where a network's loss is not finite.
        """
        rows = [self._row("intact", self.intact, np.ones_like(self.intact.loss))]
        for k, each in enumerate(self.perturbations):
            found = jax.tree.map(lambda x, k=k: x[k], self.perturbed)
            rows.append(self._row(each.label, found, self.ratio[k]))
        return rows

    def _row(self, label: str, found: Outcomes, ratio: np.ndarray) -> dict[str, Any]:
        mean_log = estimate(stats.signed_mean, np.log(ratio))
        columns = {
            "loss": estimate(stats.mean_value, found.loss),
            "ratio": Estimate(*(float(np.exp(end)) for end in mean_log)),
            "sigma": estimate(stats.spread, found.loss),
            "log_spread": estimate(stats.log_spread, ratio),
        }
        if found.accuracy is not None:
            accuracy = estimate(stats.signed_mean, found.accuracy)
            columns["accuracy"] = Estimate(*(float(np.clip(end, 0, 1)) for end in accuracy))
        row: dict[str, Any] = {"perturbation": label}
        for name, (value, low, high) in columns.items():
            row |= {name: finite(value), f"{name}_low": finite(low), f"{name}_high": finite(high)}
        return row


def measure_lesions(
    population: Population,
    perturbations: Sequence[Perturbation],
    *,
    trials: int = 512,
    seed: int = 0,
    devices: int | None = None,
    tile: int | None = None,
) -> Lesions:
    """Measures what perturbations do to the behavior of each converged network.

    All networks, intact and perturbed, are driven by the same fresh trials of their task.

    Args:
        population: Trained networks, of which at least 2 converged.
        perturbations: `Silence`, `Cut` and `Kick`, each alone.
        trials: Number of trials.
        seed: Seed of these, and of those that perturbations are fitted to (see `perturb`).
        devices: How many local devices to use, None for all.
        tile: Networks that a device handles at once, None for the device's default.

    Returns:
        Losses, and accuracies where the task defines them, by perturbation and network.

    Raises:
        ValueError: If there is no perturbation, fewer than 2 networks converged, or networks cannot
            be perturbed so.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
        >>> easy = rnne.Training(batch=8, epoch_steps=1, patience=1, threshold=1e9)
        >>> network = rnne.VanillaRNN(width=6)
        >>> population = rnne.train_population(task, network=network, training=easy, size=3)
        >>> half, cut = rnne.Silence(share=0.5), rnne.Cut(share=0.1)
        >>> found = rnne.measure_lesions(population, [half, cut], trials=8)
        >>> found.ratio.shape, [row["perturbation"] for row in found.table()]
        ((2, 3), ['intact', '50% of units silent, at random', '10% of connections cut'])
    """
    perturbations = tuple(perturbations)
    if not perturbations:
        raise ValueError("`perturbations` must hold at least one Silence, Cut or Kick; got none.")
    chosen = converged_alone(population)
    made = [perturb(chosen, each, seed=seed, devices=devices) for each in perturbations]
    drawn, run = runner(chosen, trials=trials, seed=seed, devices=devices, tile=tile)
    found = [run(each.params, drawn) for each in made]
    return Lesions(
        perturbations=perturbations,
        intact=run(PerturbedParams(chosen.params), drawn),
        perturbed=jax.tree.map(lambda *each: np.stack(each), *found),
        networks=np.flatnonzero(population.converged),
        loss=population.training.loss,
    )


def converged_alone(population: Population) -> Population:
    """The converged networks alone; ValueError unless they are 2 or more and not perturbed."""
    require_two(population)
    if isinstance(population.network, Perturbed):
        raise ValueError("`population` is perturbed already; measure the one it was made of.")
    return population[population.converged]


def runner(
    population: Population, *, trials: int, seed: int, devices: int | None, tile: int | None
) -> tuple[Trials, Callable[[PerturbedParams, Trials], Outcomes]]:
    """Fresh trials, and what gives the outcomes of networks, perturbed or not, on trials."""
    require_at_least("trials", trials, 1)
    drawn = evaluation.sampled(population.task, evaluation.evaluation_key(seed, 0), trials)
    subject = evaluation.subject_of(population, np.arange(population.size), devices, tile)
    options = {
        "network": Perturbed(network=subject.network),
        "task": population.task if population.task.has("accuracy") else None,
        "mesh": subject.mesh,
        "tile": tile or tile_of(subject.mesh, subject.network, *drawn.mask.shape),
        "loss": subject.loss,
    }

    def run(params: PerturbedParams, drawn: Trials) -> Outcomes:
        return jax.tree.map(np.asarray, outcomes(drawn, params, **options))

    return drawn, run


@partial(jax.jit, static_argnames=("network", "task", "mesh", "tile", "loss"))
def outcomes(trials, params, *, network, task: Task | None, mesh, tile, loss):  # noqa: ANN001, ANN201
    """The `Outcomes` of networks on trials, `[M]`; no accuracy without a task."""

    def one(params: Any, trials: Any) -> Any:
        outputs = network.respond(params, trials.inputs)[1]
        right = None if task is None else jnp.mean(task.accuracy(outputs, trials))
        found: Any = losses.find(loss)(outputs, trials.targets, trials.mask), right
        return Outcomes(*found)

    return mapping.map_items(one, params, trials, mesh=mesh, tile=tile)


def estimate(function: Callable[[np.ndarray], Estimate], values: np.ndarray) -> Estimate:
    """An estimate; NaN if a value is not finite."""
    return function(values) if np.isfinite(values).all() else Estimate(*(np.nan,) * 3)
