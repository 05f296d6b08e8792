"""Networks and distances on 1 and on 8 devices of one process: tests/test_tiles.py runs this.

python tests/many_devices.py

Prints what differs in any bit, a name in each line.
"""

import jax
import numpy as np

import rnnensemble as rnne
from tests.tiles import ONE_EPOCH, SMALL_AUTOCOVARIANCE, SMALL_DSA, SMALL_GRID, SMALL_PIF

ANALYSIS = rnne.Analysis(
    dsa=SMALL_DSA,
    grid=SMALL_GRID,
    autocovariance=SMALL_AUTOCOVARIANCE,
    pif=SMALL_PIF,
    dynamics_trials=512,  # sums of so many rows go to several threads
    behavior_trials=128,
    output_trials=8,
    fixed_trials=True,
)
TASK = rnne.tasks.FlipFlop(n_bits=2, n_steps=50)


def main() -> None:
    """Trains and measures three networks on both: 8 devices have one or none each."""
    jax.config.update("jax_num_cpu_devices", 8)
    ways = [trained_and_measured(devices) for devices in (1, 8)]
    for name, alone in ways[0].items():
        assert alone.size
        if not np.array_equal(alone, ways[1][name], equal_nan=True):
            print(name, np.nanmax(np.abs(alone - ways[1][name])))


def trained_and_measured(devices: int) -> dict[str, np.ndarray]:
    """Weights, losses, nulls and distances by name."""
    population = rnne.train_population(
        TASK, network=rnne.VanillaRNN(width=32), training=ONE_EPOCH, size=3, devices=devices
    )
    found = rnne.measure_degeneracy(population, analysis=ANALYSIS, devices=devices)
    assert found.grid is not None
    return {
        **population.network.weights(population.params),
        "training loss": population.history.loss,
        **found.behavior.losses,
        **{name: distance.matrix for name, distance in found.distances.items()},
        "grid": found.grid.matrices,
    }


if __name__ == "__main__":
    main()
