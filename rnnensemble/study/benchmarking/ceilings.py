"""What this machine can do with all devices busy: matrix products and memory traffic."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from rnnensemble._core import mapping
from rnnensemble.networks.cell import PRODUCTS
from rnnensemble.study.benchmarking.rows import Row, Step

NUMBERS = 32 * 1024**2
"""Numbers that a device reads and writes: far more than a cache holds."""
REPEATS = 20
CALLS, CALL_SECONDS = (3, 10), 1.5
"""Least and most calls that are timed, and the seconds after which no more are."""
EXPECTED_SECONDS = 4.0
PRODUCTS_NAME, TRAFFIC_NAME = "matrix products", "memory traffic"
SIDES = {"cpu": 1024}
"""Rows of the matrices that are multiplied, by platform; more elsewhere, to fill the chip."""


class Ceilings(NamedTuple):
    """What no training can exceed: FLOP/s of large products, bytes/s of large arrays."""

    flops: float
    traffic: float


def product_rate(mesh: Mesh, precision: str = "float32", side: int | None = None) -> float:
    """Operations a second of large matrix products on all devices."""
    side = side or SIDES.get(mesh.devices.flat[0].platform, 8192)
    matrices = jax.random.normal(jax.random.key(0), (mesh.size, side, side))
    product = _spread(lambda x, _: PRODUCTS[precision](x, x), mesh)
    return 2 * side**3 * mesh.size / fastest(product, matrices)


def traffic_rate(mesh: Mesh, numbers: int = NUMBERS) -> float:
    """Bytes a second read and written on all devices."""

    def pass_over(rows: jax.Array, _: tuple) -> jax.Array:
        return jax.lax.fori_loop(0, REPEATS, lambda _, rows: -rows, rows)

    rows = jnp.ones((mesh.size, numbers))
    return 2 * rows.nbytes * REPEATS / fastest(_spread(pass_over, mesh), rows)


def product_step(
    mesh: Mesh, found: dict[str, float], precision: str = "float32", side: int | None = None
) -> Step:
    """A row of kind `ceiling`: matrix products; those in float32 go into `found`, as `flops`."""

    def measure() -> dict[str, Any]:
        rate = product_rate(mesh, precision, side)
        if precision == "float32":
            found["flops"] = rate
        return {"speed": rate}

    row = Row(kind="ceiling", name=PRODUCTS_NAME, precision=precision)
    return Step(row, lambda: EXPECTED_SECONDS, measure)


def traffic_step(mesh: Mesh, found: dict[str, float], numbers: int = NUMBERS) -> Step:
    """A row of kind `ceiling`: memory traffic, which goes into `found`, as `traffic`."""

    def measure() -> dict[str, Any]:
        found["traffic"] = traffic_rate(mesh, numbers)
        return {"speed": found["traffic"]}

    row = Row(kind="ceiling", name=TRAFFIC_NAME)
    return Step(row, lambda: EXPECTED_SECONDS, measure)


def _spread(function: Callable, mesh: Mesh) -> Callable:
    return jax.jit(lambda x: mapping.map_items(function, x, mesh=mesh, tile=1))


def fastest(function: Callable, *args: jax.Array) -> float:
    """Seconds of the fastest call."""
    jax.block_until_ready(function(*args))
    least, most = CALLS
    times: list[float] = []
    while len(times) < least or (len(times) < most and sum(times) < CALL_SECONDS):
        started = time.perf_counter()
        jax.block_until_ready(function(*args))
        times.append(time.perf_counter() - started)
    return min(times)
