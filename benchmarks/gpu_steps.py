"""Rows of the GPU plan that `rnnensemble benchmark` has not."""

import importlib.metadata
import math
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import plain_vmap
from jax.sharding import Mesh

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study.benchmarking.programs import compile_epoch
from rnnensemble.study.benchmarking.rows import Clock, OutOfTimeError, Row, Step
from rnnensemble.study.benchmarking.training import flops
from rnnensemble.study.factors import Group, Sweep, groups_of
from rnnensemble.study.selection import select
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.training import slots
from rnnensemble.training.recipe import Recipe, without_own_values

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "torch", "triton")
STEP_SECONDS, FLOPS = 0.006, 12e12
"""Of a training step of a tile on a GPU at least, for the launches of its kernels, and operations a
second that training reaches at least."""
START_SECONDS, ANALYSIS_SECONDS = 30.0, 15.0
"""To compile training and analyses of a group, and of the analysis of each condition, about."""


def environment_step() -> Step:
    """A row that says what is there."""

    def measure() -> dict[str, Any]:
        found: dict[str, Any] = {**runtime.describe(), "packages": {}}
        for name in PACKAGES:
            try:
                found["packages"][name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                found["packages"][name] = "missing"
        found["gigabytes"] = round(runtime.memory_bytes(runtime.network_mesh()) / 1e9, 1)
        if shutil.which("nvidia-smi"):
            query = "--query-gpu=name,memory.total,driver_version,clocks.sm"
            asked = ["nvidia-smi", query, "--format=csv,noheader"]
            told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20)
            found["nvidia-smi"] = told.stdout.strip()
        return {"details": found}

    return Step(Row(kind="environment", name="environment"), lambda: 1.0, measure)


