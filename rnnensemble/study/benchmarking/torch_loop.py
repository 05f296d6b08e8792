"""What a PyTorch user writes: one `nn.RNN` after another, or one process on each core.

    python torch_loop.py WIDTH BATCH STEPS NETWORKS EPOCH_STEPS [DEVICE [PRECISION]]
    python torch_loop.py WIDTH BATCH STEPS NETWORKS EPOCH_STEPS processes [gru]

Prints net-steps a second; with `gru`, of `nn.GRU`. The first form uses all threads for each
network; PRECISION is `float32` (the default) or `tf32`. The second starts one process on each
core, with one thread, and adds up what they do while all of them run; NETWORKS does not matter to
it. Needs PyTorch and NumPy alone.
"""

import contextlib
import multiprocessing
import os
import sys
import time
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

TOGETHER_SECONDS = 2.0
"""How long the processes of all cores are counted."""


def sample(batch: int, n_steps: int, device: str, n_bits: int = 3) -> tuple:
    """Flip-flop trials: pulses, and the last pulse of each channel."""
    drawn = torch.rand(n_steps, batch, n_bits, device=device)
    pulses = (drawn < 0.3).float() - 2 * (drawn < 0.15).float()
    pulses[0] = torch.where(drawn[0] < 0.5, -1.0, 1.0)
    step = torch.arange(n_steps, device=device)[:, None, None]
    last = torch.cummax(torch.where(pulses != 0, step, 0), dim=0).values
    return pulses, pulses.gather(0, last)


class Network(nn.Module):
    """A vanilla RNN or a GRU with a linear readout."""

    def __init__(self, width: int, kind: str = "vanilla") -> None:
        super().__init__()
        self.rnn = {"vanilla": nn.RNN, "gru": nn.GRU}[kind](3, width)
        self.readout = nn.Linear(width, 3, bias=False)

    def forward(self, pulses: torch.Tensor) -> torch.Tensor:
        """Outputs of trials, time first."""
        return self.readout(self.rnn(pulses)[0])


def train(network: Network, optimizer: Any, trials: tuple, steps: int) -> None:
    """Some training steps, each on fresh trials of this batch, number of steps and device."""
    loss = torch.zeros(())
    for _ in range(steps):
        pulses, targets = sample(*trials)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(pulses), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    loss.item()


def measure(
    width: int, batch: int, n_steps: int, size: int, epoch_steps: int, device: str = "cpu"
) -> float:
    """Net-steps a second, the median of four networks after the first."""
    speeds = []
    for _ in range(max(size, 5)):
        network = Network(width).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        started = time.perf_counter()
        train(network, optimizer, (batch, n_steps, device), epoch_steps)
        speeds.append(epoch_steps / (time.perf_counter() - started))
    return float(np.median(speeds[1:]))


def measure_processes(
    width: int, batch: int, n_steps: int, epoch_steps: int, kind: str = "vanilla"
) -> float:
    """Net-steps a second of one process on each core, all at once."""
    there = range(os.cpu_count() or 1)  # macOS and Windows do not say which are this process's
    cores = sorted(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else there)
    context = multiprocessing.get_context("spawn")
    start, speeds = context.Barrier(len(cores)), context.Queue()
    shape = width, batch, n_steps, epoch_steps, kind
    workers = [
        context.Process(target=_train_on, args=(core, shape, start, speeds)) for core in cores
    ]
    for worker in workers:
        worker.start()
    total = sum(speeds.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    return total


def _train_on(core: int, shape: tuple, start: Any, speeds: Any) -> None:
    """Trains on one core, from when all processes are warm."""
    with contextlib.suppress(OSError, AttributeError):  # not every system pins processes
        os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    width, batch, n_steps, epoch_steps, kind = shape
    network = Network(width, kind)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    train(network, optimizer, (batch, n_steps, "cpu"), max(2, epoch_steps // 4))
    start.wait(timeout=120)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < TOGETHER_SECONDS:
        train(network, optimizer, (batch, n_steps, "cpu"), 1)
        steps += 1
    speeds.put(steps / (time.perf_counter() - started))


def main(arguments: list[str]) -> None:
    """Measures what the command line asks for."""
    width, batch, n_steps, size, epoch_steps = map(int, arguments[:5])
    device, precision = (*arguments[5:], *("cpu", "float32")[len(arguments[5:]) :])
    if device == "processes":
        found = measure_processes(width, batch, n_steps, epoch_steps, *arguments[6:])
    else:
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        found = measure(width, batch, n_steps, size, epoch_steps, device)
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
