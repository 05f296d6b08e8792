"""The driver of a sweep on an engine: submits its groups, or their shards, as tasks, and shows how
all of them do.

It holds nothing that a sweep needs: started again after a kill, it finds on the disk what is
finished, and leaves to running tasks what they have in hand.
"""

import abc
import contextlib
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from rnnensemble.cli.console import Reporter
from rnnensemble.cli.groups import SHARE, Paced
from rnnensemble.cli.notes import clock
from rnnensemble.cli.work import Work
from rnnensemble.files import sweep_folder
from rnnensemble.study.factors import Group
from rnnensemble.study.shards import Piece

TRIES = 3
"""A group whose task has failed so often is left out."""

POLL = 0.5
"""Seconds between looks at the tasks."""

BUSY = 30.0
"""Seconds until a group that another process has in hand is asked for again."""

SAY = 60.0
"""Seconds after which is said how far all have come, if nothing else gave reason to."""


class UnfitError(ValueError):
    """A worker that must not work on the sweep: no other try would end otherwise."""


class Tasks(abc.ABC):
    """Tasks on an engine: which ones wait, run, are done or have failed.

    What they are of decides what `finished` does and what `line` says.
    """

    def __init__(self, reporter: Reporter, submit: Callable[[Any], Any], at_once: int) -> None:
        self.reporter, self.submit, self.at_once = reporter, submit, at_once
        self.pieces = dict[str, Any]()
        self.waiting, self.running = deque[tuple[str, float]](), dict[str, Any]()
        self.done = 0
        self.failures, self.failed = Counter[str](), dict[str, str]()

    @abc.abstractmethod
    def finished(self, name: str) -> None:
        """Counts a task that is done."""

    @abc.abstractmethod
    def line(self) -> str:
        """How all do."""

    def fill(self) -> None:
        """Submits what waits, as long as there is room."""
        for _ in range(len(self.waiting)):
            if len(self.running) >= self.at_once:
                return
            name, since = self.waiting.popleft()
            if time.monotonic() < since:
                self.waiting.append((name, since))
                continue
            try:
                self.running[name] = self.submit(self.pieces[name])
            except Exception as error:
                raise ValueError(
                    f"`engine` takes no task ({_last_words(error)}); what is finished stays, the "
                    "same command goes on."
                ) from error

    def look(self) -> bool:
        """Takes back the tasks that have ended; whether there were any."""
        ended = [name for name, future in self.running.items() if future.done()]
        for name in ended:
            self._ended(name, self.running.pop(name))
        return bool(ended)

    def _ended(self, name: str, future: Any) -> None:
        try:
            found = future.result()
        except Exception as error:  # whatever ended the task
            self._failed(name, error, future)
            return
        if "unfit" in found:
            raise UnfitError(found["unfit"])
        if "stopped" in found:
            self.reporter.line(f"{name} was stopped and is submitted again: {found['stopped']}")
            self.waiting.append((name, 0.0))
            return
        if found["left"]:  # another process has it, of a driver that was killed perhaps
            self.waiting.append((name, time.monotonic() + BUSY))
            return
        self.finished(name)

    def _failed(self, name: str, error: Exception, future: Any) -> None:
        self.failures[name] += 1
        words = f"{_last_words(error)}{_log(future)}"
        tried = f"{name} failed, try {self.failures[name]} of {TRIES}: {words}"
        self.reporter.line(tried)
        if self.failures[name] < TRIES:
            self.waiting.append((name, 0.0))
        else:
            self.failed[name] = words

    def states(self) -> str:
        """How many tasks run, wait and have failed."""
        running = sum(_runs(future) for future in self.running.values())
        waiting = len(self.waiting) + len(self.running) - running
        return f"{running} running, {waiting} waiting, {len(self.failed)} failed"


class CountedTasks(Tasks):
    """Tasks of which no more than their number is said: blocks of pairs, or shards of one run."""

    def __init__(
        self,
        pieces: dict[str, Any],
        left: Sequence[str],
        submit: Callable[[Any], Any],
        *,
        of: tuple[int, str],
        at_once: int,
        reporter: Reporter,
    ) -> None:
        super().__init__(reporter, submit, at_once)
        self.pieces, (self.total, self.what) = pieces, of
        self.started, self.before = time.monotonic(), self.total - len(left)
        self.done = self.before
        self.waiting.extend((name, 0.0) for name in left)

    def finished(self, name: str) -> None:
        """Counts a task."""
        self.done += 1

    def line(self) -> str:
        """How all do."""
        left, done = self.total - self.done, self.done - self.before
        seconds = (time.monotonic() - self.started) * left / done if done else float("inf")
        shown = f"{self.done} of {self.total} {self.what} done, {self.states()}"
        return f"{shown}; about {clock(seconds)} left"


