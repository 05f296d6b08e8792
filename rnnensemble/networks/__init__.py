"""What a network is: its parameters, its rollout and its readout."""

from rnnensemble.networks.vanilla import VanillaParams, VanillaRNN

__all__ = ["VanillaParams", "VanillaRNN"]
