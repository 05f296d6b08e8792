"""What training lowers: losses by name, and functions of one's own."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnensemble._core.axes import Array
from rnnensemble._core.imports import imported, path_of
from rnnensemble._core.registry import Registry

Loss = Callable[[Array, Array, Array], Array]
"""From outputs `[B, T, O]`, targets `[B, T, O]` and mask `[B, T]` to a scalar."""


def mse(outputs: Array, targets: Array, mask: Array) -> Array:
    """Mean squared error over masked steps: sum m (y - y*)^2 / (O sum m).

    Args:
        outputs: y, `[B, T, O]`.
        targets: y*, `[B, T, O]`.
        mask: m, `[B, T]`.

    Returns:
        A scalar, in squared output units.
    """
    return jnp.sum(mask * squared_errors(outputs, targets)) / jnp.sum(mask)


def cross_entropy(outputs: Array, targets: Array, mask: Array) -> Array:
    """Mean cross-entropy over masked steps, the outputs being logits of O classes.

        L = -sum_bt m_bt sum_o y*_bto log softmax(y_bt)_o / sum m

    Args:
        outputs: y, `[B, T, O]`.
        targets: y*, `[B, T, O]`: one-hot, or probabilities that sum to 1.
        mask: m, `[B, T]`.

    Returns:
        A scalar, in nats.

    Example:
        >>> import jax.numpy as jnp
        >>> import rnnensemble as rnne
        >>> outputs, targets = jnp.zeros((1, 1, 4)), jnp.eye(4)[None, :1]
        >>> round(float(rnne.losses.cross_entropy(outputs, targets, jnp.ones((1, 1)))), 4)
        1.3863
    """
    return jnp.sum(mask * cross_entropies(outputs, targets)) / jnp.sum(mask)


def squared_errors(outputs: Array, targets: Array) -> Array:
    """Those of each step, averaged over outputs, `[B, T]`."""
    return jnp.mean((outputs - targets) ** 2, axis=-1)


def cross_entropies(outputs: Array, targets: Array) -> Array:
    """Those of each step, `[B, T]`."""
    return -jnp.sum(targets * jax.nn.log_softmax(outputs), axis=-1)


STEPWISE: dict[str, Callable[[Array, Array], Array]] = {
    "mse": squared_errors,
    "cross_entropy": cross_entropies,
}
"""Losses that are means over masked steps: the gradients of slices of a batch add up to theirs. Of
a loss of one's own nothing of that kind is assumed."""

UNITS = {"mse": "MSE", "cross_entropy": "cross-entropy, nats"}
"""What captions say of numbers in the unit of a loss."""

REGISTRY: Registry[Any] = Registry("loss", (mse, cross_entropy), field="__name__")
register = REGISTRY.register
"""Makes a function of your own known by its name; a decorator."""
registered = REGISTRY.registered
"""All known losses by name."""


def find(name: str) -> Loss:
    """The loss of a name or import path; raises ValueError that suggests the nearest name."""
    return imported(name, "loss") if ":" in str(name) else REGISTRY.find(name)


def name_of(loss: Any) -> str:
    """The name or import path of a loss, checked, which settings hold.

    Args:
        loss: A name, an import path such as `my_lab.losses:huber`, or a function.

    Raises:
        ValueError: If there is no such loss, or it does not take outputs, targets and mask.
    """
    if not callable(loss):
        _require_arguments(find(loss))
        return loss
    _require_arguments(loss)
    names = [name for name, known in registered().items() if known is loss]
    return names[0] if names else path_of(loss, "loss")


def _require_arguments(loss: Any) -> None:
    """Raises ValueError unless a function can be called with three arguments."""
    try:
        inspect.signature(loss).bind(None, None, None)
    except (TypeError, ValueError):
        raise ValueError(
            f"`loss` must take outputs, targets and mask and give a scalar; got {loss!r}."
        ) from None


def unit(loss: str) -> str:
    """What captions call numbers in the unit of a loss."""
    return UNITS.get(loss, loss.rpartition(":")[2])
