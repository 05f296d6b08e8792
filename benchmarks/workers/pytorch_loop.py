"""What a PyTorch user writes: one `nn.RNN` after another, all threads for each."""

import sys
import time

import numpy as np
import torch
from torch import nn


def sample(batch: int, n_steps: int, device: str, n_bits: int = 3) -> tuple:
    """Flip-flop trials: pulses, and the last pulse of each channel."""
    drawn = torch.rand(n_steps, batch, n_bits, device=device)
    pulses = (drawn < 0.3).float() - 2 * (drawn < 0.15).float()
    pulses[0] = torch.where(drawn[0] < 0.5, -1.0, 1.0)
    step = torch.arange(n_steps, device=device)[:, None, None]
    last = torch.cummax(torch.where(pulses != 0, step, 0), dim=0).values
    return pulses, pulses.gather(0, last)


class Network(nn.Module):
    """A vanilla RNN with a linear readout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, width)
        self.readout = nn.Linear(width, 3, bias=False)

    def forward(self, pulses: torch.Tensor) -> torch.Tensor:
        return self.readout(self.rnn(pulses)[0])


def measure(
    width: int, batch: int, n_steps: int, size: int, epoch_steps: int, device: str = "cpu"
) -> float:
    """Net-steps a second, the median of four networks after the first."""
    speeds = []
    for _ in range(max(size, 5)):
        network = Network(width).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        started = time.perf_counter()
        for _ in range(epoch_steps):
            pulses, targets = sample(batch, n_steps, device)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(network(pulses), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        loss.item()
        speeds.append(epoch_steps / (time.perf_counter() - started))
    return float(np.median(speeds[1:]))


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:])))