class GroupTasks(Tasks):
    """Groups of a sweep and their shards; a group waits for its shards, of which it is joined."""

    def __init__(
        self, work: Work, groups: list[Group], submit: Callable[[Piece], Any], at_once: int
    ) -> None:
        super().__init__(work.reporter, submit, at_once)
        self.work, self.groups = work, len(groups)
        self.pieces = {group.name: Piece(group, of=work.of(group)) for group in groups}
        self.shards_left = Counter[str]()
        self.converged = self.networks = 0
        for group in groups:
            self._begin(group)
        self.shards = self.shards_left.total()

    def _begin(self, group: Group) -> None:
        """Has a group wait, or its shards, unless it is finished."""
        if not self.work.unfinished(group):
            self.done += 1
            self._count(group)
            return
        shards = self.work.untrained(group)
        self.shards_left[group.name] = len(shards)
        self.pieces |= {piece.name: piece for piece in shards}
        for name in [piece.name for piece in shards] or [group.name]:
            self.waiting.append((name, 0.0))

    def finished(self, name: str) -> None:
        """Counts a group, or a shard, after the last of which its group waits."""
        group = self.pieces[name].group
        if self.pieces[name].part:
            self._shard_ended(group)
            return
        self.done += 1
        self._count(group)
        for condition in group.conditions:
            for part in ("training", "analysis"):
                self.work.budget.finish(condition, part)

    def _shard_ended(self, group: Group) -> None:
        """Counts a shard as done; after the last one its group waits."""
        for condition in group.conditions:
            share = 1 / self.shards_left[group.name]
            self.work.budget.finish(condition, "training", share=share)
        self.shards_left[group.name] -= 1
        if not self.shards_left[group.name]:
            self.waiting.append((group.name, 0.0))

    def _count(self, group: Group) -> None:
        """Counts the networks of a group that is done."""
        for condition in group.conditions:
            manifest = sweep_folder.stage(self.work.folder, condition.digest)[1]
            self.converged += manifest.get("converged", 0)
            self.networks += manifest.get("size", 0)

    def line(self) -> str:
        """How all do."""
        trained = self.shards - self.shards_left.total()
        shards = f", {trained} of {self.shards} shards trained" if self.shards else ""
        return (
            f"{self.done} of {self.groups} groups done{shards}, {self.states()}; {self.converged} "
            f"of {self.networks} networks converged; {self.work.time_left()}"
        )


def drive(work: Work, groups: list[Group], submit: Callable[[Piece], Any], at_once: int) -> None:
    """Has an engine work on every group, and first on its shards, until none is left.

    Args:
        work: What all groups share.
        groups: What is to be done.
        submit: Submits one group or shard; what it returns has `done()` and `result()`.
        at_once: Tasks that wait or run at the same time, at most.

    Raises:
        ValueError: If the engine takes no task, a worker does not fit, or a group failed again and
            again; the others are finished then.
        KeyboardInterrupt: On Ctrl-C; the tasks go on unless the user says otherwise.
    """
    tasks = GroupTasks(work, groups, submit, at_once)
    watch(tasks, Paced(lambda: sweep_folder.write_summary(work.folder), SHARE))
    sweep_folder.write_summary(work.folder)
    work.reporter.line(f"{tasks.line()}: {work.folder}/summary.csv")
    require_none_failed(tasks, "sweep", "groups")


def watch(tasks: Tasks, summarize: Callable[[], object]) -> None:
    """Submits tasks and says how they do, until none is left; sums up after each look with news."""
    said, shown = 0.0, ""
    try:
        while tasks.waiting or tasks.running:
            tasks.fill()
            if tasks.look():
                summarize()
            line = tasks.line()
            if line.partition("; ")[0] != shown or time.monotonic() - said > SAY:
                tasks.reporter.line(line)
                said, shown = time.monotonic(), line.partition("; ")[0]
            time.sleep(POLL)
    except UnfitError:
        _cancel(tasks)
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_left(tasks)) from None


def require_none_failed(tasks: Tasks, command: str, what: str) -> None:
    """Raises ValueError if tasks have failed."""
    if tasks.failed:
        name, words = next(iter(tasks.failed.items()))
        raise ValueError(
            f"`{command}` has {len(tasks.failed)} {what} that failed {TRIES} times each, {name} "
            f"the first ({words}); the others are finished, the same command tries again."
        )


def _left(tasks: Tasks) -> str:
    """What is said after Ctrl-C; asks whether the tasks go on where somebody can answer."""
    go_on = "the same command goes on"
    if tasks.running and sys.stdin is not None and sys.stdin.isatty():
        question = f"{len(tasks.running)} tasks wait or run; shall they go on? [Y/n] "
        with contextlib.suppress(EOFError):
            if tasks.reporter.console.input(question).strip().lower().startswith("n"):
                _cancel(tasks)
                return f"interrupted; the tasks are cancelled, {go_on}"
    return f"interrupted; what was submitted goes on by itself, {go_on}"


def _cancel(tasks: Tasks) -> None:
    for future in tasks.running.values():
        with contextlib.suppress(Exception):  # it has ended, or the engine has
            future.cancel()


def _runs(future: Any) -> bool:
    """Whether a task is under way, as far as its engine says."""
    return hasattr(future, "running") and bool(future.running())


def _log(future: Any) -> str:
    """Where the log of a task lies, if its engine writes one."""
    paths = getattr(future, "paths", None)
    return f" (log: {paths.stderr})" if paths is not None else ""


def _last_words(error: Exception) -> str:
    """The last line of an error, which names what it was."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -|")]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:300]
