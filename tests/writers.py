"""Commands that write, made small, and a disk that ends or fills at a chosen change."""

import contextlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnensemble.cli import benchmark, deflate, distances, sweep_report, train
from rnnensemble.figures import Figure
from rnnensemble.files import arrays, folders, stages, storage, sweep_folder
from tests.test_signals import PLAN, SWEEP, nested
from tests.tiny import TINY

SWEEP_TEXT = SWEEP.replace("[tasks.flipflop]", nested(TINY, "tasks.flipflop"))
PLAN_TEXT = "rounds = 1\n" + PLAN + nested(TINY, "standard")
QUICK = "--checkpoint-seconds", "0"


def write_inputs(root: Path) -> None:
    """The files that commands are given."""
    (root / "tiny.toml").write_text(TINY)
    (root / "sweep.toml").write_text(SWEEP_TEXT)
    (root / "plan.toml").write_text(PLAN_TEXT)
    np.save(root / "w.npy", np.random.default_rng(0).normal(size=(3, 4, 4)))


def rows(path: Path) -> list[dict[str, str]]:
    """A table without what no two runs share: the seconds."""
    return [
        {name: cell for name, cell in row.items() if not name.startswith("seconds")}
        for row in folders.read_rows(path)
    ]


def run_numbers(folder: Path):
    run = storage.load_run(folder)
    return run.population.history, run.population.params, run.degeneracy, run.damage


def distances_numbers(folder: Path):
    with np.load(folder / "matrices.npz") as stored:
        return arrays.read_distances(folder), dict(stored)


def sweep_numbers(folder: Path):
    outcomes = sweep_folder.load_sweep(folder)[1]
    measured = {digest: (each[1], each[2]) for digest, each in sorted(outcomes.items())}
    return measured, rows(folder / "summary.csv")


def plan_numbers(folder: Path):
    groups = deflate.load_rounds(folder)[1]
    return {name: (each.history, each.params) for name, each in groups.items()}


def battery_numbers(folder: Path):
    assert not stages.broken_files(folder, stages.read_manifest(folder))
    return plan_numbers(folder), [rows(folder / name) for name in deflate.TABLES]


def report_numbers(folder: Path):
    assert stages.is_noted(folder / "findings.csv")
    page = (folder / "report.html").read_text()
    return sweep_numbers(folder), rows(folder / "findings.csv"), len(page) > 1000


class Writer(NamedTuple):
    """A command that writes.

    Attributes:
        words: The command, `ROOT` standing for the folder of all.
        folder: What it writes, in `runs`.
        numbers: What came out, read from there.
        needs: The writer whose folder it goes on with.
    """

    words: tuple[str, ...]
    folder: str
    numbers: Callable[[Path], object]
    needs: str = ""

    def arguments(self, root: Path) -> list[str]:
        """What the command line is told; a run that is there is gone on with."""
        words = [word.replace("ROOT", str(root)) for word in self.words]
        there = (root / "runs" / self.folder / "manifest.json").exists()
        return [*words, "--resume"] if words[0] == "train" and there else words

    def found(self, root: Path) -> object:
        return self.numbers(root / "runs" / self.folder)


RUNS = "--runs", "ROOT/runs", "--quiet"
WRITERS = {
    "train": Writer(("train", "ROOT/tiny.toml", *RUNS), "tiny", run_numbers),
    "analyse": Writer(
        ("analyse", "ROOT/runs/tiny", "--analysis.seed", "5", "--quiet"),
        "tiny",
        run_numbers,
        "train",
    ),
    "distances": Writer(
        ("analyse", "--weights", "ROOT/w.npy", "--pif.starts", "1", *RUNS), "w", distances_numbers
    ),
    "sweep": Writer(("sweep", "ROOT/sweep.toml", *QUICK, *RUNS), "tiny", sweep_numbers),
    "deflate": Writer(("deflate", "ROOT/plan.toml", *QUICK, *RUNS), "tiny", plan_numbers),
    "battery": Writer(("battery", "ROOT/runs/tiny", "--quiet"), "tiny", battery_numbers, "deflate"),
    "report": Writer(
        ("report", "ROOT/runs/tiny", "--permutations", "99", "--quiet"),
        "tiny",
        report_numbers,
        "sweep",
    ),
}
"""All that leave the same numbers each time; `quickstart` is `train`."""


