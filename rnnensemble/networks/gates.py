"""The recurrence of gated networks, GRU and LSTM, with a backward pass of its own.

The state is h, `[N]`, and for the LSTM c, `[N]`. A step takes the product W h of all gates' stacked
matrices, `[G N]`, and the drive U x + b, to the next state; what a cell does with them, and the
derivative of it, is elementwise.

As in `recurrence`, the gradient of each weight matrix is one product over all trials and steps, and
products with few inputs or outputs are sums inside the loops. The backward pass keeps the values
of the gates beside the states: to compute them again costs another product of each step.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from rnnensemble._core.axes import Array
from rnnensemble._core.platforms import by_platform
from rnnensemble.networks.cell import THIN, exact_product, thin_product
from rnnensemble.networks.recurrence import UNROLL

State = tuple[Array, ...]
"""h, `[..., N]`, then what else a cell remembers."""


class GatedParams(NamedTuple):
    """Weights of a gated network; its G gates stand in the order of `Gates`.

    Attributes:
        input_weights: U, `[G, N, I]`.
        recurrent_weights: W, `[G, N, N]`; row i of a gate holds what its unit i receives.
        bias: b, `[G, N]`.
        readout_weights: W_y, `[O, N]`.
        readout_bias: b_y, `[O]`.
    """

    input_weights: Array
    recurrent_weights: Array
    bias: Array
    readout_weights: Array
    readout_bias: Array


class Pulled(NamedTuple):
    """Gradients of products and drives, in the order of the gates.

    Attributes:
        product: Of the products W h, `[..., G N]`.
        drive: Of the drives of the last gate, `[..., N]`; None where it is that of the products,
            as of all other gates.
    """

    product: Array
    drive: Array | None = None


class Gates(NamedTuple):
    """What one kind of cell does at a step; static.

    Attributes:
        gates: Number of gates G.
        states: Number of arrays in its state.
        advance: From a state, the products and the drives of each gate, `[..., N]`, to the next
            state and what the backward pass keeps.
        pull: From what was kept, the state before and the gradient of the state after, to the
            gradients of products and drives and what of the state's gradient does not pass them.
        kept: Numbers of a unit that the backward pass keeps of a step.
    """

    gates: int
    states: int
    advance: Callable[[State, State, State], tuple[State, State]]
    pull: Callable[[State, State, State], tuple[Pulled, State]]
    kept: int


def _sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), by a function that a CPU vectorizes better (1e-7 from `jax.nn.sigmoid`)."""
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


def _joined(*parts: Array) -> Array:
    return jnp.concatenate(parts, axis=-1)


def _gru(state: State, products: State, drives: State) -> tuple[State, State]:
    (h,), pulled = state, products[2]
    reset, update = (_sigmoid(products[k] + drives[k]) for k in (0, 1))
    candidate = jnp.tanh(drives[2] + reset * pulled)
    return ((1 - update) * candidate + update * h,), (reset, update, candidate, pulled)


def _gru_bar(kept: State, before: State, bars: State) -> tuple[Pulled, State]:
    (h,), (bar,), (reset, update, candidate, pulled) = before, bars, kept
    drive = bar * (1 - update) * (1 - candidate**2)
    of_reset = drive * pulled * reset * (1 - reset)
    of_update = bar * (h - candidate) * update * (1 - update)
    return Pulled(_joined(of_reset, of_update, reset * drive), drive), (bar * update,)


def _lstm(state: State, products: State, drives: State) -> tuple[State, State]:
    _, c = state
    totals = [product + drive for product, drive in zip(products, drives, strict=True)]
    i, f, o = (_sigmoid(totals[k]) for k in (0, 1, 3))
    g = jnp.tanh(totals[2])
    c = f * c + i * g
    shown = jnp.tanh(c)
    return (o * shown, c), (i, f, g, o, shown)


def _lstm_bar(kept: State, before: State, bars: State) -> tuple[Pulled, State]:
    (i, f, g, o, shown), (_, c), (h_bar, c_bar) = kept, before, bars
    c_bar = c_bar + h_bar * o * (1 - shown**2)
    of_gates = (
        c_bar * g * i * (1 - i),
        c_bar * c * f * (1 - f),
        c_bar * i * (1 - g**2),
        h_bar * shown * o * (1 - o),
    )
    return Pulled(_joined(*of_gates)), (jnp.zeros_like(h_bar), c_bar * f)


