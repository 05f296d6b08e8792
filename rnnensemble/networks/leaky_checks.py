"""Settings of a leaky RNN that exclude one another, or that no network can have."""

import math
from typing import Any

import numpy as np

from rnnensemble._core.config import require_whole

POSITIVE = ("relu", "sigmoid", "softplus")
"""Activations that are never below zero."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def require_times(network: Any) -> None:
    """Raises ValueError unless a step takes some time, and no longer than any time constant."""
    dt, tau = network.dt, network.tau
    taus = tau if isinstance(tau, tuple) else (tau,)
    for name, value in (("dt", dt), *(("tau", each) for each in taus)):
        if not _is_number(value) or value <= 0:
            raise ValueError(f"`{name}` must be a positive number; got {value!r}.")
    if taus and dt > min(taus):
        raise ValueError(f"`dt` must be at most `tau`, {min(taus):g}; got {dt:g}.")
    if not isinstance(network.own_tau, bool):
        raise ValueError(f"`own_tau` must be a bool; got {network.own_tau!r}.")
    if isinstance(tau, tuple):
        object.__setattr__(network, "own_tau", True)


def require_strengths(network: Any) -> None:
    """Raises ValueError unless strengths of noise are numbers of at least 0."""
    for name in ("noise", "initial_noise"):
        value = getattr(network, name)
        for each in value if isinstance(value, tuple) else (value,):
            if not _is_number(each) or each < 0:
                raise ValueError(f"`{name}` must be a number of at least 0; got {each!r}.")


def require_connections(network: Any) -> None:
    """Raises ValueError unless there can be such connections; a mask becomes one of 0 and 1."""
    density, mask, width = network.density, network.mask, network.width
    if not _is_number(density) or not 0 < density <= 1:
        raise ValueError(f"`density` must be above 0 and at most 1; got {density!r}.")
    if mask is None:
        return
    if density < 1:
        raise ValueError("`mask` and `density` both say which connections there are; give one.")
    shape = _shape_of(mask)
    if shape != (width, width):
        raise ValueError(f"`mask` must be [N, N] with N = `width` {width}; got {shape}.")
    entries = np.asarray(mask)
    if not np.isin(entries, (0, 1)).all() or not entries.any():
        raise ValueError("`mask` must hold 0 and 1, and a 1 at least; it holds something else.")
    object.__setattr__(network, "mask", tuple(map(tuple, entries.astype(int).tolist())))


def _shape_of(mask: Any) -> tuple[int, ...]:
    """The shape of what is given as a mask; () if it has none."""
    try:
        return np.asarray(mask, float).shape
    except (TypeError, ValueError):
        return ()


def require_signs(network: Any) -> None:
    """Raises ValueError unless Dale's law can hold as it is asked for."""
    share = network.excitatory
    if share is None:
        if network.readout_units == "excitatory":
            raise ValueError("`readout_units` 'excitatory' needs `excitatory`, Dale's law.")
        return
    if not _is_number(share) or not 0 < network.n_excitatory < network.width:
        raise ValueError(
            f"`excitatory` must be a share that leaves units of both kinds of {network.width}; "
            f"got {share!r}."
        )
    if network.activation not in POSITIVE:
        raise ValueError(
            f"`activation` must never be below zero with `excitatory` (Dale's law), as "
            f"{', '.join(POSITIVE)}; got {network.activation!r}."
        )
    _require_own_law(network, "excitatory")


def require_rank(network: Any) -> None:
    """Raises ValueError unless there can be recurrent weights of this rank."""
    rank = network.rank
    if rank is None:
        if network.fixed_loadings != "none":
            raise ValueError(
                f"`fixed_loadings` {network.fixed_loadings!r} needs `rank`, that of the loadings."
            )
        return
    require_whole(network, "rank")
    if rank > network.width:
        raise ValueError(f"`rank` must be at most `width`, {network.width}; got {rank}.")
    others = {"mask": None, "density": 1.0, "excitatory": None}
    for name, default in others.items():
        if getattr(network, name) != default:
            raise ValueError(f"`rank` and `{name}` exclude one another; leave one of them out.")
    _require_own_law(network, "rank")


def _require_own_law(network: Any, name: str) -> None:
    """Raises ValueError if a law of V is asked for where weights have one of their own."""
    if network.initialization != "gaussian":
        raise ValueError(
            f"`initialization` must be 'gaussian' with `{name}`, whose weights have a law of their "
            f"own; got {network.initialization!r}."
        )
