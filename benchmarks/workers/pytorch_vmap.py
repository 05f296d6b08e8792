"""PyTorch's vectorized ensembles: `torch.func` over stacked parameters."""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.func import grad_and_value, vmap

# of the package, without loading it: this interpreter may have no JAX
sys.path.append(str(Path(__file__).parents[2] / "rnnensemble" / "study" / "benchmarking"))
from torch_loop import sample


def loss(params: dict, pulses: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error of a vanilla RNN; `nn.RNN` has no batching rule, so a plain loop."""
    state = pulses.new_zeros(pulses.shape[1], len(params["bias"]))
    outputs = []
    for now in pulses:
        drive = now @ params["input"].T + params["bias"]
        state = torch.tanh(state @ params["recurrent"].T + drive)
        outputs.append(state @ params["readout"].T)
    return torch.mean((torch.stack(outputs) - targets) ** 2)


def measure(
    width: int, batch: int, n_steps: int, size: int, epoch_steps: int, device: str = "cpu"
) -> float:
    """Net-steps a second, the median of four epochs after the first."""
    bound = width**-0.5
    shapes = {
        "input": (width, 3),
        "recurrent": (width, width),
        "bias": (width,),
        "readout": (3, width),
    }
    params = {
        name: torch.empty(size, *shape, device=device).uniform_(-bound, bound)
        for name, shape in shapes.items()
    }
    optimizer = torch.optim.Adam(params.values(), lr=1e-3)
    gradients = vmap(grad_and_value(loss))
    speeds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(epoch_steps):
            trials = sample(size * batch, n_steps, device)
            pulses, targets = (
                each.unflatten(1, (size, batch)).transpose(0, 1).contiguous() for each in trials
            )
            gradient, value = gradients(params, pulses, targets)
            norm = sum(g.flatten(1).square().sum(1) for g in gradient.values()).sqrt()
            shrink = (1.0 / norm).clamp(max=1.0)
            for name, each in gradient.items():
                params[name].grad = each * shrink.reshape(-1, *(1,) * (each.ndim - 1))
            optimizer.step()
        value.sum().item()
        speeds.append(size * epoch_steps / (time.perf_counter() - started))
    return float(np.median(speeds[1:]))


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:])))
