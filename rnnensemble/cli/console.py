"""What the command line shows: tables, progress, plain lines where there is no terminal."""

import math
import sys
from collections.abc import Sequence

import numpy as np

from rnnensemble import stats
from rnnensemble.analysis import measures
from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.analysis.distances import Distances
from rnnensemble.analysis.fixed_points.topology import Topology
from rnnensemble.training.population import Population
from rnnensemble.training.progress import Progress

PLAIN_EPOCHS = 5
"""Without a terminal, every fifth epoch gets a line."""


EXPLANATION = """\
what the numbers mean: sigma_OOD is how much the networks' losses differ on trials they never
  trained on (twice the length; noisy inputs). The DSA distance compares their dynamics up to
  rotation and reflection, from 0 (the same) to 2; its null is what other trials alone do to it.
  That of autocovariances weighs what states do by its variance, from 0 to 1.41.
  The PIF distance compares their recurrent weights up to a renumbering of units.
  Larger means more degenerate: more ways to solve the task. Compare only equal settings."""
"""What quickstart says last."""


class Reporter:
    """Shows progress: bars on a terminal, lines elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console  # loads where something is shown, as `Table` below
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.quiet = quiet
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=not sys.stdout.isatty())
        self.live = self.console.is_terminal and not quiet
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        self.tasks: dict[str, object] = {}

    def __enter__(self) -> "Reporter":
        if self.live:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def line(self, text: str) -> None:
        """Prints one line."""
        self.console.print(text, markup=False)

    def section(self, text: str) -> None:
        """Starts a new part: its bars begin anew."""
        for task in self.tasks.values():
            self.bars.remove_task(task)  # type: ignore[arg-type]
        self.tasks.clear()
        self.line(text)

    def training(self, progress: Progress) -> None:
        """Shows one epoch."""
        left = clock(progress.seconds_left)
        note = (
            f"epoch {progress.epoch}, median loss {progress.loss:.2g}, "
            f"{progress.net_steps_per_second:.0f} net-steps/s, about {left} left"
        )
        done = progress.size - progress.active
        if self.live:
            self._bar("converged", progress.converged, progress.size, note)
        elif progress.epoch % PLAIN_EPOCHS == 0 or done == progress.size:
            self.line(f"{progress.converged} of {progress.size} converged; {note}")

    def analysis(self, level: str, done: int, total: int) -> None:
        """Shows how many pairs were compared."""
        if self.live:
            self._bar(level, done, total, "pairs")
        elif done == total:
            self.line(f"{level}: {total} pairs compared")

    def degeneracy(self, degeneracy: Degeneracy) -> None:
        """Prints the three levels as a table."""
        columns = ("level", "measure", "value", "95% interval")
        self.table("degeneracy", columns, degeneracy_rows(degeneracy))

    def _bar(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=total, note=note)
        self.bars.update(self.tasks[name], completed=done, note=note)  # type: ignore[arg-type]

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints a table; plain tabulated lines where there is no terminal."""
        if self.console.is_terminal:
            from rich.table import Table

            table = Table(*columns, title=title)
            for row in rows:
                table.add_row(*row)
            self.console.print(table)
            return
        self.line(title)
        lines = [columns, *rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.line(("  " + "  ".join(cells)).rstrip())


def clock(seconds: float) -> str:
    """A duration as minutes:seconds or hours:minutes:seconds."""
    if not math.isfinite(seconds):
        return "?"
    if seconds >= 3600:
        return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def degeneracy_rows(degeneracy: Degeneracy) -> list[tuple[str, str, str, str]]:
    """The three levels as rows: level, measure, value, interval; nulls below."""
    rows, behavior, grid = [], degeneracy.behavior, degeneracy.grid
    pairs = np.triu_indices(len(degeneracy.networks), 1)
    for name, sigma in behavior.sigmas.items():
        level = "" if rows else "behavior"
        rows.append((level, f"sigma_OOD, {name} (MSE)", *_cells(sigma)))
        null, trials = behavior.nulls[name], behavior.trials[name]
        rows.append(("", f"  its null: {trials:,} other trials", f"{null:.3g}", ""))
        mean = behavior.disagreements[name][pairs].mean()
        rows.append(("", f"  outputs differ by (RMS, {name})", f"{mean:.3g}", ""))
    dsa = degeneracy.analysis.dsa
    setting = f"{dsa.score}, rank {dsa.rank}, delays {dsa.n_delays}"
    rows += _distance_rows("dynamics", f"mean DSA distance ({setting})", degeneracy.dynamics)
    count, ratios = grid.means.size, grid.null_ratios
    spanned = f"{grid.means.min():.3g} to {grid.means.max():.3g}"
    rows.append(("", f"  over {count} settings (ranks x delays)", spanned, ""))
    spanned = f"{ratios.min():.2g} to {ratios.max():.2g}"
    rows.append(("", "  the same relative to their nulls", spanned, ""))
    rows.append(("", "  measurable of these", f"{grid.measurable.sum()}", ""))
    second = degeneracy.autocovariance
    rows += _distance_rows("", "mean distance of autocovariances (no rank)", second)
    rows += _distance_rows("weights", "mean PIF distance", degeneracy.weights)
    for name, found in degeneracy.further.items():
        rows += _distance_rows(name, f"mean {measures.find(name).symbol}", found)
    return rows + _topology_rows(degeneracy.topology)


def _topology_rows(topology: Topology | None) -> list[tuple[str, str, str, str]]:
    """How the sets of fixed points differ, if they were searched."""
    if topology is None:
        return []
    name = "mean distance of fixed points (OSPA)"
    agreement = f"{100 * topology.agreement:.0f}%"
    return [
        ("topology", name, *_cells(topology.mean)),
        ("", "  networks with the most frequent counts", agreement, ""),
    ]


def _distance_rows(level: str, name: str, found: Distances) -> list[tuple[str, str, str, str]]:
    """A mean distance, what bounds it from below, and its null."""
    pairs = np.triu_indices(len(found.matrix), 1)
    null = f"{found.trials:,} other trials" if found.trials else "units renumbered"
    rows = [
        (level, name, *_cells(found.mean)),
        ("", "  no alignment comes below", f"{found.lower_bound[pairs].mean():.3g}", ""),
        ("", f"  its null: same network, {null}", f"{found.null.mean():.3g}", ""),
        *_ratio_row(found),
    ]
    if found.trials and np.isfinite(found.corrected):
        rows.append(("", "  without what trials add", f"{found.corrected:.3g}", ""))
    if found.trials and np.isfinite(found.reliability):
        agreement = f"{found.reliability:.2f}"
        rows.append(("", "  reliability: agreement of pairs measured twice", agreement, ""))
    return rows


def _ratio_row(found: Distances) -> list[tuple[str, str, str, str]]:
    """The mean distance relative to its null, where that is not 0."""
    if not (found.null.mean() > 0 and found.mean.value > 0):
        return []
    ratio = stats.against_null(found.matrix, found.null).ratio
    return [("", "  relative to its null", *_cells(ratio))]


def _cells(estimate: tuple[float, float, float]) -> tuple[str, str]:
    value, low, high = estimate
    return f"{value:.3g}", f"{low:.3g} to {high:.3g}"


def population_line(population: Population) -> str:
    """How many networks converged, and the losses reached where some did not."""
    text = population.summary()
    if not population.converged.all():
        losses = population.history.loss[~population.converged]
        last = [row[row == row][-1] if (row == row).any() else math.nan for row in losses]
        shown = ", ".join(f"{loss:.2g}" for loss in last[:6])
        text += f"; the others ended at loss {shown} (threshold {population.thresholds[0]:g})"
    return text
