"""The commands `export` and `import`: networks to other programs, and from PyTorch."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnensemble.cli.console import Reporter
from rnnensemble.files import folders, stages, storage
from rnnensemble.files.export import export, read_states
from rnnensemble.training.pytorch import from_torch
from rnnensemble.training.recipe import Recipe


def export_run(*, run: Path, path: Path, torch: bool, quiet: bool) -> None:
    """Writes the networks of a run for other programs; see `exchange_options.Export`."""
    with Reporter(quiet=quiet) as reporter:
        population = storage.load_run(run).population
        reporter.line(f"{population.size} networks in {export(population, path, torch=torch)}")


def import_networks(
    *, preset: Path, files: Sequence[Path], name: str | None, runs: Path, quiet: bool, **layers: Any
) -> None:
    """Makes a run folder of state dicts of PyTorch; see `exchange_options.Import`."""
    if not files:
        raise ValueError("`files` are missing: rnnensemble import PRESET FILE.pt... --kind KIND")
    asked = storage.read_preset(preset)
    folder = folders.named_folder(runs, preset.stem if name is None else name)
    states = [state for file in files for state in read_states(file)]
    with folders.reserved(folder), Reporter(quiet=quiet) as reporter:
        stages.require_free(folder)
        population = from_torch(states, task=asked.task, training=asked.training, **layers)
        parts = {f.name: getattr(population.recipe, f.name) for f in dataclasses.fields(Recipe)}
        storage.save_run(folder, dataclasses.replace(asked, **parts), population)
        losses = ", ".join(f"{loss:.3g}" for loss in population.history.loss[:8, 0])
        reporter.line(f"imported {population.size} networks into {folder}; losses {losses}")
        reporter.line(f"measure them with: rnnensemble analyse {folder}")
