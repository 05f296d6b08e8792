"""The recurrence as one GPU kernel: weights and state stay on the chip over all steps.

A program of the kernel holds the recurrent weights of one network and the states of some of its
trials and walks through time; it reads the inputs and writes the states, nothing else. The
backward kernel does the same against time. `vmap` adds the networks to the grid. What is left,
one product for each weight gradient, is XLA's.

A GPU's matrix units take operands of 11 bits (tf32) or 8 bits (bfloat16), not of float32's 24. So a
float32 product is a sum of products of parts: x = x_1 + x_2 with x_1 the leading 11 bits, or
x = x_1 + x_2 + x_3 of 8 bits each, without the products of two small parts. That is as exact as
float32's own products, and on an H100 several times as fast (docs/performance.md).

Written with Pallas for its Triton backend, which jax deprecates from 0.11.2 on in favor of Mosaic.
"""

import dataclasses
import functools
import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble.networks.cell import (
    ACTIVATIONS,
    PRODUCTS,
    SLOPES,
    THIN,
    Scheme,
    VanillaParams,
    leaky,
    tf32_of_rounded,
)

WIDTHS = (16, 32, 64, 128)
"""Widths whose weights fit on the chip and whose products fit its matrix units."""


def _of_parts(parts: Any, left: Array, right: Array) -> Array:
    """left `[m, k]` @ right `[k, n]`, from the products of parts above float32's rounding."""
    lefts, rights = parts(left), parts(right)
    count = len(lefts)
    pairs = [(i, j) for i in range(count) for j in range(count) if i + j < count]
    small_first = sorted(pairs, key=sum, reverse=True)
    products = (
        jnp.matmul(lefts[i], rights[j], precision="high", preferred_element_type=jnp.float32)
        for i, j in small_first
    )
    return functools.reduce(jnp.add, products)


def _tf32_parts(x: Array) -> tuple[Array, Array]:
    """The leading 11 bits and the rest, of which tf32 keeps 11 again."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFFFFE000)
    large = jax.lax.bitcast_convert_type(bits, jnp.float32)
    return large, x - large


def _bfloat16_parts(x: Array) -> tuple[Array, Array, Array]:
    """Three numbers of 8 bits each, which sum to x."""
    large = x.astype(jnp.bfloat16)
    rest = x - large.astype(jnp.float32)
    middle = rest.astype(jnp.bfloat16)
    return large, middle, (rest - middle.astype(jnp.float32)).astype(jnp.bfloat16)


KERNEL_PRODUCTS = {
    "two tf32 parts": partial(_of_parts, _tf32_parts),
    "three bfloat16 parts": partial(_of_parts, _bfloat16_parts),
    "tf32": tf32_of_rounded,
    "bfloat16": PRODUCTS["bfloat16"],
}
"""Matrix products that a kernel may take, all of them on a GPU's matrix units."""


class Form(NamedTuple):
    """How a kernel multiplies, and how it is cut.

    Attributes:
        products: A key of `KERNEL_PRODUCTS`.
        trials: Of one program, at most.
        warps: Of one program.
    """

    products: str
    trials: int
    warps: int


FORMS = {
    ("float32", 16): Form("two tf32 parts", 32, 2),
    ("float32", 32): Form("two tf32 parts", 32, 2),
    ("float32", 64): Form("two tf32 parts", 64, 4),
    ("float32", 128): Form("three bfloat16 parts", 32, 8),
    ("tf32", 16): Form("tf32", 32, 4),
    ("tf32", 32): Form("tf32", 32, 4),
    ("tf32", 64): Form("tf32", 64, 4),
    ("tf32", 128): Form("tf32", 64, 4),
    ("bfloat16", 16): Form("bfloat16", 32, 4),
    ("bfloat16", 32): Form("bfloat16", 32, 4),
    ("bfloat16", 64): Form("bfloat16", 64, 4),
    ("bfloat16", 128): Form("bfloat16", 64, 8),
}
"""The form for each precision and width: the quickest of those that were tried on an H100
(benchmarks/results/gpu.json); 16 units as 32."""


def require_choice(fused: bool | str) -> None:
    """Raises ValueError unless this can be asked for."""
    if not isinstance(fused, bool) and fused != "auto":
        raise ValueError(f"`fused` must be true, false or 'auto'; got {fused!r}.")


def method(fused: bool | str) -> Any:
    """The method of `cell.Scheme` for a network's setting: the scan unless it is decided."""
    return "fused" if fused is True else "scan"


def resolved(network: Any) -> Any:
    """The network with `fused` decided: true or false, false where its kernel does not compile."""
    if not hasattr(network, "fused"):
        return network
    wanted = jax.default_backend() == "gpu" if network.fused == "auto" else network.fused
    wanted = wanted and not getattr(network, "own_tau", False)  # a kernel's leak is a constant
    wanted = wanted and network.width in WIDTHS and _compiles(network.scheme, network.width)
    return dataclasses.replace(network, fused=wanted)


