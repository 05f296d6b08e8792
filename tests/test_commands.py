"""Every command that the documents print runs as it is printed."""

import os
import re
import subprocess
import sys

import pytest

from rnnensemble import cli
from tests.shown import ROOT, blocks

pytestmark = pytest.mark.long

OPTIMIZED = "--xla_backend_optimization_level=1"
"""Quickstart would take longer if LLVM optimized as little as in other tests."""


def documented_commands():
    """Every whole command in the documents, in order, once."""
    names = ("index", "command-line", "tasks", "concepts", "foreign-data", "reports")
    for path in ("README.md", *(f"docs/{name}.md" for name in names)):
        text = (ROOT / path).read_text()
        inline = re.findall(r"(?<!`)`((?:rnnensemble|python) [^`]+)`", text)
        for block in blocks(path, ""):
            inline += [line for line in block.splitlines() if line.startswith("rnnensemble ")]
        yield from (" ".join(command.split()) for command in inline)


def in_a_process(arguments):
    """How Python ends when it is called so, and what it printed."""
    flags = os.environ["XLA_FLAGS"]
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": f"{flags} {OPTIMIZED}"},
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def in_this_process(arguments, capsys):
    """The same of a command, without a start of Python and with the programs of those before."""
    capsys.readouterr()
    status = 0
    try:
        cli.main(arguments)
    except SystemExit as stop:
        status = stop.code or 0
    return status, *capsys.readouterr()


def test_documented_commands_run_as_printed(tmp_path, monkeypatch, capsys):
    commands = list(dict.fromkeys(documented_commands()))
    by_hand = {
        "python benchmarks/convergence.py",  # trains presets without a result, for minutes
        "python docs/make_figures.py",  # trains for minutes and rewrites docs/figures
        "python docs/pytorch_ensemble.py",  # needs torch; tests/test_docs.py runs it
        "rnnensemble benchmark",  # takes three minutes; tests/test_benchmark.py runs it
        "rnnensemble deflate experiments/deflation/tiny.toml",  # tests/test_rounds.py runs these
        "rnnensemble battery runs/deflation-tiny",
        "rnnensemble report runs/deflation-tiny",
    }
    assert {command.split()[1] for command in commands if command.startswith("rnnensemble")} == {
        "quickstart",
        "train",
        "join",
        "analyse",
        "show",
        "export",
        "sweep",
        "report",
        "watch",
        "deflate",
        "battery",
        "benchmark",
        "tasks",
    }
    # what is shown must have been trained first
    commands.sort(
        key=lambda command: (
            command.split()[1] not in ("quickstart", "train", "sweep", "deflate", "join")
        )
    )
    for folder in ("experiments", "benchmarks", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    exec(blocks("docs/foreign-data.md", "python")[0], {})  # makes the arrays
    for command in commands:
        if command in by_hand:
            continue
        program, *arguments = command.split()
        if program == "python":
            status, printed, error = in_a_process(arguments)
        elif arguments == ["quickstart"]:
            status, printed, error = in_a_process(["-m", "rnnensemble", *arguments])
        else:
            status, printed, error = in_this_process(arguments, capsys)
        assert status == 0, (command, error)
        if arguments[0] in ("quickstart", "train"):
            assert re.search(r"(\d+) of \1 networks converged", printed), printed
