"""Outcomes of known truth: networks are points, scaled as far apart as a test wants them."""

import dataclasses
import zlib

import numpy as np

from rnnensemble.analysis.degeneracy import Behavior, Degeneracy
from rnnensemble.analysis.distances import Distances
from rnnensemble.analysis.dsa_grid import GridDistances
from rnnensemble.analysis.feature_learning import FeatureAnalysis, FeatureLearning
from rnnensemble.analysis.fixed_points.topology import Topology
from rnnensemble.analysis.settings import Analysis, DSAGrid
from rnnensemble.metrics import DSA
from rnnensemble.networks import VanillaRNN
from rnnensemble.stats import intervals
from rnnensemble.study.conditions import Condition
from rnnensemble.study.factors import Factor, Level, Outcome, Sweep
from rnnensemble.tasks import DelayedDiscrimination, FlipFlop, PathIntegration, Sine
from rnnensemble.training.epoch import Training

GRID = DSAGrid(ranks=(3, 5), delays=(1, 3))
BEHAVIOR_NULL = 0.003

TASKS = {
    "flipflop": FlipFlop(),
    "delayed_discrimination": DelayedDiscrimination(),
    "sine": Sine(),
    "path_integration": PathIntegration(),
}


@dataclasses.dataclass(frozen=True)
class Truth:
    """How far apart the networks of a condition lie on each level, and how far they moved."""

    dynamics: float = 1.0
    weights: float = 1.0
    behavior: float = 1.0
    moved: float = 1.0
    null: float = 0.1
    topology: float | None = None
    networks: int = 20


def points(rng, scale, count):
    places = scale * rng.normal(size=(count, 5))
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


def distances(matrix, null):
    count = len(matrix)
    return Distances(
        intervals.mean_distance(matrix),
        matrix,
        np.zeros((count, count)),
        np.ones((count, count), np.int32),
        null,
        again=matrix,
        across=matrix,
        ranks=np.full(count, 5),
        left_out=np.zeros((count, count)),
        trials=64,
    )


def topology(rng, scale, count):
    """Networks with two stable points and a saddle, but for one with none."""
    matrix, counts = points(rng, scale, count), np.zeros((count, 9), int)
    counts[1:, :2] = 2, 1
    return Topology(intervals.mean_distance(matrix), matrix, counts, (count - 1) / count)


def outcome(condition, truth, seed):
    """Networks at random, the more apart the larger the truth's numbers."""
    rng, count = np.random.default_rng(seed), truth.networks
    null = truth.null * rng.uniform(0.9, 1.1, size=count)
    losses = {
        name: 1.0 + truth.behavior * 0.1 * rng.normal(size=count)
        for name in ("in_distribution", "temporal")
    }
    spread = intervals.spread(losses["temporal"])
    outputs = {"temporal": points(rng, truth.behavior, count)}
    matrices = np.array(
        [[points(rng, truth.dynamics, count) for _ in GRID.delays] for _ in GRID.ranks]
    )
    nulls = np.broadcast_to(null, (*matrices.shape[:2], count))
    moved = truth.moved * rng.uniform(0.9, 1.1, size=count)
    alignment = 0.5 / truth.moved * rng.uniform(0.9, 1.1, size=count)
    networks = np.arange(count)
    return Outcome(
        condition,
        Degeneracy(
            Behavior(
                {"temporal": spread},
                {"temporal": BEHAVIOR_NULL},
                losses,
                outputs,
                {"temporal": 512},
            ),
            {
                "dynamics": distances(points(rng, truth.dynamics, count), null),
                "autocovariance": distances(
                    points(np.random.default_rng(seed), truth.dynamics, count), null
                ),
                "weights": distances(points(rng, truth.weights, count), np.zeros(count)),
            },
            GridDistances(GRID, np.array(GRID.ranks), matrices, nulls, matrices),
            networks,
            condition.size,
            condition.analysis,
            topology=None if truth.topology is None else topology(rng, truth.topology, count),
        ),
        FeatureLearning(
            moved, moved, alignment, alignment, networks, condition.size, FeatureAnalysis()
        ),
        {"converged": count, "size": condition.size, "versions": {"jax": "0"}, "seed": 0},
    )


def factor(name, values, task="flipflop", starts=None, **more):
    """A factor whose levels differ in the seed alone, but for widths."""
    levels = []
    for index, value in enumerate(values):
        width = int(value) if name == "width" else 8
        condition = Condition(
            task=TASKS[task],
            network=VanillaRNN(width=width),
            training=Training(**more),
            analysis=Analysis(dsa=DSA(rank=20), fixed_points=starts),
            size=24,
            seed=index + zlib.crc32(name.encode()) % 1000 * 100,
        )
        levels.append(Level(value=float(value), label=f"{value:g}", condition=condition))
    unit = {"width": "units", "delay": "steps"}.get(name, "")
    return Factor(name=name, task=task, title=name, unit=unit, levels=tuple(levels))


def study(truths):
    """A sweep and its outcomes from factors with a truth (or None, not measured) a level."""
    outcomes = {}
    for each, known in truths:
        for index, (level, truth) in enumerate(zip(each.levels, known, strict=True)):
            if truth is not None:
                digest = level.condition.digest
                name = zlib.crc32(f"{each.name} {each.task}".encode())
                outcomes[digest] = outcome(level.condition, truth, [index, name])
    factors = tuple(each for each, _ in truths)
    return Sweep(name="toy", preset="small", factors=factors), outcomes
