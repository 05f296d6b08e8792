"""Parameters along training: after which epochs they are kept, and how they are gathered."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


def log_spaced(max_epochs: int, count: int) -> tuple[int, ...]:
    """Epochs for `Training.snapshots`: 0, and others evenly on a logarithmic axis up to the last.

    Where the axis asks for steps of less than an epoch, they are one epoch, and the epochs after
    them are spaced anew.

    Args:
        max_epochs: The last of the epochs, at least 1.
        count: How many epochs, at least 2 and at most `max_epochs` + 1.

    Returns:
        Whole numbers, ascending, each once.

    Raises:
        ValueError: If there are not so many.

    Example:
        >>> log_spaced(100, 8)
        (0, 1, 2, 5, 10, 22, 46, 100)
    """
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in (max_epochs, count))
    if not whole or not 2 <= count <= max_epochs + 1:
        raise ValueError(
            "`count` must be a whole number of at least 2, and at most `max_epochs` + 1; got "
            f"{count!r} for `max_epochs` {max_epochs!r}."
        )
    found = [1.0]
    while (left := count - 1 - len(found)) > 0:
        found.append(max(found[-1] + 1, found[-1] * (max_epochs / found[-1]) ** (1 / left)))
    found[-1] = max_epochs
    return (0, *(math.floor(epoch + 0.5) for epoch in found))  # `round` would make 4 of 4.5 too


def require_epochs(snapshots: Any, max_epochs: int) -> None:
    """Raises ValueError unless these are epochs that training comes to, ascending."""
    whole = isinstance(snapshots, tuple) and all(isinstance(x, int) and x >= 0 for x in snapshots)
    if not whole or any(np.diff(snapshots) <= 0):
        raise ValueError(
            "`snapshots` must be epochs, whole numbers of at least 0, ascending and each once; got "
            f"{snapshots!r}."
        )
    if max(snapshots, default=0) > max_epochs:
        raise ValueError(
            f"`snapshots` must be at most the last epoch, `max_epochs` {max_epochs}; got "
            f"{snapshots[-1]}."
        )


def blank(params: Any, count: int) -> Any:
    """Arrays of zeros for parameters `[K, ...]` after so many epochs, `[K, S, ...]`."""
    return jax.tree.map(lambda x: np.zeros((len(x), count, *x.shape[1:]), x.dtype), params)


def begun(training: Any, earlier: Any, params: Any) -> Any:
    """What is filled while networks train; None where no epoch is asked for.

    Args:
        training: Settings; says after which epochs.
        earlier: The snapshots of networks that go on; None of others.
        params: The parameters before the first step, `[K, ...]`.
    """
    epochs = training.snapshots
    if not epochs or earlier is not None:
        return jax.tree.map(np.copy, earlier)
    found = blank(params, len(epochs))
    first = np.broadcast_to(np.equal(epochs, 0), (len(jax.tree.leaves(params)[0]), len(epochs)))
    _keep(found, params, first)
    return found


def keep_due(
    kept: Sequence[Any],
    named: Sequence[Sequence[int]],
    rows: Sequence[slice],
    *,
    epoch: np.ndarray,
    trained: np.ndarray,
    params: Callable[[], Any],
) -> None:
    """Keeps the parameters of the networks that have just come to an epoch that has a snapshot.

    Args:
        kept: Snapshots of each population that trains, `[K_p, S_p, ...]`, written in place.
        named: The epochs of each.
        rows: Where its networks stand among those of all.
        epoch: Epochs trained, of all networks, `[K]`.
        trained: Networks that trained in the last epoch, `[K]`.
        params: Gives the present parameters, `[K, ...]`; called only if some are kept.
    """
    due = [
        trained[each, None] & np.equal(epoch[each, None], np.array(epochs, int))
        for each, epochs in zip(rows, named, strict=True)
    ]
    if any(which.any() for which in due):
        now = params()
        for into, which, each in zip(kept, due, rows, strict=True):
            _keep(into, jax.tree.map(lambda x, each=each: x[each], now), which)


def _keep(kept: Any, params: Any, which: np.ndarray) -> None:
    """Writes parameters `[K, ...]` into those of the snapshots `[K, S, ...]`, which is `[K, S]`.

    Where all networks are due, as mostly, they are a slice: NumPy would gather rows by indices
    before it writes them, which takes several times as long.
    """
    for place in np.flatnonzero(which.any(axis=0)):
        rows = slice(None) if which[:, place].all() else which[:, place]
        for into, x in zip(jax.tree.leaves(kept), jax.tree.leaves(params), strict=True):
            into[rows, place] = x[rows]


def filled(kept: Any, params: Any, epochs: Sequence[int], epoch: np.ndarray) -> Any:
    """A copy in which epochs that networks have not come to have their present parameters."""
    reached = np.searchsorted(epochs, epoch, side="right").tolist()

    def fill(x: np.ndarray, now: np.ndarray) -> np.ndarray:
        found = x.copy()
        for network, later in enumerate(reached):
            found[network, later:] = now[network]
        return found

    return jax.tree.map(fill, kept, params)


def of_epoch(kept: Any, epochs: Sequence[int], epoch: int) -> Any:
    """The parameters `[K, ...]` of one of the snapshots; ValueError if there is no such one."""
    if kept is None or epoch not in epochs:
        named = ", ".join(map(str, epochs)) or "none; train with `Training(snapshots=...)`"
        raise ValueError(f"`epoch` must be one that has a snapshot ({named}); got {epoch!r}.")
    return jax.tree.map(lambda x: x[:, list(epochs).index(epoch)], kept)
