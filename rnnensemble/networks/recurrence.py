"""The recurrence of RNNs with or without a leak, with a backward pass of its own.

    a_t = a_{t-1} + tau (-a_{t-1} + W h_{t-1} + W_x x_t + b),   h_t = phi(a_t),   y_t = W_y h_t

With tau = 1 this is h_t = phi(W h_{t-1} + W_x x_t + b), the vanilla RNN. A leaky one starts from
a_0 = h_0, which 0 makes true, or from potentials a_0 with h_0 = phi(a_0). Noise may be added to a_0
and to a_t at each step; since it is added, gradients are those of the states that it led to.

What makes it fast where memory, not arithmetic, is the limit:

- Nothing is kept for the backward pass but the rates h_0 ... h_{T-1}, in the order in which the
  gradients need them, so that no large array is cut, shifted or copied where outputs alone count.
- The gradient of each weight matrix is one product over all trials and steps.
- Products with few inputs or outputs are sums inside the loop; the drives W_x x_t + b and the
  gradients W_y^T dL/dy_t are never stored.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from rnnensemble._core.axes import Array
from rnnensemble._core.platforms import by_platform
from rnnensemble.networks import fused
from rnnensemble.networks.cell import (
    ACTIVATIONS,
    PRODUCTS,
    SLOPES,
    Scheme,
    VanillaParams,
    exact_product,
    has_no_leak,
    leaky,
    thin_product,
)
from rnnensemble.networks.noise import Noise, standard_normal

UNROLL = 10
"""Steps in a turn of the loops over time where launches count; a CPU gains nothing by it."""


def respond(
    scheme: Scheme,
    params: VanillaParams,
    inputs: Array,
    noise: Noise | None = None,
    leak: Array | None = None,
) -> tuple[Array, Array]:
    """Runs one network on inputs `[T, B, I]`, with noise added to potentials if there is any.

    A `leak` is a scalar instead of the scheme's tau, traced, and has no gradient. Neither noise nor
    it are for the GPU kernel.

    Returns:
        Rates h_1 ... h_T, `[T, B, N]`, and outputs y, `[T, B, O]`.
    """
    return _respond(scheme, params, inputs, noise, leak)


def _by_platform(scheme: Scheme, kernel: Any, scan: Any) -> Any:
    """The kernel on NVIDIA GPUs, the scan elsewhere."""
    if scheme.method == "interpreted":
        return partial(kernel, interpret=True)
    return partial(by_platform, cuda=kernel, default=scan)


def _looped(scan: Any) -> Any:
    """A scan, several steps in a turn but on a CPU."""
    return partial(by_platform, cpu=scan, default=partial(scan, unroll=UNROLL))


def _scan_states(
    scheme: Scheme, params: VanillaParams, inputs: Array, noise: Noise | None, *, unroll: int = 1
) -> tuple[Array, Array]:
    """The states h_0 ... h_{T-1}, `[T, B, N]`, and h_T, `[B, N]`."""
    phi, product = ACTIVATIONS[scheme.activation], PRODUCTS[scheme.precision]
    recurrent, thin = params.recurrent_weights.T, params.input_weights.T
    shape = inputs.shape[1], len(recurrent)

    def step(now: tuple[Array, Array], given: Any) -> tuple[tuple, Array]:
        (before, state), (input_now, added) = now, given
        drive = product(state, recurrent) + (thin_product(input_now, thin) + params.bias)
        potential = leaky(scheme.tau, before, drive)
        if added is not None:
            potential += added
        return (potential, phi(potential)), state

    start = jnp.broadcast_to(params.initial_state, shape)
    if noise is not None and noise.start is not None:
        start += noise.start * standard_normal(noise.words[0], noise.first, shape)
    first = start, (phi(start) if scheme.starts == "potentials" else start)
    added = None
    if (
        noise is not None and noise.process is not None
    ):  # at once: in the loop it takes twice as long
        draw = jax.vmap(lambda words: standard_normal(words, noise.first, shape))
        added = noise.process * draw(noise.words[1:])
    (_, last), states = jax.lax.scan(step, first, (inputs, added), unroll=unroll)
    return states, last


def _leaking(scheme: Scheme, leak: Any) -> Scheme:
    """The scheme with a leak that is data, if there is one."""
    return scheme if leak is None else scheme._replace(tau=leak)


def _rollout(
    scheme: Scheme, params: VanillaParams, inputs: Array, noise: Noise | None, leak: Array | None
) -> tuple[tuple, tuple]:
    """Rates and outputs, and what the backward pass keeps."""
    scan = _looped(partial(_scan_states, _leaking(scheme, leak)))
    readout, plain = params.readout_weights.T, noise is None and leak is None
    if not plain or scheme.method == "scan" or not fused.fits(params, inputs.shape[1]):
        states, last = scan(params, inputs, noise)
        outputs = _later(exact_product(states, readout), exact_product(last, readout))
        return (_later(states, last), outputs), (params, inputs, states, last, leak)

    def joined(params: VanillaParams, inputs: Array) -> Array:
        states, last = scan(params, inputs, None)
        return jnp.concatenate([states, last[None]])

    states = _by_platform(scheme, partial(fused.states, scheme), joined)(params, inputs)
    outputs = exact_product(states, readout)[1:]
    return (states[1:], outputs), (params, inputs, states, None, None)


def _run(
    scheme: Scheme, params: VanillaParams, inputs: Array, noise: Noise | None, leak: Array | None
) -> tuple[Array, Array]:
    return _rollout(scheme, params, inputs, noise, leak)[0]


def _later(rows: Array, last: Array) -> Array:
    """Rows 1 ... T-1, then the last: what belongs to h_t instead of h_{t-1}."""
    return jnp.concatenate([rows[1:], last[None]])


def _earlier(rows: Array) -> Array:
    """Zero, then rows 1 ... T-1: what belongs to h_{t-1} instead of h_t."""
    return jnp.concatenate([jnp.zeros_like(rows[:1]), rows[:-1]])


def _forward(scheme: Scheme, *primals: Any) -> tuple[tuple, tuple]:
    given = jax.tree.map(
        lambda primal: primal.value, primals, is_leaf=lambda x: hasattr(x, "perturbed")
    )
    return _rollout(scheme, *given)


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


def _backward(scheme: Scheme, kept: tuple, cotangents: tuple) -> tuple[Any, ...]:
    """All gradients from those of the drives, each weight matrix by one product.

    Noise and a leak that is data have none.
    """
    params, inputs, states, last, leak = kept
    scheme = _leaking(scheme, leak)
    rates_bar, outputs_bar = cotangents
    steps, batch = inputs.shape[:2]
    if isinstance(outputs_bar, SymbolicZero):
        outputs_bar = jnp.zeros((steps, batch, len(params.readout_weights)))
    outside = (outputs_bar,) if isinstance(rates_bar, SymbolicZero) else (outputs_bar, rates_bar)
    adjoint = _looped(partial(_scan_drives_bar, scheme))
    with_one = jnp.concatenate([inputs, jnp.ones((steps, batch, 1))], axis=-1)
    if last is not None:
        drives_bar = adjoint(params, states, last, *outside)
        rows_bar = _over_all(with_one, drives_bar)
        into_bar = rows_bar[:-1].T, rows_bar[-1]
        gradient = _weights_bar(scheme, params, drives_bar, states, into_bar, _earlier(outputs_bar))
        rest = exact_product(outputs_bar[-1].T, last)
        gradient = gradient._replace(readout_weights=gradient.readout_weights + rest)
        return gradient, exact_product(drives_bar, params.input_weights), None, None

    def joined(params: VanillaParams, states: Array, *outside: Array) -> Array:
        drives_bar = adjoint(params, states[:-1], states[-1], *outside)
        return jnp.concatenate([drives_bar, jnp.zeros_like(drives_bar[:1])])

    if len(outside) == 1:  # the kernel has no place for a gradient of rates
        joined = _by_platform(scheme, partial(fused.drives_bar, scheme), joined)
    drives_bar = joined(params, states, *outside)
    before, after = ((1, 0), (0, 0), (0, 0)), ((0, 1), (0, 0), (0, 0))
    columns_bar = _over_all(drives_bar, jnp.pad(with_one, after))  # no transpose follows
    into_bar = columns_bar[:, :-1], columns_bar[:, -1]
    rows = jnp.pad(outputs_bar, before)
    gradient = _weights_bar(scheme, params, drives_bar, states, into_bar, rows)
    return gradient, exact_product(drives_bar, params.input_weights)[:-1], None, None


def _weights_bar(
    scheme: Scheme,
    params: VanillaParams,
    drives_bar: Array,
    states: Array,
    into_bar: tuple[Array, Array],
    outputs_bar: Array,
) -> VanillaParams:
    """The gradients of all weights, from arrays whose row t belongs to h_t.

    `drives_bar` holds d_{t+1}, the gradient of the drive that h_t takes part in, and `states` h_t,
    both `[.., B, N]`; `into_bar` the gradients of the input weights, `[N, I]`, and of the bias,
    `[N]`; `outputs_bar` dL/dy_t, `[.., B, O]`.
    """
    first_bar = jnp.sum(drives_bar[0], axis=0)
    if scheme.starts == "potentials":
        rates_bar = exact_product(drives_bar[0], params.recurrent_weights)
        start_bar = jnp.sum(SLOPES[scheme.activation](states[0]) * rates_bar, axis=0)
    else:
        start_bar = exact_product(first_bar, params.recurrent_weights)
    if not has_no_leak(scheme.tau):
        start_bar += (1 / scheme.tau - 1) * first_bar
    return VanillaParams(
        input_weights=into_bar[0],
        recurrent_weights=_over_all(drives_bar, states, scheme.precision),
        bias=into_bar[1],
        readout_weights=_over_all(outputs_bar, states),
        initial_state=start_bar,
    )


def _over_all(left: Array, right: Array, precision: str = "float32") -> Array:
    """left^T right over all steps and trials, `[.., B, m]` and `[.., B, n]` to `[m, n]`."""
    rows = math.prod(left.shape[:-1])  # spelled out, since there may be no outputs
    left, right = (x.reshape(rows, x.shape[-1]) for x in (left, right))
    return PRODUCTS[precision](left.T, right)


_respond: Any = jax.custom_vjp(_run, nondiff_argnums=(0,))
_respond.defvjp(_forward, _backward, symbolic_zeros=True)
