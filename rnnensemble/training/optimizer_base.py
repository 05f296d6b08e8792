"""What every optimizer is, and the check that its state is one of many networks."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from rnnensemble._core.axes import Array, ArrayLike
from rnnensemble._core.config import Config

State = Any
"""What an optimizer keeps from step to step: a tree of arrays."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer(Config, abc.ABC):
    """What makes a step of a clipped gradient g: w <- w - rate * d(g).

    w are all parameters of a network as one vector. A subclass of your own is a frozen dataclass
    with a `kind` and the method `direction`, and `optimizers.register`.
    """

    kind: ClassVar[str]
    """How presets call it."""
    per_network: ClassVar[tuple[str, ...]] = ()
    """Fields that may differ between the networks of a population.

    `direction` gets each as a scalar; as fields they are 1 where a program is made, or 0 if they
    are that for all networks. The state's form must not depend on them."""

    @abc.abstractmethod
    def direction(self, **own: Any) -> optax.GradientTransformation:
        """d, from a gradient `[P]` to a direction `[P]`, which the learning rate multiplies.

        Args:
            own: A scalar for each field in `per_network`.
        """

    def init(self, params: Any) -> State:
        """The state before the first step from these parameters."""
        own = dict.fromkeys(self.per_network, jnp.ones(()))
        return self.direction(**own).init(ravel_pytree(params)[0])

    def moved(
        self, gradient: Array, state: State, vector: Array, *, weights: Array, rate: ArrayLike,
        as_params: Callable[[Array], Any], **own: Any,
    ) -> tuple[Array, State]:  # fmt: skip
        """Parameters and state after a step.

        Args:
            gradient: g, `[P]`.
            state: What the optimizer keeps.
            vector: Parameters, `[P]`.
            weights: What weight decay sees of them: zeros where nothing is trained, `[P]`.
            rate: Learning rate, a scalar.
            as_params: Makes the network's tree of a vector.
            own: A scalar for each field in `per_network`.
        """
        del as_params
        direction: Any
        direction, state = self.direction(**own).update(gradient, state, weights)
        return vector - rate * direction, state


def require_stackable(optimizer: Optimizer, params: Any) -> Any:
    """The state's shapes, of parameters of these shapes.

    ValueError unless it is arrays whose shapes, the same after a step, an axis of networks can
    precede.
    """

    def one_step(params: Any) -> tuple[Any, Any]:
        vector, as_params = ravel_pytree(params)
        state = optimizer.init(params)
        how: dict[str, Any] = dict.fromkeys(optimizer.per_network, jnp.ones(()))
        how |= {"weights": vector, "rate": jnp.ones(()), "as_params": as_params}
        return state, optimizer.moved(vector, state, vector, **how)[1]

    name = getattr(optimizer, "factory", optimizer.kind)
    try:
        before, after = jax.eval_shape(one_step, params)
    except Exception as error:  # whatever the optimizer itself may raise
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ValueError(
            f"`optimizer` {name!r} cannot be used: its state must be arrays, and a step must need "
            f"gradient and parameters alone, without the loss; it says: {reason}"
        ) from None
    shapes = [
        (jax.tree.structure(x), [(y.shape, y.dtype) for y in jax.tree.leaves(x)])
        for x in (before, after)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`optimizer` {name!r} must keep the form of its state, so that networks can be "
            f"stacked; before a step it is {before}, after it {after}."
        )
    return before


def kept_numbers(optimizer: Optimizer) -> int:
    """Numbers that an optimizer keeps for each parameter: 2 for Adam's moments."""
    count = 1000  # of a few numbers for all parameters nothing is left
    state = jax.eval_shape(optimizer.init, jnp.zeros(count))
    return sum(x.size for x in jax.tree.leaves(state)) // count
