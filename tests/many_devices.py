"""Networks and distances on 1 and on 8 devices, of one process and of two: tests/test_tiles.py.

python tests/many_devices.py FOLDER
python tests/many_devices.py FOLDER alone

The first trains and measures on both, in a process of 8 devices, and keeps in the folder what it
found. The second measures the same networks in a process of 1 device, which has as many threads as
there are cores. Each prints what differs in any bit, a name in each line.
"""

import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

import rnnensemble as rnne
from tests.tiles import ONE_EPOCH, SMALL_AUTOCOVARIANCE, SMALL_DSA, SMALL_GRID, SMALL_PIF

ANALYSIS = rnne.Analysis(
    dsa=SMALL_DSA,
    grid=SMALL_GRID,
    autocovariance=SMALL_AUTOCOVARIANCE,
    pif=SMALL_PIF,
    dynamics_trials=512,  # so many rows would be summed by several threads
    behavior_trials=128,
    output_trials=8,
    fixed_trials=True,
)
TASK = rnne.tasks.FlipFlop(n_bits=2, n_steps=50)


def main(folder: Path, alone: bool) -> None:
    """Compares: 8 devices have one of the three networks or none each."""
    jax.config.update("jax_num_cpu_devices", 1 if alone else 8)
    if alone:
        stored = dict(np.load(folder / "found.npz"))
        compare(stored, measured(rnne.load(folder / "run").population, 1))
        return
    ways = [trained_and_measured(devices) for devices in (1, 8)]
    compare(ways[0][1], ways[1][1])
    rnne.save(folder / "run", ways[0][0])
    np.savez(folder / "found.npz", **ways[0][1])


def compare(expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Prints what differs, and by how much."""
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert values.size
        if not np.array_equal(values, found[name], equal_nan=True):
            print(name, np.nanmax(np.abs(values - found[name])))


def trained_and_measured(devices: int) -> tuple[rnne.Population, dict[str, Any]]:
    """Three networks, and what was found of them."""
    population = rnne.train_population(
        TASK, network=rnne.VanillaRNN(width=32), training=ONE_EPOCH, size=3, devices=devices
    )
    return population, measured(population, devices)


def measured(population: rnne.Population, devices: int) -> dict[str, Any]:
    """Weights, losses, nulls and distances by name."""
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
    main(Path(sys.argv[1]), alone=sys.argv[2:] == ["alone"])