def threshold_step(
    shape: tuple[int, int, int],
    n_steps: int,
    size: int,
    mesh: Mesh,
    clock: Clock,
    *,
    expected: float,
) -> Step:
    """A row of a whole training of flip-flop networks to their threshold."""
    width, batch, _ = shape
    task, network = rnne.tasks.FlipFlop(n_bits=3, n_steps=n_steps), rnne.VanillaRNN(width=width)
    training = rnne.Training(learning_rate=2e-3, batch=batch, max_epochs=60)
    settings = Recipe(task, network, training, size, 0)

    def tile() -> int:
        return min(slots.default_tile(settings, mesh), math.ceil(size / mesh.size))

    def measure() -> dict[str, Any]:
        speeds: list[float] = []

        def note(progress: Any) -> None:
            speeds.append(progress.net_steps_per_second)
            clock.check()

        started = time.perf_counter()
        population = rnne.train_population(
            task, network=network, training=training, size=size, progress=note
        )
        seconds = time.perf_counter() - started
        epochs = [int(x) for x in np.percentile(population.stop_epoch, [0, 50, 100])]
        found = {
            "converged": int(population.converged.sum()),
            "epochs": epochs,
            "seconds": round(seconds, 2),
            "net_steps_a_second_of_epochs": [round(speed) for speed in speeds],
        }
        trained = float(population.stop_epoch.sum()) * training.epoch_steps
        return {"speed": trained / seconds, "tile": tile(), "details": found}

    def prepare() -> None:
        least = runtime.least_tile(mesh, batch * width)
        for each in dict.fromkeys(max(min(least, tile()), tile() // half) for half in (1, 2, 4)):
            # the tile halves as networks finish
            compile_epoch(settings, mesh, each)

    row = Row(
        kind="threshold",
        name="train_population to the threshold",
        width=width,
        batch=batch,
        steps=n_steps,
        size=size,
    )
    return Step(row, lambda: expected, measure, prepare)


def vmap_step(shape: tuple[int, int, int], n_steps: int, epoch_steps: int, expected: float) -> Step:
    """A row of `jit(vmap(step))` with autodiff and optax."""
    width, batch, size = shape

    def measure() -> dict[str, Any]:
        with jax.default_matmul_precision("highest"):
            return {"speed": plain_vmap.measure(width, batch, n_steps, size, epoch_steps)}

    row = Row(
        kind="rival",
        name="jit(vmap(step))",
        width=width,
        batch=batch,
        steps=n_steps,
        size=size,
        precision="float32",
    )
    return Step(row, lambda: expected, measure)


def condition_steps(
    text: str,
    preset: str | None,
    factors: tuple[str, ...],
    mesh: Mesh,
    clock: Clock,
    *,
    expected: float | None = None,
) -> list[Step]:
    """Rows of conditions of a sweep, one for each group that trains as one population.

    Args:
        text: The sweep file.
        preset: One of its presets.
        factors: As `rnnensemble sweep --only` takes them, the most telling first.
        mesh: Devices.
        clock: The time that is left.
        expected: Seconds of a row, None to estimate them.
    """
    sweep = read_sweep(text, preset)
    groups: dict[str, tuple[Group, str]] = {}
    for factor in factors:
        for group in groups_of(select(sweep, [factor])):
            groups.setdefault(group.name, (group, factor))
    return [
        _condition_step(sweep, group, factor, mesh, clock, expected)
        for group, factor in groups.values()
    ]


def _condition_step(
    sweep: Sweep, group: Group, factor: str, mesh: Mesh, clock: Clock, expected: float | None
) -> Step:
    first = group.conditions[0].recipe
    size = sum(condition.size for condition in group.conditions)
    whole = without_own_values(first, size=size)
    row = Row(
        kind="condition",
        name=f"{factor} ({group.name})",
        width=first.network.width,
        batch=first.training.batch,
        size=size,
    )
    seconds = expected or _expected(sweep, group, mesh)

    def prepare() -> None:
        compile_epoch(whole, mesh)

    measure = partial(_measure_group, sweep, group, mesh, clock)
    return Step(row, lambda: seconds, measure, prepare)


def _expected(sweep: Sweep, group: Group, mesh: Mesh) -> float:
    """Seconds of training and analyses on a GPU, about."""
    epochs = [_epochs(sweep, condition.digest) or 25.0 for condition in group.conditions]
    size = sum(condition.size for condition in group.conditions)
    first = group.conditions[0].recipe
    if mesh.devices.flat[0].platform == "cpu":
        return 10.0
    tiles = math.ceil(size / slots.default_tile(first, mesh))
    once = size * flops(first.network.width, first.training.batch, first.task.n_steps) / FLOPS
    step = max(tiles * STEP_SECONDS, once)
    training = max(epochs) * first.training.epoch_steps * step
    return START_SECONDS + training + ANALYSIS_SECONDS * len(epochs)


def _epochs(sweep: Sweep, digest: str) -> float | None:
    """Epochs that the level of a condition expects."""
    levels = (level for factor in sweep.factors for level in factor.levels)
    return next((x.expected_epochs for x in levels if x.condition.digest == digest), None)


def _measure_group(sweep: Sweep, group: Group, mesh: Mesh, clock: Clock) -> dict[str, Any]:
    """Trains the conditions of a group together and measures each, as far as the time reaches."""
    started = time.perf_counter()
    populations = rnne.train_populations(
        [condition.recipe for condition in group.conditions],
        devices=mesh.size,
        progress=clock.check,
    )
    trained = time.perf_counter() - started
    steps = sum(float(p.stop_epoch.sum()) * p.training.epoch_steps for p in populations)
    found: dict[str, Any] = {"training_seconds": round(trained, 1), "conditions": []}
    problem, longest = "", 0.0
    for condition, population in zip(group.conditions, populations, strict=True):
        row = {"condition": _name(sweep, condition.digest), "size": population.size}
        row |= {"converged": int(population.converged.sum())}
        row |= {"median_epochs": float(np.median(population.stop_epoch))}
        found["conditions"].append(row)
        if clock.left() < longest:
            problem = "some conditions were trained and not measured: out of time"
            continue
        before = time.perf_counter()
        try:
            levels = row["seconds_until"] = {}
            row |= _analysed(condition, population, levels, clock.check)
        except OutOfTimeError as error:
            problem = str(error)
        longest = max(longest, time.perf_counter() - before)
    return {"speed": steps / trained, "problem": problem, "details": found}


def _analysed(
    condition: Any, population: Any, levels: dict[str, float], progress: Callable[..., None]
) -> dict[str, Any]:
    """The levels of a condition and how much its networks learned features.

    `levels` gets the seconds from the start until each level's last pairs.
    """
    if population.converged.sum() < 2:
        return {}
    started = time.perf_counter()

    def note(level: str, done: int, total: int) -> None:
        if level not in levels:
            print(f"    {level} after {time.perf_counter() - started:.1f} s", flush=True)
        levels[level] = round(time.perf_counter() - started, 1)
        progress(level, done, total)

    degeneracy = rnne.measure_degeneracy(population, analysis=condition.analysis, progress=note)
    measured = time.perf_counter()
    features = rnne.measure_feature_learning(population, analysis=condition.features)
    return {
        "sigma_ood": [float(f"{x:.4g}") for x in degeneracy.behavior.sigma],
        "dsa": [float(f"{x:.4g}") for x in degeneracy.dynamics.mean],
        "pif": [float(f"{x:.4g}") for x in degeneracy.weights.mean],
        "kernel_alignment": round(float(np.mean(features.kernel_alignment)), 4),
        "degeneracy_seconds": round(measured - started, 1),
        "features_seconds": round(time.perf_counter() - measured, 1),
    }


def _name(sweep: Sweep, digest: str) -> str:
    """The first factor and level of a condition."""
    return next(
        f"{factor.name}:{factor.task}={level.label}"
        for factor in sweep.factors
        for level in factor.levels
        if level.condition.digest == digest
    )