GATES: dict[str, Gates] = {
    "gru": Gates(gates=3, states=1, advance=_gru, pull=_gru_bar, kept=5),
    "lstm": Gates(gates=4, states=2, advance=_lstm, pull=_lstm_bar, kept=7),
}
"""Cells by name: reset, update and candidate of the GRU; i, f, g and o of the LSTM."""


def step(cell: str, params: GatedParams, state: State, inputs: Array) -> State:
    """One step, from states `[..., N]` under inputs `[..., I]`."""
    wide, gates = _wide(params), GATES[cell]
    product = exact_product(state[0], wide.recurrent_weights.T)
    drive = exact_product(inputs, wide.input_weights.T) + wide.bias
    return gates.advance(state, _parts(product, gates), _parts(drive, gates))[0]


def respond(cell: str, params: GatedParams, inputs: Array) -> tuple[State, Array]:
    """Runs one network on inputs `[T, B, I]`, from a state of zeros.

    Returns:
        The states of steps 1 ... T, each `[T, B, N]`, and outputs y, `[T, B, O]`.
    """
    return _respond(cell, params, inputs)


def _parts(x: Array, gates: Gates) -> State:
    """`[..., G N]` by gate, each `[..., N]`."""
    return tuple(jnp.split(x, gates.gates, axis=-1))


def _drives(inputs: Array, weights: Array, bias: Array, gates: Gates) -> State:
    """The drives of each gate, `[B, N]`, by weights `[I, G N]`.

    Sums of few inputs are taken gate by gate: a CPU does not vectorize what is cut from them after.
    """
    if len(weights) > THIN:
        return _parts(exact_product(inputs, weights) + bias, gates)
    both = zip(_parts(weights, gates), _parts(bias, gates), strict=True)
    return tuple(thin_product(inputs, of_gate) + b for of_gate, b in both)


def _wide(params: GatedParams) -> GatedParams:
    """The gates' weights one below the other: `[G N, I]`, `[G N, N]` and `[G N]`."""
    u, w, b = params[:3]
    return params._replace(
        input_weights=u.reshape(-1, u.shape[-1]),
        recurrent_weights=w.reshape(-1, w.shape[-1]),
        bias=b.reshape(-1),
    )


def _looped(scan: Any) -> Any:
    """A scan, several steps in a turn but on a CPU."""
    return partial(by_platform, cpu=scan, default=partial(scan, unroll=UNROLL))


def _scan_states(
    cell: str, params: GatedParams, inputs: Array, *, keep: bool, unroll: int = 1
) -> tuple[State, State, State]:
    """The state at the end, those before each step, and what the backward pass keeps."""
    gates, wide = GATES[cell], _wide(params)
    recurrent, thin = wide.recurrent_weights.T, wide.input_weights.T

    def advance(state: State, now: Array) -> tuple[State, tuple[State, State]]:
        products = _parts(exact_product(state[0], recurrent), gates)
        after, kept = gates.advance(state, products, _drives(now, thin, wide.bias, gates))
        return after, (state, kept if keep else ())

    zero = jnp.zeros((inputs.shape[1], len(recurrent)), wide.bias.dtype)
    last, (before, kept) = jax.lax.scan(advance, (zero,) * gates.states, inputs, unroll=unroll)
    return last, before, kept


def _rollout(cell: str, params: GatedParams, inputs: Array, *, keep: bool) -> tuple[tuple, tuple]:
    """States and outputs, and what the backward pass keeps."""
    scan = _looped(partial(_scan_states, cell, keep=keep))
    last, before, kept = scan(params, inputs)
    readout = params.readout_weights.T
    outputs = _later(exact_product(before[0], readout), exact_product(last[0], readout))
    states = tuple(map(_later, before, last))
    return (states, outputs + params.readout_bias), (params, inputs, last, before, kept)


def _later(rows: Array, last: Array) -> Array:
    """Rows 1 ... T-1, then the last: what belongs to h_t instead of h_{t-1}."""
    return jnp.concatenate([rows[1:], last[None]])


