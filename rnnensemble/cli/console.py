"""What the command line shows: tables, progress, plain lines where there is no terminal."""

import contextlib
import copy
import io
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnensemble.analysis.degeneracy import Degeneracy
from rnnensemble.cli.degeneracy_table import degeneracy_rows
from rnnensemble.cli.notes import clock, fitted, training_note
from rnnensemble.files import folders, live
from rnnensemble.files.locks import LOG
from rnnensemble.stats.comparable import incomparable
from rnnensemble.training.population import Population
from rnnensemble.training.progress import Progress

BAR = 10
"""Columns of a bar: the rest of 80 is for words."""

TRAINING = "converged"
"""Name of the bar of a training."""

GAP = 2
"""Spaces between the columns of a table."""

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


_CONTROLS = {*range(32), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F}
_CONTROLS = (_CONTROLS | {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}) - {ord("\n"), ord("\t")}
_SHOWN = dict.fromkeys(_CONTROLS, "?")


def printable(text: str) -> str:
    """Text in which `?` stands for characters that would steer a terminal or turn the reading."""
    return text.translate(_SHOWN)


def show_warnings() -> None:
    """Prints what is said beside results as lines on standard error."""
    handler = copy.copy(logging.lastResort)
    if handler is None:  # somebody wants silence
        return
    handler.setFormatter(_Line("rnnensemble: %(message)s"))
    LOG.handlers, LOG.propagate = [handler], False


class _Line(logging.Formatter):
    """A warning, printable."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class Output:
    """Standard output that never stops the work whose progress it shows.

    Once a write fails (the reader has ended, the disk is full, it is closed), the rest is lost.

    Attributes:
        error: Why something was lost, None if nothing was, or the reader did not want it.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.error, self.lost = stream, None, stream is None

    def write(self, text: str) -> int:
        """Writes what can be written."""
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Passes on what was written."""
        self._try(lambda: self.stream.flush())

    def isatty(self) -> bool:
        """Whether somebody looks on."""
        return not self.lost and self.stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _try(self, work: Callable[[], object]) -> None:
        if self.lost:
            return
        try:
            work()
        except (OSError, ValueError) as error:  # a ValueError if it is closed
            self.lost = True
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                self.error = error
            with contextlib.suppress(OSError, ValueError, AttributeError):  # at the end of Python
                folders.discard(self.stream.fileno())


@contextlib.contextmanager
def output() -> Iterator[Output]:
    """Inside the block, standard output is an `Output`, and characters it cannot write are `?`.

    Libraries log nothing: what they would say of a home or a disk is told in one line.
    """
    before = logging.root.handlers
    logging.root.handlers = list[logging.Handler]([logging.NullHandler()])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # none, closed, or not a file's
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    with contextlib.ExitStack() as stack:
        if sys.stderr is None:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        shown = Output(sys.stdout)
        stack.enter_context(contextlib.redirect_stdout(shown))  # type: ignore[type-var]
        try:
            yield shown
        finally:
            shown.flush()
            logging.root.handlers = before


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
            BarColumn(bar_width=BAR),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
        )
        self.tasks: dict[str, object] = {}
        self.losses: list[float] = []
        self.watched: live.Live | None = None

    def __enter__(self) -> "Reporter":
        if self.live:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def line(self, text: str) -> None:
        """Prints one line."""
        self.console.print(printable(text), markup=False)

    def section(self, text: str) -> None:
        """Starts a new part: its bars begin anew."""
        for name in list(self.tasks):
            self._end(name)
        self.losses.clear()
        self.line(text)

    @contextlib.contextmanager
    def watched_at(self, path: Path) -> Iterator[None]:
        """Inside the block, a small file says how far it is, for `rnnensemble watch`."""
        try:
            with live.Live(path) as self.watched:
                yield
        finally:
            self.watched = None

    def training(self, progress: Progress) -> None:
        """Shows one epoch."""
        self.losses.append(progress.loss)
        if self.watched:
            self.watched.training(progress, self.losses)
        done = progress.size - progress.active
        if self.live:
            taken = len(f"{TRAINING} {progress.size}/{progress.size}") + BAR + 2
            room = self.console.width - taken
            note = training_note(progress, self.losses, self.console.encoding, room)
            self._bar(TRAINING, progress.converged, progress.size, note)
            return
        note = (
            f"epoch {progress.epoch}, median loss {progress.loss:.2g}, "
            f"{progress.net_steps_per_second:.0f} net-steps/s, "
            f"about {clock(progress.seconds_left)} left"
        )
        if progress.epoch % PLAIN_EPOCHS == 0 or done == progress.size:
            self.line(f"{progress.converged} of {progress.size} converged; {note}")

    def analysis(self, level: str, done: int, total: int, *, of: str = "pairs compared") -> None:
        """Shows how much of a level is done."""
        if self.watched:
            self.watched.analysis(level, done, total, of)
        if self.live:
            self._end(TRAINING)  # its words are as long as the line, without longer names below
            self._bar(level, done, total, of.partition(" ")[0])
        elif done == total:
            self.line(f"{level}: {total} {of}")

    def degeneracy(self, degeneracy: Degeneracy) -> None:
        """Prints the three levels as a table."""
        columns = ("level", "measure", "value", "95% interval")
        self.table("degeneracy", columns, degeneracy_rows(degeneracy))
        if degeneracy.behavior.main is None:
            self.line("sigma_OOD is not defined: the task has no trials out of distribution")
        for name, found in degeneracy.distances.items():
            if missing := degeneracy.networks[incomparable(found.matrix)].tolist():
                self.line(left_out_line(missing, name))
        for reason in degeneracy.left_out.values():
            self.line(reason)

    def _end(self, name: str) -> None:
        """Takes a bar away, if it is there."""
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))  # type: ignore[arg-type]

    def _bar(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=total, note=note)
        self.bars.update(self.tasks[name], completed=done, note=note)  # type: ignore[arg-type]

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints a table; plain tabulated lines where there is no terminal."""
        lines = [columns, *rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        if self.console.is_terminal:
            self._framed(title, lines, widths)
            return
        self.line(title)
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.line(("  " + "  ".join(cells)).rstrip())

    def _framed(self, title: str, lines: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """Prints a table that fits: its widest columns fold, at words where they can."""
        from rich import box
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        def cell(text: str) -> Padding:
            indent = len(text) - len(text.lstrip())  # what folds stays below its first word
            return Padding(Text(printable(text.lstrip()), overflow="fold"), (0, 0, 0, indent))

        room = self.console.width - GAP * (len(widths) - 1)
        table = Table(
            title=Text(printable(title)),
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, GAP - 1, 0, 0),
        )
        for name, width in zip(lines[0], fitted(widths, room), strict=True):
            table.add_column(Text(printable(name), overflow="fold"), width=width)
        for line in lines[1:]:
            table.add_row(*map(cell, line))
        self.console.print(table)


def left_out_line(networks: Sequence[object], measure: str) -> str:
    """Which networks have no distance, and what that means for the others."""
    names = ", ".join(map(str, networks))
    return (
        f"{measure} cannot compare network {names}: what it compares does not vary, or is no "
        "number; it is left out of means and maps"
    )


def population_line(population: Population) -> str:
    """How many networks converged, and the losses reached where some did not."""
    text = population.summary()
    still = ~population.converged
    if still.any():
        what, values = population.training.goal, population.reached[still]
        last = [row[row == row][-1] if (row == row).any() else math.nan for row in values]
        shown = ", ".join(f"{loss:.2g}" for loss in last[:6])
        text += f"; the others ended at {what} {shown} (threshold {population.thresholds[0]:g})"
    return text
