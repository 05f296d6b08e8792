"""What every network is, and what some can do besides."""

import abc
import functools
import math
from collections.abc import Collection
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble._core.config import Config

Params = Any
"""The parameters of a network: a tree of arrays, as its `init` makes it."""


class Network(Config, abc.ABC):
    """An architecture: subclass it as a frozen dataclass that is checked when it is made.

    The least that a network must give is `width`, `init`, `step`, `rates` and `readout`. What
    follows from these (`initial_state`, `respond`, `jacobian`) it may give in a faster form.
    `weights` is for those that have weights which penalties, PIF and null spaces can name.

    A network is static but for its fields in `per_network`, whose values are traced. All methods
    see one network, are pure and can be jitted.
    """

    kind: ClassVar[str]
    """How presets and the command line call it."""
    update_rule: ClassVar[str] = ""
    """Networks of unlike rules never stand in one distance matrix; the kind unless there is one."""
    per_network: ClassVar[tuple[str, ...]] = ()
    """Fields that may differ between the networks of a population.

    `init`, `rate_factor` and `scaled_gradient` get each as a scalar; elsewhere they are 1, or 0 if
    they are that for all networks."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in cls.__dict__ and not cls.update_rule:
            cls.update_rule = getattr(cls, "kind", "")

    def stand_in(self, name: str, used: float) -> float:
        """What stands for a field of `per_network` in a program for any of its values.

        Args:
            name: The field.
            used: 1, or 0 if it is that for all networks; the answer, unless it is out of range.
        """
        del name
        return used

    width: int
    """Number of units N."""

    @property
    def in_place(self) -> int:
        """How many of the first units have a place of their own, the same in every network."""
        return 0

    @property
    def untrained(self) -> tuple[str, ...]:
        """Paths of parameters that only hold what may differ by network: none trains or decays."""
        return self.per_network

    @property
    def n_rates(self) -> int:
        """Number of rates R that metrics see; N unless a network says otherwise.

        Those beyond the first N are not read out.
        """
        return self.width

    @property
    def n_kept(self) -> int:
        """About how many numbers of a step of a trial are kept for the backward pass."""
        return self.width

    @property
    def n_cached(self) -> int:
        """How many of a step's numbers a CPU's cache should hold: slices of batches fit it."""
        return self.width

    @abc.abstractmethod
    def init(self, key: Key, *, n_inputs: int, n_outputs: int, **own: Any) -> Params:
        """The initial parameters of one network.

        Args:
            key: Random key, consumed.
            n_inputs: Number of inputs I.
            n_outputs: Number of outputs O.
            own: A scalar for each field in `per_network`.
        """

    @abc.abstractmethod
    def step(self, params: Params, state: Array, inputs: Array) -> Array:
        """The state `[..., S]` after one step from a state under inputs `[..., I]`."""

    @abc.abstractmethod
    def rates(self, state: Array) -> Array:
        """The rates in a state, `[..., N]`."""

    @abc.abstractmethod
    def readout(self, params: Params, rates: Array) -> Array:
        """The outputs of rates, `[..., O]`."""

    def initial_state(self, params: Params) -> Array:
        """The state `[S]` in which trials start: N zeros unless a network says otherwise."""
        del params
        return jnp.zeros(self.width)

    def respond(self, params: Params, inputs: Array) -> tuple[Array, Array]:
        """Rates `[B, T, N]` and outputs `[B, T, O]` for inputs `[B, T, I]`, step by step.

        Those of step t have seen the inputs of step t.
        """
        start = self.initial_state(params)
        states = jnp.broadcast_to(start, (inputs.shape[0], *start.shape))

        def advance(states: Array, now: Array) -> tuple[Array, tuple[Array, Array]]:
            states = self.step(params, states, now)
            rates = self.rates(states)
            return states, (rates, self.readout(params, rates))

        found = jax.lax.scan(advance, states, jnp.swapaxes(inputs, 0, 1))[1]
        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)

    @property
    def noisy(self) -> bool:
        """Whether training draws noise (`respond_noisily`); all else is measured without."""
        return False

    def respond_noisily(
        self, params: Params, inputs: Array, key: Key, *, first: Any = 0
    ) -> tuple[Array, Array]:
        """As `respond`, with the noise of a batch; for networks that are `noisy`.

        Args:
            params: Parameters of one network.
            inputs: Some of the batch's trials, one after another, `[B, T, I]`.
            key: Of the batch's noise, the same for all of its trials.
            first: Number of the first of these trials in the batch: whether a batch is computed in
                slices must not matter.
        """
        del key, first
        return self.respond(params, inputs)

    def jacobian(self, params: Params, state: Array, inputs: Array) -> Array:
        """The derivative of `step` by the state, `[..., S, S]`; row i holds what moves entry i."""
        inputs = jnp.broadcast_to(inputs, (*state.shape[:-1], inputs.shape[-1]))
        slope = jax.jacfwd(self.step, argnums=1)
        for _ in state.shape[:-1]:
            slope = jax.vmap(slope, in_axes=(None, 0, 0))
        return slope(params, state, inputs)

    def weights(self, params: Params) -> dict[str, Array]:
        """Weights as they act on inputs and rates, by the names of `metrics.weights.AXES`.

        Those that the network has: `recurrent_weights` `[..., N, N]`, `input_weights`
        `[..., N, I]`, `bias` `[..., N]`, `readout_weights` `[..., O, N]`, `initial_state`
        `[..., N]`; the first three with an axis of gates before N if units have several of each.
        Leading axes of the parameters are kept.
        """
        del params
        return {}

    @property
    def silent(self) -> float | None:
        """The state of a unit whose rate is 0, entry i of a state, i < N, being that of unit i.

        None for networks whose recurrence does not pass through these entries.
        """
        return 0.0

    def cut(self, params: Params, kept: Array) -> Params:
        """The parameters without some recurrent weights, those of all gates alike.

        Args:
            params: Of one network, or with leading axes.
            kept: 1 for connections as they are, 0 for those cut, `[..., N, N]`; row i holds what
                unit i receives.

        Raises:
            ValueError: If the parameters have no array `recurrent_weights` and the network does not
                say how they are cut.
        """
        named = params._asdict() if hasattr(params, "_asdict") else params
        if not isinstance(named, dict) or "recurrent_weights" not in named:
            raise ValueError(
                f"`network` {self.kind!r} has no parameters `recurrent_weights` that can be cut; "
                "give it the method `cut`."
            )
        weights = named["recurrent_weights"]
        gates = weights.ndim - kept.ndim  # an axis before the last two
        kept = jnp.expand_dims(kept, tuple(range(-2 - gates, -2))) if gates else kept
        cut = {"recurrent_weights": jnp.where(kept != 0, weights, 0.0)}
        return params._replace(**cut) if hasattr(params, "_replace") else params | cut

    def scaled_gradient(self, gradient: Params, **own: Any) -> Params:
        """A gradient in units in which its size depends on no field of `per_network`."""
        del own
        return gradient

    def rate_factor(self, **own: Any) -> Array | float:
        """What the learning rate is multiplied by."""
        del own
        return 1.0

    def plain(self) -> "Network":
        """The network with its products in float32 and without kernels of its own."""
        return self


def weights_of(network: Network, params: Params, names: Collection[str], what: str) -> list[Array]:
    """Some of a network's weights.

    Args:
        network: Architecture.
        params: Its parameters; leading axes are welcome.
        names: As in `Network.weights`.
        what: Who asks, for the error.

    Raises:
        ValueError: If the network has none of a name.
    """
    found = network.weights(params)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(lacks(network, missing, what))
    return [found[name] for name in names]


def lacks(network: Network, missing: Collection[str], what: str) -> str:
    """What is said of a network that does not have weights of these names."""
    return (
        f"`network` {network.kind!r} has no {' and no '.join(missing)}, which {what} needs; "
        "give it the method `weights`."
    )


def require_weights(
    network: Network, task: Any, names: Collection[str], what: str
) -> dict[str, jax.ShapeDtypeStruct]:
    """Raises ValueError, before anything is trained, unless a network has weights of these names.

    Args:
        network: Architecture.
        task: Gives the numbers of inputs and outputs.
        names: As in `Network.weights`.
        what: Who asks, for the error.

    Returns:
        Their shapes, by name.
    """

    def named(params: Params) -> dict[str, Array]:
        return dict(zip(names, weights_of(network, params, names, what), strict=True))

    return jax.eval_shape(named, shapes_of(network, task))


def shapes_of(network: Network, task: Any) -> Params:
    """The shapes of the parameters of one network.

    Args:
        network: Architecture.
        task: Gives the numbers of inputs and outputs.
    """
    return _shapes(network, task.n_inputs, task.n_outputs)


def count_of(network: Network, task: Any, *, axes: int = 1) -> int:
    """How many numbers the parameters of one network are, of arrays with so many axes or more."""
    leaves = jax.tree.leaves(shapes_of(network, task))
    return sum(math.prod(x.shape) for x in leaves if len(x.shape) >= axes)


@functools.lru_cache(maxsize=256)
def _shapes(network: Network, n_inputs: int, n_outputs: int) -> Params:
    own = dict.fromkeys(network.per_network, jax.ShapeDtypeStruct((), jnp.float32))

    def init(**own: Array) -> Params:
        return network.init(jax.random.key(0), n_inputs=n_inputs, n_outputs=n_outputs, **own)

    return jax.eval_shape(init, **own)


def require_known(name: str, value: str, known: Collection[str]) -> None:
    """Raises ValueError unless the value of a setting is a known one."""
    if value not in known:
        raise ValueError(f"`{name}` must be one of {sorted(known)}; got {value!r}.")
