"""Populations and analyses as trees of arrays, as run folders hold them."""

import itertools
from typing import Any

import jax
import numpy as np

from rnnensemble.analysis import measures
from rnnensemble.analysis.degeneracy import Behavior, Degeneracy
from rnnensemble.analysis.distances import Distances
from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.feature_learning import FeatureLearning
from rnnensemble.analysis.fixed_points.topology import Topology
from rnnensemble.networks import shapes_of
from rnnensemble.stats.intervals import Estimate, mean_value
from rnnensemble.study.conditions import Condition
from rnnensemble.training.epoch import History, TrainState, blank_history, init_state
from rnnensemble.training.population import Population

FEATURES = (
    "weight_change",
    "relative_weight_change",
    "kernel_alignment",
    "representation_alignment",
)
"""Measures of feature learning, each `[M]`."""


def plain(tree: Any) -> Any:
    """A tree's arrays in dictionaries, by name or place of its parts, as `trees` stores them."""
    from flax import serialization  # takes half a second to load

    return jax.tree.map(np.asarray, serialization.to_state_dict(tree))


def population_tree(population: Population) -> dict[str, Any]:
    """The arrays of a population, but for what unfinished training continues from."""
    names = ("params", "initial_params", "converged", "diverged", "stop_epoch")
    found = {name: getattr(population, name) for name in names}
    return found | {"history": _recorded(population.history)}


def _recorded(history: History) -> dict[str, Any]:
    """What a history has, by name; folders without accuracies have no place for them."""
    return {name: each for name, each in history._asdict().items() if each is not None}


def state_tree(state: TrainState, condition: Condition) -> dict[str, Any]:
    """States by name; what the optimizer keeps is called by its kind."""
    tree = state._asdict()
    kept = tree.pop("optimizer")
    return {**tree, condition.training.optimizer.kind: kept}


def as_state(stored: dict[str, Any], condition: Condition) -> TrainState:
    """What `state_tree` took apart."""
    stored = dict(stored)
    return TrainState(optimizer=stored.pop(condition.training.optimizer.kind), **stored)


def state_shapes(condition: Condition) -> TrainState:
    """Shapes and types of the states of a population, leading axis K."""

    def init() -> TrainState:
        hyper: Any = dict.fromkeys(condition.network.per_network, np.ones(()))
        how: Any = {"task": condition.task, "network": condition.network}
        how["optimizer"] = condition.training.optimizer
        return init_state(jax.random.key(0), hyper, **how)

    def with_axis(x: jax.ShapeDtypeStruct) -> np.ndarray:
        return np.empty((condition.size, *x.shape), x.dtype)

    return jax.tree.map(with_axis, jax.eval_shape(init))


def population_shapes(condition: Condition, epochs: int) -> dict[str, Any]:
    """A tree like `population_tree` gives, for its shapes and types alone."""
    k = condition.size
    params = state_shapes(condition).params
    each_epoch = np.empty((k, epochs), np.float32)
    return {
        "params": params,
        "initial_params": params,
        "history": _recorded(blank_history(each_epoch, condition.training)),
        "converged": np.empty(k, bool),
        "diverged": np.empty(k, bool),
        "stop_epoch": np.empty(k, np.int32),
    }


BEHAVIOR = ("sigmas", "nulls", "losses", "disagreements", "trials")
"""What an analysis holds of behavior, by the name of the trials."""
GRID = ("ranks", "matrices", "nulls", "again")
"""Arrays of distances under many settings."""


def degeneracy_tree(degeneracy: Degeneracy) -> dict[str, Any]:
    """The arrays and estimates of an analysis."""
    behavior, grid = degeneracy.behavior, degeneracy.grid
    return {
        "networks": degeneracy.networks,
        **{name: getattr(behavior, name) for name in BEHAVIOR},
        **({"by_task": behavior.by_task} if behavior.by_task else {}),
        "grid": {name: getattr(grid, name) for name in GRID},
        **degeneracy.distances,
    }


