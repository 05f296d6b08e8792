"""Any recurrent cell of flax as a network: `FlaxRNN`."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array, Key
from rnnensemble.networks.base import Network, require_known
from rnnensemble.networks.cell import exact_product
from rnnensemble.networks.flax_cells import Arguments, Cell, cell_of, path_of
from rnnensemble.networks.flax_weights import KNOWN, cut, stacked
from rnnensemble.networks.gated import HIDDEN, readout_weights


class FlaxParams(NamedTuple):
    """Weights of a flax network.

    Attributes:
        cell: The cell's own, by their path in it, as `dense_h.kernel`.
        readout_weights: W_y, `[O, N]`.
        readout_bias: b_y, `[O]`.
    """

    cell: dict[str, Array]
    readout_weights: Array
    readout_bias: Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlaxRNN(Network):
    """A recurrent cell of flax, `nnx` or `linen`, with a linear readout.

        carry_t, h_t = cell(carry_{t-1}, x_t),   y_t = W_y h_t + b_y

    The cell is the class itself or its import path, by which it is stored. Classes of `nnx`, and
    functions that make them, are called with the numbers of inputs and units, `rngs` and
    `arguments`; classes of `linen` with `features` and `arguments`. The carry may be a tree of any
    arrays with the trials along their first axis; trials start from what the cell's
    `initialize_carry` gives.

    The state `[S]` is the output h, then what else the carry holds. An output that is no array of
    the carry is kept beside it, and adds N eigenvalues of 0 to the spectra of fixed points.

    Recurrent weights are known of flax's own cells (`KNOWN`). Of other ones PIF, penalties and the
    weight change know none; all other measures go on. To name them, subclass `FlaxRNN` with a
    `kind` and `weights` of its own.

    Attributes:
        cell: A subclass of `flax.nnx.RNNCellBase` or `flax.linen.RNNCellBase`, a function that
            makes one of `nnx`, or the import path of either, as `my_lab.cells:MyCell`.
        width: Number of units N, which the cell puts out.
        arguments: Further keyword arguments of the cell: a dictionary, or pairs, of numbers,
            texts, and functions or classes by themselves or by import path.
        hidden: What metrics see as rates: `h`, the output `[N]`, or `all`, the whole state `[S]`.

    Raises:
        ValueError: If it is no cell, draws random numbers, keeps statistics of batches, has
            parameters that cannot be trained, or carries or outputs of other shapes.

    Example:
        >>> import rnnensemble as rnne
        >>> from flax import nnx
        >>> network = rnne.FlaxRNN(cell=nnx.SimpleCell, width=6, arguments={"residual": True})
        >>> network.cell, network.arguments
        ('flax.nnx:SimpleCell', (('residual', True),))
        >>> task = rnne.tasks.FlipFlop(n_bits=1, n_steps=10)
        >>> short = rnne.Training(batch=8, epoch_steps=1, max_epochs=1)
        >>> population = rnne.train_population(task, network=network, training=short, size=3)
        >>> population.params.cell["dense_h.kernel"].shape
        (3, 6, 6)
    """

    kind: ClassVar[str] = "flax"
    update_rule: ClassVar[str] = "standard"

    cell: str | Callable[..., Any] = ""
    width: int = 0
    arguments: tuple[tuple[str, bool | int | float | str], ...] = ()
    hidden: Literal["h", "all"] = "h"

    def __post_init__(self) -> None:
        given = self.arguments
        pairs = sorted(given.items()) if isinstance(given, dict) else given
        object.__setattr__(self, "arguments", _plain_pairs(pairs))
        object.__setattr__(self, "cell", path_of(self.cell))
        super().__post_init__()
        if not isinstance(self.cell, str) or not self.cell:
            raise ValueError(
                "`cell` must be given: a recurrent cell of flax or its import path, as "
                f"'flax.nnx:GRUCell'; got {self.cell!r}."
            )
        if not isinstance(self.width, int) or self.width < 1:
            raise ValueError(
                "`width` must be given: the number of units, a whole number of at least 1; got "
                f"{self.width!r}."
            )
        require_known("hidden", self.hidden, HIDDEN)
        self.cell_for(1)

    def cell_for(self, n_inputs: int) -> Cell:
        """The cell of so many inputs."""
        return cell_of(str(self.cell), self.arguments, self.width, n_inputs)

    @property
    def n_states(self) -> int:
        """Numbers in the state S."""
        cell = self.cell_for(1)
        others = (x for k, x in enumerate(cell.shapes) if k != cell.shown)
        return self.width + sum(math.prod(shape) for shape in others)

    @property
    def n_rates(self) -> int:
        return self.width if self.hidden == "h" else self.n_states

    @property
    def n_kept(self) -> int:
        return 8 * self.width  # about what autodiff keeps of a GRU

    def init(self, key: Key, *, n_inputs: int, n_outputs: int, **own: Any) -> FlaxParams:
        """The cell's own initial parameters, and a readout from U(-1/sqrt(N), 1/sqrt(N)).

        Args:
            key: Random key, consumed.
            n_inputs: Number of inputs I.
            n_outputs: Number of outputs O.
            own: Nothing.
        """
        cell = self.cell_for(n_inputs)
        if cell.shapes != self.cell_for(1).shapes:
            raise ValueError(
                f"`cell` {self.cell!r} must have a carry that does not depend on the number of "
                f"inputs; got {cell.shapes} for {n_inputs}, {self.cell_for(1).shapes} for 1."
            )
        cell_key, readout_key = jax.random.split(key)
        return FlaxParams(
            cell={name: x.astype(float) for name, x in cell.init(cell_key).items()},
            readout_weights=readout_weights(readout_key, n_outputs, self.width),
            readout_bias=jnp.zeros(n_outputs),
        )

    def initial_state(self, params: FlaxParams) -> Array:
        """The cell's own carry, with an output of zeros where the carry has none, `[S]`."""
        cell = self.cell_for(self._n_inputs(params))
        carry = cell.carry(params.cell, 1)
        return self._packed(cell, params, carry, jnp.zeros((1, self.width)))[0]

    def step(self, params: FlaxParams, state: Array, inputs: Array) -> Array:
        """One step of the state `[..., S]` under inputs `[..., I]`."""
        cell = self.cell_for(inputs.shape[-1])
        inputs = jnp.broadcast_to(inputs, (*state.shape[:-1], inputs.shape[-1]))
        rows = (x.reshape(-1, x.shape[-1]) for x in (state, inputs))
        return self._advanced(cell, params, *rows).reshape(state.shape)

    def respond(self, params: FlaxParams, inputs: Array) -> tuple[Array, Array]:
        """Rates `[B, T, R]` and outputs `[B, T, O]` for inputs `[B, T, I]`."""
        cell, start = self.cell_for(inputs.shape[-1]), self.initial_state(params)

        def advance(state: Array, now: Array) -> tuple[Array, Array]:
            state = self._advanced(cell, params, state, now)
            return state, self.rates(state)

        states = jnp.broadcast_to(start, (len(inputs), *start.shape))
        rates = jax.lax.scan(advance, states, jnp.swapaxes(inputs, 0, 1))[1]
        outputs = self.readout(params, rates)
        return jnp.swapaxes(rates, 0, 1), jnp.swapaxes(outputs, 0, 1)

    def rates(self, state: Array) -> Array:
        """What metrics see of a state, `[..., R]`."""
        return state[..., : self.n_rates]

    def readout(self, params: FlaxParams, rates: Array) -> Array:
        """W_y h + b_y."""
        h = rates[..., : self.width]
        return exact_product(h, params.readout_weights.T) + params.readout_bias

    def weights(self, params: FlaxParams) -> dict[str, Array]:
        """The readout's, and those of flax's own cells; of several gates `[G, N, N]`."""
        names = KNOWN.get(str(self.cell))
        of_cell = {} if names is None else stacked(params.cell, names, self.width)
        return of_cell | {"readout_weights": params.readout_weights}

    @property
    def silent(self) -> float | None:
        """0; None where the output is no part of the carry, which alone the cell remembers."""
        return None if self.cell_for(1).shown is None else 0.0

    def cut(self, params: FlaxParams, kept: Array) -> FlaxParams:
        """Flax's own cells with parts of their kernels, which are transposed, set to 0."""
        return params._replace(cell=cut(str(self.cell), params.cell, kept))

    def _advanced(self, cell: Cell, params: FlaxParams, states: Array, inputs: Array) -> Array:
        """The states `[B, S]` after one step."""
        after = cell.apply(params.cell, self._carry(cell, states), inputs)
        return self._packed(cell, params, *after)

    def _packed(self, cell: Cell, params: FlaxParams, carry: Any, output: Array) -> Array:
        """A carry and an output as states `[B, S]`, of the precision of the parameters."""
        leaves = jax.tree.leaves(carry)
        first = output if cell.shown is None else leaves.pop(cell.shown)
        states = jnp.concatenate([first, *(x.reshape(len(x), -1) for x in leaves)], axis=-1)
        return states.astype(params.readout_bias.dtype)

    def _carry(self, cell: Cell, states: Array) -> Any:
        """The carry that `_packed` packed."""
        shapes = list(cell.shapes)
        first = () if cell.shown is None else (shapes.pop(cell.shown),)
        found, begin = [], self.width
        for shape in shapes:
            end = begin + math.prod(shape)
            found.append(states[:, begin:end].reshape(-1, *shape))
            begin = end
        if first and cell.shown is not None:
            found.insert(cell.shown, states[:, : self.width])
        return jax.tree.unflatten(cell.tree, found)

    def _n_inputs(self, params: FlaxParams) -> int:
        """The number of inputs that parameters are for, from how their shapes grow with it."""
        one, two = (self.cell_for(count).weights for count in (1, 2))
        for name, shape in one.items():
            for got, least, more in zip(params.cell[name].shape, shape, two[name], strict=True):
                if more != least:
                    return 1 + (got - least) // (more - least)
        return 1


def _plain_pairs(pairs: Any) -> Arguments:
    """Arguments as pairs that can be hashed and stored."""
    try:
        found = tuple((name, path_of(value)) for name, value in pairs)
    except (TypeError, ValueError) as error:
        if "import path" in str(error):
            raise
        found = (("", None),)
    if not all(isinstance(n, str) and isinstance(v, (bool, int, float, str)) for n, v in found):
        raise ValueError(
            "`arguments` must be a dictionary, or pairs, of names and numbers, texts, functions or "
            f"classes; got {pairs!r}."
        )
    return found
