"""Snapshots of training in run folders: a tree of arrays of their own."""

from pathlib import Path
from typing import Any

from rnnensemble.files import records, trees
from rnnensemble.study.conditions import Condition
from rnnensemble.training.population import Population
from rnnensemble.training.snapshots import blank

NAME = "snapshots"


def store(folder: Path, population: Population) -> None:
    """Writes the snapshots of a population, if it has some, into its run folder."""
    if population.snapshots is not None:
        trees.store(folder, NAME, population.snapshots)


def restore(folder: Path, condition: Condition) -> Any:
    """The snapshots of a condition, from its run folder; None if it has none.

    ValueError if they are not there whole.
    """
    epochs = condition.training.snapshots
    if not epochs:
        return None
    shapes = blank(records.state_shapes(condition).params, len(epochs))
    return trees.restore(folder, NAME, shapes)
