"""What the commands are told that look at folders and change nothing."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from rnnensemble.cli.options import Runs


@dataclasses.dataclass(frozen=True, kw_only=True)
class Show(Runs):
    """Show a run; without RUN, list all runs.

    Attributes:
        run: Run folder; None to list all.
    """

    run: Positional[Path | None] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watch:
    """Follow a run, sweep or plan from another terminal.

    Attributes:
        folder: Its folder, which need not be there before the first checkpoint.
        every: Seconds between looks.
        once: Look once.
    """

    folder: Positional[Path]
    every: float = 2.0
    once: bool = False
