"""The recurrence of RNNs with or without a leak, with a backward pass of its own.

    a_t = a_{t-1} + tau (-a_{t-1} + W h_{t-1} + W_x x_t + b),   h_t = phi(a_t),   y_t = W_y h_t

With tau = 1 this is h_t = phi(W h_{t-1} + W_x x_t + b), the vanilla RNN. A leaky one starts from
a_0 = h_0, which 0 makes true.

What makes it fast where memory, not arithmetic, is the limit:

- Nothing is kept for the backward pass but the rates h_0 ... h_{T-1}, in the order in which the
  gradients need them, so that no large array is cut, shifted or copied where outputs alone count.
- The gradient of each weight matrix is one product over all trials and steps.
- Products with few inputs or outputs are sums inside the loop; the drives W_x x_t + b and the
  gradients W_y^T dL/dy_t are never stored.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from rnnensemble.axes import Array
from rnnensemble.networks import fused
from rnnensemble.networks.cell import (
    ACTIVATIONS,
    PRODUCTS,
    SLOPES,
    VanillaParams,
    exact_product,
    leaky,
    thin_product,
)

UNROLL = 10
"""Steps in a turn of the loops over time where launches count; a CPU gains nothing by it."""


class Scheme(NamedTuple):
    """How the recurrence is computed; static.

    Attributes:
        activation: phi, a key of `ACTIVATIONS`.
        precision: Of the three products with N x N results or weights, a key of `PRODUCTS`.
        method: `scan`, a loop over the steps; `fused`, one GPU kernel where it can (see
            `fused.fits`); or `interpreted`, that kernel on any device, slowly, for tests.
        tau: Leak, the step over the time constant; 1 for none.
    """

    activation: Literal["tanh", "relu"] = "tanh"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    method: Literal["scan", "fused", "interpreted"] = "scan"
    tau: float = 1.0


def respond(scheme: Scheme, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
    """Runs one network on a batch of trials, time first.

    Args:
        scheme: Activation, precision and method.
        params: Parameters of one network.
        inputs: x, `[T, B, I]`.

    Returns:
        Rates h_1 ... h_T, `[T, B, N]`, and outputs y, `[T, B, O]`.
    """
    return _respond(scheme, params, inputs)


def _by_method(scheme: Scheme, params: VanillaParams, batch: int, scan: Any, kernel: Any) -> Any:
    """The scan or the kernel, whichever the scheme asks for and the shapes and device allow."""
    if scheme.method == "interpreted" and fused.fits(params, batch):
        return partial(kernel, interpret=True)
    unrolled = partial(scan, unroll=UNROLL)
    ways = {"cpu": scan, "default": unrolled}
    if scheme.method == "fused" and fused.fits(params, batch):
        ways["cuda"] = kernel
    return partial(jax.lax.platform_dependent, **ways)


def _scan_states(
    scheme: Scheme, params: VanillaParams, inputs: Array, *, unroll: int = 1
) -> tuple[Array, Array]:
    """The states h_0 ... h_{T-1}, `[T, B, N]`, and h_T, `[B, N]`."""
    phi, product = ACTIVATIONS[scheme.activation], PRODUCTS[scheme.precision]
    recurrent, thin = params.recurrent_weights.T, params.input_weights.T

    def step(now: tuple[Array, Array], input_now: Array) -> tuple[tuple, Array]:
        before, state = now
        drive = product(state, recurrent) + (thin_product(input_now, thin) + params.bias)
        potential = leaky(scheme.tau, before, drive)
        return (potential, phi(potential)), state

    start = jnp.broadcast_to(params.initial_state, (inputs.shape[1], len(recurrent)))
    (_, last), states = jax.lax.scan(step, (start, start), inputs, unroll=unroll)
    return states, last


def _rollout(scheme: Scheme, params: VanillaParams, inputs: Array) -> tuple[tuple, tuple]:
    """Rates and outputs, and what the backward pass keeps."""
    scan, kernel = partial(_scan_states, scheme), partial(fused.states, scheme)
    states, last = _by_method(scheme, params, inputs.shape[1], scan, kernel)(params, inputs)
    readout = params.readout_weights.T
    outputs = _later(exact_product(states, readout), exact_product(last, readout))
    results = _later(states, last), outputs
    return results, (params, inputs, states, last)


def _run(scheme: Scheme, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
    return _rollout(scheme, params, inputs)[0]


def _later(rows: Array, last: Array) -> Array:
    """Rows 1 ... T-1, then the last: what belongs to h_t instead of h_{t-1}."""
    return jnp.concatenate([rows[1:], last[None]])


def _earlier(rows: Array) -> Array:
    """Zero, then rows 1 ... T-1: what belongs to h_{t-1} instead of h_t."""
    return jnp.concatenate([jnp.zeros_like(rows[:1]), rows[:-1]])


def _forward(scheme: Scheme, params: Any, inputs: Any) -> tuple[tuple, tuple]:
    params, inputs = jax.tree.map(lambda primal: primal.value, (params, inputs), is_leaf=_is_primal)
    return _rollout(scheme, params, inputs)


def _is_primal(x: Any) -> bool:
    return hasattr(x, "perturbed")


def _scan_drives_bar(
    scheme: Scheme,
    params: VanillaParams,
    states: Array,
    last: Array,
    *outside: Array,
    unroll: int = 1,
) -> Array:
    """d_1 ... d_T, the gradients of the drives W h_{t-1} + W_x x_t + b, `[T, B, N]`.

        d_t = (1 - tau) d_{t+1} + tau phi'_t (W^T d_{t+1} + e_t),   e_t = W_y^T dL/dy_t + dL/dh_t

    `outside` holds dL/dy, `[T, B, O]`, and dL/dh, `[T, B, N]`, where the rates are used.
    """
    slope, product = SLOPES[scheme.activation], PRODUCTS[scheme.precision]
    weights, readout = params.recurrent_weights, params.readout_weights

    def pull(outside: tuple[Array, ...]) -> Array:
        return sum(outside[1:], thin_product(outside[0], readout))

    def step(drive_bar: Array, now: tuple) -> tuple[Array, Array]:
        state, outside = now
        pulled = slope(state) * (product(drive_bar, weights) + pull(outside))
        return leaky(scheme.tau, drive_bar, pulled), drive_bar

    at_last = scheme.tau * slope(last) * pull(tuple(x[-1] for x in outside))
    before = tuple(_earlier(x) for x in outside)
    return jax.lax.scan(step, at_last, (states, before), reverse=True, unroll=unroll)[1]


def _backward(scheme: Scheme, kept: tuple, cotangents: tuple) -> tuple[VanillaParams, Array]:
    """All gradients from those of the drives, each weight matrix by one product."""
    params, inputs, states, last = kept
    rates_bar, outputs_bar = cotangents
    steps, batch = states.shape[:2]
    if isinstance(outputs_bar, SymbolicZero):
        outputs_bar = jnp.zeros((steps, batch, len(params.readout_weights)))
    scan, kernel = partial(_scan_drives_bar, scheme), partial(fused.drives_bar, scheme)
    if isinstance(rates_bar, SymbolicZero):
        outside, way = (outputs_bar,), scheme
    else:  # the kernel has no place for a gradient of rates
        outside, way = (outputs_bar, rates_bar), scheme._replace(method="scan")
    drives_bar = _by_method(way, params, batch, scan, kernel)(params, states, last, *outside)

    def over_all(left: Array, right: Array, precision: str = "float32") -> Array:
        left, right = (x.reshape(steps * batch, -1) for x in (left, right))
        return PRODUCTS[precision](left.T, right)

    first_bar = jnp.sum(drives_bar[0], axis=0)
    start_bar = exact_product(first_bar, params.recurrent_weights)
    if scheme.tau != 1:
        start_bar += (1 / scheme.tau - 1) * first_bar
    with_one = jnp.concatenate([inputs, jnp.ones((steps, batch, 1))], axis=-1)
    drive_weights_bar = over_all(with_one, drives_bar)
    gradient = VanillaParams(
        input_weights=drive_weights_bar[:-1].T,
        recurrent_weights=over_all(drives_bar, states, scheme.precision),
        bias=drive_weights_bar[-1],
        readout_weights=over_all(_earlier(outputs_bar), states)
        + exact_product(outputs_bar[-1].T, last),
        initial_state=start_bar,
    )
    return gradient, exact_product(drives_bar, params.input_weights)


_respond: Any = jax.custom_vjp(_run, nondiff_argnums=(0,))
_respond.defvjp(_forward, _backward, symbolic_zeros=True)
