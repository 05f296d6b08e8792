"""The leaky RNN in continuous time (CTRNN): noise, sparse, signed or low-rank connections."""

import dataclasses
import math
from typing import Any, ClassVar, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import later, require_whole
from rnnensemble.networks import connectivity, fused, leaky_checks, recurrence
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
    leaky,
)
from rnnensemble.networks.noise import Noise, words_of
from rnnensemble.networks.vanilla import INITIALIZATIONS, uniform

LeakyParams: TypeAlias = dict[str, Array]
"""Parameters by name, those that the form has.

`input_weights` W_x `[N, I]`, `bias` `[N]`, `readout_weights` W_y `[O, N]`, `readout_bias` `[O]`,
`initial_state` x_0 `[N]`; `recurrent_weights` `[N, N]`, or `left` m and `right` n `[N, R]`; and
what is never trained: `connections` `[N, N]`, 1 where there is one, and scalars: `noise`,
`initial_noise` and, with `own_tau`, `tau`.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeakyRNN(Network):
    """The leaky RNN: units with a time constant, whose potentials x may be noisy.

        x_t = (1 - a) x_{t-1} + a (W phi(x_{t-1}) + W_x u_t + b) + sqrt(2 a) noise xi_t
        y_t = W_y phi(x_t) + b_y,   a = dt / tau,   xi_t ~ N(0, 1) for each unit, step and trial

    Rates are phi(x). Without recurrence, noise gives potentials this standard deviation (divided by
    sqrt(1 - a / 2)). Networks are noisy in training alone: evaluation, distances and fixed points
    are of the network without noise. All parameters but recurrent weights start from
    U(-1/sqrt(N), 1/sqrt(N)), the readout's bias and x_0 from 0.

    Recurrent weights W, effective ones everywhere (PIF, penalties, fixed points), are V, or

        V at the connections of `mask` or `density` and exactly 0 elsewhere;
        |V| diag(d), d = 1 for excitatory and -1 for inhibitory units (Dale's law);
        m n^T / N, of rank R.

    Source: Song, Yang & Wang 2016 (equations 1 to 9: potentials, noise, Dale's law, masks), as
    PsychRNN; Dubreuil et al. 2022 (low rank). Models of rates, r_t = (1 - a) r_{t-1} + a phi(...),
    are another form (Yang et al. 2019). docs/networks/leaky.md says more.

    Attributes:
        width: Number of units N.
        dt: Duration of a step, in the unit of `tau`, at most `tau`.
        tau: Time constant of the units; one, or one for each network.
        own_tau: Whether tau is data of the compiled program instead of a constant in it, so that
            levels of a sweep over tau share one program; true where tau is one for each network.
        activation: phi: `tanh`, `relu`, `sigmoid` or `softplus`.
        noise: Standard deviation of potentials by process noise; one, or one for each network.
        initial_noise: That of the normal numbers added to x_0 in each trial, likewise.
        initialization: Law of V: `gaussian`, `uniform`, `orthogonal` or `identity`, as for
            `VanillaRNN`, divided by the root of the share of connections.
        gain: Factor on the initial W: in a large network its spectral radius, for gaussian weights
            and with Dale's law; one number, or one for each network.
        density: Share of connections, drawn from each network's key.
        mask: Connections of all networks, `[N, N]` of 0 and 1, row i those to unit i.
        excitatory: Share of excitatory units, the first ones, for Dale's law; needs an activation
            that is never below zero.
        readout_units: Units that are read out: `all`, or the `excitatory` ones.
        rank: Rank R of the recurrent weights; their loadings m and n start from N(0, 1), n times
            `gain`.
        fixed_loadings: Which loadings keep their random values: `none`, `left` (m), `right` (n) or
            `both`.
        readout_bias: Whether outputs have a trained bias b_y.
        train_initial_state: Whether x_0 is learned; otherwise it is 0.
        precision: As for `VanillaRNN`.
        fused: As for `VanillaRNN`; steps with noise are no kernel's.

    Example:
        >>> import rnnensemble as rnne
        >>> network = rnne.LeakyRNN(width=20, activation="relu", noise=0.05, excitatory=0.8)
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> population = rnne.train_population(task, network=network, training=short, size=2)
        >>> weights = network.weights(population.params)["recurrent_weights"]
        >>> bool((weights[:, :, :16] >= 0).all() and (weights[:, :, 16:] <= 0).all())
        True
    """

    kind: ClassVar[str] = "leaky"
    update_rule: ClassVar[str] = "standard"

    width: int = 128
    dt: float = 20.0
    tau: float | tuple[float, ...] = 100.0
    own_tau: bool = later(False)
    activation: Literal["tanh", "relu", "sigmoid", "softplus"] = "tanh"
    noise: float | tuple[float, ...] = 0.0
    initial_noise: float | tuple[float, ...] = 0.0
    initialization: Literal["gaussian", "uniform", "orthogonal", "identity"] = "gaussian"
    gain: float | tuple[float, ...] = 1.0
    density: float = 1.0
    mask: tuple[tuple[int, ...], ...] | None = None
    excitatory: float | None = None
    readout_units: Literal["all", "excitatory"] = "all"
    rank: int | None = None
    fixed_loadings: Literal["none", "left", "right", "both"] = "none"
    readout_bias: bool = True
    train_initial_state: bool = False
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    fused: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "width")
        require_known("activation", self.activation, ACTIVATIONS)
        require_known("precision", self.precision, PRODUCTS)
        require_known("initialization", self.initialization, INITIALIZATIONS)
        require_known("readout_units", self.readout_units, ("all", "excitatory"))
        require_known("fixed_loadings", self.fixed_loadings, ("none", "left", "right", "both"))
        fused.require_choice(self.fused)
        leaky_checks.require_times(self)
        leaky_checks.require_strengths(self)
        leaky_checks.require_connections(self)
        leaky_checks.require_signs(self)
        leaky_checks.require_rank(self)

    @property
    def per_network(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What may differ by network."""
        return ("gain", "noise", "initial_noise", *(("tau",) if self.own_tau else ()))

    def stand_in(self, name: str, used: float) -> float:
        """As of every network, but for tau, which is at least dt."""
        return self.dt if name == "tau" else used

    def leak_of(self, params: LeakyParams) -> Any:
        """a = dt / tau: a number, or an array as the parameter `tau` is, with `own_tau`."""
        tau: Any = jax.lax.stop_gradient(params["tau"]) if self.own_tau else self.tau
        return self.dt / tau

    @property
    def n_excitatory(self) -> int:
        """How many units are excitatory with Dale's law: the first ones."""
        return connectivity.excitatory_units(self.width, self.excitatory or 0.0)

    @property
    def masked(self) -> bool:
        """Whether some connections are missing."""
        return self.density < 1 or self.mask is not None

    @property
    def noisy(self) -> bool:
        """Whether a network has process noise or noise of its initial state."""
        return bool(np.any(self.noise) or np.any(self.initial_noise))

    @property
    def n_kept(self) -> int:
        return (1 + self.noisy) * self.width  # rates, and the noise of all steps

    @property
    def scheme(self) -> Scheme:
        """How the recurrence is computed."""
        method, leak = fused.method(self.fused), 1.0 if self.own_tau else self.leak_of({})
        return Scheme(self.activation, self.precision, method, leak, "potentials")

    def init(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        key: Key,
        *,
        n_inputs: int,
        n_outputs: int,
        gain: Array,
        noise: Array,
        initial_noise: Array,
        tau: Array | None = None,
    ) -> LeakyParams:
        """Draws the weights of one network.

        Args:
            key: Random key, consumed.
            n_inputs: Number of inputs I.
            n_outputs: Number of outputs O.
            gain: Factor on the recurrent weights, a scalar.
            noise: Standard deviation of potentials by noise, a scalar.
            initial_noise: That of initial states, a scalar.
            tau: Time constant, a scalar; with `own_tau` alone.

        Returns:
            Initial parameters.
        """
        input_key, recurrent_key, bias_key, readout_key = jax.random.split(key, 4)
        bound = self.width**-0.5
        params = {
            "input_weights": uniform(input_key, (self.width, n_inputs), bound),
            "bias": uniform(bias_key, (self.width,), bound),
            "readout_weights": uniform(readout_key, (n_outputs, self.width), bound),
            "initial_state": jnp.zeros(self.width),
            "noise": noise,
            "initial_noise": initial_noise,
        } | ({} if tau is None else {"tau": tau})
        if self.readout_bias:
            params["readout_bias"] = jnp.zeros(n_outputs)
        return params | connectivity.initial(self, recurrent_key, gain)

    def effective(self, params: LeakyParams) -> VanillaParams:
        """Weights as they act on inputs and rates, of one network or with leading axes."""
        readout = params["readout_weights"]
        if self.readout_units == "excitatory":
            readout = connectivity.connected(readout, jnp.arange(self.width) < self.n_excitatory)
        return VanillaParams(
            input_weights=params["input_weights"],
            recurrent_weights=connectivity.effective(self, params),
            bias=params["bias"],
            readout_weights=readout,
            initial_state=params["initial_state"],
        )

    def respond(self, params: LeakyParams, inputs: Array) -> tuple[Array, Array]:
        """Rates phi(x), `[B, T, N]`, and outputs y, `[B, T, O]`, without noise; step t sees u_t."""
        return self._run(params, inputs, None)

    def respond_noisily(
        self, params: LeakyParams, inputs: Array, key: Key, *, first: Any = 0
    ) -> tuple[Array, Array]:
        """As `respond`, with process noise and noise of the initial state (see `Network`)."""
        # a share of noise that no network of a population has is no part of the program
        process, start = (
            jax.lax.stop_gradient(params[name]) if np.any(getattr(self, name)) else None
            for name in ("noise", "initial_noise")
        )
        root: Any = jnp.sqrt if self.own_tau else math.sqrt
        process = None if process is None else root(2 * self.leak_of(params)) * process
        words = words_of(key, inputs.shape[1])
        return self._run(params, inputs, Noise(words, first, process, start))

    def _run(self, params: LeakyParams, inputs: Array, noise: Noise | None) -> tuple[Array, Array]:
        weights = self.effective(params)
        if not self.train_initial_state:
            start = jax.lax.stop_gradient(weights.initial_state)
            weights = weights._replace(initial_state=start)
        time_first = jnp.swapaxes(inputs, 0, 1)
        leak = self.leak_of(params) if self.own_tau else None
        rates, outputs = recurrence.respond(self.scheme, weights, time_first, noise, leak)
        if self.readout_bias:
            outputs += params["readout_bias"]
        return jnp.swapaxes(rates, 0, 1), jnp.swapaxes(outputs, 0, 1)

    def step(self, params: LeakyParams, state: Array, inputs: Array) -> Array:
        """One step of the potentials x, `[..., N]`, which are the state, without noise."""
        rates = self.rates(state)
        return leaky(self.leak_of(params), state, drive(self.effective(params), rates, inputs))

    def jacobian(self, params: LeakyParams, state: Array, inputs: Array) -> Array:
        """(1 - a) I + a W diag(phi'(x)), `[..., N, N]`."""
        del inputs
        slope, leak = SLOPES[self.activation](self.rates(state)), self.leak_of(params)
        moved = leak * connectivity.effective(self, params) * slope[..., None, :]
        return (1 - leak) * jnp.eye(self.width) + moved

    def rates(self, state: Array) -> Array:
        """phi(x)."""
        return ACTIVATIONS[self.activation](state)

    def readout(self, params: LeakyParams, rates: Array) -> Array:
        """W_y phi(x) + b_y."""
        outputs = exact_product(rates, self.effective(params).readout_weights.T)
        return outputs + params["readout_bias"] if self.readout_bias else outputs

    def initial_state(self, params: LeakyParams) -> Array:
        """x_0."""
        return params["initial_state"]

    def weights(self, params: LeakyParams) -> dict[str, Array]:
        """Effective weights; the readout's bias, which no unit carries, is none of them."""
        return self.effective(params)._asdict()

    @property
    def silent(self) -> float:
        """A potential whose rate is 0; sigmoid and softplus come to exactly 0 far below 0."""
        return 0.0 if self.activation in ZERO_AT_ZERO else -1e4

    def cut(self, params: LeakyParams, kept: Array) -> LeakyParams:
        """With fewer connections; those of low rank then have some too."""
        return params | {"connections": kept * params.get("connections", jnp.ones(()))}

    def plain(self) -> "LeakyRNN":
        """In float32, by the scan."""
        return dataclasses.replace(self, precision="float32", fused=False)
