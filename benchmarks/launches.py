"""How many kernels a training step launches on an H100, counted on a machine without a GPU.

    python benchmarks/launches.py --cuda cudasite                   count all, then write the page
    python benchmarks/launches.py --cuda cudasite --only NAME ...   count some again
    python benchmarks/launches.py --cuda cudasite --explain NAME    one line for each kernel
    python benchmarks/launches.py --list                            the names
    python benchmarks/launches.py --report                          write the page from the last run

XLA compiles for a GPU without one if it is given NVIDIA's compiler and a description of the device
(benchmarks/reference/h100.txtpb). Both come in an environment of their own, with Python 3.12:

    python3.12 -m venv v
    v/bin/pip install jax==0.11.2 --editable .
    v/bin/pip install --no-deps --target cudasite jax-cuda13-plugin==0.11.2 \
        jax-cuda13-pjrt==0.11.2 nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-runtime     # 730 MB
    v/bin/python benchmarks/launches.py --cuda cudasite

A row is one step of one tile at T = 100: the body of the loop over the steps of an epoch, in the
program that `slots.advance` runs. That loop is found by its number of steps, a prime. What an
epoch launches before and after its steps is not counted. XLA runs without autotuning, which needs
a GPU, so a real GPU may choose other kernels for products; their number hardly changes.

launches_report.py says what these counts would allow: estimates, not measurements.

Writes benchmarks/results/launches.json after every row, and docs/performance.md between its
markers.
"""

import argparse
import datetime
import json
import os
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

from documents import replace_part
from launches_report import report

ROOT = Path(__file__).parent.parent
WORKERS = ROOT / "benchmarks" / "workers"
RESULTS = ROOT / "benchmarks" / "results" / "launches.json"
LEAST_WORK = 2**22
"""Networks x trials x units of a tile, at least."""
TASKS = {
    "flipflop": ("flipflop", ()),
    "delayed_discrimination": ("delayed_discrimination", ()),
    "sine": ("sine", ()),
    "path_integration": ("path_integration", ()),
    "path_integration_3d": ("path_integration", (("dimensions", 3),)),
    "context_integration": ("context_integration", ()),
    "memory_pro": ("memory_pro", ()),
    "lorenz96": ("lorenz96", ()),
}
"""Names of rows, and tasks with what is not their default."""
OPEN = ("lorenz96",)
"""Tasks whose trials have no closed form: listed without a target."""
MOST = {"scan": 600, "fused": 45, "gated": 900}
"""Targets: launches of a step at most."""


