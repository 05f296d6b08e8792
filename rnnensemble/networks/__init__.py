"""What a network is: its parameters, its rollout and its readout; a registry by `kind`."""

from rnnensemble._core.registry import Registry
from rnnensemble.networks.base import (
    Network,
    Params,
    count_of,
    lacks,
    require_weights,
    shapes_of,
    weights_of,
)
from rnnensemble.networks.cell import MuPParams, VanillaParams
from rnnensemble.networks.flax_rnn import FlaxRNN
from rnnensemble.networks.gated import GRU, LSTM
from rnnensemble.networks.gates import GatedParams
from rnnensemble.networks.leaky import LeakyRNN
from rnnensemble.networks.mup import MuPRNN
from rnnensemble.networks.observed import Observed, ObservedParams
from rnnensemble.networks.perturbed import Perturbed, PerturbedParams
from rnnensemble.networks.vanilla import VanillaRNN

__all__ = [
    "GRU",
    "LSTM",
    "FlaxRNN",
    "GatedParams",
    "LeakyRNN",
    "MuPParams",
    "MuPRNN",
    "Network",
    "Observed",
    "ObservedParams",
    "Params",
    "Perturbed",
    "PerturbedParams",
    "VanillaParams",
    "VanillaRNN",
    "count_of",
    "find",
    "lacks",
    "register",
    "registered",
    "require_weights",
    "shapes_of",
    "weights_of",
]

REGISTRY: Registry[type[Network]] = Registry(
    "network.kind", (VanillaRNN, MuPRNN, LeakyRNN, GRU, LSTM, FlaxRNN, Observed), field="kind"
)
register = REGISTRY.register
"""Makes a network of your own known by its `kind` to presets and saved runs; a decorator."""
registered = REGISTRY.registered
"""All known networks by kind."""
find = REGISTRY.find
"""The network called `kind`; raises ValueError that suggests the nearest one."""
