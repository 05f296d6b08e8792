"""Populations of the presets in experiments, at another size."""

import dataclasses
from pathlib import Path

import rnnensemble as rnne
from rnnensemble.study import conditions

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def trained(name: str, *, width: int, size: int, seed: int) -> rnne.Population:
    """So many networks of so many units, trained as the preset says."""
    condition = conditions.from_toml((EXPERIMENTS / f"{name}.toml").read_text())
    network = dataclasses.replace(condition.network, width=width)
    recipe = dataclasses.replace(condition.recipe, network=network, size=size, seed=seed)
    (population,) = rnne.train_populations([recipe])
    print(name, population.summary(), flush=True)
    return population
