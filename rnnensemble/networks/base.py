"""What every network is: what the rest of the package asks of one."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Protocol

from rnnensemble._core.axes import Array
from rnnensemble.networks.cell import VanillaParams


class Network(Protocol):
    """An architecture: a frozen, hashable dataclass, checked when it is made.

    A network is static but for its fields in `per_network`, whose values are traced.
    """

    kind: ClassVar[str]
    """How presets and the command line call it."""
    update_rule: ClassVar[str]
    """Networks of unlike rules never stand in one distance matrix."""
    per_network: ClassVar[tuple[str, ...]]
    """Fields that may differ between the networks of a population."""
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def width(self) -> int:
        """Number of units N."""
        ...

    @property
    def init(self) -> Callable[..., Any]:
        """`init(key, *, n_inputs, n_outputs, gain, ...)`: the initial parameters of one network.

        It takes a scalar for each field in `per_network`.
        """
        ...

    def respond(self, params: Any, inputs: Array) -> tuple[Array, Array]:
        """Rates `[B, T, N]` and outputs `[B, T, O]` of one network for inputs `[B, T, I]`."""
        ...

    def step(self, params: Any, state: Array, inputs: Array) -> Array:
        """The state `[..., N]` after one step from a state under inputs `[..., I]`.

        What the state is belongs to the architecture; trials start from zeros.
        """
        ...

    def jacobian(self, params: Any, state: Array, inputs: Array) -> Array:
        """The derivative of `step` by the state, `[..., N, N]`; row i holds what moves unit i."""
        ...

    def rates(self, state: Array) -> Array:
        """The rates in a state, `[..., N]`."""
        ...

    def effective(self, params: Any) -> VanillaParams:
        """The parameters as they act on inputs and rates; leading axes are welcome."""
        ...

    def effective_weights(self, params: Any) -> Array:
        """The recurrent weights as they act on rates, `[..., N, N]`."""
        ...

    def scaled_gradient(self, gradient: Any, gamma: Any) -> Any:
        """A gradient in units in which its size depends on neither width nor gamma."""
        ...


def require_width(width: int) -> None:
    """Raises ValueError unless this can be a number of units."""
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise ValueError(f"`width` must be a whole number of at least 1; got {width!r}.")


def require_known(name: str, value: str, known: Collection[str]) -> None:
    """Raises ValueError unless the value of a setting is a known one."""
    if value not in known:
        raise ValueError(f"`{name}` must be one of {sorted(known)}; got {value!r}.")
