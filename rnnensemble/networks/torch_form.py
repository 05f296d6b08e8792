"""Networks as PyTorch has them: the weights of `torch_network.Network`, and those of its layers
`nn.RNN`, `nn.GRU` and `nn.LSTM` as a network of ours."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnensemble.networks.base import Network, Params
from rnnensemble.networks.cell import VanillaParams
from rnnensemble.networks.flax_rnn import KNOWN, FlaxParams, FlaxRNN
from rnnensemble.networks.gated import GRU, LSTM
from rnnensemble.networks.gates import GatedParams
from rnnensemble.networks.leaky import LeakyRNN
from rnnensemble.networks.mup import MuPRNN
from rnnensemble.networks.vanilla import VanillaRNN

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""Layers of PyTorch that have a form here, and how many matrices they stack."""
CELLS = {"SimpleCell": "rnn", "GRUCell": "gru", "LSTMCell": "lstm", "OptimizedLSTMCell": "lstm"}
"""Cells of flax that are such layers."""
RELU = (("activation_fn", "jax.nn:relu"),)
"""Arguments of flax's `SimpleCell` for PyTorch's other activation."""

Arrays = dict[str, Any]


class TorchForm(NamedTuple):
    """Networks in PyTorch: settings of `torch_network.Network`, state dict with leading axis K."""

    settings: dict[str, Any]
    weights: Arrays


def torch_form(network: Network, params: Params) -> TorchForm:
    """The form of networks in PyTorch: their effective weights, leading axis K.

    ValueError if PyTorch has no such cell, and nobody has written it in PyTorch here.
    """
    settings = _settings(network)
    found = {name: np.asarray(x) for name, x in jax.jit(network.weights)(params).items()}
    stacked = [_rows(found[name]) for name in ("input_weights", "recurrent_weights")]
    biases = found["bias"].reshape(len(found["bias"]), -1)
    pair = biases, np.zeros_like(biases)
    if isinstance(network, FlaxRNN):
        names = KNOWN[str(network.cell)]
        pair = tuple(_biases(params.cell, layers) for layers in (names.inputs, names.recurrent))
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    if settings["kind"] == "leaky":
        names = "weight_ih", "weight_hh", "bias"  # of one bias
    layer = dict(zip(names, (*stacked, *pair), strict=False))
    weights = {f"recurrent.{name}": x for name, x in layer.items()}
    if isinstance(network, LeakyRNN) and network.own_tau:
        weights["recurrent.leak"] = np.asarray(network.leak_of(params))
    weights["readout.weight"] = found["readout_weights"]
    if settings["readout_bias"]:
        bias = params["readout_bias"] if isinstance(params, dict) else params.readout_bias
        weights["readout.bias"] = np.asarray(bias)
    if settings["learned_start"]:
        weights["initial_state"] = found["initial_state"]
    sizes = {"n_inputs": stacked[0].shape[2], "n_outputs": found["readout_weights"].shape[1]}
    return TorchForm(settings | sizes, weights)


def _settings(network: Network) -> dict[str, Any]:
    """What is said of an architecture in PyTorch; exact classes, since others step otherwise."""
    settings: dict[str, Any] = {"width": network.width, "readout_bias": True}
    settings["learned_start"] = bool(getattr(network, "train_initial_state", False))
    told: dict[str, Any] = {"kind": None}
    if type(network) is VanillaRNN:
        told = {"kind": "rnn", "activation": network.activation, "readout_bias": False}
    elif type(network) is MuPRNN or type(network) is LeakyRNN:
        bias = isinstance(network, LeakyRNN) and network.readout_bias
        leak = None if getattr(network, "own_tau", False) else network.scheme.tau
        told = {"kind": "leaky", "leak": leak, "readout_bias": bias}
        told["activation"] = network.activation
    elif type(network) in (GRU, LSTM):
        told = {"kind": network.kind}
    elif type(network) is FlaxRNN and network.cell in KNOWN:
        told = {"kind": CELLS.get(str(network.cell).partition(":")[2])}
        if told["kind"] == "rnn" and network.arguments == RELU:
            told["activation"] = "relu"
        elif network.arguments:
            told["kind"] = None
    if told["kind"] is None:
        what = f" with the cell {network.cell!r}" if isinstance(network, FlaxRNN) else ""
        raise ValueError(
            f"`network` {network.kind!r}{what} has no form in PyTorch; export its parameters to "
            ".npz or .safetensors."
        )
    told["cells_shown"] = told["kind"] == "lstm" and network.n_rates > network.width
    return settings | told


