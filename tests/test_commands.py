"""Every command that the documents print runs as it is printed."""

import os
import re
import subprocess
import sys

import pytest

from tests.shown import ROOT, blocks

pytestmark = pytest.mark.long

OPTIMIZED = "--xla_backend_optimization_level=1"
"""These train for minutes, and would take longer if LLVM optimized as little as in other tests."""


def documented_commands():
    """Every whole command in the documents, in order, once."""
    names = ("index", "command-line", "tasks", "concepts", "foreign-data", "reports")
    for path in ("README.md", *(f"docs/{name}.md" for name in names)):
        text = (ROOT / path).read_text()
        inline = re.findall(r"(?<!`)`((?:rnnensemble|python) [^`]+)`", text)
        for block in blocks(path, ""):
            inline += [line for line in block.splitlines() if line.startswith("rnnensemble ")]
        yield from (" ".join(command.split()) for command in inline)


def test_documented_commands_run_as_printed(tmp_path, monkeypatch):
    commands = list(dict.fromkeys(documented_commands()))
    by_hand = {
        "python benchmarks/convergence.py",  # trains presets without a result, for minutes
        "python docs/make_figures.py",  # trains for minutes and rewrites docs/figures
        "python docs/pytorch_ensemble.py",  # needs torch; tests/test_foreign.py runs it
        "rnnensemble benchmark",  # takes three minutes; tests/test_benchmark.py runs it
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
    flags = os.environ["XLA_FLAGS"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": f"{flags} {OPTIMIZED}"}
    monkeypatch.chdir(tmp_path)
    exec(blocks("docs/foreign-data.md", "python")[0], {})  # makes the arrays
    for command in commands:
        if command in by_hand:
            continue
        program, *arguments = command.split()
        module = ["-m", "rnnensemble"] if program == "rnnensemble" else []
        done = subprocess.run(
            [sys.executable, *module, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        if arguments[0] in ("quickstart", "train"):
            assert re.search(r"(\d+) of \1 networks converged", done.stdout), done.stdout
