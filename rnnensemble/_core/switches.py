"""JAX's own switches, which a user may have set for the whole process."""

import jax

SWITCHES = {
    "jax_disable_jit": (
        False,
        "op by op, a second takes a minute; jax.debug.print and jax.debug.breakpoint look into a "
        "compiled program",
    ),
    "jax_debug_nans": (
        False,
        "NaN stands for what is not there, and a network that meets one counts as diverged",
    ),
    "jax_debug_infs": (False, "infinity stands for what has no bound"),
    "jax_default_prng_impl": (
        "threefry2x32",
        "others draw other numbers for other tiles and devices",
    ),
    "jax_threefry_partitionable": (True, "a seed would stand for other networks"),
}
"""Those that must keep JAX's default, and why."""


def require_switches() -> None:
    """Raises ValueError, naming it, if one of SWITCHES is set."""
    for name, (default, why) in SWITCHES.items():
        if getattr(jax.config, name) != default:
            raise ValueError(f"`{name}` must be {default!r}, JAX's default: {why}.")


def x64() -> bool:
    """Whether JAX computes in float64, which works, and is recorded with what comes out."""
    return jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
