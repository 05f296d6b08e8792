"""The gated networks: GRU and LSTM, as flax has them."""

import abc
import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from rnnensemble._core import factorization
from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import require_whole
from rnnensemble.networks import gates
from rnnensemble.networks.base import Network, require_known
from rnnensemble.networks.cell import exact_product
from rnnensemble.networks.gates import GATES, GatedParams


class GatedNetwork(Network, abc.ABC):
    """What GRU and LSTM share: all but what a cell does with its gates, which `kind` names.

    Weights start as in flax: U from the truncated normal law of variance 1 / I, W of each gate as
    `gain` times a random orthogonal matrix, biases 0. The readout starts from
    U(-1/sqrt(N), 1/sqrt(N)) and a bias of 0.
    """

    update_rule: ClassVar[str] = "standard"
    per_network: ClassVar[tuple[str, ...]] = ("gain",)
    gain: float | tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "width")

    @property
    def n_kept(self) -> int:
        return GATES[self.kind].kept * self.width

    @property
    def n_cached(self) -> int:
        return self.n_kept  # all are read again at each step

    def init(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key: Key, *, n_inputs: int, n_outputs: int, gain: Array
    ) -> GatedParams:
        """Draws the weights of one network, as `Network.init`."""
        count, n = GATES[self.kind].gates, self.width
        input_key, recurrent_key, readout_key = jax.random.split(key, 3)
        kernel = jax.nn.initializers.lecun_normal()(input_key, (n_inputs, count * n))
        keys = jax.random.split(recurrent_key, count)
        return GatedParams(
            input_weights=kernel.T.reshape(count, n, n_inputs),
            recurrent_weights=gain * jnp.stack([factorization.orthogonal(k, n) for k in keys]),
            bias=jnp.zeros((count, n)),
            readout_weights=readout_weights(readout_key, n_outputs, n),
            readout_bias=jnp.zeros(n_outputs),
        )

    def initial_state(self, params: GatedParams) -> Array:
        """Zeros, `[S]`."""
        del params
        return jnp.zeros(GATES[self.kind].states * self.width)

    def step(self, params: GatedParams, state: Array, inputs: Array) -> Array:
        """One step of the state `[..., S]`: h, and for the LSTM c after it."""
        parts = tuple(jnp.split(state, GATES[self.kind].states, axis=-1))
        return jnp.concatenate(gates.step(self.kind, params, parts, inputs), axis=-1)

    def respond(self, params: GatedParams, inputs: Array) -> tuple[Array, Array]:
        """Runs one network on a batch of trials, as `Network.respond`."""
        states, outputs = gates.respond(self.kind, params, jnp.swapaxes(inputs, 0, 1))
        rates = self.rates(jnp.concatenate(states, axis=-1))
        return jnp.swapaxes(rates, 0, 1), jnp.swapaxes(outputs, 0, 1)

    def rates(self, state: Array) -> Array:
        """What metrics see of a state, `[..., R]`."""
        return state[..., : self.n_rates]

    def readout(self, params: GatedParams, rates: Array) -> Array:
        """W_y h + b_y."""
        h = rates[..., : self.width]
        return exact_product(h, params.readout_weights.T) + params.readout_bias

    def weights(self, params: GatedParams) -> dict[str, Array]:
        """What units carry; recurrent weights are one matrix a gate, `[G, N, N]`."""
        found = params._asdict() | {"initial_state": jnp.zeros_like(params.bias[..., 0, :])}
        del found["readout_bias"]
        return found


def readout_weights(key: Key, n_outputs: int, width: int) -> Array:
    """U(-1/sqrt(N), 1/sqrt(N)), `[O, N]`."""
    return jax.random.uniform(key, (n_outputs, width), minval=-(width**-0.5), maxval=width**-0.5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GRU(GatedNetwork):
    """The gated recurrent unit, as `flax.nnx.GRUCell` has it, with a linear readout.

        r_t = sigma(U_r x_t + W_r h_{t-1} + b_r),   z_t = sigma(U_z x_t + W_z h_{t-1} + b_z),
        n_t = tanh(U_n x_t + b_n + r_t * (W_n h_{t-1})),
        h_t = (1 - z_t) * n_t + z_t * h_{t-1},   h_0 = 0,   y_t = W_y h_t + b_y

    Rates are h. Its three recurrent matrices are compared, and penalized, together: `PIF` matches
    units by one permutation for all gates.

    Source: Cho et al. (2014, arXiv 1406.1078); the reset gate acts after the product, as in cuDNN,
    PyTorch and flax. PyTorch has one more bias, inside the reset gate's product.

    Attributes:
        width: Number of units N.
        gain: Factor on the initial recurrent weights; one number, or one for each network.

    Example:
        >>> import rnnensemble as rnne
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> network = rnne.GRU(width=6)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> population.params.recurrent_weights.shape
        (3, 3, 6, 6)
    """

    kind: ClassVar[str] = "gru"

    width: int = 128
    gain: float | tuple[float, ...] = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class LSTM(GatedNetwork):
    """The long short-term memory, as `flax.nnx.LSTMCell` has it, with a linear readout.

        i_t = sigma(U_i x_t + W_i h_{t-1} + b_i),   f_t = sigma(U_f x_t + W_f h_{t-1} + b_f),
        g_t = tanh(U_g x_t + W_g h_{t-1} + b_g),    o_t = sigma(U_o x_t + W_o h_{t-1} + b_o),
        c_t = f_t * c_{t-1} + i_t * g_t,   h_t = o_t * tanh(c_t),   y_t = W_y h_t + b_y

    from h_0 = c_0 = 0. The state is (h, c), `[2 N]`: fixed points are those of both.

    Source: Hochreiter & Schmidhuber (1997); the forget gate of Gers et al. (2000), with a bias that
    starts from 0 as in flax.

    Attributes:
        width: Number of units N.
        hidden: What metrics see as rates: `h`, `[N]`, or `all`, h and then c, `[2 N]`.
        gain: Factor on the initial recurrent weights; one number, or one for each network.

    Example:
        >>> import rnnensemble as rnne
        >>> rnne.LSTM(width=6).n_rates, rnne.LSTM(width=6, hidden="all").n_rates
        (6, 12)
    """

    kind: ClassVar[str] = "lstm"

    width: int = 128
    hidden: Literal["h", "all"] = "h"
    gain: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_known("hidden", self.hidden, HIDDEN)

    @property
    def n_rates(self) -> int:
        return self.width if self.hidden == "h" else 2 * self.width


HIDDEN = ("h", "all")
"""What metrics may see of a state: what the cell puts out, or all that it remembers."""
