"""What this machine can do with all cores busy: matrix products and memory traffic."""

import json
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

import rnnensemble as rnne
from rnnensemble import mapping, runtime
from rnnensemble.networks.cell import PRODUCTS

NUMBERS = 32 * 1024**2
REPEATS = 20


def seconds(function: Callable, *args: jax.Array) -> float:
    """The fastest of ten calls."""
    jax.block_until_ready(function(*args))
    times = []
    for _ in range(10):
        started = time.perf_counter()
        jax.block_until_ready(function(*args))
        times.append(time.perf_counter() - started)
    return min(times)


def measure(precision: str = "float32", side: int = 1024) -> dict[str, float]:
    """GFLOP/s of large products and GB/s of reading and writing large arrays, on all devices."""
    mesh = runtime.network_mesh()

    def spread(function: Callable) -> Callable:
        return jax.jit(lambda x: mapping.map_items(function, x, mesh=mesh, tile=1))

    matrices = jax.random.normal(jax.random.key(0), (mesh.size, side, side))
    product = spread(lambda x, _: PRODUCTS[precision](x, x))
    flops = 2 * side**3 * mesh.size / seconds(product, matrices)

    def pass_over(rows: jax.Array, _: tuple) -> jax.Array:
        return jax.lax.fori_loop(0, REPEATS, lambda _, rows: -rows, rows)

    rows = jnp.ones((mesh.size, NUMBERS))
    traffic = 2 * rows.nbytes * REPEATS / seconds(spread(pass_over), rows)
    return {"gflops": flops / 1e9, "gigabytes_per_second": traffic / 1e9}


if __name__ == "__main__":
    rnne.use_all_cores()
    print(json.dumps(measure()))
