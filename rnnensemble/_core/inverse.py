"""The inverse of positive definite matrices, in products alone."""

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array

LEAST_BLOCK = 16
"""Matrices up to this size are inverted by sweeps; larger ones by halves, in products."""


def inverse(matrix: Array) -> Array:
    """The inverse of a positive definite matrix `[N, N]`, without a factorization.

        [A B; B^T D]^-1 = [A^-1 + F S^-1 F^T, -F S^-1; -S^-1 F^T, S^-1],
        F = A^-1 B,   S = D - B^T F

    By hand: JAX's solvers call LAPACK, whose batched calls on several CPU devices wait for each
    other forever (docs/architecture.md); products may run on all of them at once.
    """
    size = len(matrix)
    if size <= LEAST_BLOCK:
        return _swept(matrix)
    half = size // 2
    top, side, bottom = matrix[:half, :half], matrix[:half, half:], matrix[half:, half:]
    top = inverse(top)
    factor = _product(top, side)
    bottom = inverse(bottom - _product(side.T, factor))
    corner = -_product(factor, bottom)
    top = top - _product(corner, factor.T)
    return jnp.block([[top, corner], [corner.T, bottom]])


def _swept(matrix: Array) -> Array:
    """The inverse by N sweeps, rank-one updates of all entries without a pivot search."""
    index = jnp.arange(len(matrix))

    def sweep(k: Array, a: Array) -> Array:
        row = a[k]
        scaled = row / row[k]
        here = index == k
        swept = a - row[:, None] * scaled[None, :]
        swept = jnp.where(here[None, :], scaled[:, None], swept)
        swept = jnp.where(here[:, None], scaled[None, :], swept)
        return jnp.where(here[:, None] & here[None, :], -1 / row[k], swept)

    return -jax.lax.fori_loop(0, len(matrix), sweep, matrix)


def _product(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, precision="highest")