@functools.cache
def _compiles(scheme: Scheme, width: int) -> bool:
    """Whether this machine's GPU can have the kernels; warns where it cannot. True without a GPU.

    What decides is the width: other shapes only change how often the kernels run.
    """
    steps, batch, thin = 2, 64, 3
    numbers: Any = partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    shapes = (width, thin), (width, width), (width,), (thin, width), (width,)
    params = VanillaParams(*(numbers(shape) for shape in shapes))
    inputs, reached = numbers((steps, batch, thin)), numbers((steps + 1, batch, width))
    try:
        if jax.default_backend() == "gpu":
            jax.jit(partial(states, scheme)).lower(params, inputs).compile()
            jax.jit(partial(drives_bar, scheme)).lower(params, reached, inputs).compile()
    except Exception as error:  # whatever the compiler of a GPU or of a jax to come may raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        message = f"the fused kernel does not compile here, the scan takes over ({reason[0]})"
        warnings.warn(message, stacklevel=2)
        return False
    return True


def fits(params: VanillaParams, batch: int) -> bool:
    """Whether the kernel can run it: a known width, few inputs and outputs, B divisible by 16."""
    thin = params.input_weights.shape[1] <= THIN and len(params.readout_weights) <= THIN
    return len(params.bias) in WIDTHS and thin and batch % 16 == 0


def states(
    scheme: Any,
    params: VanillaParams,
    inputs: Array,
    *,
    form: Form | None = None,
    interpret: bool = False,
) -> Array:
    """The states h_0 ... h_T, `[T + 1, B, N]`, for inputs `[T, B, I]`; in another form if given."""
    steps, batch, _ = inputs.shape
    width = len(params.bias)
    fixed = (params.recurrent_weights, params.input_weights, params.bias, params.initial_state)
    shape = (steps + 1, batch, width)
    return _over_trials(scheme, _states_kernel, (inputs,), fixed, shape, form, interpret)


def drives_bar(
    scheme: Any,
    params: VanillaParams,
    states: Array,
    outputs_bar: Array,
    *,
    form: Form | None = None,
    interpret: bool = False,
) -> Array:
    """The gradients d_1 ... d_T of the drives, then 0, `[T + 1, B, N]`, from those of outputs."""
    fixed, per_trial = (params.recurrent_weights, params.readout_weights), (states, outputs_bar)
    return _over_trials(scheme, _drives_bar_kernel, per_trial, fixed, states.shape, form, interpret)


def _states_kernel(scheme: Any, product: Any, *refs: Any) -> None:
    inputs, weights, thin, bias, start, states = refs
    phi = ACTIVATIONS[scheme.activation]
    steps, batch, n_inputs = inputs.shape
    matrix, offset = weights[...].T, bias[...]
    columns = [thin[:, i] for i in range(n_inputs)]

    def step(t: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        before, state = now
        states[t] = state
        drive = sum((inputs[t, :, i][:, None] * columns[i][None] for i in range(n_inputs)), offset)
        potential = leaky(scheme.tau, before, product(state, matrix) + drive)
        return potential, phi(potential)

    before = jnp.broadcast_to(start[...][None], (batch, len(offset)))
    first = before, (phi(before) if scheme.starts == "potentials" else before)
    states[steps] = jax.lax.fori_loop(0, steps, step, first)[1]


def _drives_bar_kernel(scheme: Any, product: Any, *refs: Any) -> None:
    states, outputs_bar, weights, readout, drives_bar = refs
    slope = SLOPES[scheme.activation]
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


def _over_trials(
    scheme: Any,
    kernel: Any,
    per_trial: tuple[Array, ...],
    fixed: tuple[Array, ...],
    shape: tuple[int, ...],
    form: Form | None,
    interpret: bool,
) -> Array:
    """Runs a kernel on blocks of trials, the last axis but one; all blocks share `fixed`.

    Returns an array `[.., B, N]` of this shape.
    """
    from jax.experimental import pallas as pl  # kept out of `import rnnensemble`
    from jax.experimental.pallas import triton

    # said at every compilation, to users who can do nothing about it; docs/accelerators.md says it
    warnings.filterwarnings("ignore", "The Pallas Triton backend", DeprecationWarning)
    _, batch, width = shape
    products, most, warps = form or FORMS[scheme.precision, width]
    block = next(size for size in (64, 32, 16) if size <= most and batch % size == 0)

    def trials(shape: tuple[int, ...]) -> Any:
        lead = len(shape) - 2
        return pl.BlockSpec((*shape[:lead], block, shape[-1]), lambda i: (*(0,) * lead, i, 0))

    def whole(shape: tuple[int, ...]) -> Any:
        return pl.BlockSpec(shape, lambda i: (0,) * len(shape))

    return pl.pallas_call(
        partial(kernel, scheme, KERNEL_PRODUCTS[products]),
        grid=(batch // block,),
        in_specs=[trials(x.shape) for x in per_trial] + [whole(x.shape) for x in fixed],
        out_specs=trials(shape),
        out_shape=jax.ShapeDtypeStruct(shape, jnp.float32),
        compiler_params=triton.CompilerParams(num_warps=warps, num_stages=1),
        interpret=interpret,
    )(*per_trial, *fixed)
