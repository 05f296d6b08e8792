"""Every public function once, small: what tests/test_tiles.py compares between tiles and devices.

    python tests/tiles.py FILE DEVICES TILE

Writes what all cases returned to FILE. With a tile every program takes so many networks, pairs or
states at once and whole batches, in the forms that accelerators run, as on a GPU; a tile of 0
leaves a CPU's ways.
"""

import dataclasses
import functools
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import rnnensemble as rnne
from rnnensemble._core import factorization, runtime
from rnnensemble.analysis.battery import BatteryAnalysis, measure_battery
from rnnensemble.analysis.decoding import Decoder, measure_decodability
from rnnensemble.analysis.fixed_points.points import find_fixed_points
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.analysis.fixed_points.topology import measure_topology
from rnnensemble.analysis.solutions import SolutionAnalysis
from rnnensemble.metrics import Autocovariance, Metric, registered

SMALL_DSA = rnne.DSA(rank=3, starts=6, early_steps=4, late_steps=4)
SMALL_GRID = rnne.DSAGrid(ranks=(2, 3), delays=(1, 2))
SMALL_AUTOCOVARIANCE = Autocovariance(components=3, starts=6, early_steps=4, late_steps=4)
SMALL_PIF = rnne.PIF(starts=3, soft_steps=5, steps=5)
ONE_EPOCH = rnne.Training(batch=32, epoch_steps=4, max_epochs=2, threshold=100.0, patience=2)
SEARCH = FixedPointSearch(starts=8, trials=8, steps=20, settle=20)
TASK = rnne.tasks.FlipFlop(n_bits=2, n_steps=12)
NETWORK = rnne.VanillaRNN(width=9)


def trained(task: rnne.Task = TASK, network: Any = NETWORK, **options: Any) -> rnne.Population:
    """Networks after two epochs, which count as converged; alike in every process."""
    options = {"training": ONE_EPOCH, "size": 3} | options
    return rnne.train_population(task, network=network, **options)


@functools.cache
def alike(seed: int = 0) -> rnne.Population:
    """The same networks to the last bit, whatever the tile and devices of this process."""
    return trained(devices=1, tile=1, seed=seed)


def weights_of(population: rnne.Population) -> dict[str, np.ndarray]:
    """What training led to."""
    found = population.network.weights(population.params)
    return {**found, "loss": population.history.loss, "initial": population.initial_params[1]}


METRICS = {
    **{name: metric() for name, metric in registered().items()},
    "dsa": SMALL_DSA,
    "autocovariance": SMALL_AUTOCOVARIANCE,
    "dsa by eigenvalues": dataclasses.replace(SMALL_DSA, score="wasserstein"),
    "input_dsa": registered()["input_dsa"](rank=3),  # type: ignore[call-arg]
    "pif": SMALL_PIF,
    "pif of all parameters, signed": dataclasses.replace(SMALL_PIF, parameters="all", signed=True),
}
SHAPES = {
    "activity": (6, 20, 9),
    "inputs": (6, 20, 2),
    "outputs": (6, 20, 2),
    "mask": (6, 20),
    "weights": (9, 9),
    "recurrent_weights": (9, 9),
    "input_weights": (9, 2),
    "bias": (9,),
    "readout_weights": (2, 9),
    "initial_state": (9,),
}


def data_of(metric: Metric) -> Any:
    """Random data of four networks for a metric."""
    rng = np.random.default_rng(0)
    data = {need: rng.normal(size=(4, *SHAPES[need])).astype(np.float32) for need in metric.needs}
    if "mask" in data:
        data["mask"] = np.ones_like(data["mask"])
    return data if len(data) > 1 else next(iter(data.values()))


def compared(metric: Metric) -> Callable[[], Any]:
    """All pairs by a metric."""
    return lambda: rnne.distance_matrix(metric, data_of(metric))


def deflated() -> Any:
    """Networks kept away from two others."""
    training = dataclasses.replace(ONE_EPOCH, max_epochs=1)
    return weights_of(rnne.deflate(TASK, [alike()], network=NETWORK, training=training, size=2))


def degeneracy() -> Any:
    """All levels."""
    analysis = rnne.Analysis(
        dsa=SMALL_DSA,
        grid=SMALL_GRID,
        autocovariance=SMALL_AUTOCOVARIANCE,
        pif=SMALL_PIF,
        dynamics_trials=8,
        fixed_trials=True,
        behavior_trials=16,
        output_trials=4,
    )
    found = rnne.measure_degeneracy(alike(), analysis=analysis)
    levels = {name: getattr(found, name).matrix for name in ("dynamics", "weights")}
    nulls = {f"{name}_null": getattr(found, name).null for name in levels}
    return {**levels, **nulls, "losses": found.behavior.losses, "grid": found.grid.matrices}


def fixed_points() -> Any:
    """How many of what kind, and their distances."""
    points = find_fixed_points(alike(), search=SEARCH)
    return [each.counts() for each in points], measure_topology(alike(), search=SEARCH).matrix


def feature_learning() -> Any:
    """How far weights, kernels and rates moved."""
    found = rnne.measure_feature_learning(
        alike(), analysis=rnne.FeatureAnalysis(trials=4, step_stride=4)
    )
    return found.weight_change, found.kernel_alignment, found.representation_alignment


def decodability() -> Any:
    """Of categories."""
    return measure_decodability(alike(), decoder=Decoder(folds=2), trials=32).scores


