"""Six torch.nn.RNN learn the 2-bit flip-flop; how far apart are their solutions?"""

import numpy as np
import torch

import rnnensemble as rnne
from rnnensemble.stats import mean_distance

BITS, WIDTH, STEPS, PULSES = 2, 20, 30, 0.2


def flip_flop(trials: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pulses of -1, 0 or 1, and what the outputs must hold: the last pulse; both `[B, T, 2]`."""
    shape = (trials, STEPS, BITS)
    signs = torch.randint(0, 2, shape, generator=generator) * 2.0 - 1
    pulses = signs * (torch.rand(shape, generator=generator) < PULSES)
    pulses[:, 0] = signs[:, 0]
    held = pulses.clone()
    for step in range(1, STEPS):
        held[:, step] = torch.where(pulses[:, step] == 0, held[:, step - 1], pulses[:, step])
    return pulses, held


def train(seed: int) -> tuple[torch.nn.RNN, float]:
    """A trained network, and its mean squared error in the last ten steps."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = torch.nn.RNN(BITS, WIDTH, batch_first=True)
    readout = torch.nn.Linear(WIDTH, BITS)
    weights = [*network.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    losses = []
    for _ in range(300):
        pulses, held = flip_flop(32, generator)
        loss = torch.mean((readout(network(pulses)[0]) - held) ** 2)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return network, float(np.mean(losses[-10:]))


def main() -> None:
    """Trains, collects the arrays, compares."""
    trained = [train(seed) for seed in range(6)]
    print("losses", *(f"{loss:.4f}" for _, loss in trained))
    pulses, _ = flip_flop(32, torch.Generator().manual_seed(99))  # the same trials for all
    with torch.no_grad():
        activity = np.stack([network(pulses)[0].numpy() for network, _ in trained])
    weights = np.stack([network.weight_hh_l0.detach().numpy() for network, _ in trained])
    print("activity [K, B, T, N]", activity.shape, "weights [K, N, N]", weights.shape)
    for metric, data, settings in (("dsa", activity, {"rank": 5}), ("pif", weights, {})):
        matrix = rnne.distance_matrix(metric, data, settings=settings)
        mean, low, high = mean_distance(matrix)
        print(f"mean {metric} distance {mean:.3f}, 95% interval {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)  # small products do not thread well
    rnne.use_all_cores()  # before anything else touches JAX
    main()
