"""The axis letters that every shape in this package is written with.

| letter | counts            |
|--------|-------------------|
| K      | networks          |
| B      | trials of a batch |
| T      | time steps        |
| N      | units             |
| I      | inputs            |
| O      | outputs           |

Public arrays are batch first: inputs `[B, T, I]`, rates `[B, T, N]`; a population adds K in front.
Inside a scan time comes first.
"""

from typing import TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
"""An array on a device, or a tracer of one."""

ArrayLike: TypeAlias = jax.Array | np.ndarray
"""An array on a device or on the host."""

Key: TypeAlias = jax.Array
"""A typed random key, as `jax.random.key` makes it."""
