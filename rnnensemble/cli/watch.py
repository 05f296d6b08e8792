"""The command `watch`: follows a run, a sweep or a plan from another terminal, by its files."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rnnensemble.cli import deflate, train
from rnnensemble.cli.console import Reporter, printable
from rnnensemble.cli.notes import age, clock, curve
from rnnensemble.files import locks, overview, stages, sweep_folder
from rnnensemble.files.overview import Conditions, Work
from rnnensemble.study.costs import Budget, expected_costs

IDLE = 20.0
"""Seconds without work after which a sweep has stopped: between two groups there is none either."""

LATEST = 3
"""Conditions of a sweep that are named when they are finished, the last ones."""


class Look(NamedTuple):
    """What a folder says at one moment, and whether that is all.

    `news` is what is worth a line, when it changes, where nothing is redrawn.
    """

    lines: list[str]
    news: str
    ended: bool


def watch(folder: Path, every: float, once: bool) -> None:
    """Shows how far a folder has come until its work ends, or Ctrl-C; see `look_options.Watch`."""
    if not 0 < every < math.inf:
        raise ValueError(f"`every` must be a positive number of seconds; got {every:g}.")
    reporter = Reporter(quiet=False)
    encoding = reporter.console.encoding
    look = _looks(folder, encoding)
    with contextlib.suppress(KeyboardInterrupt), _shown(reporter, once) as show:
        while True:
            found = look()
            show(found)
            if found.ended or once:
                return
            time.sleep(every)


@contextlib.contextmanager
def _shown(reporter: Reporter, once: bool) -> Iterator[Callable[[Look], None]]:
    """Shows looks: in place on a terminal, elsewhere a line for news."""
    if once or not reporter.live:
        said = list[str]()

        def say(look: Look) -> None:
            if once or look.ended:
                for line in look.lines:
                    reporter.line(line)
            elif [look.news] != said:
                reporter.line(look.news)
            said[:] = [look.news]

        yield say
        return
    from rich.live import Live
    from rich.text import Text

    with Live(console=reporter.console, auto_refresh=False) as screen:
        yield lambda look: screen.update(Text(printable("\n".join(look.lines))), refresh=True)


def _looks(folder: Path, encoding: str) -> Callable[[], Look]:
    """What looks at a folder of its kind; ValueError if it is none, and no run that begins."""
    if not folder.exists() and overview.work_on(folder) is not None:
        return lambda: _run(folder, encoding)
    if not (folder / "manifest.json").is_file():
        raise ValueError(
            f"`folder` must be that of a run, a sweep or a plan, or of a run that trains; {folder} "
            "is none; `rnnensemble show` lists them."
        )
    status = stages.read_manifest(folder)["status"]
    if status == stages.SWEEP:
        return _Sweep(folder, encoding).look
    if status == stages.ROUNDS:
        return lambda: _plan(folder, encoding)
    return lambda: _run(folder, encoding)


def _doing(work: Work, encoding: str) -> str:
    """What is being done, in words, and how long ago that was said."""
    state = work.state
    what = str(state["what"])
    if what == "training":
        loss = f"median loss {state['loss']:.2g}" if "loss" in state else ""
        drawn = " ".join(filter(None, (loss, curve(state.get("losses", ()), encoding))))
        left = f"about {clock(state['seconds_left'])} left" if "seconds_left" in state else ""
        converged = f"{state.get('converged')} of {state.get('size')} converged"
        what = ", ".join(
            filter(None, (f"training, epoch {state.get('epoch')}", converged, drawn, left))
        )
    elif "total" in state:
        what = f"{what}, {state.get('done')} of {state['total']} {state.get('of')}"
    return f"{what} ({age(work.age)} ago)"


def _saved(manifest: dict[str, Any]) -> str:
    """What a run folder holds, in words."""
    counts = f"{manifest['size']} networks"
    if "converged" in manifest:
        epochs = f"after epoch {manifest['epochs']}"
        counts = f"{manifest['converged']} of {manifest['size']} converged {epochs}"
    return f"{manifest['status']}, {counts}, {age(overview.age_of(manifest))} ago"


def _run(folder: Path, encoding: str) -> Look:
    """A run, before its folder is there too."""
    manifest = stages.read_manifest(folder) if folder.exists() else None
    work = overview.work_on(folder)
    saved = "nothing saved yet" if manifest is None else f"saved: {_saved(manifest)}"
    if work is not None:
        doing = _doing(work, encoding)
        lines = [f"{folder}: {doing}", saved, work.holder]
        return Look(lines, f"{folder}: {doing.rpartition(' (')[0]}", ended=False)
    if locks.is_alive(overview.lock_of(folder)):
        return Look([f"{folder}: in use", saved], f"{folder}: in use", ended=False)
    if manifest is None:
        return Look([f"{folder}: its work has ended, and nothing was saved"], "", ended=True)
    lines = [f"{folder}: {_saved(manifest)}; nobody works on it"]
    if "inputs" in manifest:
        lines += [f"go on with: {manifest['command']}"] if "command" in manifest else []
    elif manifest["status"] == stages.INTERRUPTED:
        lines.append(train.go_on(folder))
    elif manifest["status"] == stages.TRAINED and manifest["converged"] > 1:
        lines.append(f"measure it with: rnnensemble analyse {folder}")
    return Look(lines, lines[0], ended=True)


def _plan(folder: Path, encoding: str) -> Look:
    """A plan of deflation: its groups, one after another."""
    plan = deflate.stored_plan(folder, stages.read_manifest(folder))
    names = [deflate.STANDARD, *(deflate.alternative(r + 1) for r in range(plan.rounds))]
    lines, trained = [], 0
    for name in names:
        group = folder / name
        work = overview.work_on_group(folder, name)
        manifest = stages.read_manifest(group) if group.exists() else None
        ended = manifest is not None and manifest["status"] != stages.INTERRUPTED
        trained += ended
        saved = "not begun" if manifest is None else _saved(manifest)
        lines.append(f"  {name}: {saved if work is None else _doing(work, encoding)}")
    held = locks.is_alive(overview.lock_of(folder))
    head = f"{folder}: {trained} of {len(names)} groups trained"
    over = held is False or trained == len(names)
    if over and trained < len(names):
        lines.append("nobody works on it; the command that began it goes on")
    return Look([head, *lines], head, ended=over)


class _Sweep:
    """A sweep, by whomever it is worked on."""

    def __init__(self, folder: Path, encoding: str) -> None:
        self.folder, self.encoding = folder, encoding
        self.sweep = sweep_folder.stored_sweep(folder)
        costs = expected_costs(self.sweep, list(self.sweep.conditions.values()))
        self.costs = Budget(costs).parts
        self.busy = time.monotonic()

    def look(self) -> Look:
        """How far all conditions are, who works on which group, and what was finished last."""
        found, works = overview.conditions_of(self.folder, self.sweep), self._works()
        every = len(self.sweep.conditions)
        over = len(found.finished) == every
        head = f"{self.folder}: {len(found.finished)} of {every} conditions finished"
        counts = {
            "trained": len(found.trained),
            "begun": len(found.begun),
            "damaged": len(found.damaged),
            "not begun": found.missing,
        }
        head += "".join(f", {count} {name}" for name, count in counts.items() if count)
        lines = [head, _networks(found)] if found.finished else [head]
        lines += [f"  {each.name}: {_doing(each, self.encoding)}" for each in works]
        lines += [f"  finished: {line}" for line in self._latest(found)]
        left = self._seconds_left(found, len(works))
        if not over and works and math.isfinite(left):
            workers = f"{len(works)} at work" if len(works) > 1 else "one at work"
            lines.append(f"about {clock(left)} left, as fast as so far and with {workers}")
        if not over and not works:
            lines.append(self._idle())
            over = time.monotonic() - self.busy > IDLE and not sweep_folder.has_engine(self.folder)
        news = "; ".join([head, *(each.name for each in works)])
        return Look(lines, news, ended=over)

    def _works(self) -> list[Work]:
        works = overview.work_on_groups(self.folder)
        if works:
            self.busy = time.monotonic()
        return works

    def _idle(self) -> str:
        if sweep_folder.has_engine(self.folder):
            said = overview.last_line(self.folder / "logs")
            return "no task works on it; some may wait" + (f"; last said: {said}" if said else "")
        return "nobody works on it; the command that began it goes on"

    def _latest(self, found: Conditions) -> list[str]:
        """The last conditions that were finished."""
        ordered = sorted(found.finished.items(), key=lambda each: each[1]["written"])
        return [
            f"{self.sweep.names[digest]}, {x['converged']} of {x['size']} converged, "
            f"{age(overview.age_of(x))} ago"
            for digest, x in ordered[-LATEST:]
        ]

    def _seconds_left(self, found: Conditions, workers: int) -> float:
        """What the rest takes at the speed of what is done; infinity before anything is."""
        cost = seconds = 0.0
        for digest, manifest in (found.finished | found.trained).items():
            for part, each in self.costs[digest].items():
                taken = manifest.get("seconds", {}).get(part, 0.0)
                if each and taken:  # shared networks are trained once
                    cost, seconds = cost + each, seconds + taken
        rest = math.fsum(
            each
            for digest, parts in self.costs.items()
            if digest not in found.finished
            for part, each in parts.items()
            if not (part == "training" and digest in found.trained)
        )
        return seconds * rest / cost / max(workers, 1) if cost else math.inf


def _networks(found: Conditions) -> str:
    """The networks of finished conditions, and conditions with too few of them."""
    manifests = found.finished.values()
    converged, size = (sum(each[name] for each in manifests) for name in ("converged", "size"))
    few = sum(each["converged"] < sweep_folder.LEAST_CONVERGED for each in manifests)
    words = f"{converged} of {size} networks of these converged"
    which = "condition" if few == 1 else "conditions"
    return f"{words}; too few in {few} {which} to compare any" if few else words