def complexity() -> Any:
    """How hard the task is."""
    found = rnne.measure_complexity(TASK, trials=128, steps=2)
    return found._asdict()


def intrinsic_dimension() -> Any:
    """Losses in subspaces."""
    found = rnne.measure_intrinsic_dimension(
        TASK, network=NETWORK, training=ONE_EPOCH, dimensions=(2, 8), size=2
    )
    return found.loss


def battery() -> Any:
    """Two groups side by side."""
    groups = {"standard": alike(), "other": alike(seed=1)}
    dsa = dataclasses.replace(SMALL_DSA, starts=48)  # fewer miss optima, and rounding tips them
    solutions = SolutionAnalysis(trials=8, dynamics_trials=8, behavior_trials=16, dsa=dsa)
    decoder = Decoder(folds=2)
    analysis = BatteryAnalysis(
        solutions=solutions, search=SEARCH, decoder=decoder, decoder_trials=16
    )
    found = measure_battery(groups, analysis=analysis)
    decoded = {name: each.scores for name, each in found.decodability.items()}
    return found.solutions.predictivity, found.solutions.dynamics, decoded


def populations() -> Any:
    """Pairs across two populations."""
    other = alike(seed=1)
    return rnne.compare_populations("cka", alike(), other, trials=8)


def predictions() -> Any:
    """Errors of linear predictions under every setting."""
    activity = data_of(SMALL_DSA)
    return rnne.prediction_errors(activity, grid=SMALL_GRID, dsa=SMALL_DSA)


def lesions() -> Any:
    """Losses after each kind of perturbation."""
    each = rnne.Silence(share=0.3), rnne.Cut(share=0.2), rnne.Kick(step=4)
    return rnne.measure_lesions(alike(), each, trials=8).perturbed.loss


TASKS = [
    TASK,
    rnne.tasks.DelayedDiscrimination(n_steps=30, delay=(2, 4)),
    rnne.tasks.Sine(n_steps=12),
    rnne.tasks.PathIntegration(n_steps=12),
    rnne.tasks.PathIntegration(n_steps=12, dimensions=3, input_noise=0.1),
    rnne.tasks.Lorenz96(n_steps=4, burn_in=0.1),
    rnne.tasks.ContextIntegration(n_steps=40),
    rnne.tasks.MemoryPro(n_steps=40),
]
OF_TASK = {
    1: rnne.VanillaRNN(width=9, initialization="orthogonal", activation="relu"),
    2: rnne.VanillaRNN(width=9, train_initial_state=True, gain=(0.5, 1.0, 1.5)),
    3: rnne.VanillaRNN(width=9, precision="tf32"),
}
"""Further networks, each trained on one of the tasks: a program less than both apart."""
NETWORKS = {
    "kernel": rnne.VanillaRNN(width=16, fused=True),
    "mup": rnne.MuPRNN(width=9, gamma=(0.5, 1.0, 2.0)),
}
PENALIZED = dataclasses.replace(ONE_EPOCH, nuclear_norm=1e-3, l1=1e-4)

CASES: dict[str, Callable[[], Any]] = {
    **{f"train {i} {task.name}":
       lambda i=i, task=task: weights_of(trained(task, OF_TASK.get(i, NETWORK)))
       for i, task in enumerate(TASKS)},
    **{f"train {name}": lambda network=network: weights_of(trained(network=network))
       for name, network in NETWORKS.items()},
    "train with penalties": lambda: weights_of(trained(training=PENALIZED)),
    **{f"distance {name}": compared(metric) for name, metric in METRICS.items()},
    "deflate": deflated,
    "degeneracy": degeneracy,
    "feature learning": feature_learning,
    "fixed points": fixed_points,
    "decodability": decodability,
    "complexity": complexity,
    "intrinsic dimension": intrinsic_dimension,
    "battery": battery,
    "populations": populations,
    "predictions": predictions,
    "lesions": lesions,
}  # fmt: skip


ALONE = {
    "battery",  # whose parts are cases of their own
    "lesions",
    *(f"train {i} {task.name}" for i, task in enumerate(TASKS) if i > 0),
    *(f"distance {name}" for name in ("procrustes", "rsa", "svcca", "input_dsa")),
    *(f"distance {name}" for name in ("dsa by eigenvalues", "pif of all parameters, signed")),
}
"""Cases left out on several devices, where they are spread as others of their kind are."""
SPREAD = CASES.keys() - ALONE


def main(file: str, devices: str, tile: str) -> None:
    """Runs the cases and writes their arrays, by case and place in what it returned."""
    jax.config.update("jax_num_cpu_devices", int(devices))
    runtime.use_compilation_cache()
    if int(tile):
        runtime.default_tile = lambda *_, **__: int(tile)  # type: ignore[assignment]
        runtime.cache_bytes = lambda _: math.inf
        # forms of accelerators, but for factorizations, whose batched calls deadlock on CPUs
        for module in [*sys.modules.values()]:
            if getattr(module, "by_platform", None) and module is not factorization:
                module.by_platform = lambda *args, default, **_: default(*args)
    found = {}
    for name in CASES if int(devices) == 1 else sorted(SPREAD):
        started = time.perf_counter()
        for place, leaf in jax.tree_util.tree_leaves_with_path(CASES[name]()):
            if np.asarray(leaf).dtype.kind in "biuf":  # settings come along as they are
                found[f"{name}: {jax.tree_util.keystr(place)}"] = np.asarray(leaf)
        print(f"{time.perf_counter() - started:6.1f} s {name}", flush=True)
    np.savez(file, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
