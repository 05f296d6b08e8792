"""What flax's own cells call their weights, which others have by the names of `Network.weights`."""

from typing import NamedTuple

import jax.numpy as jnp

from rnnensemble._core.axes import Array


class Names(NamedTuple):
    """Where a cell keeps its layers, gate by gate or several gates in one.

    Recurrent ones are of products with the hidden state, the others of those with the inputs.
    """

    recurrent: tuple[str, ...]
    inputs: tuple[str, ...]


_IFGO = Names(("hi", "hf", "hg", "ho"), ("ii", "if", "ig", "io"))
KNOWN: dict[str, Names] = {
    "flax.nnx:GRUCell": Names(("dense_h",), ("dense_i",)),
    "flax.nnx:OptimizedLSTMCell": Names(("dense_h",), ("dense_i",)),
    "flax.nnx:LSTMCell": Names(_IFGO.recurrent, ("ii", "if_", "ig", "io")),
    "flax.nnx:SimpleCell": Names(("dense_h",), ("dense_i",)),
    "flax.linen:GRUCell": Names(("hr", "hz", "hn"), ("ir", "iz", "in")),
    "flax.linen:MGUCell": Names(("hf", "hn"), ("if", "in")),
    "flax.linen:OptimizedLSTMCell": _IFGO,
    "flax.linen:LSTMCell": _IFGO,
    "flax.linen:SimpleCell": Names(("h",), ("i",)),
}
"""Cells whose weights are known."""


def stacked(cell: dict[str, Array], names: Names, width: int) -> dict[str, Array]:
    """Weights by the names of `Network.weights`: kernels transposed, gates along an axis."""

    def rows(layers: tuple[str, ...], what: str) -> list[Array]:
        found = (cell.get(f"{layer}.{what}") for layer in layers)
        return [x if what == "bias" else jnp.swapaxes(x, -1, -2) for x in found if x is not None]

    def by_gate(parts: list[Array], axis: int) -> Array:
        whole = jnp.concatenate(parts, axis=axis)
        place = whole.ndim + axis
        if whole.shape[place] == width:  # one matrix, as those of a vanilla network
            return whole
        return whole.reshape(*whole.shape[:place], -1, width, *whole.shape[place + 1 :])

    found = {
        "recurrent_weights": by_gate(rows(names.recurrent, "kernel"), -2),
        "input_weights": by_gate(rows(names.inputs, "kernel"), -2),
    }
    biases = rows(names.recurrent, "bias") + rows(names.inputs, "bias")
    zero = jnp.zeros_like(biases[0][..., :width])
    return found | {"bias": by_gate(biases, -1), "initial_state": zero}


def cut(path: str, cell: dict[str, Array], kept: Array) -> dict[str, Array]:
    """A cell's parameters without the recurrent weights where `kept` `[..., N, N]` is 0.

    ValueError if it is no cell whose weights are known.
    """
    if path not in KNOWN:
        raise ValueError(
            f"`cell` {path!r} does not say what its recurrent weights are; to cut them, subclass "
            "FlaxRNN with a method `cut` of its own."
        )
    found, rows = dict(cell), jnp.swapaxes(kept, -1, -2)  # kernels are transposed
    for name in (f"{layer}.kernel" for layer in KNOWN[path].recurrent):
        gates = cell[name].shape[-1] // kept.shape[-1]
        every = jnp.concatenate([rows] * gates, axis=-1)
        found[name] = jnp.where(every != 0, cell[name], 0.0)
    return found
