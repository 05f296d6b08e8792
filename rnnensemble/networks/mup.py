"""The RNN in the muP form, whose learning is as rich at every width and richer with gamma."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_whole
from rnnensemble.networks import fused, recurrence
from rnnensemble.networks.base import Network, require_known
from rnnensemble.networks.cell import (
    ACTIVATIONS,
    PRODUCTS,
    SLOPES,
    ZERO_AT_ZERO,
    MuPParams,
    Scheme,
    VanillaParams,
    drive,
    exact_product,
    leaky,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MuPRNN(Network):
    """The RNN in the muP (mean-field) form for Adam.

        h(t+1) - h(t) = tau (-h(t) + (1/N) J phi(h(t)) + U x(t)),   h(0) = 0,
        f = (1 / (gamma N)) W phi(h)

    J_ij ~ N(0, N), U_ij and W_ij ~ N(0, 1), no bias. Adam's steps are gamma times
    `Training.learning_rate`, which is eta_0 here. A step then changes hidden units by about
    gamma eta_0 and outputs by about eta_0 at every width. Larger gamma is richer, smaller gamma
    lazier learning; a small gamma starts with large outputs. Rates are phi(h).

    Gradients get smaller as 1 / (gamma N) and, of J, 1 / (gamma N^2) an entry; `scaled_gradient`
    undoes it, so that Adam's epsilon is as negligible and a clipping norm as strict for every
    width and gamma. Adam itself does not depend on these factors.

    Source: Huang et al. (arXiv 2410.03972, section 3.2; tau = 0.1). Open there, chosen here: the
    law of U and W, that nothing is trained besides J, U, W, and the gradients' units.

    Attributes:
        width: Number of units N.
        gamma: Richness of learning; one number, or one for each network.
        tau: Time step over the units' time constant, above 0 and at most 1.
        gain: Factor on the initial J; one number, or one for each network.
        activation: phi, `tanh` or `relu`.
        precision: As for `VanillaRNN`.
        fused: As for `VanillaRNN`.
    """

    kind: ClassVar[str] = "mup"
    update_rule: ClassVar[str] = "mup"
    per_network: ClassVar[tuple[str, ...]] = ("gain", "gamma")

    width: int = 128
    gamma: float | tuple[float, ...] = 1.0
    tau: float = 0.1
    gain: float | tuple[float, ...] = 1.0
    activation: Literal["tanh", "relu"] = "tanh"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    fused: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "width")
        require_known("activation", self.activation, ZERO_AT_ZERO)
        require_known("precision", self.precision, PRODUCTS)
        fused.require_choice(self.fused)
        if not 0 < self.tau <= 1:
            raise ValueError(f"`tau` must be above 0 and at most 1; got {self.tau!r}.")

    def init(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Key, *, n_inputs: int, n_outputs: int, gain: Array, gamma: Array
    ) -> MuPParams:
        """Draws the weights of one network, as `Network.init`; `gain` multiplies recurrent ones."""
        input_key, recurrent_key, readout_key = jax.random.split(key, 3)
        square = self.width, self.width
        return MuPParams(
            input_weights=jax.random.normal(input_key, (self.width, n_inputs)),
            recurrent_weights=gain * self.width**0.5 * jax.random.normal(recurrent_key, square),
            bias=jnp.zeros(self.width),
            readout_weights=jax.random.normal(readout_key, (n_outputs, self.width)),
            initial_state=jnp.zeros(self.width),
            gamma=gamma,
        )

    @property
    def scheme(self) -> Scheme:
        """How the recurrence is computed."""
        return Scheme(self.activation, self.precision, fused.method(self.fused), self.tau)

    def respond(self, params: MuPParams, inputs: Array) -> tuple[Array, Array]:
        """Rates phi(h), `[B, T, N]`, and outputs f, `[B, T, O]`; those of step t see x(t)."""
        params = params._replace(
            **{
                name: jax.lax.stop_gradient(getattr(params, name))
                for name in ("bias", "initial_state", "gamma")
            }
        )
        time_first = jnp.swapaxes(inputs, 0, 1)
        rates, outputs = recurrence.respond(self.scheme, self.effective(params), time_first)
        return jnp.swapaxes(rates, 0, 1), jnp.swapaxes(outputs, 0, 1)

    def step(self, params: MuPParams, state: Array, inputs: Array) -> Array:
        """One step of the potentials h, `[..., N]`, which are the state."""
        rates = self.rates(state)
        return leaky(self.tau, state, drive(self.effective(params), rates, inputs))

    def jacobian(self, params: MuPParams, state: Array, inputs: Array) -> Array:
        """(1 - tau) I + tau (J / N) diag(phi'(h)), `[..., N, N]`."""
        del inputs
        slope = SLOPES[self.activation](self.rates(state))
        moved = self.tau * (params.recurrent_weights / self.width) * slope[..., None, :]
        return (1 - self.tau) * jnp.eye(self.width) + moved

    def rates(self, state: Array) -> Array:
        """phi(h)."""
        return ACTIVATIONS[self.activation](state)

    def effective(self, params: MuPParams) -> VanillaParams:
        """J / N, U and W / (gamma N), of one network or with leading axes."""
        gamma = jax.lax.stop_gradient(params.gamma)
        return VanillaParams(
            input_weights=params.input_weights,
            recurrent_weights=params.recurrent_weights / self.width,
            bias=params.bias,
            readout_weights=params.readout_weights / (gamma[..., None, None] * self.width),
            initial_state=params.initial_state,
        )

    def readout(self, params: MuPParams, rates: Array) -> Array:
        """W phi(h) / (gamma N)."""
        return exact_product(rates, self.effective(params).readout_weights.T)

    def weights(self, params: MuPParams) -> dict[str, Array]:
        """J / N, U, W / (gamma N), and zeros for what this form lacks."""
        return self.effective(params)._asdict()

    def plain(self) -> "MuPRNN":
        """In float32, by the scan."""
        return dataclasses.replace(self, precision="float32", fused=False)

    def rate_factor(self, **own: Array) -> Array:
        """gamma: an update is as large in the outputs whatever gamma."""
        return own["gamma"]

    def scaled_gradient(self, gradient: MuPParams, **own: Array) -> MuPParams:
        """The gradient of J / sqrt(N), U and W times gamma sqrt(N): each of norm about 1."""
        scale = own["gamma"] * self.width**0.5
        return gradient._replace(
            input_weights=scale * gradient.input_weights,
            recurrent_weights=self.width**0.5 * scale * gradient.recurrent_weights,
            readout_weights=scale * gradient.readout_weights,
        )
