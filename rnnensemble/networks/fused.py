"""The recurrence as one GPU kernel: weights and state stay on the chip over all steps.

A program of the kernel holds the recurrent weights of one network and the states of some of its
trials and walks through time; it reads the inputs and writes the states, nothing else. The
backward kernel does the same against time. `vmap` adds the networks to the grid. What is left,
one product for each weight gradient, is XLA's.

Written with Pallas for its Triton backend, which jax 0.12 deprecates in favor of Mosaic. It passes
the tests in Pallas's interpreter and lowers to Triton; it is not measured on a GPU.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnnensemble.axes import Array
from rnnensemble.networks.cell import ACTIVATIONS, PRODUCTS, SLOPES, THIN, VanillaParams, leaky

WIDTHS = (16, 32, 64, 128)
"""Widths whose weights fit on the chip and whose products fit its matrix units."""


def fits(params: VanillaParams, batch: int) -> bool:
    """Whether the kernel can run it: a known width, few inputs and outputs, B divisible by 16."""
    thin = params.input_weights.shape[1] <= THIN and len(params.readout_weights) <= THIN
    return len(params.bias) in WIDTHS and thin and batch % 16 == 0


def states(scheme: Any, params: VanillaParams, inputs: Array, *, interpret: bool = False) -> Array:
    """The states h_0 ... h_T, `[T + 1, B, N]`, for inputs `[T, B, I]`."""
    steps, batch, _ = inputs.shape
    width = len(params.bias)
    fixed = (
        params.recurrent_weights,
        params.input_weights,
        params.bias,
        params.initial_state,
    )
    shape = (steps + 1, batch, width)
    return _over_trials(scheme, _states_kernel, (inputs,), fixed, shape, interpret)


def drives_bar(
    scheme: Any,
    params: VanillaParams,
    states: Array,
    outputs_bar: Array,
    *,
    interpret: bool = False,
) -> Array:
    """The gradients d_1 ... d_T of the drives, then 0, `[T + 1, B, N]`, from those of outputs."""
    fixed, per_trial = (params.recurrent_weights, params.readout_weights), (states, outputs_bar)
    return _over_trials(scheme, _drives_bar_kernel, per_trial, fixed, states.shape, interpret)


def _states_kernel(scheme: Any, *refs: Any) -> None:
    inputs, weights, thin, bias, start, states = refs
    phi, product = ACTIVATIONS[scheme.activation], PRODUCTS[scheme.precision]
    steps, batch, n_inputs = inputs.shape
    matrix, offset = weights[...].T, bias[...]
    columns = [thin[:, i] for i in range(n_inputs)]

    def step(t: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        before, state = now
        states[t] = state
        drive = sum((inputs[t, :, i][:, None] * columns[i][None] for i in range(n_inputs)), offset)
        potential = leaky(scheme.tau, before, product(state, matrix) + drive)
        return potential, phi(potential)

    first = jnp.broadcast_to(start[...][None], (batch, len(offset)))
    states[steps] = jax.lax.fori_loop(0, steps, step, (first, first))[1]


def _drives_bar_kernel(scheme: Any, *refs: Any) -> None:
    states, outputs_bar, weights, readout, drives_bar = refs
    slope, product = SLOPES[scheme.activation], PRODUCTS[scheme.precision]
    steps, _, n_outputs = outputs_bar.shape
    matrix = weights[...]
    rows = [readout[i] for i in range(n_outputs)]

    def pull(t: Any) -> Array:
        terms = (outputs_bar[t, :, i][:, None] * rows[i][None] for i in range(n_outputs))
        return sum(terms, jnp.zeros(()))

    def step(back: Array, drive_bar: Array) -> Array:
        t = steps - 1 - back
        drives_bar[t] = drive_bar
        pulled = slope(states[t]) * (product(drive_bar, matrix) + pull(t - 1))
        return leaky(scheme.tau, drive_bar, pulled)

    at_last = scheme.tau * slope(states[steps]) * pull(steps - 1)
    drives_bar[steps] = jnp.zeros_like(at_last)
    drives_bar[0] = jax.lax.fori_loop(0, steps - 1, step, at_last)


def _blocks(precision: str, width: int, batch: int) -> tuple[int, int]:
    """Trials and warps of one program: as many as an H100's registers hold (by its compiler)."""
    most = 32 if precision == "float32" else 64  # float32 products run outside the matrix units
    block = next(size for size in (64, 32, 16) if size <= most and batch % size == 0)
    return block, 16 if precision == "float32" and width == 128 else 8


def _over_trials(
    scheme: Any,
    kernel: Any,
    per_trial: tuple[Array, ...],
    fixed: tuple[Array, ...],
    shape: tuple[int, ...],
    interpret: bool,
) -> Array:
    """Runs a kernel on blocks of trials, the last axis but one; all blocks share `fixed`.

    Returns an array `[.., B, N]` of this shape.
    """
    from jax.experimental import pallas as pl  # kept out of `import rnnensemble`
    from jax.experimental.pallas import triton

    _, batch, width = shape
    block, warps = _blocks(scheme.precision, width, batch)

    def trials(shape: tuple[int, ...]) -> Any:
        lead = len(shape) - 2
        return pl.BlockSpec((*shape[:lead], block, shape[-1]), lambda i: (*(0,) * lead, i, 0))

    def whole(shape: tuple[int, ...]) -> Any:
        return pl.BlockSpec(shape, lambda i: (0,) * len(shape))

    return pl.pallas_call(
        partial(kernel, scheme),
        grid=(batch // block,),
        in_specs=[trials(x.shape) for x in per_trial] + [whole(x.shape) for x in fixed],
        out_specs=trials(shape),
        out_shape=jax.ShapeDtypeStruct(shape, jnp.float32),
        compiler_params=triton.CompilerParams(num_warps=warps, num_stages=1),
        interpret=interpret,
    )(*per_trial, *fixed)
