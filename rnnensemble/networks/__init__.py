"""What a network is: its parameters, its rollout and its readout; a registry by `kind`."""

import difflib

from rnnensemble.networks.base import Network
from rnnensemble.networks.cell import MuPParams, Params, VanillaParams
from rnnensemble.networks.mup import MuPRNN
from rnnensemble.networks.vanilla import VanillaRNN

__all__ = [
    "MuPParams",
    "MuPRNN",
    "Network",
    "Params",
    "VanillaParams",
    "VanillaRNN",
    "find",
    "registered",
]

_NETWORKS: dict[str, type[Network]] = {network.kind: network for network in (VanillaRNN, MuPRNN)}


def registered() -> dict[str, type[Network]]:
    """All known networks by kind."""
    return dict(_NETWORKS)


def find(kind: str) -> type[Network]:
    """The network called `kind`; raises ValueError that suggests the nearest name."""
    if kind in _NETWORKS:
        return _NETWORKS[kind]
    near = difflib.get_close_matches(str(kind), _NETWORKS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`network.kind` must be one of {sorted(_NETWORKS)}; got {kind!r}.{hint}")