def degeneracy_shapes(condition: Condition, converged: int, rules: Any = ()) -> dict[str, Any]:
    """A tree like `degeneracy_tree` gives, for its shapes and types; of a mixture by its rules."""
    task, analysis = condition.task, condition.analysis
    variants = [*task.out_of_distribution(), *analysis.lesions]
    every = ["in_distribution", *variants, *(task.whole_sets or ())]
    number, each = np.empty(()), np.empty(converged, np.float32)
    estimate: Any = Estimate(*(number,) * 3)  # type: ignore[arg-type]
    matrix = np.empty((converged, converged), np.float32)
    counts = np.empty((converged, converged), np.int32)
    distances = Distances(
        estimate,
        matrix,
        matrix,
        counts,
        each,
        again=matrix,
        across=matrix,
        ranks=np.empty(converged, np.int32),
        left_out=matrix,
        trials=np.empty((), np.int64),  # type: ignore[arg-type]
    )
    grid = analysis.grid_for(task, condition.network.n_rates)
    settings = len(grid.rows), len(grid.delays)
    return {
        "networks": np.empty(converged, np.int64),
        "sigmas": dict.fromkeys(variants, estimate),
        "nulls": dict.fromkeys(variants, number),
        "losses": dict.fromkeys(every, each),
        **({"by_task": dict.fromkeys(rules, each)} if rules else {}),
        "disagreements": dict.fromkeys(variants, matrix),
        "trials": dict.fromkeys(every, np.empty((), np.int64)),
        "grid": {
            "ranks": np.empty(settings[0], np.int64),
            "matrices": np.empty((*settings, converged, converged), np.float32),
            "nulls": np.empty((*settings, converged), np.float32),
            "again": np.empty((*settings, converged, converged), np.float32),
        },
        **dict.fromkeys(_of_distances(condition), distances),
    }


def as_degeneracy(stored: dict[str, Any], condition: Condition) -> Degeneracy:
    """What `degeneracy_tree` took apart."""
    sigmas = {name: _estimate(value) for name, value in stored["sigmas"].items()}
    analysis = condition.analysis.fitted(condition.task, condition.network)
    grid = analysis.grid_for(condition.task, condition.network.n_rates)
    return Degeneracy(
        behavior=Behavior(
            sigmas=sigmas,
            nulls={name: float(value) for name, value in stored["nulls"].items()},
            losses=stored["losses"],
            disagreements=stored["disagreements"],
            trials={name: int(count) for name, count in stored["trials"].items()},
            loss=condition.training.loss,
            by_task=stored.get("by_task", {}),
        ),
        distances={name: _distances(stored[name]) for name in _of_distances(condition)},
        grid=GridDistances(grid, **stored["grid"]),
        networks=stored["networks"],
        size=condition.size,
        analysis=analysis,
        left_out=analysis.left_out(condition.task, condition.network),
    )


def _of_distances(condition: Condition) -> tuple[str, ...]:
    """The measures of distances that a condition has."""
    standard = "dynamics", "autocovariance", "weights"
    left_out = condition.analysis.left_out(condition.task, condition.network)
    return *(x for x in standard if x not in left_out), *(condition.analysis.measures or ())


def topology_tree(topology: Topology) -> dict[str, Any]:
    """The arrays of the level of topology, without the fixed points themselves."""
    return {name: getattr(topology, name) for name in ("mean", "matrix", "counts", "agreement")}


def topology_shapes(condition: Condition, converged: int) -> dict[str, Any]:
    """A tree like `topology_tree` gives, for its shapes and types alone."""
    number: Any = np.empty(())
    params = shapes_of(condition.network, condition.task)
    (states,) = jax.eval_shape(condition.network.initial_state, params).shape
    return {
        "mean": Estimate(number, number, number),
        "matrix": np.empty((converged, converged)),
        "counts": np.empty((converged, states + 1), np.int64),
        "agreement": number,
    }


def as_topology(stored: dict[str, Any]) -> Topology:
    """What `topology_tree` took apart."""
    numbers = {"mean": _estimate(stored["mean"]), "agreement": float(stored["agreement"])}
    return Topology(**stored | numbers)


