"""Net-steps that finished networks cost, in a training of flip-flop networks to their threshold.

    python waste.py [SIZE]

The tile of the device is taken; a replay of the same training takes one device and tiles of 64, as
on a GPU.
"""

import json
import sys
import time

import numpy as np

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.training import slots
from rnnensemble.training.population import Population


def waste(population: Population, devices: int | None, tile: int) -> float:
    """Share of the trained slots that held no training network, of all epochs."""
    now = slots.launch(population.recipe, runtime.network_mesh(devices), tile)
    trained = 0
    for epoch in range(population.stop_epoch.max()):
        active = population.stop_epoch > epoch
        now = slots.compacted(now, active)
        trained += slots.slots_trained(now, active)
    return 1 - float(population.stop_epoch.sum()) / trained


def measure(size: int = 128) -> dict:
    """Trains width 32, batch 32 and says what finished networks cost."""
    started = time.perf_counter()
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=3),
        network=rnne.VanillaRNN(width=32),
        training=rnne.Training(learning_rate=3e-3, batch=32, max_epochs=60),
        size=size,
    )
    seconds = time.perf_counter() - started
    tile = slots.default_tile(population.recipe, runtime.network_mesh())
    return {
        "networks": size,
        "converged": int(population.converged.sum()),
        "epochs": [int(x) for x in np.percentile(population.stop_epoch, [0, 50, 100])],
        "seconds": seconds,
        "tile": tile,
        "waste": waste(population, None, tile),
        "waste_in_tiles_of_64": waste(population, 1, 64),
    }


if __name__ == "__main__":
    rnne.use_all_cores()
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