def _run(cell: str, params: GatedParams, inputs: Array) -> tuple[State, Array]:
    return _rollout(cell, params, inputs, keep=False)[0]


def _forward(cell: str, params: Any, inputs: Any) -> tuple[tuple, tuple]:
    primal = partial(jax.tree.map, lambda x: x.value, is_leaf=lambda x: hasattr(x, "perturbed"))
    return _rollout(cell, primal(params), primal(inputs), keep=True)


def _scan_bars(
    cell: str, params: GatedParams, before: State, kept: State, outside: tuple, *, unroll: int = 1
) -> Pulled:
    """The gradients of all steps' products and drives, `[T, B, ...]`, against time.

    `outside` holds dL/dy, `[T, B, O]`, and of each array of the state dL/ds or nothing.
    """
    weights, readout = _wide(params).recurrent_weights, params.readout_weights

    def pull(bars: State, now: tuple) -> tuple[State, Pulled]:
        before, kept, (outputs_bar, *states_bar) = now
        bars = tuple(x if more is None else x + more for x, more in zip(bars, states_bar))  # noqa: B905
        bars = (bars[0] + thin_product(outputs_bar, readout), *bars[1:])
        pulled, rest = GATES[cell].pull(kept, before, bars)
        return (rest[0] + exact_product(pulled.product, weights), *rest[1:]), pulled

    zero = jax.tree.map(lambda x: jnp.zeros_like(x[0]), before)
    return jax.lax.scan(pull, zero, (before, kept, outside), reverse=True, unroll=unroll)[1]


def _backward(cell: str, saved: tuple, cotangents: tuple) -> tuple[GatedParams, Array]:
    """All gradients from those of products and drives, each weight matrix by one product."""
    params, inputs, last, before, kept = saved
    states_bar, outputs_bar = cotangents
    steps, batch = inputs.shape[:2]
    if isinstance(outputs_bar, SymbolicZero):
        outputs_bar = jnp.zeros((steps, batch, len(params.readout_bias)), inputs.dtype)
    used = (None if isinstance(x, SymbolicZero) else x for x in states_bar)
    scan = _looped(partial(_scan_bars, cell))
    pulled = scan(params, before, kept, (outputs_bar, *used))
    with_one = jnp.concatenate([inputs, jnp.ones((steps, batch, 1), inputs.dtype)], axis=-1)
    units, drives_bar = before[0].shape[-1], pulled.product
    into = _over_all(with_one, drives_bar)
    if pulled.drive is not None:
        into = _joined(into[:, :-units], _over_all(with_one, pulled.drive))
        drives_bar = _joined(drives_bar[..., :-units], pulled.drive)  # left out where unused
    of_products = _over_all(pulled.product, before[0])
    earlier = jnp.concatenate([jnp.zeros_like(outputs_bar[:1]), outputs_bar[:-1]])
    gradient = GatedParams(
        input_weights=into[:-1].T.reshape(params.input_weights.shape),
        recurrent_weights=of_products.reshape(params.recurrent_weights.shape),
        bias=into[-1].reshape(params.bias.shape),
        readout_weights=_over_all(earlier, before[0]) + exact_product(outputs_bar[-1].T, last[0]),
        readout_bias=jnp.sum(outputs_bar, axis=(0, 1)),
    )
    return gradient, exact_product(drives_bar, _wide(params).input_weights)


def _over_all(left: Array, right: Array) -> Array:
    """left^T right over all steps and trials, `[T, B, m]` and `[T, B, n]` to `[m, n]`."""
    rows = math.prod(left.shape[:-1])  # spelled out, since there may be no outputs
    left, right = (x.reshape(rows, x.shape[-1]) for x in (left, right))
    return by_platform(left, right, cpu=_of_copy, default=_of_transpose)


def _of_transpose(left: Array, right: Array) -> Array:
    return exact_product(left.T, right)


def _of_copy(left: Array, right: Array) -> Array:
    """The same with left^T in memory: XLA's library for sums over rows takes nearly twice as long.

    Without the barrier XLA would take left itself again.
    """
    return exact_product(jax.lax.optimization_barrier(left.T), right)


_respond: Any = jax.custom_vjp(_run, nondiff_argnums=(0,))
_respond.defvjp(_forward, _backward, symbolic_zeros=True)