class Row(NamedTuple):
    """One program; static values alone, so that reports need no JAX."""

    task: str = "flipflop"
    task_options: tuple[tuple[str, Any], ...] = ()
    network: str = "vanilla"
    width: int = 64
    batch: int = 64
    steps: int = 100
    precision: str = "float32"
    fused: bool = False
    penalties: tuple[str, ...] = ()
    deflated: bool = False
    sampling: bool = False
    target: int | None = None

    @property
    def tile(self) -> int:
        """The smallest power of two that gives a GPU enough to do."""
        return max(1, 1 << (-(-LEAST_WORK // (self.batch * self.width)) - 1).bit_length())


def make_rows() -> dict[str, Row]:
    """All rows by name."""
    rows = {
        "scan": Row(target=MOST["scan"]),
        "scan (128, 256)": Row(width=128, batch=256),
        "scan (32, 32)": Row(width=32, batch=32),
        "scan tf32": Row(precision="tf32"),
        "scan bfloat16": Row(precision="bfloat16"),
        "scan nuclear_norm": Row(penalties=("nuclear_norm",)),
        "scan l1": Row(penalties=("l1",)),
        "scan deflation": Row(deflated=True),
        "scan mup": Row(network="mup"),
        "scan gru": Row(network="gru", target=MOST["gated"]),
        "scan lstm": Row(network="lstm"),
    }
    for name, (task, options) in TASKS.items():
        aim = None if name in OPEN else MOST["fused"]
        row = Row(task, options, fused=True, target=aim)
        wide = row._replace(width=128, batch=256)
        rows[f"fused {name}"] = row
        rows[f"fused {name} (128, 256)"] = wide
        rows[f"fused mup {name}"] = row._replace(network="mup")
        if name == "flipflop":
            rows[f"fused mup {name} (128, 256)"] = wide._replace(network="mup")
        rows[f"sampling {name}"] = Row(task, options, sampling=True)
    kind = ("scan", "fused", "sampling")
    return dict(sorted(rows.items(), key=lambda item: kind.index(item[0].partition(" ")[0])))


ROWS = make_rows()


def prepare(cuda: Path) -> None:
    """Sets what XLA reads when JAX is imported; nothing may have imported it yet."""
    if "jax" in sys.modules:
        raise RuntimeError("JAX was imported before its environment was set.")
    toolkit = cuda / "nvidia" / "cu13"
    if not toolkit.exists():
        raise SystemExit(f"`--cuda` has no nvidia/cu13; see {Path(__file__).name}'s docstring.")
    flags = (
        f"--xla_gpu_cuda_data_dir={toolkit}",
        "--xla_gpu_enable_cub_radix_sort=false",  # which would ask a driver
    )
    os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *flags))
    os.environ["PATH"] = os.pathsep.join((str(toolkit / "bin"), os.environ["PATH"]))
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.path[:0] = [str(ROOT), str(WORKERS)]


def list_kernels(row: Row, text: str) -> list:
    """The kernels of a row: of one step of training, or of the whole program."""
    import h100
    import kernels

    return kernels.kernels(text, loop=None if row.sampling else h100.EPOCH_STEPS)


def measure(row: Row, mesh: Any) -> dict:
    """What is written about a row."""
    import h100
    import kernels

    program, seconds = h100.compile_row(row, mesh)
    text, task = program.as_text(), h100.make_settings(row).task
    listed = list_kernels(row, text)
    parts: dict[str, int] = {}
    for kernel in listed:
        parts[kernel.part] = parts.get(kernel.part, 0) + kernel.times
    return {
        **row._asdict(),
        "tile": row.tile,
        "inputs": task.n_inputs,
        "outputs": task.n_outputs,
        "launches": kernels.launches(listed),
        "open_loops": kernels.open_loops(text),
        "parts": dict(sorted(parts.items(), key=lambda item: -item[1])),
        "compile_seconds": round(seconds, 1),
        "temporary_bytes": program.memory_analysis().temp_size_in_bytes,
        "date": datetime.date.today().isoformat(),
    }


def explain(row: Row, mesh: Any) -> None:
    """Prints one line for each kernel of a row."""
    import h100

    program, _ = h100.compile_row(row, mesh)
    listed = list_kernels(row, program.as_text())
    for kernel in listed:
        lines = ", ".join(kernel.lines[:6])
        primitive = kernel.operation_name.rpartition("body/eval_jaxpr/")[2]
        what = f"{kernel.times:4d} x {kernel.part:10s} {kernel.name} {kernel.shape}"
        print(f"{what}  op_name: {primitive or 'none'}  from: {lines or 'none'}")
    print(f"{sum(kernel.times for kernel in listed)} launches, {len(listed)} of them different")


def count(names: list[str], cuda: Path) -> dict:
    """Counts rows and writes them one by one."""
    import h100
    import machine

    mesh = h100.make_mesh(str(cuda))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    packages = distributions(path=[str(cuda)])
    results["machine"] = machine.describe()
    results["versions"] = dict(sorted((p.metadata["Name"], p.version) for p in packages))
    for name in names:
        found = measure(ROWS[name], mesh)
        rows = results["rows"] | {name: found}
        results["rows"] = {each: rows[each] for each in ROWS if each in rows}
        results["date"] = found["date"]
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name:40s} {found['launches']:6,d} {found['parts']}", flush=True)
    return results


def main() -> None:
    """Counts, explains or reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuda", type=Path, help="folder with JAX's CUDA plugin")
    parser.add_argument("--only", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="NAME")
    parser.add_argument("--explain", choices=list(ROWS), metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    if given.list:
        print("\n".join(ROWS))
        return
    if not given.report:
        if given.cuda is None:
            parser.error("give --cuda, or --report or --list")
        cuda = given.cuda.resolve()
        prepare(cuda)
        if given.explain:
            import h100

            explain(ROWS[given.explain], h100.make_mesh(str(cuda)))
            return
        count(given.only, cuda)
    results = json.loads(RESULTS.read_text())
    replace_part(ROOT / "docs" / "performance.md", "launches", report(results))


if __name__ == "__main__":
    main()
