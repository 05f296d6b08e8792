"""How fast training is, against what else there is and against what the machine can do.

    python benchmarks/throughput.py [--torch PYTHON]    measure, then write the report
    python benchmarks/throughput.py --only PART ...     measure parts again
    python benchmarks/throughput.py --report            write the report from the last results

Every number comes from a process of its own (benchmarks/workers/, or the package's torch_loop.py),
alternatives in turn, medians of rounds and of the ratios within them. Results, by jax version and
processor: benchmarks/results/throughput.json. Report: docs/performance.md between its markers, and
docs/figures/performance.svg.
`--torch` names an interpreter that has PyTorch, if this one has not.
"""

import argparse
import datetime
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from report import RIVALS, write_report

from rnnensemble.study.benchmarking.training import flops

ROOT = Path(__file__).parent.parent
WORKERS = ROOT / "benchmarks" / "workers"
PACKAGE = ROOT / "rnnensemble" / "study" / "benchmarking"
RESULTS = ROOT / "benchmarks" / "results" / "throughput.json"
ROUNDS = 3
SHAPES = [(128, 256, 4, 4), (64, 64, 8, 24), (32, 32, 16, 64)]
"""Width N, batch B, networks K and steps an epoch of the comparison; T = 100."""
SCRIPTS = dict.fromkeys(("pytorch_processes", "pytorch_loop"), PACKAGE / "torch_loop.py")
"""Workers that the package holds."""


def worker(name: str, *arguments: object, python: str = sys.executable) -> tuple[str, int]:
    """What a worker printed, and the most resident memory that it took, in bytes."""
    script = SCRIPTS.get(name, WORKERS / f"{name}.py")
    command = [python, str(script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    print(name, *arguments, printed.strip(), flush=True)
    return printed, usage.ru_maxrss * 1024


def speed(*arguments: object, name: str = "ours", python: str = sys.executable) -> float:
    """Net-steps a second of a worker."""
    return float(worker(name, *arguments, python=python)[0])


def comparison(torch: str | None) -> list[dict]:
    """Ours and what else there is, in turn."""
    rows = []
    for width, batch, size, epoch_steps in SHAPES:
        row: dict = {"width": width, "batch": batch, "ours": []}
        for _ in range(ROUNDS):
            row["ours"].append(speed(width, batch, 100, size, epoch_steps))
            for name in RIVALS:
                python = sys.executable if name == "plain_vmap" else torch
                if python:
                    shape = (width, batch, 100, size, epoch_steps)
                    how = ("processes",) if name == "pytorch_processes" else ()
                    found = speed(*shape, *how, name=name, python=python)
                    row.setdefault(name, []).append(found)
        rows.append(row)
    return rows


def gated(torch: str | None) -> dict[str, list[float]]:
    """Net-steps a second of the GRU at (64, 64), and of PyTorch's, in turn."""
    width, batch, size, epoch_steps = SHAPES[1]
    shape, found = (width, batch, 100, size, epoch_steps), {"ours": [], "pytorch_processes": []}
    for _ in range(ROUNDS if torch else 0):
        found["ours"].append(speed(*shape, "gru"))
        how = {"name": "pytorch_processes", "python": torch}
        found["pytorch_processes"].append(speed(*shape, "processes", "gru", **how))
    return found


def measured(
    width: int, batch: int, n_steps: int, size: int, epoch_steps: int, *layout: object
) -> dict:
    """One training of ours: its shape and net-steps a second."""
    found = speed(width, batch, n_steps, size, epoch_steps, *layout)
    shape = {"N": width, "B": batch, "T": n_steps, "K": size}
    return {**shape, "layout": layout, "speed": found}


def sizes() -> list[dict]:
    """Net-steps a second against K; what the target compares, in rounds."""
    rows = []
    for turn in range(ROUNDS):
        for size in (1, 2, 4, 16, 64, 256, 1024, 4096):
            if turn == 0 or size in (16, 1024):
                rows.append(measured(32, 32, 100, size, int(np.clip(8192 / size, 8, 128))))
    return rows


def sweeps() -> dict[str, list[dict]]:
    """Net-steps a second against N, B, T and the layout."""

    def row(width: int, batch: int, n_steps: int, size: int = 8, *layout: object) -> dict:
        steps = 1.5e11 / flops(width, batch, n_steps) / size  # an epoch of about a second
        return measured(width, batch, n_steps, size, int(np.clip(steps, 2, 128)), *layout)

    return {
        "N": [row(n, 64, 100) for n in (16, 32, 64, 128, 256, 512)],
        "B": [row(64, b, 100) for b in (8, 32, 128, 512)],
        "T": [row(64, 64, t) for t in (25, 100, 400)],
        "layout": [
            row(n, b, 100, 16, *layout)
            for n, b, *_ in SHAPES
            for layout in ((1,), (1, "whole"), (1, "together"), (2,), (8,))
        ],
    }


def starts() -> dict[str, dict]:
    """Seconds from process start to the first step of every preset, cold and with a cache."""
    found = {}
    for path in sorted((ROOT / "experiments").glob("*.toml")):
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = (
                json.loads(worker("first_step", path, cache, time.time())[0]) for _ in range(2)
            )
            found[path.stem] = {"cold": cold, "warm": warm}
    return found


def parts() -> list[dict]:
    """Milliseconds of the parts of a net-step."""
    return [{"width": n, "batch": b, **json.loads(worker("parts", n, b)[0])} for n, b, *_ in SHAPES]


def memory() -> dict[str, int]:
    """Most resident memory by number of networks."""
    return {str(size): worker("ours", 128, 64, 100, size, 1)[1] for size in (4, 1000)}


def measures_with(torch: str | None) -> dict[str, Callable]:
    """How to measure what the report shows, by name."""
    return {
        "ceilings": lambda: json.loads(worker("ceilings")[0]),
        "comparison": lambda: comparison(torch),
        "gated": lambda: gated(torch),
        "parts": parts,
        "sizes": sizes,
        "sweeps": sweeps,
        "starts": starts,
        "memory": memory,
        "waste": lambda: json.loads(worker("waste")[0]),
        "ceilings_after": lambda: json.loads(worker("ceilings")[0]),
    }


def main() -> None:
    """Measures, or only reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    has_torch = importlib.util.find_spec("torch") is not None
    parser.add_argument("--torch", default=sys.executable if has_torch else None)
    parser.add_argument("--report", action="store_true")
    parser.add_argument(
        "--only", nargs="+", choices=measures_with(None), help="measure these again"
    )
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not options.report:
        measures = measures_with(options.torch)
        machine = json.loads(worker("machine")[0])
        run = f"jax {machine['jax']} on {machine['processor']}"
        before = results.pop(run, {})  # what was measured last is printed
        kept = before if options.only else {}
        found = {**kept, "machine": machine, "date": datetime.date.today().isoformat()}
        results[run] = found
        for name in options.only or measures:
            found[name] = measures[name]()
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")  # a later part may fail
    print(write_report(results))


if __name__ == "__main__":
    main()
