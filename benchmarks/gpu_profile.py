"""Where the time of a training step goes on a GPU, and other forms of the kernel."""

import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

import rnnensemble as rnne
from rnnensemble.networks import fused
from rnnensemble.networks.cell import Scheme
from rnnensemble.study.benchmarking.ceilings import fastest
from rnnensemble.study.benchmarking.programs import compile_epoch
from rnnensemble.study.benchmarking.rows import Clock, Row, Step
from rnnensemble.study.benchmarking.training import BITS, Case, net_steps_per_second

LONGEST = 20
"""Kernels of a training step that are listed, the longest first."""


def kernel_step(
    shape: tuple[int, int, int],
    n_steps: int,
    form: fused.Form,
    *,
    interpret: bool,
    expected: float,
) -> Step:
    """A row of the two kernels alone, in this form."""
    width, batch, size = shape

    def kernels() -> list[Any]:
        """Forward and backward, lowered."""
        how = {"form": form, "interpret": interpret}
        scheme = Scheme("tanh", "float32", "fused")  # its precision is the form's
        params, inputs, states = jax.eval_shape(drawn)
        forward = jax.jit(jax.vmap(partial(fused.states, scheme, **how)))
        backward = jax.jit(jax.vmap(partial(fused.drives_bar, scheme, **how)))
        return [forward.lower(params, inputs), backward.lower(params, states, inputs)]

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
        times = fastest(forward, params, inputs), fastest(backward, params, states, inputs)
        found = {**form._asdict(), "forward_ms": round(1e3 * times[0], 3)}
        found |= {"backward_ms": round(1e3 * times[1], 3)}
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
        with tempfile.TemporaryDirectory() as folder:

            def after(epoch: int) -> None:
                if epoch == 2:
                    jax.profiler.start_trace(folder)
                elif epoch == 3:
                    jax.profiler.stop_trace()

            speed = net_steps_per_second(case, mesh, clock, after)
            kernels = kernels_of(Path(folder), case.epoch_steps)
        found = {"fused": case.fused, "busy_ms_a_step": round(sum(x[2] for x in kernels), 3)}
        return {"speed": speed, "details": {**found, "kernels": kernels[:LONGEST]}}

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
