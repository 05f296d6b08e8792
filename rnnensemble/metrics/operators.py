"""Linear operators of delay-embedded activity: dynamic mode decomposition, with inputs too."""

from typing import NamedTuple

import jax.numpy as jnp

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array
from rnnensemble._core.products import summed_products
from rnnensemble._core.units import unit_of
from rnnensemble.metrics.activity import ROUNDING, above_rounding, principal_components, with_ties
from rnnensemble.metrics.masks import together

COORDINATES = 64
"""Sums over trials are taken in at least so many coordinates of an embedding, or in all it has."""


class Sums(NamedTuple):
    """What is summed over the trials of one embedding; its size does not depend on their number.

    The rows are summed in coordinates z that the first trials have whitened: so float32 resolves
    directions of little variance as well as those of much.

    Attributes:
        basis: Directions of the coordinates divided by `scale`, `[p, m]`.
        scale: Singular values of the first trials, `[m]`; 0 for directions within their rounding.
        rows: Z^T Z of all rows, `[m, m]`.
        gram: Z-^T Z-, over the steps inside each trial but the last.
        cross: Z-^T Z+, of each step with the next.
        square: Sum of the squares of all entries of all rows, in `unit`.
        unit: What entries are divided by before they are squared, a power of two.
    """

    basis: Array
    scale: Array
    rows: Array
    gram: Array
    cross: Array
    square: Array
    unit: Array


class Moments(NamedTuple):
    """What all operators of one embedding are fitted from; those of lower rank are corners of it.

    Attributes:
        gram: V-^T V-, `[r, r]`, over the steps inside each trial but the last.
        cross: V-^T V+, `[r, r]`, of each step with the next.
        scale: The largest singular values of the embedding, `[r]`; 0 for those within rounding.
        square: The sum of the squares of all its singular values, in `unit`.
        unit: A power of two.
        basis: Directions of the whitened coordinates divided by their singular values, `[p, r]`.
    """

    gram: Array
    cross: Array
    scale: Array
    square: Array
    unit: Array
    basis: Array


def delay_embedding(
    rates: Array,
    n_delays: int,
    interval: int,
    rows: Array | None = None,
    valid: Array | None = None,
) -> Array:
    """Rows [x_t, x_{t - interval}, ...], newest first: `[B, T, N]` to `[B, T', N n_delays]`.

    `rows` names the oldest steps of those that are wanted, `[T']`; None for all. `valid` says which
    steps count, `[B, T]`: rows with others are zeros, which add nothing to sums of products.
    """
    lag = (n_delays - 1) * interval
    ages = [lag - d * interval for d in range(n_delays)]  # from the oldest step on
    if rows is None:
        steps = rates.shape[1] - lag
        parts = [rates[:, age:][:, :steps] for age in ages]
    else:
        parts = [rates[:, rows + age] for age in ages]
    embedded = jnp.concatenate(parts, axis=-1)
    return embedded if valid is None else embedded * together(valid, lag + 1)[..., None]


def in_turn(rows: Array, pairs: Array | None = None, *, later: int = 1) -> tuple[Array, Array]:
    """Rows `[B, T, m]` that another follows in their trial, `later` rows on, and these: `[P, m]`.

    With `pairs` all rows are as one trial, and these are the places of the former, `[P]`.
    """
    steps, size = rows.shape[1:]
    if pairs is None:
        before, after = rows[:, : steps - later], rows[:, later:]
    else:
        before, after = rows[:, pairs], rows[:, pairs + later]
    return before.reshape(-1, size), after.reshape(-1, size)


def begin(embedded: Array, rank: int) -> Sums:
    """Sums of no rows yet, in coordinates, `rank` at least, found from first trials `[B, T, p]`.

    Directions in which the first trials do not move, within rounding, are no part of them.
    """
    rows = embedded.reshape(-1, embedded.shape[-1])
    triangle = factorization.triangle(rows)  # same singular values and V as rows, much smaller
    _, scale, directions = factorization.svd(triangle)
    size = min(len(scale), max(COORDINATES, 4 * rank))
    scale, directions = scale[:size], directions[:size]
    there = above_rounding(scale)
    scale = jnp.where(there, scale, 0.0)
    basis = directions.T * jnp.where(there, 1 / jnp.where(there, scale, 1.0), 0.0)
    nothing = jnp.zeros((size, size), rows.dtype)
    unit = unit_of(rows)
    return Sums(basis, scale, nothing, nothing, nothing, jnp.zeros((), rows.dtype), unit)


def add(
    sums: Sums, embedded: Array, pairs: Array | None = None, weights: Array | None = None
) -> Sums:
    """The sums with the rows `[B, T, p]` of further trials; zeros where a row does not count.

    `pairs` are as for `in_turn`; `weights`, zeros and ones `[B, T - 1]`, say which rows and their
    next ones count as pairs, None for all.
    """
    z = embedded @ sums.basis
    before, after = in_turn(z, pairs)
    before = before if weights is None else before * weights.reshape(-1, 1)
    gram = summed_products(before, before)
    if weights is not None:
        every = z.reshape(-1, z.shape[-1])
        rows = summed_products(every, every)
    elif pairs is None:
        rows = gram + summed_products(z[:, -1], z[:, -1])
    else:
        rows = summed_products(z[0], z[0])
    return sums._replace(
        rows=sums.rows + rows,
        gram=sums.gram + gram,
        cross=sums.cross + summed_products(before, after),
        square=sums.square + jnp.sum((embedded / sums.unit) ** 2),
    )


