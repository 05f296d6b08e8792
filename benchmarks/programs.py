"""What comparing populations of other sizes costs once one has been compared: compiled programs.

    python benchmarks/programs.py NAME

In a process of its own, without programs on disk, DSA under the default grid and PIF compare
16, 15 and 12 networks in turn. Writes seconds of each under NAME into
benchmarks/results/programs.json; with PYTHONPATH another version of the package is measured.
"""

import datetime
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np

from rnnensemble import PIF, distance_matrix
from rnnensemble._core import runtime
from rnnensemble.analysis.dsa_grid import dsa_grid

RESULTS = Path(__file__).parent / "results" / "programs.json"
SIZES = (16, 15, 12)


def main(name: str) -> None:
    """Measures and writes."""
    runtime.use_all_cores()
    jax.config.update("jax_enable_compilation_cache", False)
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(max(SIZES), 16, 50, 32)).cumsum(axis=2).astype(np.float32)
    weights = rng.normal(size=(max(SIZES), 32, 32))
    seconds = {}
    for size in SIZES:
        started = time.perf_counter()
        dsa_grid(activity[:size])
        distance_matrix(PIF(), weights[:size])
        seconds[size] = round(time.perf_counter() - started, 2)
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found[name] = {
        "date": datetime.date.today().isoformat(),
        "machine": runtime.describe(),
        "seconds": seconds,
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
