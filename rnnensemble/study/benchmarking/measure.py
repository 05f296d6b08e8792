"""How fast this machine trains and compares networks: `benchmark`."""

import os
import tempfile
from collections.abc import Callable, Sequence

from jax.sharding import Mesh

from rnnensemble._core import runtime
from rnnensemble.study.benchmarking.arguments import (
    Asked,
    counts_of,
    require_platform,
    require_tile,
    shapes_of,
)
from rnnensemble.study.benchmarking.plan import plan
from rnnensemble.study.benchmarking.programs import cache_in, compile_all
from rnnensemble.study.benchmarking.result import Benchmark
from rnnensemble.study.benchmarking.rows import Clock, Row, Step, run_steps

WIDTHS, BATCHES, STEPS = (128, 64, 32), (256, 64, 32), 100
"""Units, trials and steps that a benchmark takes unless asked for others."""
SECONDS = 165.0
"""All rows together: with start and figure, less than 3 minutes."""


def benchmark(
    *,
    width: int | Sequence[int] = WIDTHS,
    batch: int | Sequence[int] = BATCHES,
    steps: int = STEPS,
    sizes: int | Sequence[int] | None = None,
    tile: int | None = None,
    devices: int | None = None,
    platform: str | None = None,
    seconds: float = SECONDS,
    check: bool = False,
    pairs: bool = True,
    torch: bool = True,
    report: Callable[[Row], None] | None = None,
) -> Benchmark:
    """Measures how fast this machine trains and compares networks.

    A net-step is one training step of one network: fresh flip-flop trials, forward and backward
    pass, clipping and Adam. Shares are of the rate of large float32 matrix products and of the
    roofline: the lower of that rate and of what the measured memory traffic allows, if states and
    their gradients are written once and read twice; arrays that stay in cache can exceed it.

    Args:
        width: Units N of the vanilla RNNs, or several, one for each batch.
        batch: Trials B, or several, one for each width.
        steps: Steps of a trial T.
        sizes: Numbers of networks K; None for 1 to 256 on a CPU, 1 to 4,096 elsewhere.
        tile: Networks that a device trains at once, None for the default.
        devices: How many local devices to use, None for all.
        platform: `cpu`, `gpu` or `tpu` to insist on it; None for what JAX runs on.
        seconds: Most that all rows may take; rows that would not end in time are left out.
        check: Whether to compare scan and GPU kernel with float64 first; on a CPU the kernel runs
            in Pallas's interpreter.
        pairs: Whether to compare networks by DSA and PIF.
        torch: Whether to time PyTorch beside it, where it is installed.
        report: Called with every row as it comes.

    Returns:
        The rows: speeds are net-steps or pairs a second, memory is bytes a device.

    Raises:
        ValueError: If an argument is out of range, or not even the first row fits into `seconds`.

    Example:
        >>> found = benchmark(width=8, batch=4, steps=5, sizes=2, pairs=False, torch=False)
        >>> [row.kind for row in found.rows]
        ['ceiling', 'ceiling', 'training']
    """
    shapes = shapes_of(width, batch, steps)
    require_platform(platform)
    mesh = runtime.network_mesh(devices)
    counts = counts_of(sizes, mesh)
    require_tile(tile, counts, mesh)
    asked = Asked(shapes, counts, tile, mesh, check, pairs, torch)
    clock = Clock(seconds)
    planned = plan(asked, clock)
    # a row that only says that something is missing takes no time and is no reason to start
    least = min(each for step in planned if (each := step.expected()) > 0)
    if not least < seconds:
        raise ValueError(
            f"`seconds` of {seconds:g} is too little for any row: the shortest takes about "
            f"{least:.0f} s."
        )
    with tempfile.TemporaryDirectory(prefix="rnnensemble-") as folder, cache_in(folder):
        _compile_ahead(planned, mesh, clock)
        rows = run_steps(planned, clock=clock, report=report)
    return Benchmark(runtime.describe(), tuple(rows), clock.spent())


def _compile_ahead(steps: list[Step], mesh: Mesh, clock: Clock) -> None:
    """Compiles in threads where that does not slow down what is timed: not on a CPU."""
    if mesh.devices.flat[0].platform == "cpu":
        return
    threads = min(12, os.cpu_count() or 1)
    prepare = [step.prepare for step in steps if step.prepare is not None]
    compile_all(prepare, threads=threads, seconds=clock.left() / 2)