def names(root: Path) -> set[str]:
    """What lies in a folder and below."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


HIDDEN = re.compile(r"(^|/)\.[^/]+(\.[0-9a-f]{12}\.partial|\.lock)(/|$)|\.progress(\.new)?$")
"""What a kill may leave beside a result that is whole, until its name is written to again: a lock's
file that nobody holds, what its process said of its progress, what was unfinished or replaced."""


def quick_figures(patch) -> None:
    """Figures with nothing in them, which are saved as all others."""

    def empty(*_):
        return {"figure": Figure(figsize=(1, 1))}

    for room in (train, deflate, benchmark):
        patch.setattr(room, "_figures", empty)
    patch.setattr(distances, "figures_of", empty)
    patch.setattr(sweep_report, "study_figures", empty)


class Killed(BaseException):
    """The process is no more: nothing that it does from here on reaches the disk."""


class Disk:
    """Counts the changes of what lies below a folder; from a chosen one on, refuses them.

    Python tells its audit hooks of every change before it is made, in any thread and library that
    is written in Python. What NumPy, matplotlib and orbax's C++ code write into files goes with the
    opening of these.
    """

    CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "shutil.rmtree")
    ALWAYS = "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "ctypes.dlsym"
    current: "Disk | None" = None
    hooked = False

    def __init__(self, root: Path, error: BaseException, last: float = np.inf) -> None:
        self.root, self.error, self.last = str(root), error, last
        self.count, self.refused, self.states = 0, 0, []
        self.guard = threading.Lock()

    def __enter__(self):
        if not Disk.hooked:
            sys.addaudithook(Disk._heard)
            Disk.hooked = True
        Disk.current = self
        return self

    def __exit__(self, *_):
        Disk.current = None

    @property
    def ended(self) -> bool:
        return self.count > self.last

    def points(self) -> list[int]:
        """The changes to end at: the last before each state of the disk that readers may find."""
        pairs = zip(self.states, [*self.states[1:], None], strict=True)
        return [number for number, (now, then) in enumerate(pairs) if now != then]

    def _state(self) -> set[tuple]:
        """What lies below the folder, but for the inside of what is unfinished and of locks."""
        found = set()
        for above, within, files in os.walk(self.root):
            within[:] = [name for name in within if not above.endswith(".partial")]
            for name in files if not above.endswith(".partial") else ():
                path = os.path.join(above, name)
                hidden = name.endswith((".partial", ".lock", "lock"))
                found.add((path, 0 if hidden else os.stat(path).st_mtime_ns))
            found |= {(os.path.join(above, name),) for name in within}
        return found

    @staticmethod
    def _heard(event: str, given: tuple) -> None:
        if Disk.current is not None:
            Disk.current._note(event, given)

    def _note(self, event: str, given: tuple) -> None:
        full = isinstance(self.error, OSError)
        if event == "open":
            path, _, flags = given
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes or not isinstance(path, str | bytes | os.PathLike):
                return
            path = os.fsdecode(path)
        elif event == "ctypes.dlsym" and given[1] in ("renameat2", "renamex_np"):
            path = self.root + "/exchange"
        elif event in self.CHANGES:
            path = os.fsdecode(given[0]) if not isinstance(given[0], int) else ""
            if not os.path.isabs(path):  # amid the removal of a folder
                path = f"{self.root}/{path}"
        else:
            return
        if not path.startswith(self.root):
            return
        with self.guard:
            if self.last == np.inf:
                self.states.append(self._state())
            self.count += 1
            if self.ended and not (full and event in self.ALWAYS):
                self.refused += 1
                raise self.error


@contextlib.contextmanager
def copied(made: Path, root: Path):
    """A copy of a folder with all commands' inputs, removed afterwards."""
    shutil.copytree(made, root, symlinks=True)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
