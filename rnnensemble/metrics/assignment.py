"""Linear assignment on the device: exact by shortest augmenting paths, soft by Sinkhorn."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array

LEAST_EXPONENT = -60.0
"""Weights below e^-60 of a row's largest count as that: products of two stay above underflow."""
SHARPNESSES, ROUNDS = (10.0, 30.0, 100.0), 15
"""Sinkhorn before an exact assignment: its prices leave few rows to augment (of 128 rows of FAQ's
slopes 4 to 8, from zero prices 44 to 93)."""


def assignment(gain: Array) -> Array:
    """The permutation p `[n]` that maximizes the sum of gain[i, p[i]], of finite gains `[n, n]`.

    Shortest augmenting paths: with prices v_j and profits u_i = max_j (gain_ij - v_j), rows take
    the column that they want most; each row that lost its column to another then augments along
    the path of least slack u_i + v_j - gain_ij. Prices start from Sinkhorn's, near the optimal
    ones. Ties and constant matrices are fine. By hand: scipy's form runs on the host alone, and
    optax's `hungarian_algorithm` takes ten times as long (16 matrices of 64 or 128 on a CPU).

    Source: Jonker and Volgenant (1987); Crouse (2016).
    """
    n = len(gain)
    columns = jnp.arange(n)
    prices = _sinkhorn_prices(gain)
    net = gain - prices
    profits = net.max(1)
    wanted = first_true(net == profits[:, None])
    owner = jnp.full(n, n).at[wanted].min(columns)
    taken = jnp.where(owner[wanted] == columns, wanted, n)
    start = _Duals(gain, profits, prices, owner, taken, jnp.asarray(0))
    unfinished = lambda d: jnp.any(d.taken == n) & (d.augmented < n)  # noqa: E731
    return jax.lax.while_loop(unfinished, _augment, start).taken


def first_true(mask: Array) -> Array:
    """Index of the first True along the last axis, its length if none; quicker than argmax."""
    n = mask.shape[-1]
    return jnp.min(jnp.where(mask, jnp.arange(n), n), axis=-1)


def sinkhorn(weights: Array, rounds: int) -> tuple[Array, Array]:
    """Scales rows, then columns of positive weights to sum to 1, r_i w_ij c_j; these and c."""
    columns = _balanced_columns(weights, rounds)
    rows = _inverse(weights @ columns)
    columns = _inverse(rows @ weights)
    return rows[:, None] * weights * columns, columns


def spread(gain: Array) -> Array:
    """Standard deviation of the entries, above 0: sharpness counts in its inverse."""
    return jnp.maximum(jnp.std(gain), 1e-30)


def _balanced_columns(weights: Array, rounds: int) -> Array:
    def balance(columns: Array, _: None) -> tuple[Array, None]:
        return _inverse(_inverse(weights @ columns) @ weights), None

    return jax.lax.scan(balance, jnp.ones(len(weights)), None, length=rounds)[0]


def _inverse(x: Array) -> Array:
    return 1 / jnp.maximum(x, 1e-30)


def _sinkhorn_prices(gain: Array) -> Array:
    """Prices of a softened assignment, which grows sharper."""
    size = spread(gain)

    def sharpen(prices: Array, sharpness: Array) -> tuple[Array, None]:
        net = gain - prices
        exponents = (net - net.max(1, keepdims=True)) * (sharpness / size)
        columns = _balanced_columns(jnp.exp(jnp.maximum(exponents, LEAST_EXPONENT)), ROUNDS)
        return prices - jnp.log(columns) * (size / sharpness), None

    return jax.lax.scan(sharpen, jnp.zeros(len(gain)), jnp.asarray(SHARPNESSES))[0]


class _Duals(NamedTuple):
    """A partial assignment and the duals that prove it optimal; n stands for none."""

    gain: Array
    profits: Array
    prices: Array
    owner: Array
    taken: Array
    augmented: Array


class _Search(NamedTuple):
    """Least slack to each column from one row; columns are closed in the order of it."""

    slack: Array
    is_open: Array
    before: Array
    row: Array
    reach: Array
    column: Array
    steps: Array


def _augment(duals: _Duals) -> _Duals:
    """Assigns the first row that has no column."""
    n = len(duals.gain)
    root = first_true(duals.taken == n)
    found = _search(duals, root)
    rise = jnp.where(found.is_open, 0.0, found.reach - found.slack)
    closed_owners = jnp.where(found.is_open, n, duals.owner)
    profits = duals.profits.at[root].add(-found.reach)
    profits = profits.at[closed_owners].add(-rise, mode="drop")

    def turn(path: tuple[Array, ...]) -> tuple[Array, ...]:
        owner, taken, column, _, steps = path
        row = found.before[column]
        return owner.at[column].set(row), taken.at[row].set(column), taken[row], row, steps + 1

    path = (duals.owner, duals.taken, found.column, jnp.asarray(n), jnp.asarray(0))
    going = lambda path: (path[3] != root) & (path[4] < n)  # noqa: E731
    owner, taken, *_ = jax.lax.while_loop(going, turn, path)
    return _Duals(duals.gain, profits, duals.prices + rise, owner, taken, duals.augmented + 1)


def _search(duals: _Duals, root: Array) -> _Search:
    """Closes columns, nearest first, until one is free (Dijkstra, all columns at once)."""
    n = len(duals.gain)
    columns = jnp.arange(n)

    def close_nearest(at: _Search) -> _Search:
        through = at.reach + duals.profits[at.row] + duals.prices - duals.gain[at.row]
        closer = (through < at.slack) & at.is_open
        slack = jnp.where(closer, through, at.slack)
        before = jnp.where(closer, at.row, at.before)
        reached = jnp.where(at.is_open, slack, jnp.inf)
        reach = reached.min()
        # among equally near columns a free one ends the search
        order = jnp.where(duals.owner == n, columns, columns + n)
        column = jnp.min(jnp.where(reached == reach, order, 2 * n)) % n
        is_open = at.is_open.at[column].set(False)
        return _Search(slack, is_open, before, duals.owner[column], reach, column, at.steps + 1)

    begin = _Search(
        slack=jnp.full(n, jnp.inf),
        is_open=jnp.ones(n, bool),
        before=jnp.full(n, n),
        row=root,
        reach=jnp.asarray(0.0),
        column=jnp.asarray(0),
        steps=jnp.asarray(0),
    )
    unfinished = lambda at: (at.row < n) & (at.steps < n)  # noqa: E731
    return jax.lax.while_loop(unfinished, close_nearest, begin)