def _rows(x: np.ndarray) -> np.ndarray:
    """Weights with the gates one below the other, `[K, G N, ...]`."""
    return x.reshape(len(x), -1, x.shape[-1])


def _biases(cell: Mapping[str, Any], layers: tuple[str, ...]) -> np.ndarray:
    """The biases of a flax cell's layers, zeros for those without, `[K, G N]`."""
    kernels = {layer: np.asarray(cell[f"{layer}.kernel"]) for layer in layers}
    zeros = {layer: np.zeros_like(kernel[:, 0]) for layer, kernel in kernels.items()}
    return np.concatenate([np.asarray(cell.get(f"{x}.bias", zeros[x])) for x in layers], axis=-1)


def of_torch(kind: str, activation: Any, weights: Arrays) -> tuple[Network, Params]:
    """The networks of layers of PyTorch with a linear readout, and their parameters, exactly.

    Those that our networks lack a bias for are flax's cells: `nn.RNN` with a bias of the readout,
    and `nn.GRU` with a bias inside the reset gate's product. Weights have PyTorch's names of a
    layer, `readout.weight` and `readout.bias`, and a leading axis K; biases may be missing.
    """
    width, count = weights["weight_hh_l0"].shape[2], GATES[kind]
    gates = {
        name: x.reshape(len(x), count, width, *x.shape[2:])
        for name, x in weights.items()
        if name.endswith("_l0")
    }
    w_x, w = gates["weight_ih_l0"], gates["weight_hh_l0"]
    readout, zeros = weights["readout.weight"], np.zeros_like(w[..., 0])
    outer, inner = gates.get("bias_ih_l0", zeros), gates.get("bias_hh_l0", zeros)
    readout_bias = weights.get("readout.bias", np.zeros_like(readout[:, :, 0]))
    if kind == "rnn" and not readout_bias.any():
        own = VanillaParams(w_x[:, 0], w[:, 0], (outer + inner)[:, 0], readout, zeros[:, 0])
        return VanillaRNN(width=width, activation=activation), own
    if kind == "lstm" or (kind == "gru" and not inner[:, 2].any()):
        network = {"gru": GRU, "lstm": LSTM}[kind](width=width)
        return network, GatedParams(w_x, w, outer + inner, readout, readout_bias)
    cell = {"rnn": "flax.linen:SimpleCell", "gru": "flax.linen:GRUCell"}[kind]
    kept, both = {}, (outer + inner) if kind == "rnn" else _but_last(outer, inner)
    for gate, layers in enumerate(zip(KNOWN[cell].inputs, KNOWN[cell].recurrent, strict=True)):
        for layer, x in zip(layers, (w_x, w), strict=True):
            kept[f"{layer}.kernel"] = np.swapaxes(x[:, gate], -1, -2)
        kept[f"{layers[0]}.bias"] = both[:, gate]
    if kind == "gru":
        kept["hn.bias"] = inner[:, 2]
    arguments = RELU if (kind, activation) == ("rnn", "relu") else ()
    network = FlaxRNN(cell=cell, width=width, arguments=arguments)
    return network, FlaxParams(kept, readout, readout_bias)


def _but_last(outer: Any, inner: Any) -> np.ndarray:
    """The sum of both biases of a GRU's gates, but of the last: the reset gate multiplies one."""
    return np.concatenate([outer[:, :2] + inner[:, :2], outer[:, 2:]], axis=1)
