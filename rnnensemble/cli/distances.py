"""One analysis of networks made elsewhere: read arrays, check, compare, draw, save."""

import dataclasses
import hashlib
import json
import math
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnensemble import metrics
from rnnensemble._core import runtime
from rnnensemble._core.config import require_seed
from rnnensemble.cli import engines, options, pairs
from rnnensemble.cli.console import Reporter
from rnnensemble.cli.distance_table import figures_of, show_rows
from rnnensemble.cli.drawing import draw
from rnnensemble.cli.flags import parse
from rnnensemble.cli.pair_plan import print_plan
from rnnensemble.files import arrays, folders, live, manifests
from rnnensemble.files.arrays import MatrixCheckpoint, Row
from rnnensemble.metrics import Metric
from rnnensemble.metrics.data import as_networks, networks_of, shape_of
from rnnensemble.metrics.masks import as_mask
from rnnensemble.metrics.pair_blocks import EDGE, pair_blocks
from rnnensemble.metrics.pairwise import distance_matrix, require_feasible
from rnnensemble.stats.comparable import comparable, incomparable
from rnnensemble.stats.intervals import Estimate, mean_distance

DEFAULTS = {"activity": "dsa", "weights": "pif", "outputs": "disagreement"}
"""What compares each kind of data unless metrics are named."""

DRAWN = 2000
"""More networks than so many are not drawn: no dot or row of a figure would be seen."""


class Request(NamedTuple):
    """What is asked for, checked.

    Attributes:
        metrics: With their settings.
        networks: The networks' data by kind; as they were read where they are masked.
        masks: Valid steps of the kinds that are masked.
        folder: Where the results go.
        seed: Seed of the searches.
        devices: How many devices to use, None for all.
        memory: Bytes that each may use, None for half of what it has.
        manifest: Inputs, settings, their digest.
        files: Where the networks' data are, by kind.
        block: Networks on each side of a block of pairs, None for the whole matrix at once.
        engine: What blocks are submitted to, None for this process; and how many at once.
    """

    metrics: list[Metric]
    networks: dict[str, Any]
    masks: dict[str, np.ndarray]
    folder: Path
    seed: int
    devices: int | None
    memory: float | None
    manifest: dict[str, Any]
    files: dict[str, Path]
    block: int | None
    engine: tuple[Any, int]


def analyse_arrays(arguments: list[str]) -> None:
    """Reads, checks, compares, draws, saves and shows."""
    given = _parsed(arguments)
    command = f"rnnensemble analyse {shlex.join(arguments)}"
    request = _checked(given, command)
    if given.dry_run:
        _print_plan(request)
        return
    with folders.reserved(request.folder), Reporter(quiet=given.quiet) as reporter:
        if arrays.start_distances(request.folder, request.manifest):
            reporter.line(f"going on with the unfinished analysis in {request.folder}")
        names = ", ".join(metric.name for metric in request.metrics)
        reporter.line(
            f"comparing {request.manifest['size']} networks by {names} on "
            f"{request.devices or runtime.describe()['devices']} devices, into {request.folder}"
        )
        try:
            with reporter.watched_at(live.beside(request.folder)):
                matrices = _matrices(request, reporter)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; the pairs done are kept in {request.folder}; go on with: {command}"
            ) from None
        means = [_mean(metric, matrices[metric.name]) for metric in request.metrics]
        rows = [
            _row(metric, mean, matrices[metric.name], request)
            for metric, mean in zip(request.metrics, means, strict=True)
        ]
        arrays.save_distances(request.folder, request.manifest, rows=rows, matrices=matrices)
        show_rows(rows, reporter)
        if request.manifest["size"] <= DRAWN:
            draw(request.folder, lambda: figures_of(request.metrics, means, matrices))
        reporter.line(f"matrices, figures and settings: {request.folder}")


def _parsed(arguments: list[str]) -> Any:
    """The flags: the options, and the settings of every metric under its name."""
    fields = [
        (name, metric, dataclasses.field(default=metric()))
        for name, metric in metrics.registered().items()
    ]
    bases = (options.Analyse,)
    kind = dataclasses.make_dataclass("Analyse", fields, bases=bases, frozen=True, kw_only=True)
    kind.__doc__ = options.Analyse.__doc__
    return parse(kind, "analyse", arguments)


def _checked(given: Any, command: str) -> Request:
    """Everything that can be said against the request before anything is computed."""
    chosen = _chosen(given)
    kinds = list(dict.fromkeys(metric.data for metric in chosen))
    if given.memory_gb is not None and not given.memory_gb > 0:
        raise ValueError(f"`memory_gb` must be above 0; got {given.memory_gb}.")
    require_seed(given.seed)
    memory = None if given.memory_gb is None else given.memory_gb * 1e9
    paths = {kind: getattr(given, kind) for kind in kinds}
    masks = _masks(given.mask, kinds)
    networks = {kind: arrays.read_arrays(path, name=kind) for kind, path in paths.items()}
    networks |= {kind: as_networks(x, kind) for kind, x in networks.items() if kind not in masks}
    for i, metric in enumerate(chosen):
        kind = metric.data
        taken = networks_of(metric, networks[kind], kind, masks.get(kind))
        chosen[i] = metric.fitted(map(shape_of, taken))
        require_feasible(chosen[i], [taken], names=[kind], devices=given.devices, memory=memory)
    first, *others = kinds
    for kind in others:
        if len(networks[kind]) != len(networks[first]):
            raise ValueError(
                f"`{kind}` must hold the {len(networks[first])} networks of `{first}`; got "
                f"{len(networks[kind])}."
            )
    count = len(networks[first])
    folder = folders.named_folder(
        given.runs, paths[first].stem if given.name is None else given.name
    )
    settings = engines.settings_for(given.engine, given.engine_setting, "")
    engine = (None, 0) if given.dry_run else engines.chosen(given.engine, settings, folder)
    blocked = given.block is not None or settings is not None or count > EDGE
    pair_blocks(chosen[0], count, EDGE if given.block is None else given.block)  # if that can be
    return Request(
        metrics=chosen,
        networks=networks,
        masks=masks,
        folder=folder,
        seed=given.seed,
        devices=given.devices,
        memory=memory,
        manifest=_manifest(given, chosen, networks, masks) | {"command": command},
        files=paths,
        block=(EDGE if given.block is None else given.block) if blocked else None,
        engine=engine,
    )


