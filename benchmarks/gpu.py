"""What a GPU decides, in two commands that fit into a quarter of an hour on a bare machine.

    python benchmarks/gpu.py check FOLDER [--seconds 220] [--tiny]
    python benchmarks/gpu.py measure FOLDER [--seconds 380] [--tiny]
    python benchmarks/gpu.py report FOLDER ...

`check` compares scan and kernel with float64 and times the tiles that decide the default one.
`measure` trains 1,024 networks to their threshold, times what else there is, precisions, distances
and ceilings, and runs as many conditions of the study's preset `paper` as the time holds. Both
compile in threads first, write FOLDER/check.json or FOLDER/measure.json after every row, start no
row that would not end in time, and end with status 1 if something is wrong. `report` turns
the files into benchmarks/results/gpu.json and docs/performance.md. Needs jax, flax, optax, orbax,
scipy, threadpoolctl and NumPy; PyTorch for its rows. `--tiny` tests all of it on a CPU in less than
two minutes.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "workers")]
# PyTorch and JAX share the card: JAX would otherwise take three quarters of its memory at once
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import gpu_report
import gpu_steps
import machine
from jax.sharding import Mesh

import rnnensemble as rnne
from rnnensemble import runtime
from rnnensemble.benchmarking.ceilings import product_step, traffic_step
from rnnensemble.benchmarking.exactness import Case as Exact
from rnnensemble.benchmarking.exactness import check_step
from rnnensemble.benchmarking.pairs import pairs_step
from rnnensemble.benchmarking.programs import cache_in, compile_all
from rnnensemble.benchmarking.result import cells
from rnnensemble.benchmarking.rivals import torch_step
from rnnensemble.benchmarking.rows import Clock, Row, Step, run_steps
from rnnensemble.benchmarking.training import Case, flops, training_step

THREADS = 12
COMPILE_SHARE = 0.35
"""Of a command's time, at most, that is spent waiting for programs."""
CACHE = os.environ.get("JAX_COMPILATION_CACHE_DIR") or os.path.join(
    tempfile.gettempdir(), "rnnensemble-gpu-programs"
)
"""Kept between commands, so that a second one on a machine finds what the first has compiled."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        n_steps: Steps of a trial T.
        epoch_steps: Training steps of an epoch that is timed.
        kernel: Method of the fused kernel in checks.
        checked: Widths that are compared with float64.
        tiles: Widths, batches and the tiles of the scan to time, in order; then one fused row.
        shapes: Widths, batches and networks of precisions and rivals, the most telling first.
        trained: Networks that are trained to their threshold, at the first of the shapes.
        side: Of the matrices of the ceilings, None for the device's default.
        numbers: That the memory traffic is measured with.
        pairs: Networks that are compared at most, and the seconds of a timed comparison.
        sweep: File, preset and factors of the conditions, the most telling first.
        overhead: Seconds of a row beside what it times.
        flops: Operations a second that training reaches at least.
    """

    n_steps: int
    epoch_steps: int
    kernel: str
    checked: tuple[int, ...]
    tiles: tuple[tuple[int, int, tuple[int, ...], int], ...]
    shapes: tuple[tuple[int, int, int], ...]
    trained: int
    side: int | None
    numbers: int
    pairs: tuple[int, float]
    sweep: tuple[str, str | None, tuple[str, ...]]
    overhead: float
    flops: float


FULL = Scale(
    n_steps=100,
    epoch_steps=16,
    kernel="fused",
    checked=(32, 128),
    tiles=(
        (64, 64, (64, 512, 2048), 512),
        (128, 256, (64, 512), 512),
        (32, 32, (64, 512, 2048), 512),
    ),
    shapes=((64, 64, 1024), (128, 256, 256), (32, 32, 4096)),
    trained=1024,
    side=None,
    numbers=2**28,
    pairs=(512, 4.0),
    sweep=(
        "experiments/study/sweep.toml",
        "paper",
        (
            "gamma:flipflop",
            "channels:flipflop",
            "width:flipflop=32,64,256,512",
            "gamma:sine",
            "l1",
            "nuclear_norm",
            "channels",
            "gamma",
            "width",
        ),
    ),
    overhead=8.0,
    flops=5e12,
)
TINY = Scale(
    n_steps=10,
    epoch_steps=2,
    kernel="interpreted",
    checked=(16,),
    tiles=((16, 16, (1, 2), 2),),
    shapes=((16, 16, 4),),
    trained=4,
    side=64,
    numbers=2**16,
    pairs=(8, 0.2),
    sweep=("experiments/tiny/sweep.toml", None, ("rate",)),
    overhead=2.0,
    flops=1e9,
)


