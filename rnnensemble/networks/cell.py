"""One step of an RNN, its parameters, and how its large products are computed."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble._core.platforms import by_platform

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": lambda x: jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(x))),
}

ZERO_AT_ZERO = ("tanh", "relu")
"""Activations whose networks can start from rates of 0."""

SLOPES: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda state: 1 - state**2,
    "relu": lambda state: (state > 0).astype(state.dtype),
    "sigmoid": lambda state: state * (1 - state),
    "softplus": lambda state: -jnp.expm1(-state),
}
"""phi'(a) as a function of phi(a), for every activation."""

THIN = 8
"""Products with up to this many inputs or outputs are written as sums, in float32."""


class Scheme(NamedTuple):
    """How the recurrence is computed; static.

    Attributes:
        activation: phi, a key of `ACTIVATIONS`.
        precision: Of the three products with N x N results or weights, a key of `PRODUCTS`.
        method: `scan`, a loop over the steps; `fused`, one GPU kernel where it can (see
            `fused.fits`); or `interpreted`, that kernel on any device, slowly, for tests.
        tau: Leak, the step over the time constant; 1 for none.
        starts: What `initial_state` is: `rates` h_0, with a_0 = h_0 where there is a leak; or
            `potentials` a_0, with h_0 = phi(a_0).
    """

    activation: Literal["tanh", "relu", "sigmoid", "softplus"] = "tanh"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    method: Literal["scan", "fused", "interpreted"] = "scan"
    tau: float = 1.0
    starts: Literal["rates", "potentials"] = "rates"


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


class MuPParams(NamedTuple):
    """Weights of an RNN in the muP form: those of a vanilla RNN, and gamma.

    Attributes:
        input_weights: U, `[N, I]`.
        recurrent_weights: J, `[N, N]`; row i holds what unit i receives, times N.
        bias: Zero, never trained, `[N]`.
        readout_weights: W, `[O, N]`.
        initial_state: Zero, never trained, `[N]`.
        gamma: Richness of learning, a scalar; never trained.
    """

    input_weights: Array
    recurrent_weights: Array
    bias: Array
    readout_weights: Array
    initial_state: Array
    gamma: Array


def drive(params: VanillaParams, rates: Array, inputs: Array) -> Array:
    """W_h h + W_x x + b for rates `[..., N]` and inputs `[..., I]`, `[..., N]`."""
    recurrent = exact_product(rates, params.recurrent_weights.T)
    return recurrent + exact_product(inputs, params.input_weights.T) + params.bias


def leaky(tau: float | Array, before: Array, drive: Array) -> Array:
    """before + tau (-before + drive); without a leak, tau = 1, the drive. tau may be traced."""
    return drive if has_no_leak(tau) else before + tau * (drive - before)


def has_no_leak(tau: Any) -> bool:
    """Whether tau is known to be 1 when the program is compiled."""
    return isinstance(tau, (int, float)) and tau == 1


def exact_product(left: Array, right: Array) -> Array:
    """left @ right in float32; without "highest" NVIDIA GPUs round the operands to tf32."""
    return jnp.matmul(left, right, precision="highest")


def thin_product(rows: Array, weights: Array) -> Array:
    """rows @ weights, `[B, I] x [I, N]`; with few I as a sum, which joins the loop around it.

    Terms one by one are quicker on a CPU, a reduction is one kernel on a GPU.
    """
    if not 0 < len(weights) <= THIN:
        return exact_product(rows, weights)
    return by_platform(rows, weights, cpu=_term_by_term, default=_reduced)


def _term_by_term(rows: Array, weights: Array) -> Array:
    return sum(
        (rows[:, i, None] * weights[i] for i in range(1, len(weights))), rows[:, :1] * weights[0]
    )


def _reduced(rows: Array, weights: Array) -> Array:
    return jnp.sum(rows[:, :, None] * weights[None], axis=1)


def _tf32(left: Array, right: Array) -> Array:
    # an NVIDIA GPU rounds by itself: doing it before takes as long as the product (measured)
    return by_platform(left, right, cuda=_high, default=tf32_of_rounded)


def _high(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, precision="high")


def tf32_of_rounded(left: Array, right: Array) -> Array:
    """left @ right of the operands' 11 leading bits, on any device and in kernels."""
    return _high(_rounded(left), _rounded(right))


def _rounded(x: Array) -> Array:
    """The nearest numbers of 11 significant bits; ties to even (by bits, for kernels too)."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    bits = (bits + 0xFFF + ((bits >> 13) & 1)) >> 13 << 13
    return jnp.where(jnp.isnan(x), x, jax.lax.bitcast_convert_type(bits, jnp.float32))


def _bfloat16(left: Array, right: Array) -> Array:
    left, right = left.astype(jnp.bfloat16), right.astype(jnp.bfloat16)
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)


PRODUCTS: dict[str, Callable[[Array, Array], Array]] = {
    "float32": exact_product,
    "tf32": _tf32,
    "bfloat16": _bfloat16,
}
"""Matrix products by precision: operands of 24, 11 or 8 significant bits, sums in float32."""
