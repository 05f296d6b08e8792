"""Packages that tests need beside this environment, whose pins or size would change it."""

import subprocess
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).parent.parent / "build"


def installed(name: str, *requirements: str, proof: str) -> str:
    """The folder `build/<name>` where pip has put what is required, once; skips if it cannot.

    Args:
        name: Of the folder.
        requirements: As pip takes them.
        proof: What lies in the folder once pip has ended.
    """
    folder = BUILD / name
    if not (folder / proof).exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        made = subprocess.run(
            [*command, "--target", folder, *requirements],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"pip cannot install {name} here: {made.stderr[-300:]}")
    return str(folder)
