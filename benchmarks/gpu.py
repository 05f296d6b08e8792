"""What a GPU decides, in commands that fit into a quarter of an hour on a bare machine.

    python benchmarks/gpu.py check FOLDER [--seconds 220] [--tiny]
    python benchmarks/gpu.py measure FOLDER [--seconds 380] [--tiny]
    python benchmarks/gpu.py profile FOLDER [--seconds 180] [--tiny]
    python benchmarks/gpu.py report FOLDER ...

`check` compares scan and kernel with float64 and times the tiles that decide the default one.
`measure` trains 1,024 networks to their threshold, times what else there is, precisions, distances
and ceilings, and runs as many conditions of the study's preset `paper` as the time holds. `profile`
shows which kernels a training step's time goes to, and other forms of the fused kernel. All three
compile in threads first, write FOLDER/check.json (measure.json, profile.json) after every row,
start no row that would not end in time, go on after a row that fails or kills the process, and end
with status 1 if something is wrong. `report` turns the files into benchmarks/results/gpu.json and a
part of docs/performance.md. Needs jax, flax, optax, scipy, threadpoolctl and NumPy, for some rows
PyTorch. `--tiny` tests all of it on a CPU in less than two minutes.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "workers")]
# PyTorch and JAX share the card: JAX takes what it needs, and never all
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.85")

import gpu_profile
import gpu_report
import gpu_steps
import machine
from gpu_scale import FULL, TINY, Scale
from jax.sharding import Mesh

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.networks.fused import Form
from rnnensemble.study.benchmarking.ceilings import product_step, traffic_step
from rnnensemble.study.benchmarking.exactness import Case as Exact
from rnnensemble.study.benchmarking.exactness import check_step
from rnnensemble.study.benchmarking.pairs import pairs_step
from rnnensemble.study.benchmarking.programs import cache_in, compile_all
from rnnensemble.study.benchmarking.result import cells
from rnnensemble.study.benchmarking.rivals import torch_step
from rnnensemble.study.benchmarking.rows import Clock, Row, Step, run_steps
from rnnensemble.study.benchmarking.training import Case, flops, training_step

SECONDS = {"check": 220.0, "measure": 380.0, "profile": 180.0}
"""The commands, and how long they take at most unless told otherwise."""
THREADS = 12
ATTEMPTS, LEAST_SECONDS = 5, 20.0
"""How often a command starts a process, and the seconds that one needs at least."""
POISON, POISONED = ("CUDA_ERROR", "illegal memory access", "unspecified launch failure"), 77
"""Errors after which a process can no longer use the card, and the status that it ends with."""
GRACE_SECONDS = 10.0
"""How long a row may outlast the time before its process is stopped."""
AHEAD = 3
"""Groups of conditions whose programs are compiled ahead; the others come too seldom."""
COMPILE_SHARE = 0.35
"""Of a command's time, at most, that is spent waiting for programs."""
CACHE = os.environ.get("JAX_COMPILATION_CACHE_DIR") or os.path.join(
    tempfile.gettempdir(), "rnnensemble-gpu-programs"
)
"""Kept between commands, so that a second one on a machine finds what the first has compiled."""


class Plan:
    """The rows of both commands."""

    def __init__(self, scale: Scale, mesh: Mesh, clock: Clock) -> None:
        self.scale, self.mesh, self.clock = scale, mesh, clock

    def train(self, width: int, batch: int, size: int, **how: object) -> Step:
        """A row of training: `tile`, `precision` and `fused` as in `Case`."""
        scale = self.scale
        case = Case(width, batch, scale.n_steps, size, epoch_steps=scale.epoch_steps, **how)  # pyright: ignore[reportArgumentType]
        least = 0.006  # of a step, for the launches of its kernels
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
            for precision in ("float32", "tf32", "bfloat16")
        ]
        timed = [check_step(case, scale.overhead / 2) for case in cases]
        for width, batch, tiles, scanned in scale.tiles:
            timed += [self.train(width, batch, tile, tile=tile) for tile in tiles]
            timed.append(self.train(width, batch, scanned, tile=scanned, fused=False))
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
            steps.append(self.train(*shape, precision="bfloat16", fused=False))
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

    def profile(self) -> tuple[list[Step], list[Step]]:
        """The same of `profile`."""
        scale = self.scale
        interpret = scale.kernel == "interpreted"
        steps = []
        for width, batch, size in scale.shapes:
            for fused in (True, False):
                case = Case(width, batch, scale.n_steps, size, fused=fused, epoch_steps=8)
                how = {"expected": 2 * scale.overhead}
                steps.append(gpu_profile.profile_step(case, self.mesh, self.clock, **how))
        for shape in scale.shapes:
            for form in scale.kernels[shape[0]]:
                how = {"interpret": interpret, "expected": scale.overhead}
                each = (shape, scale.n_steps, Form(*form))
                steps.append(gpu_profile.kernel_step(*each, **how))
        return [gpu_steps.environment_step()], steps

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
        steps = gpu_steps.condition_steps(
            text, preset, factors, self.mesh, self.clock, expected=expected
        )
        return steps[:AHEAD] + [step._replace(prepare=None) for step in steps[AHEAD:]]


