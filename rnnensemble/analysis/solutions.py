"""Solutions of one task that came about differently, side by side: `compare_solutions`."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnnensemble._core.config import Config, require_seed, require_whole
from rnnensemble.metrics import DSA, LinearPredictivity, Procrustes
from rnnensemble.metrics.pairwise import compare_networks
from rnnensemble.training import evaluation
from rnnensemble.training.population import Population
from rnnensemble.training.similarity import readouts_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class SolutionAnalysis(Config):
    """How solutions are compared; recorded with every number.

    Attributes:
        trials: Fresh trials that all networks see, for predictivity and shapes.
        dynamics_trials: The first of them, for DSA.
        behavior_trials: Trials of each out-of-distribution variant.
        ridge: Ridge of the predictivity, as a share of the mean eigenvalue.
        dsa: Settings of DSA.
        seed: Seed of the trials.
    """

    trials: int = 128
    dynamics_trials: int = 32
    behavior_trials: int = 512
    ridge: float = 1e-4
    dsa: DSA = DSA()
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed(self.seed)
        require_whole(self, "trials", "dynamics_trials", "behavior_trials")
        if self.dynamics_trials > self.trials:
            raise ValueError(
                f"`dynamics_trials` must be at most `trials`, {self.trials}; got "
                f"{self.dynamics_trials}."
            )
        LinearPredictivity(ridge=self.ridge)


MATRICES = ("predictivity", "potent", "whole", "dynamics", "shapes")
"""What `Solutions` has of all pairs."""


class Solutions(NamedTuple):
    """M converged networks of several groups, and how far apart they lie.

    Attributes:
        groups: The group of each network, `[M]`.
        networks: Its index in its population, `[M]`.
        predictivity: S[i, j], how well network i's rates predict network j's outside their
            readouts, `[M, M]` (see `LinearPredictivity`).
        potent: The same for what the readouts see.
        whole: The same for all rates.
        dynamics: DSA distances, `[M, M]`.
        shapes: Procrustes distances, in radians, `[M, M]`.
        losses: Loss by variant of the task, `in_distribution` first, each `[M]`.
    """

    groups: np.ndarray
    networks: np.ndarray
    predictivity: np.ndarray
    potent: np.ndarray
    whole: np.ndarray
    dynamics: np.ndarray
    shapes: np.ndarray
    losses: dict[str, np.ndarray]

    def among(self, matrix: np.ndarray, first: str, second: str) -> np.ndarray:
        """The entries of a matrix from networks of one group to others of a group."""
        rows, columns = self.groups == first, self.groups == second
        different = ~np.eye(len(matrix), dtype=bool)
        return matrix[np.ix_(rows, columns)][different[np.ix_(rows, columns)]]

    def table(self) -> list[dict[str, Any]]:
        """The means over pairs from a network of `first` to one of `second`, a row for both.

        Plain values; None where there are no pairs.
        """
        names, rows = dict.fromkeys(self.groups.tolist()), []
        for first, second in itertools.product(names, repeat=2):
            row: dict[str, Any] = {"first": first, "second": second}
            for name in MATRICES:
                values = self.among(getattr(self, name), first, second)
                row[name] = float(values.mean()) if values.size else None
            rows.append(row)
        return rows


def compare_solutions(
    groups: Mapping[str, Population],
    *,
    analysis: SolutionAnalysis | None = None,
    devices: int | None = None,
    tile: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Solutions:
    """Compares the converged networks of several populations of one task, on the same trials.

    Args:
        groups: Populations by the name of their group; their widths may differ.
        analysis: Settings, `SolutionAnalysis()` unless given.
        devices: How many local devices to use, None for all.
        tile: Networks or pairs that a device handles at once.
        progress: Called with what is compared, the pairs done and the pairs in all.

    Returns:
        All networks, in the order of the groups.

    Raises:
        ValueError: If the groups learned different tasks or follow different update rules, or
            hold fewer than 2 converged networks in all.
    """
    analysis = analysis or SolutionAnalysis()
    require_one_task(groups)
    kept = {name: np.flatnonzero(each.converged) for name, each in groups.items()}
    if sum(map(len, kept.values())) < 2:
        raise ValueError("`groups` must hold at least 2 converged networks; got fewer.")
    rates, readouts, losses, mask = _responses(groups, kept, analysis, devices, tile)
    first = [each[: analysis.dynamics_trials] for each in rates]
    where: dict[str, Any] = {"seed": analysis.seed, "devices": devices, "tile": tile}

    def compared(what: str, metric: Any, data: Any) -> np.ndarray:
        note = None if progress is None else partial(progress, what)
        shown = (
            None if mask is None else mask[: analysis.dynamics_trials if data is first else None]
        )
        return compare_networks(metric, data, mask=shown, progress=note, **where).matrix()

    def predicted(what: str, data: Any, *, null_space: bool = False) -> np.ndarray:
        metric = LinearPredictivity(ridge=analysis.ridge, null_space=null_space)
        return 1 - compared(what, metric, data)

    both = [
        {"activity": each, "readout_weights": readout}
        for each, readout in zip(rates, readouts, strict=True)
    ]
    return Solutions(
        groups=np.repeat(list(kept), [len(each) for each in kept.values()]),
        networks=np.concatenate(list(kept.values())),
        predictivity=predicted("predictivity outside readouts", both, null_space=True),
        potent=predicted("predictivity of outputs", list(map(_seen, rates, readouts))),
        whole=predicted("predictivity", rates),
        dynamics=compared("DSA", analysis.dsa, first),
        shapes=compared("Procrustes", Procrustes(), rates),
        losses=losses,
    )


def require_one_task(groups: Mapping[str, Population]) -> None:
    """Raises ValueError unless all groups learned one task by one update rule."""
    if not groups:
        raise ValueError("`groups` must hold at least one population; got none.")
    first = next(iter(groups.values()))
    for name, each in groups.items():
        if each.task != first.task:
            raise ValueError(
                f"`groups` must share one task, {first.task}; {name!r} learned {each.task}."
            )
        if each.network.update_rule != first.network.update_rule:
            raise ValueError(
                f"`groups` must follow one update rule, {first.network.update_rule}; {name!r} "
                f"follows {each.network.update_rule}."
            )


def _seen(rates: np.ndarray, readout: np.ndarray) -> np.ndarray:
    """What a readout `[O, N]` sees of rates `[B, T, N]`, in orthonormal coordinates."""
    return rates @ np.linalg.svd(readout, full_matrices=False)[2].T


def _responses(
    groups: Mapping[str, Population],
    kept: Mapping[str, np.ndarray],
    analysis: SolutionAnalysis,
    devices: int | None,
    tile: int | None,
) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, np.ndarray], np.ndarray | None]:
    """Rates and readout weights of every network, losses by variant, and valid steps `[B, T]`."""
    rates, readouts, losses, mask = [], [], {}, None
    key = evaluation.evaluation_key(analysis.seed, 0)
    for name, population in groups.items():
        if not len(kept[name]):
            continue
        subject = evaluation.subject_of(population, kept[name], devices, tile)
        found = evaluation.responses(subject, population.task, trials=analysis.trials, key=key)
        rates += list(found["activity"])
        mask = found["valid"][0] if "valid" in found else None
        readouts += list(np.asarray(readouts_of(population.network, subject.params)))
        variants = {"in_distribution": population.task, **population.task.out_of_distribution()}
        for number, (variant, task) in enumerate(variants.items()):
            of_variant = evaluation.evaluation_key(analysis.seed, number + 1)
            trials = analysis.behavior_trials
            values = evaluation.losses(subject, task, trials=trials, key=of_variant)
            losses.setdefault(variant, []).append(values)
    joined = {name: np.concatenate(values) for name, values in losses.items()}
    return rates, readouts, joined, mask