def features_tree(features: FeatureLearning) -> dict[str, Any]:
    """The arrays of a measurement of feature learning."""
    return {name: getattr(features, name) for name in (*FEATURES, "networks")}


def features_shapes(converged: int) -> dict[str, Any]:
    """A tree like `features_tree` gives, for its shapes and types alone."""
    return dict.fromkeys(FEATURES, np.empty(converged, np.float64)) | {
        "networks": np.empty(converged, np.int64)
    }


def as_features(stored: dict[str, Any], condition: Condition) -> FeatureLearning:
    """What `features_tree` took apart."""
    return FeatureLearning(**stored, size=condition.size, analysis=condition.features)


def _distances(stored: Distances) -> Distances:
    return stored._replace(mean=_estimate(stored.mean), trials=int(stored.trials))


def _estimate(values: Estimate) -> Estimate:
    return Estimate(*(float(value) for value in values))


def settings_row(condition: Condition) -> dict[str, Any]:
    """The first columns of a summary: settings that matter at a glance."""
    threshold = condition.training.threshold or condition.task.threshold
    return {
        "digest": condition.digest,
        "task": condition.task.name,
        "network": condition.network.kind,
        "width": condition.network.width,
        "threshold": max(threshold) if isinstance(threshold, tuple) else threshold,
        "size": condition.size,
    }


def summary_row(
    condition: Condition, degeneracy: Degeneracy, features: FeatureLearning | None = None
) -> dict[str, Any]:
    """Settings that matter at a glance, the three levels with intervals, means of features."""
    row = settings_row(condition) | {"converged": len(degeneracy.networks)}
    pairs = np.triu_indices(len(degeneracy.networks), 1)
    for name, sigma in degeneracy.behavior.sigmas.items():
        row |= _columns(f"sigma_{name}", sigma)
        row[f"sigma_{name}_null"] = degeneracy.behavior.nulls[name]
        row[f"sigma_{name}_trials"] = degeneracy.behavior.trials[name]
        differences = degeneracy.behavior.disagreements[name][pairs]
        row[f"disagreement_{name}"] = float(differences.mean())
    if degeneracy.behavior.gap is not None:
        row |= _columns("generalization_gap", degeneracy.behavior.gap)
    for rule, losses in degeneracy.behavior.by_task.items():
        row |= _columns(f"loss_{rule}", mean_value(losses))
    topology = degeneracy.topology
    if topology is not None:
        row |= _columns("topology", topology.mean) | {"topology_agreement": topology.agreement}
    for name, found in degeneracy.distances.items():
        row |= _distance_columns(measures.find(name).column or name, found)
    if degeneracy.left_out:
        row["not_measured"] = ";".join(degeneracy.left_out)
    if features is not None:
        row |= {name: float(np.mean(getattr(features, name), dtype=float)) for name in FEATURES}
    grid = degeneracy.grid
    reliabilities = grid.reliabilities
    for (i, rank), (j, delays) in itertools.product(
        enumerate(grid.grid.rows), enumerate(grid.grid.delays)
    ):
        name = f"dsa_rank{rank}" if rank >= 1 else f"dsa_share{rank}"
        row[f"{name}_delays{delays}"] = float(grid.means[i, j])
        row[f"{name}_delays{delays}_null"] = float(grid.nulls[i, j].mean())
        row[f"{name}_delays{delays}_reliability"] = float(reliabilities[i, j])
    for share, rank in zip(grid.grid.shares, grid.ranks[len(grid.grid.ranks) :], strict=True):
        row[f"dsa_share{share}_rank"] = int(rank)
    return row


def _distance_columns(name: str, found: Distances) -> dict[str, Any]:
    row = _columns(name, found.mean) | {f"{name}_null": float(found.null.mean())}
    if not found.trials:
        return row
    pairs = np.triu_indices(len(found.matrix), 1)
    return row | {
        f"{name}_trials": found.trials,
        f"{name}_reliability": found.reliability,
        f"{name}_corrected": found.corrected,
        f"{name}_rank": float(found.ranks.mean()),
        f"{name}_left_out": float(found.left_out[pairs].mean()),
    }


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
