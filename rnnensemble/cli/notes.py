"""Short texts of the terminal: an epoch with a curve of its losses, durations, ages."""

import math
from collections.abc import Sequence

from rnnensemble.training.progress import Progress

BLOCKS, PLAIN = "▁▂▃▄▅▆▇█", "_.-=^"
"""Marks of a curve from low to high, and those of a terminal that has only ASCII."""

MARKS = 8
"""Marks of a curve, at most."""


def curve(losses: Sequence[float], encoding: str) -> str:
    """Losses by epoch as marks, on a logarithmic scale from the lowest to the highest.

    What is not positive and finite is left out. The marks are those that the terminal's encoding
    has; each stands for the last epoch of its part of the time.

    Example:
        >>> curve([1.0, 0.1, 0.01, 0.001], "utf-8")
        '█▆▃▁'
    """
    logs = [math.log(loss) for loss in losses if 0 < loss < math.inf]
    if len(logs) < 2:
        return ""
    try:
        shapes = BLOCKS if BLOCKS.encode(encoding) else PLAIN
    except (LookupError, UnicodeEncodeError):
        shapes = PLAIN
    count = min(MARKS, len(logs))
    shown = [logs[(k + 1) * len(logs) // count - 1] for k in range(count)]
    low, reach = min(shown), max(shown) - min(shown)
    heights = [(each - low) / reach if reach else 0.0 for each in shown]
    return "".join(shapes[round(each * (len(shapes) - 1))] for each in heights)


def training_note(progress: Progress, losses: Sequence[float], encoding: str, room: int) -> str:
    """An epoch in so many columns, if they suffice; what matters least is left out."""
    epoch, loss = f"epoch {progress.epoch}", f"loss {progress.loss:.2g}"
    drawn = " ".join(filter(None, (loss, curve(losses, encoding))))
    known = math.isfinite(progress.seconds_left)
    left = f"{clock(progress.seconds_left)} left" if known else ""
    speed = f"{rate(progress.net_steps_per_second)} steps/s"
    choices = (epoch, drawn, left, speed), (epoch, drawn, left), (epoch, loss, left), (epoch, loss)
    texts = [", ".join(filter(None, parts)) for parts in choices]
    return next((text for text in texts if len(text) <= room), texts[-1])


def rate(number: float) -> str:
    """As "840", "14.2k" or "1.3M"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:.0f}"


def clock(seconds: float) -> str:
    """A duration as minutes:seconds or hours:minutes:seconds."""
    if not math.isfinite(seconds):
        return "?"
    if seconds >= 3600:
        return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


AGES = {"d": 86400, "h": 3600, "min": 60, "s": 1}
"""Units of an age, in seconds."""


def age(seconds: float) -> str:
    """An age as "3 h"."""
    for unit, size in AGES.items():
        if seconds >= size:
            return f"{int(seconds / size)} {unit}"
    return "0 s"


def amount(count: float) -> str:
    """Bytes as "1.4 MB"."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """Widths of columns that fit into so much room: the widest give way, to one width.

    Example:
        >>> fitted([4, 30, 50], 64)
        [4, 30, 30]
    """
    found = list(widths)
    while sum(found) > room and max(found) > 1:
        found[found.index(max(found))] -= 1
    return found
