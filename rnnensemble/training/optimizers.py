"""How a gradient becomes a step: optimizers by name, and any of optax's by import path."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from rnnensemble._core.axes import Array, ArrayLike
from rnnensemble._core.config import require_positive
from rnnensemble._core.imports import imported, path_of
from rnnensemble._core.registry import Registry
from rnnensemble.training.optimizer_base import Optimizer, State


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam: m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  d = m^ / (sqrt(v^) + eps).

    m^ and v^ are m / (1 - b1^t) and v / (1 - b2^t) after t steps.

    Attributes:
        b1: Decay of the mean of gradients.
        b2: Decay of the mean of their squares.
        eps: Added to the denominator.

    Source: Kingma & Ba (arXiv 1412.6980).
    """

    kind: ClassVar[str] = "adam"
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_decays(self, "b1", "b2")
        require_positive("eps", self.eps)

    def direction(self, **own: Any) -> optax.GradientTransformation:
        del own
        return optax.scale_by_adam(self.b1, self.b2, self.eps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: d = m^ / (sqrt(v^) + eps) + decay * w.

    Attributes:
        weight_decay: At least 0; one number, or one for each network.

    Source: Loshchilov & Hutter (arXiv 1711.05101); as in PyTorch, all parameters decay.
    """

    kind: ClassVar[str] = "adamw"
    per_network: ClassVar[tuple[str, ...]] = ("weight_decay",)
    weight_decay: float | tuple[float, ...] = 1e-2

    def direction(self, **own: Any) -> optax.GradientTransformation:
        return optax.chain(super().direction(), _decay(self, own))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent: g' = g + decay * w;  m <- momentum * m + g';  d = m.

    With Nesterov's momentum d = g' + momentum * m.

    Attributes:
        momentum: Within 0 and 1; one number, or one for each network.
        weight_decay: At least 0; one number, or one for each network.
        nesterov: Whether the step looks ahead.

    Source: as PyTorch's SGD, of which Nesterov's form is Sutskever et al. (2013).
    """

    kind: ClassVar[str] = "sgd"
    per_network: ClassVar[tuple[str, ...]] = ("momentum", "weight_decay")
    momentum: float | tuple[float, ...] = 0.9
    weight_decay: float | tuple[float, ...] = 0.0
    nesterov: bool = False

    def direction(self, **own: Any) -> optax.GradientTransformation:
        return optax.chain(_decay(self, own), optax.trace(own["momentum"], nesterov=self.nesterov))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """RMSProp: g' = g + decay * w;  v <- b v + (1 - b) g'^2;  d = g' / (sqrt(v) + eps).

    Attributes:
        decay: b, of the mean of squared gradients.
        eps: Added to the denominator.
        weight_decay: At least 0; one number, or one for each network.

    Source: Tieleman & Hinton (2012), in PyTorch's form.
    """

    kind: ClassVar[str] = "rmsprop"
    per_network: ClassVar[tuple[str, ...]] = ("weight_decay",)
    decay: float = 0.99
    eps: float = 1e-8
    weight_decay: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_decays(self, "decay")
        require_positive("eps", self.eps)

    def direction(self, **own: Any) -> optax.GradientTransformation:
        return optax.chain(
            _decay(self, own), optax.scale_by_rms(self.decay, self.eps, eps_in_sqrt=False)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lion(Optimizer):
    """Lion: d = sign(b1 m + (1 - b1) g) + decay * w;  m <- b2 m + (1 - b2) g.

    Attributes:
        b1: Share of m in the direction.
        b2: Decay of m.
        weight_decay: At least 0; one number, or one for each network.

    Source: Chen et al. (arXiv 2302.06675), who advise a third to a tenth of Adam's learning rate.
    """

    kind: ClassVar[str] = "lion"
    per_network: ClassVar[tuple[str, ...]] = ("weight_decay",)
    b1: float = 0.9
    b2: float = 0.99
    weight_decay: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_decays(self, "b1", "b2")

    def direction(self, **own: Any) -> optax.GradientTransformation:
        return optax.chain(optax.scale_by_lion(self.b1, self.b2), _decay(self, own))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optax(Optimizer):
    """What a function makes: any `optax.GradientTransformation`, of the tree of parameters.

    The function takes `learning_rate`, a traced scalar: that of the network and step, with
    schedule and plateau. It is called in each step, and its state must not depend on the rate. A
    state made by `optax.inject_hyperparams` gets the rate too.

    Attributes:
        factory: Import path of the function, as `optax:adabelief` or `my_lab.optim:make`.

    Example:
        >>> import optax
        >>> import rnnensemble as rnne
        >>> rnne.Training(optimizer=optax.adabelief).optimizer
        Optax(factory='optax:adabelief')
    """

    kind: ClassVar[str] = "optax"
    factory: str = "optax:adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        make = imported(self.factory, "optimizer")
        try:
            inspect.signature(make).bind(learning_rate=0.0)
        except (TypeError, ValueError):
            raise ValueError(
                f"`optimizer` {self.factory!r} must be a function that can be called with "
                "`learning_rate` alone; write one that sets the rest."
            ) from None

    def direction(self, **own: Any) -> optax.GradientTransformation:
        """The transformation at a rate of 1, whose updates are the negative direction."""
        del own
        return optax.chain(self._made(jnp.ones(())), optax.scale(-1.0))

    def _made(self, rate: ArrayLike) -> optax.GradientTransformation:
        return imported(self.factory, "optimizer")(learning_rate=rate)

    def init(self, params: Any) -> State:
        return self._made(jnp.ones(())).init(params)

    def moved(
        self, gradient: Array, state: State, vector: Array, *, weights: Array, rate: ArrayLike,
        as_params: Callable[[Array], Any], **own: Any,
    ) -> tuple[Array, State]:  # fmt: skip
        del own
        if optax.tree.get_all_with_path(state, "learning_rate"):
            state = optax.tree.set(state, learning_rate=rate)
        trees = as_params(gradient), state, as_params(weights)
        updates, state = self._made(rate).update(*trees)
        return vector + ravel_pytree(updates)[0], state


REGISTRY: Registry[type[Optimizer]] = Registry(
    "optimizer", (Adam, AdamW, SGD, RMSProp, Lion, Optax), field="kind"
)
register = REGISTRY.register
"""Makes an optimizer of your own known by its `kind`; a decorator."""
registered = REGISTRY.registered
"""All known optimizers by name."""
find = REGISTRY.find
"""The optimizer of a name; raises ValueError that suggests the nearest."""


def as_optimizer(value: Any) -> Optimizer:
    """An optimizer as settings hold it.

    Args:
        value: An `Optimizer`, the name of one with its defaults, or a function that makes an
            `optax.GradientTransformation` from `learning_rate`, or its import path.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(value, Optimizer):
        return value
    if isinstance(value, optax.GradientTransformation):
        raise ValueError(
            "`optimizer` must be a function that makes a GradientTransformation, or a name, so "
            "that it can be stored; got one that is made: give `optax.sgd`, not `optax.sgd(1e-3)`."
        )
    if isinstance(value, str):
        return Optax(factory=value) if ":" in value else find(value)()
    return Optax(factory=path_of(value, "optimizer"))


def _decay(optimizer: Any, own: dict[str, Any]) -> optax.GradientTransformation:
    """Adds decay * w; nothing, at no cost, where no network's weights decay."""
    return optax.add_decayed_weights(own["weight_decay"] if optimizer.weight_decay else 0.0)


def _require_decays(optimizer: Optimizer, *names: str) -> None:
    """Raises ValueError unless these settings are at least 0 and below 1."""
    for name in names:
        value = getattr(optimizer, name)
        if not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise ValueError(f"`{name}` must be at least 0 and below 1; got {value!r}.")
