"""How far work under way has come: a small file for whoever looks on from another terminal.

It is written anew every few seconds, removed when the work ends, and decides nothing. Where it
cannot be written, nobody can look on, and the work goes on all the same.
"""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnensemble.training.progress import Progress

SECONDS = 2.0
"""Between two writings, at least."""

LOSSES = 64
"""Of a longer curve as many losses are kept, evenly over the epochs."""

SUFFIX = ".progress"


def beside(folder: Path) -> Path:
    """Where the file of a run folder is: not in it, since the folder is replaced as a whole."""
    place = folder.resolve()
    return place.with_name(f".{place.name}{SUFFIX}")


class Live:
    """The file inside a `with` block."""

    def __init__(self, path: Path) -> None:
        self.path, self.next = path, 0.0

    def __enter__(self) -> "Live":
        self._write({"what": "starting"})
        self.next = 0.0  # the first news are news
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()

    def training(self, progress: Progress, losses: Sequence[float]) -> None:
        """Notes an epoch, and the median losses of all epochs so far."""
        rest = {"losses": [each for each in _thinned(losses) if math.isfinite(each)]}
        names = ("epoch", "size", "converged", "diverged", "loss", "seconds_left")
        state = {name: getattr(progress, name) for name in names}
        known = {n: x for n, x in state.items() if math.isfinite(x)}  # JSON has no others
        self._write({"what": "training", **known, **rest})

    def analysis(self, level: str, done: int, total: int, of: str) -> None:
        """Notes how much of a level is compared."""
        self._write({"what": level, "done": done, "total": total, "of": of})

    def _write(self, state: dict[str, Any]) -> None:
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + SECONDS
        partial = self.path.with_name(f"{self.path.name}.new")
        with contextlib.suppress(OSError):  # nor is it flushed: of a crash it says nothing
            partial.write_text(json.dumps(state), encoding="utf-8")
            partial.replace(self.path)


def _thinned(values: Sequence[float]) -> list[float]:
    """All values, or so many of them, the last one among them."""
    count = min(len(values), LOSSES)
    return [float(values[(k + 1) * len(values) // count - 1]) for k in range(count)]


def read(path: Path) -> tuple[dict[str, Any], float] | None:
    """What such a file says, and how many seconds ago; None if there is none."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        age = time.time() - path.stat().st_mtime
    except (OSError, ValueError):
        return None
    return (state, max(age, 0.0)) if isinstance(state, dict) and "what" in state else None
