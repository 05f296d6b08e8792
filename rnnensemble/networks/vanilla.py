"""The vanilla RNN of the paper."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble.axes import Array, Key

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "relu": jax.nn.relu}


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class VanillaRNN:
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
    """

    per_network: ClassVar[tuple[str, ...]] = ("gain",)
    """Fields that may differ between the networks of a population."""

    width: int = 128
    activation: Literal["tanh", "relu"] = "tanh"
    initialization: Literal["uniform", "gaussian", "orthogonal", "identity"] = "uniform"
    gain: float | tuple[float, ...] = 1.0
    train_initial_state: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or self.width < 1:
            raise ValueError(f"`width` must be a whole number of at least 1; got {self.width!r}.")
        if self.activation not in ACTIVATIONS:
            known = sorted(ACTIVATIONS)
            raise ValueError(f"`activation` must be one of {known}; got {self.activation!r}.")
        if self.initialization not in INITIALIZATIONS:
            known = sorted(INITIALIZATIONS)
            raise ValueError(
                f"`initialization` must be one of {known}; got {self.initialization!r}."
            )

    def init(self, key: Key, *, n_inputs: int, n_outputs: int, gain: Array) -> VanillaParams:
        """Draws the weights of one network.

        Args:
            key: Random key, consumed.
            n_inputs: Number of inputs I.
            n_outputs: Number of outputs O.
            gain: Factor on the recurrent weights, a scalar.

        Returns:
            Initial parameters.
        """
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

    def respond(self, params: VanillaParams, inputs: Array) -> tuple[Array, Array]:
        """Runs one network on a batch of trials.

        Args:
            params: Parameters of one network.
            inputs: Inputs x, `[B, T, I]`.

        Returns:
            Rates h, `[B, T, N]`, and outputs y, `[B, T, O]`.
        """
        drive = jnp.swapaxes(inputs, 0, 1) @ params.input_weights.T + params.bias
        start = params.initial_state
        if not self.train_initial_state:
            start = jax.lax.stop_gradient(start)
        start = jnp.broadcast_to(start, drive.shape[1:])
        rates = recurrence(self.activation, params.recurrent_weights, drive, start)
        outputs = rates @ params.readout_weights.T  # time first: only what is small is turned
        return jnp.swapaxes(rates, 0, 1), jnp.swapaxes(outputs, 0, 1)


def uniform(key: Key, shape: tuple[int, ...], bound: float) -> Array:
    """U(-bound, bound)."""
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


INITIALIZATIONS: dict[str, Callable[[Key, int], Array]] = {
    "uniform": lambda key, width: uniform(key, (width, width), width**-0.5),
    "gaussian": lambda key, width: jax.random.normal(key, (width, width)) * width**-0.5,
    "orthogonal": lambda key, width: jax.random.orthogonal(key, width),
    "identity": lambda key, width: jnp.eye(width),
}


SLOPES: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda rates: 1 - rates**2,
    "relu": lambda rates: (rates > 0).astype(rates.dtype),
}
"""phi'(a) as a function of phi(a), for every activation."""


def recurrence(activation: str, weights: Array, drive: Array, start: Array) -> Array:
    """Runs h_t = phi(W h_{t-1} + drive_t).

    Its backward pass keeps nothing but the rates and takes the weights' gradient as one product
    over all trials and steps; autodiff would keep every intermediate and add up T small products.

    Args:
        activation: phi.
        weights: W, `[N, N]`.
        drive: W_x x_t + b, `[T, B, N]`.
        start: h_0, `[B, N]`.

    Returns:
        Rates, `[T, B, N]`.
    """
    return _recurrence(activation, weights, drive, start)


def _run(activation: str, weights: Array, drive: Array, start: Array) -> Array:
    phi = ACTIVATIONS[activation]

    def step(state: Array, drive_now: Array) -> tuple[Array, Array]:
        state = phi(state @ weights.T + drive_now)
        return state, state

    return jax.lax.scan(step, start, drive)[1]


def _recurrence_forward(
    activation: str, weights: Array, drive: Array, start: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    rates = _run(activation, weights, drive, start)
    return rates, (weights, rates, start)


def _recurrence_backward(
    activation: str, kept: tuple[Array, Array, Array], rates_bar: Array
) -> tuple[Array, Array, Array]:
    """With d_t = dL/d(drive_t): d_t = phi'_t (rates_bar_t + W^T d_{t+1})."""
    weights, rates, start = kept
    slope = SLOPES[activation]

    def step(state_bar: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        rates_now, rates_bar_now = now
        drive_bar = slope(rates_now) * (rates_bar_now + state_bar)
        return drive_bar @ weights, drive_bar

    start_bar, drive_bar = jax.lax.scan(
        step, jnp.zeros_like(start), (rates, rates_bar), reverse=True
    )
    width = weights.shape[0]
    weights_bar = drive_bar[0].T @ start  # the einsum over "tbn,tbm" would run at half the speed
    weights_bar += drive_bar[1:].reshape(-1, width).T @ rates[:-1].reshape(-1, width)
    return weights_bar, drive_bar, start_bar


_recurrence: Any = jax.custom_vjp(_run, nondiff_argnums=(0,))
_recurrence.defvjp(_recurrence_forward, _recurrence_backward)