def _masks(path: Path | None, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """The mask of each kind of data that has steps; of weights alone, which are told so."""
    if path is None:
        return {}
    mask = as_mask(arrays.read_arrays(path, name="mask", bools=True))
    return dict.fromkeys([kind for kind in kinds if kind != "weights"] or kinds, mask)


def _chosen(given: Any) -> list[Metric]:
    """The metrics asked for, or the default of each kind of data given."""
    held = [kind for kind in DEFAULTS if getattr(given, kind) is not None]
    if not held:
        raise ValueError(
            "`run` or `activity` is missing: rnnensemble analyse RUN, see `rnnensemble show`; or, "
            "for networks made elsewhere, --activity A.npy, --weights or --outputs."
        )
    names = given.metrics or [DEFAULTS[kind] for kind in held]
    for name in names:
        kind = metrics.find(name).data
        if kind not in held:
            raise ValueError(f"`{kind}` is missing: {name} compares it; give --{kind} FILE.")
    for name, metric in metrics.registered().items():
        if name not in names and getattr(given, name) != metric():
            raise ValueError(
                f"`{name}` has settings but is none of the metrics; add it by --metrics."
            )
    return [getattr(given, name) for name in dict.fromkeys(names)]


def _manifest(
    given: Any, chosen: Sequence[Metric], networks: dict[str, Any], masks: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Inputs and settings, and a digest of what decides the numbers."""
    read = networks | ({"mask": list(masks.values())} if masks else {})
    inputs = {
        name: {
            "file": str(getattr(given, name)),
            "sha256": manifests.file_digest(getattr(given, name)),
            "shapes": sorted({str(one.shape) for one in each}),
        }
        for name, each in read.items()
    }
    settings = {metric.name: _settings(metric, masks.get(metric.data)) for metric in chosen}
    seed, size = given.seed, len(next(iter(networks.values())))
    decisive = [seed, settings, {name: each["sha256"] for name, each in inputs.items()}]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
    return {"digest": digest, "size": size, "seed": seed, "inputs": inputs, "settings": settings}


def _matrices(request: Request, reporter: Reporter) -> dict[str, np.ndarray]:
    """The distance matrix of every metric."""
    if request.block is not None:
        return _joined(request, request.block, reporter)
    return {
        metric.name: distance_matrix(
            metric,
            request.networks[metric.data],
            mask=request.masks.get(metric.data),
            seed=request.seed,
            devices=request.devices,
            memory=request.memory,
            checkpoint=MatrixCheckpoint(request.folder / arrays.CHECKPOINT / f"{metric.name}.npz"),
            progress=partial(reporter.analysis, metric.name),
        )
        for metric in request.metrics
    }


def _joined(request: Request, edge: int, reporter: Reporter) -> dict[str, np.ndarray]:
    """The same, in blocks of pairs that are tasks of an engine, or of this process."""
    told = {
        "folder": str(request.folder.absolute()),
        "seed": request.seed,
        "devices": request.devices,
        "memory": request.memory,
        "digest": request.manifest["digest"],
    }
    tasks = {
        metric.name: pairs.block_tasks(
            metric,
            request.networks[metric.data],
            request.masks.get(metric.data),
            edge,
            file=str(request.files[metric.data].absolute()),
            **told,
        )
        for metric in request.metrics
    }
    every = [task for each in tasks.values() for task in each]
    pairs.make_blocks(every, request.networks, request.engine, reporter)
    size = request.manifest["size"]
    return {name: pairs.matrix_of(each, size) for name, each in tasks.items()}


def _print_plan(request: Request) -> None:
    """Prints what the matrices would take."""
    data, masks = request.networks, request.masks
    print_plan(
        [(m, networks_of(m, data[m.data], m.data, masks.get(m.data))) for m in request.metrics],
        request.block or request.manifest["size"],
        devices=request.devices,
        memory=request.memory,
        reporter=Reporter(quiet=False),
    )


def _mean(metric: Metric, matrix: np.ndarray) -> Estimate:
    """The mean over pairs; over ordered pairs and without interval if the metric is asymmetric."""
    if metric.symmetric:
        return mean_distance(matrix)
    kept = comparable(matrix)
    ordered = matrix[np.ix_(kept, kept)][~np.eye(len(kept), dtype=bool)]
    return Estimate(float(ordered.mean()), math.nan, math.nan)


def _row(metric: Metric, mean: Estimate, matrix: np.ndarray, request: Request) -> Row:
    settings = json.dumps(request.manifest["settings"][metric.name])
    left_out = incomparable(matrix)
    count = request.manifest["size"] - len(left_out)
    return Row(metric.name, metric.data, count, *mean, settings, " ".join(map(str, left_out)))


def _settings(metric: Any, mask: np.ndarray | None) -> dict[str, Any]:
    """A metric's fields by name, and how many steps a mask leaves."""
    fields = dataclasses.asdict(metric)
    if mask is None:
        return fields
    return fields | {"mask": {"valid_steps": int(mask.sum()), "steps": mask.size}}
