"""Populations and analyses as trees of arrays, as run folders hold them."""

from typing import Any

import jax
import numpy as np

from rnnensemble.conditions import Condition
from rnnensemble.degeneracy import Behavior, Degeneracy, Distances
from rnnensemble.intervals import Estimate
from rnnensemble.learning.trainer import Hyperparameters, TrainState, init_state
from rnnensemble.population import History, Population


def plain(tree: Any) -> Any:
    """Named tuples as dictionaries, which orbax stores by name."""
    parts = tree._asdict() if hasattr(tree, "_asdict") else tree
    if isinstance(parts, dict):
        return {name: plain(value) for name, value in parts.items()}
    return np.asarray(tree)


def like(template: Any, stored: Any) -> Any:
    """Stored dictionaries back in the named tuples of a template."""
    if hasattr(template, "_asdict"):
        parts = template._asdict()
        return type(template)(**{name: like(parts[name], stored[name]) for name in parts})
    if isinstance(template, dict):
        return {name: like(value, stored[name]) for name, value in template.items()}
    return stored


def population_tree(population: Population) -> dict[str, Any]:
    """The arrays of a population, but for what unfinished training continues from."""
    names = ("params", "initial_params", "history", "converged", "diverged", "stop_epoch")
    return {name: plain(getattr(population, name)) for name in names}


def state_shapes(condition: Condition) -> TrainState:
    """Shapes and types of the states of a population, leading axis K."""

    def init() -> TrainState:
        hyper = Hyperparameters(*(np.ones(()),) * len(Hyperparameters._fields))
        key = jax.random.key(0)
        return init_state(key, hyper, task=condition.task, network=condition.network)

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
        "history": History(*(each_epoch,) * len(History._fields)),
        "converged": np.empty(k, bool),
        "diverged": np.empty(k, bool),
        "stop_epoch": np.empty(k, np.int32),
    }


def degeneracy_tree(degeneracy: Degeneracy) -> dict[str, Any]:
    """The arrays and estimates of an analysis."""
    behavior = degeneracy.behavior
    return {
        "networks": degeneracy.networks,
        "losses": dict(behavior.losses),
        "sigmas": {name: np.array(sigma) for name, sigma in behavior.sigmas.items()},
        "dynamics": _distances_tree(degeneracy.dynamics),
        "weights": _distances_tree(degeneracy.weights),
    }


def _distances_tree(distances: Distances) -> dict[str, np.ndarray]:
    tree = {"mean": np.array(distances.mean), "matrix": distances.matrix}
    return tree if distances.null is None else tree | {"null": distances.null}


def degeneracy_shapes(condition: Condition, converged: int) -> dict[str, Any]:
    """A tree like `degeneracy_tree` gives, for its shapes and types alone."""
    variants = list(condition.task.out_of_distribution())
    each, estimate = np.empty(converged, np.float32), np.empty(3)
    matrix = np.empty((converged, converged), np.float32)
    return {
        "networks": np.empty(converged, np.int64),
        "losses": dict.fromkeys(["in_distribution", *variants], each),
        "sigmas": dict.fromkeys(variants, estimate),
        "dynamics": {"mean": estimate, "matrix": matrix, "null": each},
        "weights": {"mean": estimate, "matrix": matrix},
    }


def as_degeneracy(stored: dict[str, Any], condition: Condition) -> Degeneracy:
    """What `degeneracy_tree` took apart."""
    sigmas = {name: _estimate(value) for name, value in stored["sigmas"].items()}
    dynamics, weights = stored["dynamics"], stored["weights"]
    return Degeneracy(
        behavior=Behavior(sigmas["temporal"], sigmas, stored["losses"]),
        dynamics=Distances(_estimate(dynamics["mean"]), dynamics["matrix"], dynamics["null"]),
        weights=Distances(_estimate(weights["mean"]), weights["matrix"]),
        networks=stored["networks"],
        size=condition.size,
        analysis=condition.analysis,
    )


def _estimate(values: np.ndarray) -> Estimate:
    return Estimate(*(float(value) for value in values))


def summary_row(condition: Condition, degeneracy: Degeneracy) -> dict[str, Any]:
    """Settings that matter at a glance, and the three levels with intervals."""
    row: dict[str, Any] = {
        "digest": condition.digest,
        "task": condition.task.name,
        "width": condition.network.width,
        "size": degeneracy.size,
        "converged": len(degeneracy.networks),
    }
    for name, sigma in degeneracy.behavior.sigmas.items():
        row |= _columns(f"sigma_{name}", sigma)
    row |= _columns("dsa", degeneracy.dynamics.mean) | _columns("pif", degeneracy.weights.mean)
    if degeneracy.dynamics.null is not None:
        row["dsa_null"] = float(degeneracy.dynamics.null.mean())
    return row


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
