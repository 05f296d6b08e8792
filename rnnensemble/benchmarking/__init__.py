"""How fast this machine trains and compares networks: `benchmark`, and what it is made of."""

from rnnensemble.benchmarking.measure import Benchmark, benchmark
from rnnensemble.benchmarking.rows import Row

__all__ = ["Benchmark", "Row", "benchmark"]
