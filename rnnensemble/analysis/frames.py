"""Populations and what was measured of them as pandas' tables and xarray's arrays."""

import importlib
from typing import Any

import numpy as np

from rnnensemble.analysis.result import Degeneracy
from rnnensemble.training.population import Population


def to_pandas(found: Population | Degeneracy) -> Any:
    """A `pandas.DataFrame`: of a population a row a network, of a degeneracy a row a measure.

    A network's row has the `seed` and `index` that it started from, whether it `converged` or
    `diverged`, its `stop_epoch` and its last `loss`, and what else may differ by network, as
    `learning_rate`. The rows of measures are those of `Degeneracy.table`.

    Args:
        found: What the table is of.

    Raises:
        ValueError: If it is neither, or pandas is not installed.
    """
    frame = _package("pandas", "to_pandas", found).DataFrame
    if isinstance(found, Degeneracy):
        return frame(found.table()).set_index("measure")
    seeds, indices = zip(*found.recipe.own_starts, strict=True)
    columns: dict[str, Any] = {"seed": seeds, "index": indices}
    columns |= {name: getattr(found, name) for name in ("converged", "diverged", "stop_epoch")}
    last = np.maximum(found.stop_epoch, 1) - 1
    columns["loss"] = found.history.loss[np.arange(found.size), last]
    for config in found.recipe.parts:
        values = {name: getattr(config, name) for name in config.per_network}
        columns |= {name: list(x) for name, x in values.items() if isinstance(x, tuple)}
    return frame(columns).rename_axis("network")


def to_xarray(found: Population | Degeneracy) -> Any:
    """An `xarray.Dataset` of arrays with named axes.

    Of a population: the history by `network` and `epoch`, and its outcome by network. Of a
    degeneracy, by the indices `network` of those that were measured: the distances of each measure
    and their nulls, losses by what `trials` they are of, and disagreements by `variant`.

    Args:
        found: What the arrays are of.

    Raises:
        ValueError: If it is neither, or xarray is not installed.
    """
    dataset = _package("xarray", "to_xarray", found).Dataset
    if isinstance(found, Population):
        arrays: dict[str, Any] = {
            name: (("network", "epoch"), x)
            for name, x in found.history._asdict().items()
            if x is not None
        }
        for name in ("converged", "diverged", "stop_epoch"):
            arrays[name] = "network", getattr(found, name)
        epochs = 1 + np.arange(found.history.loss.shape[1])
        return dataset(arrays, {"network": np.arange(found.size), "epoch": epochs})
    arrays, pair = {}, ("network", "other")
    for name, each in found.distances.items():
        arrays |= {name: (pair, each.matrix), f"{name}_null": ("network", each.null)}
    losses, apart = found.behavior.losses, found.behavior.disagreements
    arrays["loss"] = ("trials", "network"), np.stack([*losses.values()])
    where = {"network": found.networks, "other": found.networks, "trials": [*losses]}
    if apart:
        arrays["disagreement"] = ("variant", *pair), np.stack([*apart.values()])
        where["variant"] = [*apart]
    return dataset(arrays, where)


def _package(name: str, asked: str, found: Any) -> Any:
    """A package that may be missing, for what it can be asked of."""
    if not isinstance(found, (Population, Degeneracy)):
        raise ValueError(
            f"`{asked}` takes a Population or a Degeneracy; got {type(found).__name__}."
        )
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(f"`{asked}` needs {name}: pip install 'rnnensemble[xarray]'.") from None
