"""The vanilla RNN of the paper."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_whole
from rnnensemble.networks import fused, recurrence
from rnnensemble.networks.base import Network, require_known
from rnnensemble.networks.cell import (
    ACTIVATIONS,
    PRODUCTS,
    SLOPES,
    ZERO_AT_ZERO,
    Scheme,
    VanillaParams,
    drive,
    exact_product,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VanillaRNN(Network):
    """The vanilla RNN: h_t = phi(W_h h_{t-1} + W_x x_t + b), y_t = W_y h_t.

    All parameters start from U(-1/sqrt(N), 1/sqrt(N)), as in the paper; recurrent weights are
    multiplied by `gain`, or drawn as gain * N(0, 1/N), as gain times a random orthogonal matrix,
    or set to gain times the identity, from which integrators train fast (Le et al. 2015).

    Source: Huang et al. (arXiv 2410.03972, section 2.1).

    Attributes:
        width: Number of units N.
        activation: phi, `tanh` or `relu`.
        initialization: Law of the recurrent weights: `uniform`, `gaussian`, `orthogonal`
            or `identity`.
        gain: Factor on the initial recurrent weights; one number, or one for each network.
        train_initial_state: Whether h_0 is learned; otherwise it is 0.
        precision: Of the N x N products: `float32`; `tf32` or `bfloat16`, whose operands are
            rounded to 11 or 8 significant bits before exact products and float32 sums.
        fused: Whether NVIDIA GPUs run the recurrence as one kernel where the shapes allow it
            (widths 16, 32, 64, 128; at most 8 inputs and outputs; batches divisible by 16).
            `auto` trains with it on these: an H100 has shown that it is right and about twice as
            fast in each precision (docs/performance.md). Where the kernel does not compile, the
            scan takes over with a warning.
    """

    kind: ClassVar[str] = "vanilla"
    update_rule: ClassVar[str] = "standard"
    per_network: ClassVar[tuple[str, ...]] = ("gain",)

    width: int = 128
    activation: Literal["tanh", "relu"] = "tanh"
    initialization: Literal["uniform", "gaussian", "orthogonal", "identity"] = "uniform"
    gain: float | tuple[float, ...] = 1.0
    train_initial_state: bool = False
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    fused: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "width")
        require_known("activation", self.activation, ZERO_AT_ZERO)
        require_known("precision", self.precision, PRODUCTS)
        require_known("initialization", self.initialization, INITIALIZATIONS)
        fused.require_choice(self.fused)

    def init(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Key, *, n_inputs: int, n_outputs: int, gain: Array
    ) -> VanillaParams:
        """Draws the weights of one network, as `Network.init`; `gain` multiplies recurrent ones."""
        input_key, recurrent_key, bias_key, readout_key = jax.random.split(key, 4)
        bound = self.width**-0.5
        draw_recurrent = INITIALIZATIONS[self.initialization]
        return VanillaParams(
            input_weights=uniform(input_key, (self.width, n_inputs), bound),
            recurrent_weights=gain * draw_recurrent(recurrent_key, self.width),
            bias=uniform(bias_key, (self.width,), bound),
            readout_weights=uniform(readout_key, (n_outputs, self.width), bound),
            initial_state=jnp.zeros(self.width),
        )

    @property
    def scheme(self) -> Scheme:
        """How the recurrence is computed."""
        return Scheme(self.activation, self.precision, fused.method(self.fused))

    def respond(self, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
        """Rates h, `[B, T, N]`, and outputs y, `[B, T, O]`, for inputs x, `[B, T, I]`."""
        if not self.train_initial_state:
            start = jax.lax.stop_gradient(params.initial_state)
            params = params._replace(initial_state=start)
        rates, outputs = recurrence.respond(self.scheme, params, jnp.swapaxes(inputs, 0, 1))
        return jnp.swapaxes(rates, 0, 1), jnp.swapaxes(outputs, 0, 1)

    def step(self, params: VanillaParams, state: Array, inputs: Array) -> Array:
        """One step of the rates h, `[..., N]`, which are the state."""
        return ACTIVATIONS[self.activation](drive(params, state, inputs))

    def jacobian(self, params: VanillaParams, state: Array, inputs: Array) -> Array:
        """diag(phi'(a)) W_h with a the drive of the step, `[..., N, N]`."""
        slope = SLOPES[self.activation](self.step(params, state, inputs))
        return slope[..., :, None] * params.recurrent_weights

    def rates(self, state: Array) -> Array:
        """The state."""
        return state

    def readout(self, params: VanillaParams, rates: Array) -> Array:
        """W_y h."""
        return exact_product(rates, params.readout_weights.T)

    def initial_state(self, params: VanillaParams) -> Array:
        """h_0."""
        return params.initial_state

    def weights(self, params: VanillaParams) -> dict[str, Array]:
        """The parameters, which act as they are."""
        return params._asdict()

    def plain(self) -> "VanillaRNN":
        """In float32, by the scan."""
        return dataclasses.replace(self, precision="float32", fused=False)


def uniform(key: Key, shape: tuple[int, ...], bound: float) -> Array:
    """U(-bound, bound)."""
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


INITIALIZATIONS: dict[str, Callable[[Key, int], Array]] = {
    "uniform": lambda key, width: uniform(key, (width, width), width**-0.5),
    "gaussian": lambda key, width: jax.random.normal(key, (width, width)) * width**-0.5,
    "orthogonal": factorization.orthogonal,
    "identity": lambda key, width: jnp.eye(width),
}
