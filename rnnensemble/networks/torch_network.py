"""Networks of rnnensemble in PyTorch, which is all that this file needs.

from network import load          # as `rnnensemble export RUN FOLDER --torch` calls this file
rates, outputs = load("weights.pt", 0)(inputs)  # network 0; inputs [B, T, I]
"""

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": nn.functional.softplus,
}


class Leaky(nn.Module):
    """x_t = (1 - a) x_{t-1} + a (W phi(x_{t-1}) + W_x u_t + b), with rates phi(x_t)."""

    def __init__(self, n_inputs: int, width: int, activation: str, leak: float | None) -> None:
        super().__init__()
        self.activation, self.leak = ACTIVATIONS[activation], leak
        if leak is None:  # a of its own, which stands among the weights
            del self.leak
            self.register_buffer("leak", torch.ones(()))
        self.weight_ih = nn.Parameter(torch.zeros(width, n_inputs))  # W_x
        self.weight_hh = nn.Parameter(torch.zeros(width, width))  # W, row i what unit i receives
        self.bias = nn.Parameter(torch.zeros(width))  # b

    def forward(self, inputs, start, noise=None):  # noqa: ANN001, ANN201
        """Rates `[B, T, N]` from x_0 `[N]`; noise `[B, T, N]` is added to x as it is."""
        x, rates = start.expand(len(inputs), -1), []
        for step, now in enumerate((inputs @ self.weight_ih.T + self.bias).unbind(1)):
            x = x + self.leak * (self.activation(x) @ self.weight_hh.T + now - x)
            x = x if noise is None else x + noise[:, step]
            rates.append(self.activation(x))
        return torch.stack(rates, dim=1)


class Network(nn.Module):
    """A recurrent layer (`rnn`, `gru`, `lstm` of PyTorch, or `leaky`) and a linear readout."""

    def __init__(
        self,
        kind: str,
        n_inputs: int,
        width: int,
        n_outputs: int,
        *,
        activation: str = "tanh",
        leak: float | None = 1.0,
        readout_bias: bool = True,
        learned_start: bool = False,
        cells_shown: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.cells_shown = kind, cells_shown
        if kind == "leaky":
            self.recurrent = Leaky(n_inputs, width, activation, leak)
        else:
            layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind]
            how = {"nonlinearity": activation} if kind == "rnn" else {}
            self.recurrent = layer(n_inputs, width, batch_first=True, **how)
        self.readout = nn.Linear(width, n_outputs, bias=readout_bias)
        start = torch.zeros(width)
        if learned_start:
            self.initial_state = nn.Parameter(start)
        else:
            self.register_buffer("initial_state", start, persistent=False)

    def forward(self, inputs, noise=None):  # noqa: ANN001, ANN201
        """Rates `[B, T, N]` and outputs `[B, T, O]` for inputs `[B, T, I]`; those of t saw u_t."""
        if self.kind == "leaky":
            rates = self.recurrent(inputs, self.initial_state, noise)
        elif noise is not None:
            raise ValueError(f"`noise` is for leaky networks; this one is {self.kind!r}.")
        elif self.cells_shown:
            rates = self._with_cells(inputs)
        elif self.kind == "rnn":
            start = self.initial_state.expand(1, len(inputs), -1).contiguous()
            rates = self.recurrent(inputs, start)[0]
        else:
            rates = self.recurrent(inputs)[0]
        return rates, self.readout(rates[..., : self.readout.in_features])

    def _with_cells(self, inputs):  # noqa: ANN001, ANN202
        """h and then c of an LSTM, `[B, T, 2 N]`, which PyTorch returns of the last step alone."""
        state, shown = None, []
        for now in inputs.unbind(1):
            _, state = self.recurrent(now[:, None], state)
            shown.append(torch.cat([each[0] for each in state], dim=-1))
        return torch.stack(shown, dim=1)


def load(path: str, k: int) -> Network:
    """Network k of a file of weights, which holds nothing but numbers, texts and arrays."""
    stored = torch.load(path, weights_only=True)
    network = Network(**stored["settings"])
    network.load_state_dict(stored["networks"][k])
    return network
