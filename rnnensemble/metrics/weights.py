"""Weights as PIF compares them: prepared, aligned, bounded."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble._core.units import unit_of
from rnnensemble.metrics.matching import Problem, Vertex, largest_possible

AXES = {
    "recurrent_weights": "NN",
    "input_weights": "NI",
    "bias": "N",
    "readout_weights": "ON",
    "initial_state": "N",
}
"""The last axes of a network's parameters, which carry units."""
GATED = ("recurrent_weights", "input_weights", "bias")
"""What may have an axis of gates before these."""


class Weights(NamedTuple):
    """What two networks are matched by.

    Attributes:
        recurrent: W, `[N, N]`, or `[G, N, N]` where units have a matrix for each of G gates.
        others: All other parameters by unit, U, `[N, F]`; F = 0 for recurrent weights alone.
        rows: Off-diagonal entries of each row of W, sorted (by size if signed), `[N, N - 1]`, or
            `[N, G (N - 1)]`, sorted gate by gate.
        columns: The same of each column.
        still: What no matching moves, `[Q]`; Q = 0 unless some units keep their places.
    """

    recurrent: Array
    others: Array
    rows: Array
    columns: Array
    still: Array


def check_parameters(shape: Any) -> None:
    """Raises ValueError unless these are the shapes of all parameters of one network."""
    names = shape.keys() if isinstance(shape, dict) else set()
    if not set(AXES) - {"initial_state"} <= names <= set(AXES):
        raise ValueError(
            f"`data` must be a dictionary of {', '.join(AXES)} (the last may be left out) for "
            f"`parameters` = 'all'; got {', '.join(names) or shape}."
        )
    widths = shape["recurrent_weights"][-1:]
    for name, axes in AXES.items():
        got = tuple(shape.get(name, widths))
        most = len(axes) + (name in GATED)
        ends = got[-len(axes) :]
        units = {size for size, axis in zip(ends, axes, strict=False) if axis == "N"}
        if not len(axes) <= len(got) <= most or units != set(widths):
            n = "".join(f" with N = {width}" for width in widths)
            raise ValueError(f"`{name}` must be [{', '.join(axes)}]{n}; got {got}.")


def in_one_unit(first: Weights, second: Weights) -> tuple[Weights, Weights, Array]:
    """Both networks in a unit in which their squares are numbers, and this unit."""
    compared = (first.recurrent, first.others, first.still)
    unit = unit_of(*compared, second.recurrent, second.others, second.still)
    one, other = (jax.tree.map(lambda x: x / unit, each) for each in (first, second))
    return one, other, unit


def as_problem(first: Weights, second: Weights) -> Problem:
    """The quadratic assignment problem of two networks."""
    return Problem(first.recurrent, second.recurrent, first.others @ second.others.T)


def distance(first: Weights, second: Weights, vertex: Vertex) -> Array:
    """The distance of two networks when matched so."""
    recurrent = first.recurrent - vertex.both(second.recurrent)
    others = first.others - vertex.rows(second.others)
    apart = jnp.sum(recurrent**2) + jnp.sum(others**2)
    return jnp.sqrt(apart + jnp.sum((first.still - second.still) ** 2))


def other_parameters(data: dict[str, Array]) -> Array:
    """All parameters but the recurrent weights, by unit, `[N, F]`."""
    inputs, readout = jnp.asarray(data["input_weights"]), jnp.asarray(data["readout_weights"]).T
    inputs = inputs if inputs.ndim == 2 else jnp.hstack(list(inputs))
    vectors = [jnp.asarray(data[name]).T for name in ("bias", "initial_state") if name in data]
    return jnp.column_stack([inputs, readout, *vectors]).astype(jnp.float32)


def parted(recurrent: Array, others: Array, fixed: int) -> tuple[Array, Array, Array]:
    """What is matched by units that are free to be renumbered, where the first ones are not.

    Squares add up over blocks of W: those between free units are a smaller W, those between a free
    unit and one that keeps its place are parameters that the free one carries, and those between
    two that keep their places are compared entry by entry.

    Args:
        recurrent: W, `[N, N]` or `[G, N, N]`.
        others: All other parameters by unit, `[N, F]`.
        fixed: R, how many of the first units keep their places.

    Returns:
        W and U of the N - R others, `[N - R, N - R]` and `[N - R, 2 R + F]` (with 2 G R of gates),
        and what is compared in place.
    """
    if not fixed:
        return recurrent, others, jnp.zeros(0, jnp.float32)
    gates = recurrent if recurrent.ndim == 3 else recurrent[None]
    between = [part for w in gates for part in (w[fixed:, :fixed], w[:fixed, fixed:].T)]
    still = jnp.concatenate([gates[:, :fixed, :fixed].ravel(), others[:fixed].ravel()])
    moved = jnp.hstack([others[fixed:], *between])
    return recurrent[..., fixed:, fixed:], moved, still


def sorted_rows(matrix: Array) -> Array:
    """Off-diagonal entries of each row, rising, `[N, N - 1]`; gates side by side."""
    if matrix.ndim == 3:
        return jnp.hstack(list(jax.vmap(sorted_rows)(matrix)))
    return jnp.sort(jnp.where(jnp.eye(len(matrix), dtype=bool), jnp.inf, matrix), axis=1)[:, :-1]


def _diagonals(first: Array, second: Array) -> Array:
    """The products of all diagonal entries of two networks, summed over gates, `[N, N]`."""
    if first.ndim == 3:
        return jnp.sum(jax.vmap(_diagonals)(first, second), axis=0)
    return jnp.outer(jnp.diag(first), jnp.diag(second))


def lower_bound(first: Weights, second: Weights, *, signed: bool) -> Array:
    """A bound that no matching comes below."""
    u1, u2 = first.others, second.others
    linear = u1 @ u2.T
    diagonal = _diagonals(first.recurrent, second.recurrent)
    # a sign leaves the diagonal as it is
    linear = diagonal + (jnp.abs(linear) if signed else linear)
    pairs = (first.rows, second.rows), (first.columns, second.columns)
    sizes = sum(jnp.sum(x**2) for each in (first, second) for x in each[:2])
    square = sizes - 2 * largest_possible(linear, *pairs)
    moved = jnp.maximum(square - 1e-5 * sizes, 0.0)  # less what rounding may have added
    return jnp.sqrt(moved + jnp.sum((first.still - second.still) ** 2))
