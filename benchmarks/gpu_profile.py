"""Where the time of a training step goes on a GPU, and other forms of the kernel."""

import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

import rnnensemble as rnne
from rnnensemble.benchmarking.programs import compile_epoch
from rnnensemble.benchmarking.rows import Clock, Row, Step
from rnnensemble.benchmarking.training import BITS, Case
from rnnensemble.networks import cell, fused
from rnnensemble.networks.recurrence import Scheme

PRODUCTS = {
    "float32": cell.exact_product,
    "two tf32 parts": partial(fused._of_parts, fused._tf32_parts),
    "three bfloat16 parts": partial(fused._of_parts, fused._bfloat16_parts),
    "tf32": cell.tf32_of_rounded,
    "bfloat16": cell.PRODUCTS["bfloat16"],
}
"""Products that the kernel may take."""
LONGEST = 20
"""Kernels of a training step that are listed, the longest first."""
CALLS = 9
"""Timed calls of a kernel."""
TRACING = threading.Lock()


def kernel_step(
    shape: tuple[int, int, int],
    n_steps: int,
    products: str,
    blocks: tuple[int, int],
    *,
    interpret: bool,
    expected: float,
) -> Step:
    """A row of the two kernels alone, with these products and (trials, warps) of a program."""
    width, batch, size = shape

    def kernels() -> list[Any]:
        """Forward and backward, lowered: what they are made of is chosen while they are traced."""
        scheme, how = Scheme("tanh", "float32", "fused"), {"interpret": interpret}
        before = fused._product, fused.BLOCKS["float32", width]
        params, inputs, states = jax.eval_shape(drawn)
        with TRACING:
            fused._product = lambda precision, width: PRODUCTS[products]
            fused.BLOCKS["float32", width] = blocks
            try:
                forward = jax.jit(jax.vmap(partial(fused.states, scheme, **how)))
                backward = jax.jit(jax.vmap(partial(fused.drives_bar, scheme, **how)))
                return [forward.lower(params, inputs), backward.lower(params, states, inputs)]
            finally:
                fused._product, fused.BLOCKS["float32", width] = before

    def drawn() -> tuple:
        """Networks, inputs, which are outputs' gradients too, and states."""
        key, network = jax.random.key(0), rnne.VanillaRNN(width=width)
        draw = partial(network.init, n_inputs=BITS, n_outputs=BITS, gain=jnp.float32(1.0))
        inputs = jax.random.normal(key, (size, n_steps, batch, BITS))
        states = jnp.tanh(jax.random.normal(key, (size, n_steps + 1, batch, width)))
        return jax.vmap(draw)(jax.random.split(key, size)), inputs, states

    def measure() -> dict[str, Any]:
        forward, backward = (each.compile() for each in kernels())
        params, inputs, states = jax.jit(drawn)()
        seconds = [median_seconds(forward, params, inputs)]
        seconds.append(median_seconds(backward, params, states, inputs))
        found = {"products": products, "trials": blocks[0], "warps": blocks[1]}
        found |= {"forward_ms": round(1e3 * seconds[0], 3)}
        found |= {"backward_ms": round(1e3 * seconds[1], 3)}
        return {"details": found}

    def prepare() -> None:
        for each in kernels():
            each.compile()

    row = Row(
        kind="kernel", name="kernel alone", width=width, batch=batch, steps=n_steps, size=size
    )
    return Step(row, lambda: expected, measure, prepare)


def profile_step(case: Case, mesh: Mesh, clock: Clock, *, expected: float) -> Step:
    """A row of the kernels of a training step, from JAX's profiler."""

    def measure() -> dict[str, Any]:
        settings, speeds = case.settings, []
        with tempfile.TemporaryDirectory() as folder:

            def note(progress: Any) -> None:
                clock.check()
                speeds.append(progress.net_steps_per_second)
                if len(speeds) == 2:
                    jax.profiler.start_trace(folder)
                elif len(speeds) == 3:
                    jax.profiler.stop_trace()

            rnne.train_population(
                settings.task,
                network=settings.network,
                training=settings.training,
                size=case.size,
                tile=case.tile,
                progress=note,
            )
            kernels = kernels_of(Path(folder), case.epoch_steps)
        found = {"fused": case.fused, "busy_ms_a_step": round(sum(x[2] for x in kernels), 3)}
        return {"speed": speeds[-1], "details": {**found, "kernels": kernels[:LONGEST]}}

    row = Row(
        kind="profile",
        name="training step",
        width=case.width,
        batch=case.batch,
        steps=case.n_steps,
        size=case.size,
        precision=case.precision,
    )
    return Step(
        row, lambda: expected, measure, lambda: compile_epoch(case.settings, mesh, case.tile)
    )


def median_seconds(program: Callable, *args: Any) -> float:
    """Of some calls after the first."""
    times = []
    for _ in range(CALLS + 1):
        started = time.perf_counter()
        jax.block_until_ready(program(*args))
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


def kernels_of(folder: Path, steps: int) -> list[tuple[str, float, float]]:
    """Names, launches and milliseconds a step of what ran on the device, the longest first.

    Args:
        folder: What the profiler wrote.
        steps: Training steps that were recorded.
    """
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for file in folder.rglob("*.xplane.pb"):
        for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
            for line in plane.lines if "GPU" in plane.name else ():
                for event in line.events if line.name.startswith("Stream") else ():
                    found[event.name][0] += 1
                    found[event.name][1] += event.duration_ns / 1e6
    rows = [(name[:60], n / steps, round(ms / steps, 4)) for name, (n, ms) in found.items()]
    return sorted(rows, key=lambda row: -row[2])
