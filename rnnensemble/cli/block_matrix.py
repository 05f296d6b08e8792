"""Distance matrices from Python in blocks of pairs, which are tasks of an engine."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnensemble._core.config import require_seed
from rnnensemble._core.conversion import real_array
from rnnensemble.cli import engines, pairs
from rnnensemble.cli.console import Reporter
from rnnensemble.files import block_files
from rnnensemble.metrics import Metric
from rnnensemble.metrics.data import as_networks, networks_of, shape_of
from rnnensemble.metrics.masks import as_mask
from rnnensemble.metrics.pair_blocks import EDGE, pair_blocks
from rnnensemble.metrics.pairwise import as_metric, require_feasible
from rnnensemble.study.engines import LOCAL


def distance_matrix_in_blocks(
    metric: str | Metric,
    data: Any,
    *,
    folder: Path | str,
    engine: "str | engines.Engine" = LOCAL,
    engine_setting: Sequence[str] = (),
    block: int = EDGE,
    mask: Any = None,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    devices: int | None = None,
    memory: float | None = None,
    quiet: bool = False,
) -> np.ndarray:
    """All pairwise distances of K networks, in blocks of pairs that an engine's workers compare.

    The matrix is that of `distance_matrix`, to the last bit on equal devices. After an interruption
    the same call goes on with the blocks that are missing.

    Args:
        metric: A name (`dsa`, `pif`, ...), or a metric with its settings.
        data: What the metric takes, with leading axis K, or a list of each network's own array; no
            dictionaries.
        folder: Where this process and all workers see data and blocks. Each metric with its data
            has a folder of its own in it, which nothing needs once the matrix is there.
        engine: What compares the blocks: `local` for this process, `slurm`, `ray`, or anything with
            `submit(function, *arguments)` that returns a future, as for `run_sweep`.
        engine_setting: Settings of an engine that is named, each `KEY=VALUE`.
        block: Networks on each side of a block.
        mask: As for `compare_networks`.
        settings: As for `compare_networks`.
        seed: As for `compare_networks`.
        devices: How many devices each task uses, None for all.
        memory: As for `compare_networks`.
        quiet: Prints nothing.

    Returns:
        `[K, K]`, as `distance_matrix` does.

    Raises:
        ValueError: As `compare_networks`, or if data are a dictionary, an engine is not there or
            takes no task, a worker does not fit, or a block failed three times.
        KeyboardInterrupt: On Ctrl-C; tasks of an engine go on by themselves.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> activity = np.random.default_rng(0).normal(size=(5, 2, 6, 4))  # [K, B, T, N]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = distance_matrix_in_blocks(
        ...         "cka", activity, folder=folder, block=3, quiet=True
        ...     )
        >>> found.shape
        (5, 5)
    """
    require_seed(seed)
    metric, valid = as_metric(metric, settings), None if mask is None else as_mask(mask)
    arrays = _arrays(data, valid)
    networks = networks_of(metric, arrays, "data", valid)
    metric = metric.fitted(map(shape_of, networks))
    require_feasible(metric, [networks], devices=devices, memory=memory)
    pair_blocks(metric, len(networks), block)  # if that can be
    chosen = engines.settings_for(engine, engine_setting, "")
    digest = _digest(metric, arrays, valid, seed)
    place = Path(folder).absolute() / f"{metric.name}-{digest}"
    submitted = engines.chosen(engine, chosen, place)
    told = {"folder": str(place), "seed": seed, "devices": devices, "memory": memory}
    file = block_files.write_data(place, arrays)
    tasks = pairs.block_tasks(metric, arrays, valid, block, file=str(file), digest=digest, **told)
    with Reporter(quiet=quiet) as reporter:
        pairs.make_blocks(tasks, {metric.data: arrays}, submitted, reporter)
    return pairs.matrix_of(tasks, len(networks))


def _arrays(data: Any, valid: np.ndarray | None) -> list[np.ndarray]:
    """Each network's own array, as a file can hold it; of masked ones all steps."""
    several = isinstance(data, (list, tuple)) and not hasattr(data, "_fields")
    if any(isinstance(x, dict) or hasattr(x, "_fields") for x in (data if several else [data])):
        raise ValueError(
            "`data` must be an array, or a list of each network's own, to be compared in blocks; "
            "dictionaries of arrays are compared by `distance_matrix`."
        )
    networks = as_networks(data, "data", valid)
    if valid is None:
        return networks
    return [real_array(data[k], f"data[{k}]") for k in range(len(networks))]


def _digest(
    metric: Metric, arrays: Sequence[np.ndarray], valid: np.ndarray | None, seed: int
) -> str:
    """Sixteen hexadecimal digits that name data and settings."""
    settings = [metric.name, dataclasses.asdict(metric), seed]
    found = hashlib.sha256(json.dumps(settings, default=str).encode())
    for each in [*arrays, *([] if valid is None else [valid])]:
        found.update(f"{each.shape} {each.dtype}".encode())
        found.update(np.ascontiguousarray(each).tobytes())
    return found.hexdigest()[:16]
