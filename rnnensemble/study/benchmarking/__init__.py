"""How fast this machine trains and compares networks: `benchmark`, and what it is made of."""

from rnnensemble.study.benchmarking.measure import Benchmark, benchmark
from rnnensemble.study.benchmarking.rows import Row

__all__ = ["Benchmark", "Row", "benchmark"]
