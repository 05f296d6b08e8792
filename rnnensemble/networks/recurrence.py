"""The recurrence of the vanilla RNN, with a backward pass of its own.

    h_t = phi(W h_{t-1} + W_x x_t + b),   y_t = W_y h_t

What makes it fast where memory, not arithmetic, is the limit:

- Nothing is kept for the backward pass but the states h_0 ... h_{T-1}, in the order in which the
  gradients need them, so that no large array is ever cut, shifted or copied.
- The gradient of each weight matrix is one product over all trials and steps.
- Products with few inputs or outputs are sums inside the loop; the drives W_x x_t + b and the
  gradients W_y^T dL/dy_t are never stored.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from rnnensemble.axes import Array

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu}

SLOPES: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda state: 1 - state**2,
    "relu": lambda state: (state > 0).astype(state.dtype),
}
"""phi'(a) as a function of phi(a), for every activation."""

THIN = 8
"""Products with up to this many inputs or outputs are written as sums."""


class VanillaParams(NamedTuple):
    """Weights of a vanilla RNN.

    Attributes:
        input_weights: W_x, `[N, I]`.
        recurrent_weights: W_h, `[N, N]`; row i holds what unit i receives.
        bias: b, `[N]`.
        readout_weights: W_y, `[O, N]`.
        initial_state: h_0, `[N]`; stays 0 unless the network trains it.
    """

    input_weights: Array
    recurrent_weights: Array
    bias: Array
    readout_weights: Array
    initial_state: Array


def respond(activation: str, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
    """Runs one network on a batch of trials, time first.

    Args:
        activation: phi, a key of `ACTIVATIONS`.
        params: Parameters of one network.
        inputs: x, `[T, B, I]`.

    Returns:
        Rates h_1 ... h_T, `[T, B, N]`, and outputs y, `[T, B, O]`.
    """
    return _respond(activation, params, inputs)


def _states(activation: str, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
    """The states h_0 ... h_{T-1}, `[T, B, N]`, and h_T, `[B, N]`."""
    phi, recurrent, thin = (
        ACTIVATIONS[activation],
        params.recurrent_weights.T,
        params.input_weights.T,
    )

    def step(state: Array, input_now: Array) -> tuple[Array, Array]:
        drive = _product(input_now, thin) + params.bias
        return phi(state @ recurrent + drive), state

    start = jnp.broadcast_to(params.initial_state, (inputs.shape[1], len(recurrent)))
    last, states = jax.lax.scan(step, start, inputs)
    return states, last


def _product(rows: Array, weights: Array) -> Array:
    """rows @ weights, `[B, I] x [I, N]`; with few I as a sum, which joins the loop around it."""
    if len(weights) > THIN:
        return rows @ weights
    return sum(
        (rows[:, i, None] * weights[i] for i in range(1, len(weights))), rows[:, :1] * weights[0]
    )


def _rollout(activation: str, params: VanillaParams, inputs: Array) -> tuple[tuple, tuple]:
    """Rates and outputs, and what the backward pass keeps."""
    states, last = _states(activation, params, inputs)
    readout = params.readout_weights.T
    results = _later(states, last), _later(states @ readout, last @ readout)
    return results, (params, inputs, states, last)


def _run(activation: str, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
    return _rollout(activation, params, inputs)[0]


def _later(rows: Array, last: Array) -> Array:
    """Rows 1 ... T-1, then the last: what belongs to h_t instead of h_{t-1}."""
    return jnp.concatenate([rows[1:], last[None]])


def _earlier(rows: Array) -> Array:
    """Zero, then rows 1 ... T-1: what belongs to h_{t-1} instead of h_t."""
    return jnp.concatenate([jnp.zeros_like(rows[:1]), rows[:-1]])


def _forward(activation: str, params: Any, inputs: Any) -> tuple[tuple, tuple]:
    params, inputs = jax.tree.map(lambda primal: primal.value, (params, inputs), is_leaf=_is_primal)
    return _rollout(activation, params, inputs)


def _is_primal(x: Any) -> bool:
    return hasattr(x, "perturbed")


def _backward(activation: str, kept: tuple, cotangents: tuple) -> tuple[VanillaParams, Array]:
    """With d_t = dL/d(W h_{t-1} + ...): d_{t-1} = phi'_{t-1} (W^T d_t + e_{t-1}).

    e_t, the gradient of h_t from outside, is W_y^T dL/dy_t plus what the rates get directly.
    """
    params, inputs, states, last = kept
    rates_bar, outputs_bar = cotangents
    weights, readout = params.recurrent_weights, params.readout_weights
    slope, (steps, batch) = SLOPES[activation], states.shape[:2]
    if isinstance(outputs_bar, SymbolicZero):
        outputs_bar = jnp.zeros((steps, batch, len(readout)))
    outside = (outputs_bar,) if isinstance(rates_bar, SymbolicZero) else (outputs_bar, rates_bar)

    def pull(outside: tuple[Array, ...]) -> Array:
        return sum(outside[1:], _product(outside[0], readout))

    def step(drive_bar: Array, now: tuple) -> tuple[Array, Array]:
        state, outside = now
        return slope(state) * (drive_bar @ weights + pull(outside)), drive_bar

    at_last = slope(last) * pull(tuple(x[-1] for x in outside))
    before = tuple(_earlier(x) for x in outside)
    _, drives_bar = jax.lax.scan(step, at_last, (states, before), reverse=True)

    def over_all(left: Array, right: Array) -> Array:
        return left.reshape(steps * batch, -1).T @ right.reshape(steps * batch, -1)

    with_one = jnp.concatenate([inputs, jnp.ones((steps, batch, 1))], axis=-1)
    drive_weights_bar = over_all(with_one, drives_bar)
    gradient = VanillaParams(
        input_weights=drive_weights_bar[:-1].T,
        recurrent_weights=over_all(drives_bar, states),
        bias=drive_weights_bar[-1],
        readout_weights=over_all(before[0], states) + outputs_bar[-1].T @ last,
        initial_state=jnp.sum(drives_bar[0], axis=0) @ weights,
    )
    return gradient, drives_bar @ params.input_weights


_respond: Any = jax.custom_vjp(_run, nondiff_argnums=(0,))
_respond.defvjp(_forward, _backward, symbolic_zeros=True)
