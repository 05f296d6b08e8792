"""Sums over trials and distances on so many devices: what tests/test_tiles.py compares bit by bit.

python tests/sums.py FILE DEVICES
"""

import sys

import jax
import numpy as np

import rnnensemble as rnne
from rnnensemble.metrics import Autocovariance

SETTINGS = {"starts": 8, "early_steps": 4, "late_steps": 4}


def main(file: str, devices: str) -> None:
    """Writes distances of dynamics between six networks, trained alike on one device."""
    jax.config.update("jax_num_cpu_devices", int(devices))
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=2, n_steps=20),
        network=rnne.VanillaRNN(width=24),
        training=rnne.Training(batch=8, epoch_steps=2, max_epochs=1, threshold=9.0, patience=1),
        size=6,
        devices=1,
    )
    analysis = rnne.Analysis(
        dsa=rnne.DSA(rank=8, **SETTINGS),
        autocovariance=Autocovariance(**SETTINGS),
        grid=rnne.DSAGrid(ranks=(8,), delays=(1, 3)),
        pif=rnne.PIF(starts=2, soft_steps=5, steps=5),
        dynamics_trials=512,
        behavior_trials=512,
        output_trials=8,
        fixed_trials=True,
    )
    found = rnne.measure_degeneracy(population, analysis=analysis)
    distances = {name: x.matrix for name, x in found.distances.items()}
    np.savez(file, grid=found.grid.matrices, **found.behavior.losses, **distances)


if __name__ == "__main__":
    main(*sys.argv[1:])
