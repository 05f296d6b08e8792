"""What a researcher would use instead: PyTorch, in a process of its own."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rnnensemble.study.benchmarking.ceilings import Ceilings
from rnnensemble.study.benchmarking.rows import Clock, OutOfTimeError, Row, Step
from rnnensemble.study.benchmarking.training import flops

SCRIPT = Path(__file__).with_name("torch_loop.py")
NETWORKS = 5
"""Trained one after another; the first one does not count."""
LEAST_STEP_SECONDS = 4e-3
"""Of a training step of PyTorch, about."""
EXPECTED_SHARE = 0.1
"""Of the rate of products that PyTorch's loop reaches, about."""
START_SECONDS = 6.0
"""To load PyTorch and to start."""
MOST_TIMES = 6
"""A process that takes so many times as long as expected is stopped."""
NAMES = {
    "loop": "PyTorch nn.RNN, one after another",
    "processes": "PyTorch nn.RNN, a process on each core",
}


MISSING = "PyTorch is not installed"


def is_installed() -> bool:
    """Whether this interpreter has PyTorch; it is not loaded."""
    return importlib.util.find_spec("torch") is not None


def torch_step(
    form: str,
    shape: tuple[int, int, int],
    clock: Clock,
    *,
    device: str = "cpu",
    precision: str = "float32",
    ceilings: Callable[[], Ceilings | None] = lambda: None,
    expected: float | None = None,
) -> Step:
    """A row of kind `rival`, of PyTorch on `cpu` or `cuda`.

    The form is `loop`, to which alone device and precision (`float32` or `tf32`) matter, or
    `processes` for one single-threaded process on each core. `ceilings` gives what was measured,
    once the row starts; `expected` are its seconds, where a plan knows better.
    """

    def step_seconds() -> float:
        known = ceilings()
        if known is None:
            return 3 * LEAST_STEP_SECONDS
        return LEAST_STEP_SECONDS + flops(*shape) / (EXPECTED_SHARE * known.flops)

    def epoch_steps() -> int:
        return int(np.clip(0.4 / step_seconds(), 2, 200))

    def measure() -> dict[str, Any]:
        if not is_installed():
            return {"problem": MISSING}
        how = ("processes",) if form == "processes" else (device, precision)
        arguments = (*shape, NETWORKS, epoch_steps(), *how)
        most = MOST_TIMES * (START_SECONDS + NETWORKS * epoch_steps() * step_seconds())
        return {"speed": run_script(arguments, min(clock.left(), most))}

    width, batch, n_steps = shape
    row = Row(
        kind="rival", name=NAMES[form], width=width, batch=batch, steps=n_steps, precision=precision
    )
    if not is_installed():
        return Step(row, lambda: 0.0, measure)
    known = START_SECONDS + NETWORKS * 0.4
    return Step(row, lambda: expected or known + 10 * step_seconds(), measure)


def run_script(arguments: tuple, seconds: float) -> float:
    """What `torch_loop.py` measures, in a process of its own.

    OutOfTimeError if it takes longer than these seconds, RuntimeError if it fails.
    """
    command = [sys.executable, "-P", str(SCRIPT), *map(str, arguments)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=max(seconds, 1.0), check=False
        )
    except subprocess.TimeoutExpired:
        raise OutOfTimeError(f"PyTorch was stopped after {seconds:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(f"PyTorch ended with status {done.returncode}: {lines[-1]}")
    return float(done.stdout)
