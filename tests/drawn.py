"""What every figure is drawn from in tests: made up, so that nothing is trained or measured."""

import dataclasses
from types import SimpleNamespace

import numpy as np

from rnnensemble import figures
from rnnensemble.analysis.battery import Battery
from rnnensemble.analysis.dsa_prediction import Prediction
from rnnensemble.analysis.importance import UnitImportance
from rnnensemble.analysis.lesions import Lesions, Outcomes
from rnnensemble.analysis.over_training import ClassPrediction, OverTraining
from rnnensemble.analysis.perturbations import Cut, Silence
from rnnensemble.analysis.populations import Groups
from rnnensemble.analysis.psychometric import PsychometricCurve
from rnnensemble.analysis.settings import DSAGrid
from rnnensemble.analysis.solutions import Solutions
from rnnensemble.figures import benchmark, fixed_points, grids, study, trials, widths
from rnnensemble.networks import VanillaRNN
from rnnensemble.stats.classes import ClassAccuracy
from rnnensemble.stats.intervals import Estimate, mean_distance
from rnnensemble.study import findings
from rnnensemble.study.benchmarking.result import Benchmark
from rnnensemble.study.benchmarking.rows import Row
from rnnensemble.tasks import Trials
from rnnensemble.training.settings import Training
from tests import outcomes
from tests.outcomes import Truth, factor
from tests.test_grid_findings import grid

RNG = np.random.default_rng(0)
COUNT = 12
"""Networks."""

FACTORS = [factor("channels", [1, 2, 3]), factor("channels", [1, 2, 3], "sine")]
TRUTHS = [Truth(dynamics=x, networks=6, null=null) for x, null in ((1, 0.1), (2, 9.0), (4, 0.2))]
SWEEP, MEASURED = outcomes.study([(each, TRUTHS) for each in FACTORS])
FOUND = findings.find(SWEEP, MEASURED, permutations=9)
(GRID, COMBINED) = grid([Truth(dynamics=1 + i, networks=6) for i in range(5)] + [None])


def degeneracy(seed=0):
    condition = FACTORS[0].levels[0].condition
    found = outcomes.outcome(condition, Truth(networks=COUNT), seed).degeneracy
    sigmas = {"temporal": Estimate(3.13e-5, 1.77e-5, 6.71e-5)}  # long numbers
    behavior = dataclasses.replace(found.behavior, sigmas=sigmas, nulls={"temporal": 1.26e-6})
    return dataclasses.replace(found, behavior=behavior)


def population(*, accuracy=False):
    """What is drawn of one that has learned; the last network has not."""
    loss = np.exp(-np.linspace(0, 4, 9)) * RNG.uniform(0.8, 1.2, (COUNT, 1))
    return SimpleNamespace(
        history=SimpleNamespace(loss=loss, accuracy=1 - loss if accuracy else None),
        converged=np.arange(COUNT) < COUNT - 1,
        diverged=np.zeros(COUNT, bool),
        stop_epoch=np.full(COUNT, 8),
        thresholds=np.full(COUNT, 0.05),
        size=COUNT,
        training=Training(epoch_steps=64),
        task=SimpleNamespace(name="flipflop"),
        network=VanillaRNN(width=8),
    )


def some_trials(count=3, steps=20, channels=2):
    targets = np.sign(RNG.normal(size=(count, steps, channels)))
    inputs = np.sign(RNG.normal(size=(count, steps, channels)))
    return Trials(inputs, targets, np.ones((count, steps))), targets + 0.05


def points(scale=1.0, count=COUNT):
    return outcomes.points(RNG, scale, count)


MATRIX = points()
LABELS = {"name": "DSA", "unit": "DSA, angular", "networks": range(COUNT)}
NAMES = np.array(["standard"] * 6 + ["kept away"] * 6)


def groups():
    return Groups(NAMES, np.arange(COUNT), SimpleNamespace(matrix=lambda: MATRIX))


def battery():
    losses = {name: RNG.uniform(0.1, 1, COUNT) for name in ("in_distribution", "temporal", "noise")}
    shared = RNG.uniform(0, 1, (COUNT, COUNT))
    solutions = Solutions(NAMES, np.arange(COUNT), shared, shared, shared, MATRIX, points(), losses)
    rests = [
        SimpleNamespace(
            stable=4,
            saddles=k % 3,
            fixed=np.ones(5, bool),
            lines=(),
            cycle=None,
            spectra=np.exp(2j * np.pi * RNG.uniform(size=(5, 8))),
        )
        for k in range(COUNT)
    ]
    scores = {name: RNG.uniform(0.5, 1, (6, 20)) for name in ("bit_1", "bit_2")}
    decoded = SimpleNamespace(chance={"bit_1": 0.5, "bit_2": 0.5}, scores=scores)
    return Battery(solutions, rests, {"standard": decoded, "kept away": decoded}, None)


def over_training():
    found = OverTraining(
        (0, 4, 16), tuple(map(degeneracy, range(3))), RNG.integers(9, 17, size=COUNT)
    )
    accuracy = ClassAccuracy(Estimate(0.8, 0.6, 0.9), 0.5, 0.7, 0.01)
    classes = np.arange(COUNT) % 2
    told = ClassPrediction("dynamics", np.arange(COUNT), classes, (0, 4, 16), (accuracy,) * 3)
    return found, told


def resting():
    fixed = np.array([True] * 6 + [False])
    return SimpleNamespace(
        fixed=fixed,
        unstable=np.array([0, 0, 1, 1, 2, 3, 0]),
        points=RNG.normal(size=(7, 8)),
        spectra=np.exp(2j * np.pi * RNG.uniform(size=(7, 8))),
    )


