"""What users hand in, as arrays: what NumPy would swallow in silence is refused in one line."""

from typing import Any

import jax.numpy as jnp
import numpy as np

LEAST, MOST = 1e-30, 1e37
"""Largest entries that float32 holds in full: below, others would lose digits; above, sums end."""
RESOLVED = 1e-3
"""Rounding to float32 may make up so much of how much rates vary."""


def real_array(x: Any, name: str) -> np.ndarray:
    """The floats, whole numbers or bools that an array of any library, or nested lists, hold.

    Raises:
        ValueError: For masked entries, which NumPy would take for data; numbers with units, complex
            numbers, text, dates and objects; lists of unlike lengths; what cannot be read.
    """
    if _has_masked(x):
        raise ValueError(
            f"`{name}` must hold no masked entries, since NumPy would count them; leave them out, "
            "or, of activity and outputs, whole steps by `mask=`."
        )
    unit = getattr(x, "unit", None) or getattr(x, "units", None)
    if unit is not None and not callable(unit):
        raise ValueError(f"`{name}` must be plain numbers; got some in {unit}; take their values.")
    try:
        found = np.asarray(x)
    except Exception as error:  # each library has its own
        reason = "lists of unlike lengths" if "inhomogeneous" in str(error) else _first_line(error)
        raise ValueError(f"`{name}` must be an array of numbers; got {reason}.") from None
    if not any(jnp.issubdtype(found.dtype, kind) for kind in (np.floating, np.integer, np.bool_)):
        raise ValueError(f"`{name}` must hold real numbers; got {found.dtype}.")
    return found


def floats(x: Any, name: str) -> np.ndarray:
    """Real numbers in float64; raises ValueError as `real_array`."""
    return real_array(x, name).astype(float, copy=False)


def single(x: np.ndarray, name: str) -> np.ndarray:
    """Real numbers in float32; of rates `[B, T, N]`, only if it resolves how they vary.

    ValueError if their size, or a small change beside a large mean, is lost in float32.
    """
    with np.errstate(over="ignore", under="ignore"):
        found = x.astype(np.float32, copy=False)
    largest = float(np.max(np.abs(x), initial=0.0))
    if np.isfinite(largest) and not (largest == 0 or LEAST <= largest <= MOST):
        raise ValueError(
            f"`{name}` must lie between {LEAST:g} and {MOST:g} in size, as float32 can hold it; "
            f"the largest entry is {largest:g}; take another unit."
        )
    if x.ndim != 3 or x.dtype.itemsize < 4 or x.dtype == np.float32 or not np.isfinite(largest):
        return found
    moves = float(np.std(x - x.mean(axis=(0, 1))))
    lost = float(np.sqrt(np.mean((x - found) ** 2)))
    if lost > RESOLVED * moves and moves > 1e-12 * largest:
        raise ValueError(
            f"`{name}` must vary by more than float32 rounds; it varies by {moves:.2g} around "
            f"values of {largest:.2g}; subtract its mean first."
        )
    return found


def _has_masked(x: Any) -> bool:
    """Whether entries of an array, or of one in a list, are masked."""
    if isinstance(x, np.ma.MaskedArray):
        return bool(np.ma.getmaskarray(x).any())
    return isinstance(x, (list, tuple)) and any(map(_has_masked, x))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
