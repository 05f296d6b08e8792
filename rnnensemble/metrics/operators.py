"""Linear operators of delay-embedded activity: dynamic mode decomposition, with inputs too."""

from typing import NamedTuple

import jax.numpy as jnp

from rnnensemble import factorization
from rnnensemble.axes import Array
from rnnensemble.metrics.activity import centered, principal_components, samples


class Moments(NamedTuple):
    """What all operators of one embedding are fitted from; those of lower rank are corners of it.

    Attributes:
        gram: V-^T V-, `[r, r]`, over the steps inside each trial but the last.
        cross: V-^T V+, `[r, r]`, of each step with the next.
        scale: Singular values of the embedding, all of them, `[p]`.
        basis: Directions of the whitened coordinates divided by their singular values, `[p, r]`.
    """

    gram: Array
    cross: Array
    scale: Array
    basis: Array


def reduced(rates: Array, components: int) -> Array:
    """Centered rates `[B, T, N]` on their first principal components, `[B, T, components]`."""
    rows = centered(samples(rates))
    axes = principal_components(rows)[2][:components]
    return (rows @ axes.T).reshape(*rates.shape[:2], components)


def delay_embedding(rates: Array, n_delays: int, interval: int) -> Array:
    """Rows [x_t, x_{t - interval}, ...], newest first: `[B, T, N]` to `[B, T', N n_delays]`."""
    lag = (n_delays - 1) * interval
    steps = rates.shape[1] - lag
    parts = [rates[:, lag - d * interval :][:, :steps] for d in range(n_delays)]
    return jnp.concatenate(parts, axis=-1)


def moments(embedded: Array, rank: int) -> Moments:
    """Whitens the rows of all trials and sums their products.

    H = U S V^T stacks all rows; the first `rank` columns of U are the coordinates. Their basis
    is arbitrary up to signs.

    Args:
        embedded: Rows of every trial, `[B, T, p]`.
        rank: Number of coordinates r.
    """
    rows = embedded.reshape(-1, embedded.shape[-1])
    triangle = factorization.triangle(rows)  # same singular values and V as rows, much smaller
    _, scale, basis = factorization.svd(triangle)
    kept = jnp.maximum(scale[:rank], jnp.finfo(rows.dtype).eps * scale[0])
    basis = basis[:rank].T / kept
    whitened = embedded @ basis
    before, after = whitened[:, :-1].reshape(-1, rank), whitened[:, 1:].reshape(-1, rank)
    return Moments(before.T @ before, before.T @ after, scale, basis)


def kept_coordinates(
    scale: Array, rank: int, explained_variance: float | None, threshold: float | None
) -> Array:
    """Which of the first `rank` coordinates an operator uses, bool `[rank]`; at least one.

    Args:
        scale: Singular values of the embedding, `[p]`.
        rank: The most coordinates.
        explained_variance: Keeps as few as explain at least this share of the sum of squares.
        threshold: Keeps those with singular values above it.
    """
    kept = jnp.ones(rank, bool)
    if explained_variance is not None:
        share = jnp.cumsum(scale**2) / jnp.sum(scale**2)
        kept &= jnp.concatenate([jnp.zeros(1), share])[:rank] < explained_variance
    if threshold is not None:
        kept &= scale[:rank] > threshold
    return kept.at[0].set(True)


def one_step_operator(
    found: Moments, kept: Array, *, ridge: float, regression_rank: int | None = None
) -> Array:
    """The operator that best predicts the next step in whitened coordinates.

        A = [(V-^T V- + ridge I)^-1 V-^T V+]^T

    With a regression rank q the predictions are limited to the q directions P that they vary
    most along (reduced-rank regression): A^T P P^T with P the leading eigenvectors of
    V+^T V- (V-^T V- + ridge I)^-1 V-^T V+.

    Args:
        found: Moments at rank r or more.
        kept: Which coordinates to use, bool `[r]`; rows and columns of the others are 0.
        ridge: Regularization.
        regression_rank: q, None for r.

    Returns:
        A, `[r, r]`.
    """
    rank = len(kept)
    both = kept[:, None] & kept[None]
    gram = jnp.where(both, found.gram[:rank, :rank], jnp.eye(rank))
    cross = jnp.where(both, found.cross[:rank, :rank], 0.0)
    transposed = factorization.solve(gram + ridge * jnp.eye(rank), cross)
    if regression_rank is not None:
        leading = factorization.eigh(cross.T @ transposed)[1][:, -regression_rank:]
        transposed = transposed @ leading @ leading.T
    return transposed.T


def driven_operator(
    embedded: Array, inputs: Array, *, rank: int, ridge: float
) -> tuple[Array, Array]:
    """State and input operators of v_{t+1} = A v_t + B u_t (DMD with control; Proctor 2016).

    Least squares over steps inside each trial. The coordinates v are whitened to a mean square
    of 1, so that B does not depend on the number of samples.

    Args:
        embedded: Rows of every trial, `[B, T, p]`.
        inputs: The input that takes each row to the next, `[B, T, I]`.
        rank: Number of coordinates r.
        ridge: Added to the mean squares of the normal equations.

    Returns:
        A, `[r, r]`, and B, `[r, I]`.
    """
    samples = embedded.shape[0] * embedded.shape[1]
    whitened = embedded @ moments(embedded, rank).basis * samples**0.5
    rows = jnp.concatenate([whitened, inputs], axis=-1)[:, :-1]
    rows = rows.reshape(-1, rows.shape[-1])
    after = whitened[:, 1:].reshape(-1, rank)
    gram = rows.T @ rows / len(rows) + ridge * jnp.eye(rows.shape[1])
    joint = factorization.solve(gram, rows.T @ after / len(rows)).T
    return joint[:, :rank], joint[:, rank:]
