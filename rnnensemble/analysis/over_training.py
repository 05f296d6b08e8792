"""Degeneracy along training: `measure_over_training`; from when on classes can be told."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnensemble import stats
from rnnensemble._core.axes import ArrayLike
from rnnensemble._core.config import finite
from rnnensemble.analysis import measures
from rnnensemble.analysis.degeneracy import measure_degeneracy
from rnnensemble.analysis.distances import Report
from rnnensemble.analysis.feature_learning import (
    FeatureAnalysis,
    FeatureLearning,
    measure_feature_learning,
)
from rnnensemble.analysis.result import Degeneracy
from rnnensemble.analysis.settings import Analysis
from rnnensemble.stats.classes import ClassAccuracy, require_classes
from rnnensemble.training.population import Population, require_two

LEVEL = 0.05
"""P-value below which an accuracy counts as above its null."""


@dataclasses.dataclass(frozen=True, repr=False)
class OverTraining:
    """What `measure_over_training` finds: degeneracy of the same M networks after S epochs.

    Attributes:
        epochs: After which epochs networks were measured, ascending, `[S]`; the last is the end.
        degeneracy: What was measured after each, `[S]`.
        stop_epochs: Epochs that each network trained, `[M]`; after that it changes no more.
        features: How far networks had moved from their start after each, `[S]`; None where that was
            not asked for.
    """

    epochs: tuple[int, ...]
    degeneracy: tuple[Degeneracy, ...]
    stop_epochs: np.ndarray
    features: tuple[FeatureLearning, ...] | None = None

    @property
    def networks(self) -> np.ndarray:
        """Indices of the M networks in their population, `[M]`."""
        return self.degeneracy[-1].networks

    def __repr__(self) -> str:
        epochs = ", ".join(map(str, self.epochs))
        return f"<OverTraining of {len(self.networks)} networks after epochs {epochs}>"

    def table(self) -> list[dict[str, Any]]:
        """One row a measure and epoch: `epoch`, then what a row of `Degeneracy.table` holds."""
        rows = [each.table() for each in self.degeneracy]
        for own, features in zip(rows, self.features or (), strict=False):
            own += features.table()
        return [
            {"epoch": epoch} | row
            for epoch, own in zip(self.epochs, rows, strict=True)
            for row in own
        ]

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it: epochs, what `Degeneracy.to_dict` has of each, features."""
        found = {
            "epochs": list(self.epochs),
            "stop_epochs": self.stop_epochs.tolist(),
            "degeneracy": [found.to_dict() for found in self.degeneracy],
        }
        if self.features is not None:
            found["features"] = [each.table() for each in self.features]
        return found

    def matrices(self, measure: str = "dynamics") -> np.ndarray:
        """The distances of a measure after each epoch, `[S, M, M]`.

        Args:
            measure: Its name: `dynamics`, `weights`, `autocovariance`, `disagreement` or, where
                they were measured, `topology`, `representation` and others.

        Raises:
            ValueError: If it has no distances.
        """
        kind = measures.find(measure)
        found = [kind().data(each, None) for each in self.degeneracy]
        if kind.statistic != "mean_distance" or any(each is None for each in found):
            raise ValueError(
                f"`measure` must be one of distances that were measured; {measure!r} is none here."
            )
        return np.array(found)


def measure_over_training(
    population: Population,
    *,
    analysis: Analysis | None = None,
    features: FeatureAnalysis | None = None,
    devices: int | None = None,
    tile: int | None = None,
    progress: Report | None = None,
) -> OverTraining:
    """Measures degeneracy after each epoch of the snapshots, and at the end.

    The networks are those that converge in the end, the same after each epoch, whether their loss
    was below the threshold then or not: otherwise curves would mix what training does to networks
    with which of them are counted. A network that has stopped stays as it is. Snapshots at which
    all have stopped are left out, since they say nothing further: the last epoch is the one after
    which the last network stopped.

    Evaluation trials are those of `measure_degeneracy`, the same after each epoch. Where their
    number is not fixed (`Analysis.fixed_trials`), it is found after each epoch on its own, and the
    smaller draws are the first trials of the larger. One set of compiled programs serves all.

    Args:
        population: Trained with `Training(snapshots=...)`; at least 2 networks converged.
        analysis: Settings, `Analysis()` unless given.
        features: Settings of feature learning: how far weights, kernel and rates have moved from
            where networks started (`measure_feature_learning`); not measured unless given.
        devices: How many local devices to use, None for all.
        tile: Networks or pairs that a device handles at once, None for the device's default.
        progress: Called with the epoch and level, the items done and the items in all.

    Returns:
        Degeneracy by epoch.

    Raises:
        ValueError: If the population has no snapshots, or as `measure_degeneracy` and
            `measure_feature_learning`.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=12)
        >>> easy = rnne.Training(batch=8, epoch_steps=1, threshold=1e9, snapshots=(0, 1))
        >>> how = {"network": rnne.VanillaRNN(width=3), "training": easy, "size": 3}
        >>> population = rnne.train_population(task, **how)
        >>> quick = rnne.Analysis(dynamics_trials=4, behavior_trials=8, fixed_trials=True)
        >>> found = rnne.measure_over_training(population, analysis=quick)
        >>> found.epochs, found.matrices("weights").shape
        ((0, 1, 3), (3, 3, 3))
    """
    require_snapshots(population)
    require_two(population)
    stop_epochs = population.stop_epoch[population.converged]
    last = int(stop_epochs.max())
    epochs = [epoch for epoch in population.training.snapshots if epoch < last]
    then = [*map(population.at_epoch, epochs), population]
    how: dict[str, Any] = {"devices": devices, "tile": tile}
    moved = features and tuple(
        measure_feature_learning(each, analysis=features, **how) for each in then
    )
    found = []
    for epoch, each in zip([*epochs, last], then, strict=True):
        note = progress and _named(progress, f"epoch {epoch}")
        found.append(measure_degeneracy(each, analysis=analysis, progress=note, **how))
    return OverTraining((*epochs, last), tuple(found), stop_epochs, moved)


