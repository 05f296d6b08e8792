"""Factorizations of one matrix that `vmap` may map over on every device.

On several CPU devices a batched call of LAPACK deadlocks: it waits for threads that the other
devices' calls hold. So under `vmap` these are one call after another on a CPU, and batched
elsewhere. All code that is mapped over networks or pairs takes its factorizations from here.
"""

import math
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.platforms import by_platform

LARGE = 2**16
"""Entries of a matrix from which NVIDIA GPUs decompose one after another as well: JAX gives cuBLAS
many at once, whose batches are for small ones (50 of `[6400, 1280]` took 57 s on an H100)."""


def one_by_one_on_cpu(
    function: Callable[..., Any], *, large: float = math.inf
) -> Callable[..., Any]:
    """The function, whose mapped calls are a loop on CPUs, and of large matrices on GPUs too."""
    in_turn = jax.custom_batching.sequential_vmap(function)

    @wraps(function)
    def mapped(*args: Array) -> Any:
        on_gpu = {"cuda": in_turn} if args[0].size > large else {}
        return by_platform(*args, cpu=in_turn, **on_gpu, default=function)

    return mapped


@partial(one_by_one_on_cpu, large=LARGE)
def qr(rows: Array) -> tuple[Array, Array]:
    """Q `[M, n]` and R `[n, N]` of rows `[M, N]`, n the lesser of both."""
    q, r = jnp.linalg.qr(rows)
    return q, r


@partial(one_by_one_on_cpu, large=LARGE)
def triangle(rows: Array) -> Array:
    """R alone, `[n, N]`: it has the singular values and right singular vectors of rows."""
    return jnp.linalg.qr(rows, mode="r")


@one_by_one_on_cpu
def svd(matrix: Array) -> tuple[Array, Array, Array]:
    """U `[M, n]`, singular values `[n]` from the largest down and V^T `[n, N]`."""
    return tuple(jnp.linalg.svd(matrix, full_matrices=False))


@one_by_one_on_cpu
def eigh(symmetric: Array) -> tuple[Array, Array]:
    """Rising eigenvalues `[n]` and eigenvectors as columns `[n, n]`."""
    return tuple(jnp.linalg.eigh(symmetric))


@one_by_one_on_cpu
def eigvalsh(hermitian: Array) -> Array:
    """Rising eigenvalues, `[n]`."""
    return jnp.linalg.eigvalsh(hermitian)


@one_by_one_on_cpu
def eigenvalues(matrix: Array) -> Array:
    """Eigenvalues of a real matrix as real and imaginary parts, `[n, 2]`."""
    values = jnp.linalg.eigvals(matrix)
    return jnp.stack([values.real, values.imag], axis=-1)


@cache
def with_eigenvalues() -> tuple[str, ...]:
    """Platforms that this JAX can take `eigenvalues` on: it lowers them, or says that it cannot."""

    def has(platform: str) -> bool:
        traced = jax.jit(jnp.linalg.eigvals).trace(jax.ShapeDtypeStruct((2, 2), jnp.float32))
        try:
            traced.lower(lowering_platforms=(platform,))
        except NotImplementedError:
            return False
        return True

    return tuple(filter(has, ("cpu", "cuda", "rocm", "tpu")))


@one_by_one_on_cpu
def determinant(matrix: Array) -> Array:
    """A scalar."""
    return jnp.linalg.det(matrix)


@one_by_one_on_cpu
def solve(matrix: Array, right: Array) -> Array:
    """matrix^-1 right, `[n, m]`."""
    return jnp.linalg.solve(matrix, right)


def orthogonal(key: Key, size: int) -> Array:
    """A random orthogonal matrix `[size, size]`, that of `jax.random.orthogonal`."""
    return one_by_one_on_cpu(partial(_orthogonal, size=size))(key)


def _orthogonal(key: Key, *, size: int) -> Array:
    return jax.random.orthogonal(key, size)
