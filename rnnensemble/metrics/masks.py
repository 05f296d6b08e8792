"""Masks of valid steps: what is left of the data, and which of their steps follow one another."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnensemble._core.axes import Array
from rnnensemble._core.conversion import real_array

STEPWISE = ("activity", "outputs", "inputs", "mask")
"""What a dictionary of a network's data calls arrays of trials and steps, `[B, T, ...]`."""


class Masked(NamedTuple):
    """The data of one network at the valid steps, and where these lie.

    Attributes:
        data: What the metric takes, with S valid steps in the place of trials: `[1, S, ...]`.
        places: Indices among them by name, as the metric asked for them (`Metric.places`).
    """

    data: Any
    places: dict[str, Any]


class Counted(NamedTuple):
    """Rates of one network that stay where they are, and which of their steps count.

    Sums over trials take them by products with zeros and ones: so one program serves batches whose
    trials are of other lengths, where `Masked` would have another shape for each.

    Attributes:
        data: Rates, `[B, T, N]`.
        valid: Which steps count, zeros and ones, `[B, T]`.
    """

    data: Any
    valid: Any


def apart(data: Any) -> tuple[Any, dict[str, Any]]:
    """The data of a network, or their shapes, and the places; none without a mask.

    Of `Counted` rates there is `valid` instead.
    """
    if isinstance(data, Counted):
        return data.data, {"valid": data.valid}
    return data if isinstance(data, Masked) else (data, {})


def together(valid: Array, steps: int) -> Array:
    """Where so many steps in a row count: zeros and ones, `[B, T]` to `[B, T - steps + 1]`."""
    count = valid.shape[1] - steps + 1
    return jnp.prod(jnp.stack([valid[:, k : k + count] for k in range(steps)]), axis=0)


def as_mask(mask: Any) -> np.ndarray:
    """A mask of valid steps as bools, `[B, T]`.

    ValueError unless it holds bools, or zeros and ones, of trials and steps, and leaves a step.
    """
    if isinstance(mask, np.ma.MaskedArray):
        raise ValueError("`mask` must hold bools, or zeros and ones; got a masked array.")
    found = real_array(mask, "mask")
    if found.ndim != 2:
        raise ValueError(
            f"`mask` must be [B, T], True where a step is valid; got shape {found.shape}."
        )
    other = found[(found != 0) & (found != 1)]
    if other.size:
        raise ValueError(f"`mask` must hold bools, or zeros and ones; got {other[0]}.")
    if not found.any():
        raise ValueError(
            f"`mask` must leave at least one valid step; got none in {len(found)} trials of "
            f"{found.shape[1]} steps."
        )
    return found.astype(bool)


def at_valid_steps(one: Any, mask: np.ndarray, name: str) -> Any:
    """The data of one network at the S valid steps: `[B, T, ...]` to one trial, `[1, S, ...]`.

    Where all steps are valid, the data stay as they are; of a dictionary, arrays without steps do.
    ValueError if the data have other trials or steps than the mask.
    """
    if isinstance(one, dict):
        return {
            key: at_valid_steps(x, mask, f"{name}[{key!r}]") if key in STEPWISE else x
            for key, x in one.items()
        }
    if one.shape[:2] != mask.shape:
        raise ValueError(
            f"`mask` must be [B, T], the trials and steps of `{name}` of shape {one.shape}; got "
            f"{mask.shape}."
        )
    return one if mask.all() else one[mask][None]


def successions(mask: np.ndarray, steps: int) -> np.ndarray:
    """Where so many valid steps of a trial follow one another without a gap: of each the first.

    The mask is of bools, `[B, T]`; places count all valid steps, and rise. Successions may overlap.
    """
    begins = mask.copy()
    begins[:, 1:] &= ~mask[:, :-1]
    stretch = np.cumsum(begins[mask])  # the number of the stretch that each valid step is in
    count = max(len(stretch) - steps + 1, 0)
    return np.flatnonzero(stretch[:count] == stretch[steps - 1 :]).astype(np.int32)


def rows_and_pairs(mask: np.ndarray, lag: int) -> dict[str, np.ndarray]:
    """Which rows of a delay embedding are whole, and which of them another one follows.

    The mask is of bools, `[B, T]`; `lag` counts the steps from the oldest one of a row to the
    newest.

    Returns:
        `rows`, the places of the rows' oldest steps among the valid ones, `[R]`; `pairs`, the
        places among these rows of those that another one follows, `[P]`.
    """
    rows = successions(mask, lag + 1)
    pairs = np.searchsorted(rows, successions(mask, lag + 2))
    return {"rows": rows, "pairs": pairs.astype(np.int32)}


def rows_of(places: dict[str, Any]) -> dict[str, Any]:
    """What of the places says which rows of an embedding count."""
    return {name: places[name] for name in ("rows", "valid") if name in places}


def pairs_of(places: dict[str, Any], lag: int) -> dict[str, Any]:
    """What says which rows of an embedding over `lag` steps count as pairs with the next ones."""
    if "valid" in places:
        return {"weights": together(places["valid"], lag + 2)}
    return {"pairs": places.get("pairs")}


def extent(shape: tuple[int, ...], places: dict[str, Any]) -> str:
    """How much an operator is fitted to, in words; `places` are shapes of `rows_and_pairs`."""
    if places:
        return f"{places['pairs'][0]} pairs of rows at {shape[1]} valid steps"
    return f"{shape[0]} trials of {shape[1]} steps"
