"""Rows of a benchmark, measured one after another within a limit of time."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

LEFT_OUT = "left out"
"""How the problem of a row begins for which there was no time."""
LONGEST_PROBLEM = 300
"""Letters of an error's message that a row keeps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement; what does not apply to it is None.

    Attributes:
        kind: `ceiling`, `check`, `training`, `rival`, `pairs`, or a plan's own.
        name: What was measured.
        width: Units N.
        batch: Trials B.
        steps: Steps of a trial T.
        size: Networks K.
        tile: Networks or pairs that a device handled at once.
        precision: Of matrix products: `float32`, `tf32` or `bfloat16`.
        speed: A second: net-steps (training, rival), pairs (pairs), floating-point operations or
            bytes (ceiling).
        of_peak: Share of the measured rate of large matrix products.
        of_roofline: Share of what that rate and the measured memory traffic allow.
        compile_seconds: What the compiler took for the program of an epoch.
        memory_bytes: What that program takes on each device, by the compiler.
        error: Largest relative error against float64 (check).
        seconds: What the whole row took.
        problem: Why there is no number, or what is wrong with it; empty if all is well.
        details: What else a row tells.
    """

    kind: str
    name: str
    width: int | None = None
    batch: int | None = None
    steps: int | None = None
    size: int | None = None
    tile: int | None = None
    precision: str | None = None
    speed: float | None = None
    of_peak: float | None = None
    of_roofline: float | None = None
    compile_seconds: float | None = None
    memory_bytes: int | None = None
    error: float | None = None
    seconds: float = 0.0
    problem: str = ""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The row without what does not apply to it."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v not in (None, "", {})}

    @property
    def left_out(self) -> bool:
        """Whether there was no time for it."""
        return self.problem.startswith(LEFT_OUT)


class OutOfTimeError(Exception):
    """A row did not end within the time that was left."""


class Clock:
    """The time that is left to a benchmark."""

    def __init__(self, seconds: float) -> None:
        self.started = time.perf_counter()
        self.seconds = seconds

    def spent(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def left(self) -> float:
        """Seconds until the end; below 0 afterwards."""
        return self.seconds - self.spent()

    def check(self, *_: object) -> None:
        """Raises OutOfTimeError after the end; takes the arguments of any progress callback."""
        if self.left() < 0:
            raise OutOfTimeError(f"stopped after the {self.seconds:.0f} s of `seconds`")


class Step(NamedTuple):
    """How a row is measured, of which kind, name and shape are known before.

    `expected` says how many seconds it takes, when it is about to start; `measure` returns the
    fields that it found; `prepare` compiles what `measure` runs, into JAX's cache on disk, and may
    be called earlier, from any thread.
    """

    row: Row
    expected: Callable[[], float]
    measure: Callable[[], dict[str, Any]]
    prepare: Callable[[], object] | None = None


def run_steps(
    steps: Sequence[Step], *, clock: Clock, report: Callable[[Row], None] | None = None
) -> list[Row]:
    """Measures one row after another, in the order of what must not be missing, and reports each.

    A row that would not end in time is left out, and one that fails is recorded with its message;
    neither costs the rows that follow. Once rows of a kind have taken longer than expected, later
    ones of that kind are expected to take as much longer.
    """
    rows: list[Row] = []
    slower: dict[str, float] = {}
    for step in steps:
        kind = step.row.kind
        expected, started = step.expected(), clock.spent()
        row = _measured(step, expected * slower.get(kind, 1.0), clock)
        took = clock.spent() - started
        if row.speed is not None and expected > 0:
            slower[kind] = max(slower.get(kind, 1.0), took / expected)
        rows.append(dataclasses.replace(row, seconds=round(took, 2)))
        if report is not None:
            report(rows[-1])
    return rows


def _measured(step: Step, expected: float, clock: Clock) -> Row:
    """The row of a step, or why there is none."""
    left = clock.left()
    if expected > left:
        problem = f"{LEFT_OUT}: takes about {expected:.0f} s, {max(left, 0):.0f} s were left"
        return dataclasses.replace(step.row, problem=problem)
    try:
        return dataclasses.replace(step.row, **step.measure())
    except Exception as error:  # any row may fail; the others go on
        return dataclasses.replace(step.row, problem=told(error))


def told(error: BaseException) -> str:
    """An error as one line."""
    text = " ".join(str(error).split())
    return f"failed: {type(error).__name__}: {text}"[:LONGEST_PROBLEM]