def run(
    command: str, scale: Scale, folder: Path, seconds: float, *, again: bool, died: bool
) -> dict:
    """Runs the rows of `check` or `measure`, and writes what there is after each.

    Args:
        command: `check` or `measure`.
        scale: How large everything is.
        folder: Where the rows are written.
        seconds: The time that is left.
        again: Whether to go on after the rows that are there, without compiling ahead: if such a
            process dies, it died of the row that it had not written yet.
        died: Whether one did; that row is recorded and left out.
    """
    clock, file = Clock(seconds), folder / f"{command}.json"
    mesh = runtime.network_mesh()
    result = json.loads(file.read_text()) if again and file.exists() else _blank(command, scale)
    rows = result["rows"]

    def report(row: Row) -> None:
        rows.append(row.as_dict())
        file.write_text(json.dumps(result, indent=1) + "\n")
        shown = " | ".join(cell for cell in cells(row) if cell)
        print(f"{clock.spent():6.1f} s  {shown}  {row.details or ''}", flush=True)
        if any(word in row.problem for word in POISON):
            os._exit(POISONED)

    first, timed = getattr(Plan(scale, mesh, clock), command)()
    if died:
        row = (first + timed)[len(rows)].row
        report(dataclasses.replace(row, problem="failed: the process died of this row"))
    done = len(rows)
    with cache_in(CACHE):
        ahead = [] if again else timed
        waiting = _compiling(ahead, result["compile_failed"], COMPILE_SHARE * seconds)
        run_steps(first[done:], clock=clock, report=report)
        waiting()
        print(f"{clock.spent():6.1f} s  compiled", flush=True)
        run_steps(timed[max(0, done - len(first)) :], clock=clock, report=report)
    return result


def _blank(command: str, scale: Scale) -> dict:
    """What a command writes, without rows."""
    return {
        "command": command,
        "machine": machine.describe(),
        "date": time.strftime("%Y-%m-%d"),
        "tiny": scale is TINY,
        "compile_failed": [],
        "rows": [],
    }


def _compiling(steps: list[Step], failed: list[str], seconds: float) -> Callable[[], None]:
    """Starts to compile the programs of all rows; returns what waits until they are ready."""
    prepare = [step.prepare for step in steps if step.prepare is not None]
    threads = min(THREADS, os.cpu_count() or 1)

    def compile_them() -> None:
        failed.extend(compile_all(prepare, threads=threads, seconds=seconds))

    thread = threading.Thread(target=compile_them, daemon=True)
    thread.start()
    return thread.join


def supervise(command: str, folder: Path, seconds: float, tiny: bool) -> int:
    """Runs a command in a process of its own, again where that died, and says how it ended."""
    clock = Clock(seconds)
    folder.mkdir(parents=True, exist_ok=True)
    status, how = 1, "first"
    for _ in range(ATTEMPTS):
        flags = ["--seconds", str(clock.left()), "--process", how, *(["--tiny"] if tiny else [])]
        process = [sys.executable, __file__, command, str(folder), *flags]
        try:
            status = subprocess.call(process, timeout=max(clock.left(), 0.0) + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{clock.spent():6.1f} s  stopped: a row outlasted the time", flush=True)
            file = folder / f"{command}.json"
            return concluded(json.loads(file.read_text())) if file.exists() else 1
        if status >= 0 and status != POISONED:
            break
        print(f"{clock.spent():6.1f} s  a process ended with status {status}", flush=True)
        how = "died" if status < 0 and how != "first" else "again"
        if clock.left() < LEAST_SECONDS:
            break
    return abs(status)


def concluded(result: dict) -> int:
    """Prints what a command came to; the status that says whether something is wrong."""
    print(gpu_report.summary(result), flush=True)
    return 1 if gpu_report.wrong(result) else 0


def main() -> None:
    """Runs a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=(*SECONDS, "report"))
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--process", choices=("first", "again", "died"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.command == "report":
        print(gpu_report.write(options.folder))
        return
    folder = options.folder[0]
    seconds = options.seconds or SECONDS[options.command]
    if options.process is None:
        sys.exit(supervise(options.command, folder, seconds, options.tiny))
    rnne.use_all_cores()
    scale = TINY if options.tiny else FULL
    again, died = options.process != "first", options.process == "died"
    result = run(options.command, scale, folder, seconds, again=again, died=died)
    os._exit(concluded(result))  # threads that still compile must not hold it


if __name__ == "__main__":
    main()
