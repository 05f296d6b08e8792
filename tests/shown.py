"""What the documents show: their code, their commands, and what these print.

A page is one program: its Python blocks and the commands of its `console` blocks run in the order
in which they stand. Two kinds of blocks hold what was printed:

- a `text` block right after a Python block holds what that block printed;
- a `console` block holds commands behind `$ `, each followed by what it printed.

A fenced block without a language holds commands or sketches whose output is not shown.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from rnnensemble import cli
from tests import own_measure, own_metric, own_network, own_task

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = ["README.md", *(path.relative_to(ROOT).as_posix() for path in DOCS)]

SHOWN = {
    "docs/add-a-task.md": (Path(own_task.__file__), {"Evidence": own_task.Evidence}),
    "docs/add-a-network.md": (Path(own_network.__file__), {"Leaky": own_network.Leaky}),
    "docs/add-a-metric.md": (Path(own_metric.__file__), {"Speed": own_metric.Speed}),
    "docs/extending.md": (Path(own_measure.__file__), {}),
    "docs/foreign-data.md": (ROOT / "docs" / "pytorch_ensemble.py", {}),  # needs torch
}
"""Files that pages show whole, which other tests run, and what the next blocks use of them."""

NEEDS = {
    "docs/export.md": ("torch", "xarray"),
    "docs/trackers.md": ("tensorboard",),
}
"""Packages that are no extra of the tests: their pages run where these are installed."""

TOLERANCE = 0.05
"""Numbers may differ by this share, since processors round otherwise: counts below 20 may not."""
ROUNDING = 1e-4
"""Numbers with a fraction that are both smaller than this are rounding errors."""

NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
MASKS = {r"\bon \d+ devices?\b": "on ... devices", r"\b\d+(\.\d+)? s\b": "... s"}
"""What depends on the machine, and what is shown and compared in its place."""


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    text: str
    start: int  # of its text within the page
    after_code: bool  # only empty lines lie between it and a Python block


def page_blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = (ROOT / page).read_text()
    found, end, before = [], 0, ""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.M):
        beside = before == "python" and not text[end : match.start()].strip()
        found.append(Block(match[1], match[2], match.start(2), beside))
        end, before = match.end(), match[1]
    return found


def blocks(page: str, language: str) -> list[str]:
    """The texts of a page's blocks in a language, `""` for none."""
    return [block.text for block in page_blocks(page) if block.language == language]


def runs(page: str) -> bool:
    """Whether a page has anything to run."""
    return any(is_program(page, block) for block in page_blocks(page))


def is_program(page: str, block: Block) -> bool:
    """Whether a block is run as part of its page."""
    return block.language == "console" or (block.language == "python" and not is_file(page, block))


def is_file(page: str, block: Block) -> bool:
    """Whether a block is the file that its page shows whole."""
    return page in SHOWN and block.text == SHOWN[page][0].read_text()


def run_page(page: str, names: dict) -> Iterator[tuple[Block | None, str]]:
    """Runs a page in the current folder; gives what was printed, and the block that shows it."""
    found = page_blocks(page)
    for block, after in zip(found, [*found[1:], None], strict=True):
        shown = after if after and after.language == "text" and after.after_code else None
        if block.language == "console":
            yield block, console(block.text)
        elif is_program(page, block):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(block.text, page, "exec"), names)
            yield shown, masked(printed.getvalue())
        elif shown and find_spec("torch"):  # which the only such file needs
            yield shown, masked(command(["-W", "error", str(SHOWN[page][0])]))


def console(text: str) -> str:
    """Runs the commands of a console block; the block as it should be."""
    lines = []
    for line in text.splitlines():
        if line.startswith("$ "):
            program, *arguments = line[2:].split()
            run = in_this_process if program == "rnnensemble" else command
            lines += [line, *masked(run(arguments)).splitlines()]
    return "\n".join(lines) + "\n"


def in_this_process(arguments: list[str]) -> str:
    """What a command prints, without a start of Python and with the programs of those before."""
    columns = mock.patch.dict(os.environ, COLUMNS="120")
    with columns, contextlib.redirect_stdout(io.StringIO()) as printed:
        cli.main(arguments)
    return printed.getvalue()


def command(arguments: list[str]) -> str:
    """What Python prints when called so, in the current folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def masked(text: str) -> str:
    """A text without spaces at the ends of lines and without what depends on the machine."""
    lines = [line.rstrip() for line in text.splitlines()]
    found = "\n".join(line for line in lines if line) + "\n"
    for pattern, instead in MASKS.items():
        found = re.sub(pattern, instead, found)
    return found


def fresh(shown: str, printed: str) -> bool:
    """Whether a shown output says what was printed: the same words, and numbers up to rounding."""
    words, others = ([" ".join(x.split()) for x in NUMBER.split(text)] for text in (shown, printed))
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=False)
    return words == others and all(close(*pair) for pair in pairs)


def close(shown: str, printed: str) -> bool:
    """Within 5%; with a fraction, one in the last digit and rounding errors do not count either."""
    first, second = float(shown), float(printed)
    error, largest = abs(first - second), max(abs(first), abs(second))
    if error <= TOLERANCE * largest:
        return True
    if not any(mark in text for text in (shown, printed) for mark in ".e"):
        return False
    return largest < ROUNDING or error <= 1.01 * max(last_digit(shown), last_digit(printed))


def last_digit(number: str) -> float:
    """What one more in the last digit of a written number adds to it."""
    digits, _, power = number.partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