def require_snapshots(population: Population) -> None:
    """Raises ValueError unless a population has snapshots."""
    if population.snapshots is None:
        raise ValueError(
            "`population` must have snapshots, which it has not; train with `Training.snapshots`, "
            "as by --training.snapshots 0 1 2 5 10."
        )


def _named(progress: Report, epoch: str) -> Callable[[str, int, int], None]:
    """Progress that says of which epoch it is."""
    return lambda level, done, total: progress(f"{epoch}, {level}", done, total)


@dataclasses.dataclass(frozen=True)
class ClassPrediction:
    """From when on it can be told in which class of solutions a network ends.

    Attributes:
        measure: Whose distances were taken.
        networks: Indices of the networks in their population, `[M]`.
        classes: The class in which each ends, `[M]`.
        epochs: After which epochs it was predicted, `[S]`.
        accuracy: How well after each, `[S]`.
    """

    measure: str
    networks: np.ndarray
    classes: np.ndarray
    epochs: tuple[int, ...]
    accuracy: tuple[ClassAccuracy, ...]

    @property
    def told_from(self) -> int | None:
        """The first epoch from which on p-values stay below 0.05; None if the last is not."""
        found = None
        for epoch, each in zip(self.epochs[::-1], self.accuracy[::-1], strict=True):
            if each.p_value >= LEVEL:
                break
            found = epoch
        return found

    def table(self) -> list[dict[str, Any]]:
        """One row an epoch: balanced accuracy with its interval, its null and p-value."""
        return [
            {"epoch": epoch, "measure": self.measure}
            | {name: finite(value) for name, value in each.accuracy._asdict().items()}
            | {name: getattr(each, name) for name in ("null", "null_high", "p_value")}
            for epoch, each in zip(self.epochs, self.accuracy, strict=True)
        ]


def predict_classes(
    found: OverTraining,
    *,
    measure: str = "dynamics",
    classes: ArrayLike | Sequence[str] | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> ClassPrediction:
    """From when on in training it can be told in which class of solutions a network ends.

    After each epoch the class in which a network ends is predicted as that of the network that is
    nearest to it then (leave-one-out; see `stats.class_accuracy`), against classes shuffled over
    the networks. Networks that have stopped are where they end, so that late epochs are no news:
    for classes that are clusters of the same distances the end is right by construction.

    Args:
        found: Degeneracy along training.
        measure: Whose distances are taken (see `OverTraining.matrices`).
        classes: The class in which each network ends, `[M]`, numbers or texts; unless given,
            clusters of the measure's distances at the end (`stats.solution_classes`).
        permutations: Shuffles of the classes.
        seed: Seed of the shuffles, which are the same after each epoch.

    Returns:
        Accuracy by epoch.

    Raises:
        ValueError: If there is one class alone, a class has a single network, or the measure has no
            distances.
    """
    matrices = found.matrices(measure)
    clusters = classes is None
    labels = stats.solution_classes(matrices[-1]) if clusters else np.asarray(classes)
    kept = np.flatnonzero(labels >= 0) if clusters else np.arange(len(labels))
    if not clusters:
        require_classes(labels, len(found.networks))
    accuracy = [
        stats.class_accuracy(
            each[np.ix_(kept, kept)], labels[kept], permutations=permutations, seed=seed
        )
        for each in matrices
    ]
    return ClassPrediction(
        measure, found.networks[kept], labels[kept], found.epochs, tuple(accuracy)
    )
