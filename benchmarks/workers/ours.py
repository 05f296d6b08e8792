"""This package: `train_population` on all cores.

    python ours.py WIDTH BATCH STEPS NETWORKS EPOCH_STEPS [TILE [whole | together]]
    python ours.py WIDTH BATCH STEPS NETWORKS EPOCH_STEPS gru

`whole` takes every batch at once, whatever the cache; `together` uses all cores as one device.
"""

import sys

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study.benchmarking.training import Case, net_steps_per_second

if __name__ == "__main__":
    if sys.argv[7:] != ["together"]:
        rnne.use_all_cores()
    if sys.argv[7:] == ["whole"]:
        runtime.cache_bytes = lambda mesh: float("inf")
    gated = sys.argv[6:] == ["gru"]
    numbers = sys.argv[1:6] if gated else sys.argv[1:7]
    width, batch, n_steps, size, epoch_steps, *tile = map(int, numbers)
    kind = "gru" if gated else "vanilla"
    case = Case(width, batch, n_steps, size, *tile, epoch_steps=epoch_steps, kind=kind)
    print(net_steps_per_second(case, runtime.network_mesh()))