def lesions(kinds):
    loss = RNG.uniform(0.1, 1, (len(kinds), COUNT))
    intact = Outcomes(RNG.uniform(0.01, 0.1, COUNT), None)
    return Lesions(
        perturbations=kinds,
        intact=intact,
        perturbed=Outcomes(loss, None),
        networks=np.arange(COUNT),
        loss="mse",
    )


def importance():
    found = RNG.exponential(size=(COUNT, 16)) ** 2
    return UnitImportance(
        importance=found,
        again=found * RNG.uniform(0.9, 1.1, found.shape),
        intact=found[:, 0],
        alignment={},
        networks=np.arange(COUNT),
    )


def choices():
    evidence = np.linspace(-1, 1, 7)
    positive = np.clip(0.5 + 0.4 * evidence * RNG.uniform(0.5, 1, (4, 1)), 0, 1)
    return PsychometricCurve(
        evidence=evidence,
        trials=np.full(7, 30),
        positive=positive,
        low=positive - 0.1,
        high=positive + 0.1,
        accuracy=np.full(4, 0.9),
    )


def speeds():
    kinds = {"width": 64, "batch": 64, "steps": 100}
    rows = [
        Row(kind="training", name="t", size=k, speed=90.0 * k, of_roofline=0.3, **kinds)
        for k in (1, 4, 16, 64, 256)
    ]
    rows.append(Row(kind="rival", name="PyTorch, one after another", speed=60.0, **kinds))
    return Benchmark({"devices": 1, "device": "cpu", "jax": "0.10"}, tuple(rows), 1.0)


def coordinates():
    sizes = {n: RNG.uniform(0.1, 1, (3, 4)) for n in (64, 128, 256, 512, 1024)}
    return {form: {"rates": sizes, "outputs": sizes} for form in ("standard", "muP")}


def predictions():
    grid_of = DSAGrid(ranks=(3, 5, 10, 20), delays=(1, 3))
    found = Prediction(grid_of, RNG.uniform(0.1, 0.5, (5, 4, 2)), np.full(5, 0.6))
    return {"flipflop": found, "sine": found}


RESTING, STATES = resting(), RNG.normal(size=(4, 12, 8))
LONG = some_trials(1, 60)
KINDS = (Silence(share=0.1), Silence(share=0.2), Silence(share=0.4))
MIXED = (Silence(share=0.1), Silence(share=0.2, by="rates"), Cut(share=0.5))

# every public figure function: how many axes it takes, and a call with the axes alone left open
FIGURES = {
    "battery": (8, lambda **axes: figures.battery_figure(battery(), title="a $", **axes)),
    "benchmark": (2, lambda **axes: benchmark.benchmark_figure(speeds(), **axes)),
    "choices": (1, lambda **axes: figures.psychometric_figure(choices(), **axes)),
    "coordinates": (4, lambda **axes: widths.coordinate_figure(coordinates(), **axes)),
    "fixed_points": (
        2,
        lambda **axes: fixed_points.fixed_points_figure(RESTING, STATES, title="2 bits", **axes),
    ),
    "grid": (
        2,
        lambda **axes: grids.grid_figure([GRID], COMBINED, ["dynamics", "behavior"], **axes),
    ),
    "groups": (2, lambda **axes: figures.groups_figure({"svcca": groups()}, **axes)),
    "heatmap": (
        1,
        lambda **axes: figures.heatmap_figure(MATRIX, null=np.ones(COUNT), **LABELS, **axes),
    ),
    "hold": (
        2,
        lambda **axes: trials.hold_figure(
            *LONG, RNG.uniform(0.1, 1, (4, 60)), trained_steps=20, **axes
        ),
    ),
    "importance": (1, lambda **axes: figures.importance_figure(importance(), **axes)),
    "learning": (2, lambda **axes: figures.learning_figure(population(accuracy=True), **axes)),
    "lesions": (1, lambda **axes: figures.lesions_figure(lesions(KINDS), **axes)),
    "lesions_mixed": (1, lambda **axes: figures.lesions_figure(lesions(MIXED), **axes)),
    "losses": (1, lambda **axes: figures.losses_figure(degeneracy(), **axes)),
    "map": (
        1,
        lambda **axes: figures.mds_figure(
            MATRIX, mean_distance(MATRIX), null=np.full(COUNT, 0.4), **LABELS, **axes
        ),
    ),
    "over_training": (
        5,
        lambda **axes: figures.over_training_figure(*over_training(), title="all", **axes),
    ),
    "overview": (
        6,
        lambda **axes: figures.overview_figure(population(), degeneracy(), *some_trials(), **axes),
    ),
    "predictions": (2, lambda **axes: figures.predictions_figure(predictions(), **axes)),
    "settings": (2, lambda **axes: figures.settings_figure(degeneracy().grid, **axes)),
    "trials": (6, lambda **axes: figures.trials_figure(*some_trials(), title="flipflop", **axes)),
    "study_factor": (
        4,
        lambda **axes: study.factor_figure(FACTORS, MEASURED, ["dynamics", "behavior"], **axes),
    ),
    "study_factor_alone": (
        5,
        lambda **axes: study.factor_figure(
            FACTORS[:1],
            MEASURED,
            ["disagreement", "autocovariance", "ood_loss", "weight_change", "kernel_alignment"],
            **axes,
        ),
    ),
    "study_networks": (
        6,
        lambda **axes: study.networks_figure(FACTORS, MEASURED, "dynamics", **axes),
    ),
    "study_settings": (
        1,
        lambda **axes: study.settings_figure(FOUND, SWEEP.factors, MEASURED, **axes),
    ),
}