class Plan:
    """The rows of both commands."""

    def __init__(self, scale: Scale, mesh: Mesh, clock: Clock) -> None:
        self.scale, self.mesh, self.clock = scale, mesh, clock

    def train(self, width: int, batch: int, size: int, **how: object) -> Step:
        """A row of training: `tile`, `precision` and `fused` as in `Case`."""
        scale = self.scale
        case = Case(width, batch, scale.n_steps, size, epoch_steps=scale.epoch_steps, **how)  # pyright: ignore[reportArgumentType]
        least = 0.012  # of a step, for the launches of its kernels
        step = max(least, size * flops(width, batch, scale.n_steps) / scale.flops)
        expected = scale.overhead + 4 * scale.epoch_steps * step
        return training_step(case, self.mesh, self.clock, expected=expected)

    def check(self) -> tuple[list[Step], list[Step]]:
        """What `check` does while programs compile, and what it does afterwards."""
        scale = self.scale
        first = [gpu_steps.environment_step(), *self.conditions(TINY.sweep, expected=30.0)[:1]]
        cases = [
            Exact(width, method, precision, scale.n_steps)
            for width in scale.checked
            for method in ("scan", scale.kernel)
            for precision in ("float32", "tf32")
        ]
        timed = [check_step(case, scale.overhead / 2) for case in cases]
        for width, batch, tiles, fused in scale.tiles:
            timed += [self.train(width, batch, tile, tile=tile) for tile in tiles]
            timed.append(self.train(width, batch, fused, tile=fused, fused=True))
        return first, timed

    def measure(self) -> tuple[list[Step], list[Step]]:
        """The same of `measure`."""
        scale, mesh, clock, found = self.scale, self.mesh, self.clock, {}
        threshold = gpu_steps.threshold_step(
            scale.shapes[0], scale.n_steps, scale.trained, mesh, clock, expected=8 * scale.overhead
        )
        steps = [threshold, self.torch(scale.shapes[0], "float32"), self.vmap(scale.shapes[0])]
        for shape in scale.shapes:
            steps.append(self.train(*shape))
            steps += [self.train(*shape, precision=name) for name in ("tf32", "bfloat16")]
        steps += [self.torch(shape, "float32") for shape in scale.shapes[1:]]
        most, seconds = scale.pairs
        steps += [
            pairs_step(metric, mesh, clock, most=most, seconds=seconds) for metric in ("dsa", "pif")
        ]
        steps += [
            product_step(mesh, found, precision, scale.side)
            for precision in ("float32", "tf32", "bfloat16")
        ]
        steps += [traffic_step(mesh, found, scale.numbers), self.torch(scale.shapes[0], "tf32")]
        return [gpu_steps.environment_step()], steps + self.conditions(scale.sweep)

    def torch(self, shape: tuple[int, int, int], precision: str) -> Step:
        """A row of PyTorch's loop, on the same device."""
        gpu = self.mesh.devices.flat[0].platform == "gpu"
        sizes = (*shape[:2], self.scale.n_steps)
        device = "cuda" if gpu else "cpu"
        expected = 20.0 if gpu else 6.0
        return torch_step(
            "loop", sizes, self.clock, device=device, precision=precision, expected=expected
        )

    def vmap(self, shape: tuple[int, int, int]) -> Step:
        """A row of what a JAX user writes first."""
        expected = 3 * self.scale.overhead
        return gpu_steps.vmap_step(shape, self.scale.n_steps, self.scale.epoch_steps, expected)

    def conditions(
        self, sweep: tuple[str, str | None, tuple[str, ...]], expected: float | None = None
    ) -> list[Step]:
        """Rows of conditions, one for each group that trains as one population."""
        file, preset, factors = sweep
        text = (ROOT / file).read_text()
        return gpu_steps.condition_steps(
            text, preset, factors, self.mesh, self.clock, expected=expected
        )


def run(command: str, scale: Scale, folder: Path, seconds: float) -> dict:
    """Runs the rows of `check` or `measure`, and writes what there is after each."""
    clock, rows = Clock(seconds), []
    folder.mkdir(parents=True, exist_ok=True)
    mesh = runtime.network_mesh()
    result = {
        "command": command,
        "machine": machine.describe(),
        "date": time.strftime("%Y-%m-%d"),
        "tiny": scale is TINY,
        "compile_failed": [],
        "rows": rows,
    }

    def report(row: Row) -> None:
        rows.append(row.as_dict())
        text = json.dumps({**result, "seconds": round(clock.spent(), 1)}, indent=1)
        (folder / f"{command}.json").write_text(text + "\n")
        shown = " | ".join(cell for cell in cells(row) if cell)
        print(f"{clock.spent():6.1f} s  {shown}  {row.details or ''}", flush=True)

    first, timed = getattr(Plan(scale, mesh, clock), command)()
    with cache_in(CACHE):
        waiting = _compiling(timed, result["compile_failed"], COMPILE_SHARE * seconds)
        run_steps(first, clock=clock, report=report)
        waiting()
        print(f"{clock.spent():6.1f} s  compiled", flush=True)
        run_steps(timed, clock=clock, report=report)
    return result


def _compiling(steps: list[Step], failed: list[str], seconds: float) -> Callable[[], None]:
    """Starts to compile the programs of all rows; returns what waits until they are ready."""
    prepare = [step.prepare for step in steps if step.prepare is not None]
    threads = min(THREADS, os.cpu_count() or 1)

    def compile_them() -> None:
        failed.extend(compile_all(prepare, threads=threads, seconds=seconds))

    thread = threading.Thread(target=compile_them, daemon=True)
    thread.start()
    return thread.join


def main() -> None:
    """Runs a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("check", "measure", "report"))
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.command == "report":
        print(gpu_report.write(options.folder))
        return
    rnne.use_all_cores()
    seconds = options.seconds or {"check": 220.0, "measure": 380.0}[options.command]
    scale = TINY if options.tiny else FULL
    result = run(options.command, scale, options.folder[0], seconds)
    print(gpu_report.summary(result), flush=True)
    wrong = gpu_report.wrong(result)
    sys.stderr.flush()
    os._exit(1 if wrong else 0)  # threads that still compile must not hold the machine


if __name__ == "__main__":
    main()
