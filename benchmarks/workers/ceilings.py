"""What this machine can do with all cores busy: matrix products and memory traffic."""

import json

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.study.benchmarking.ceilings import product_rate, traffic_rate

if __name__ == "__main__":
    rnne.use_all_cores()
    mesh = runtime.network_mesh()
    rates = {"gflops": product_rate(mesh), "gigabytes_per_second": traffic_rate(mesh)}
    print(json.dumps({name: rate / 1e9 for name, rate in rates.items()}))