def finished(sums: Sums, rank: int) -> Moments:
    """Moments of the rows that were added, in the coordinates that whiten them all.

    H = U S V^T stacks all rows; the first `rank` columns of U are the coordinates. Their signs
    follow those of the first trials, which are arbitrary. Where the embedding has more coordinates
    than were summed, U is that of the rows' part inside these.
    """
    there = sums.scale > 0
    rows = jnp.where(there[:, None] & there[None], sums.rows, jnp.eye(len(there)))
    # of equal diagonal, or directions that grew after the first trials would swallow the others
    size = jnp.sqrt(jnp.maximum(jnp.diag(rows), jnp.finfo(rows.dtype).tiny))
    squares, axes = factorization.eigh(rows / (size[:, None] * size))
    root = jnp.sqrt(jnp.maximum(squares, 0.0))[:, None] * axes.T  # below 0 by rounding alone
    _, scale, turn = factorization.svd(root * (size * sums.scale))  # of all rows, their directions
    largest = jnp.take_along_axis(turn, jnp.argmax(jnp.abs(turn), axis=1)[:, None], axis=1)
    turn = turn * jnp.where(largest < 0, -1.0, 1.0)  # signs are those of the first trials' own
    scale, turn = scale[:rank], turn[:rank].T
    kept = above_rounding(scale)
    scale = jnp.where(kept, scale, 0.0)
    change = sums.scale[:, None] * turn * jnp.where(kept, 1 / jnp.where(kept, scale, 1.0), 0.0)
    gram, cross = (change.T @ x @ change for x in (sums.gram, sums.cross))
    return Moments(gram, cross, scale, sums.square, sums.unit, sums.basis @ change)


def moments(embedded: Array, rank: int, weights: Array | None = None) -> Moments:
    """Whitens the rows of all trials, `[B, T, p]`, and sums their products; `weights` as `add`."""
    return finished(add(begin(embedded, rank), embedded, weights=weights), rank)


def kept_coordinates(
    found: Moments, rank: int, explained_variance: float | None, threshold: float | None
) -> Array:
    """Which of the first `rank` coordinates an operator uses, bool `[rank]`; at least one.

    Those within the rounding of the largest are never used; ties within rounding are used together.

    Args:
        found: Moments at `rank` or more.
        rank: The most coordinates.
        explained_variance: Keeps as few as explain at least this share of the sum of squares.
        threshold: Keeps those with singular values above it.
    """
    scale = found.scale[:rank]
    there = kept = scale > 0
    if explained_variance is not None:
        share = jnp.cumsum((scale / found.unit) ** 2) / found.square
        kept &= jnp.concatenate([jnp.zeros(1), share])[:rank] < explained_variance
        kept = there & with_ties(kept, scale)
    if threshold is not None:
        kept &= scale > threshold * (1 + ROUNDING * jnp.finfo(scale.dtype).eps)
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
    gram = gram + ridge * jnp.eye(rank)
    transposed = factorization.solve(gram, cross)
    if regression_rank is not None:
        leading = _leading_predictions(gram, cross)[:regression_rank]
        transposed = transposed @ leading.T @ leading
    return transposed.T


def _leading_predictions(gram: Array, cross: Array) -> Array:
    """Directions that V+^T V- gram^-1 V-^T V+ has eigenvectors along, as rows, the largest first.

    By the singular vectors of gram^-1/2 V-^T V+, of which that is the square: squared, rounding
    would hide directions of a thousandth of the largest. Those within rounding are zeros.
    """
    squares, axes = factorization.eigh(gram)
    there = above_rounding(squares[::-1])[::-1]
    root = jnp.where(there, 1 / jnp.sqrt(jnp.where(there, squares, 1.0)), 0.0)
    _, scale, directions = factorization.svd(root[:, None] * (axes.T @ cross))
    return jnp.where(above_rounding(scale)[:, None], directions, 0.0)


def driven_operator(
    embedded: Array, inputs: Array, *, rank: int, ridge: float, pairs: Array | None = None
) -> tuple[Array, Array]:
    """State and input operators of v_{t+1} = A v_t + B u_t (DMD with control; Proctor 2016).

    Least squares over steps inside each trial. The coordinates v are whitened to a mean square
    of 1, so that B does not depend on the number of samples. Directions of v and u together whose
    size is within the rounding of the largest (inputs that depend on one another) are left out.

    Args:
        embedded: Rows of every trial, `[B, T, p]`.
        inputs: The input that takes each row to the next, `[B, T, I]`.
        rank: Number of coordinates r.
        ridge: Added to the mean squares of the normal equations.
        pairs: As for `in_turn`.

    Returns:
        A, `[r, r]`, and B, `[r, I]`.
    """
    samples = embedded.shape[0] * embedded.shape[1]
    whitened = embedded @ moments(embedded, rank).basis * samples**0.5
    rows, _ = in_turn(jnp.concatenate([whitened, inputs], axis=-1), pairs)
    _, after = in_turn(whitened, pairs)
    basis, scale, axes = principal_components(rows / len(rows) ** 0.5)
    kept = above_rounding(scale)
    gain = jnp.where(kept, scale / (jnp.where(kept, scale**2, 1.0) + ridge), 0.0)
    joint = (axes.T @ (gain[:, None] * (basis.T @ after)) / len(rows) ** 0.5).T
    return joint[:, :rank], joint[:, rank:]
