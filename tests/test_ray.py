"""Work on Ray: one of two workers is killed, and what comes out is what one process makes.

Ray is large, so it lies in a folder of its own, `build/ray`, beside this environment's packages.
"""

import importlib.util
import os
import signal
import subprocess
import sys

import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble.study.factors import groups_of
from rnnensemble.study.sweep_file import read_sweep
from tests.beside import installed
from tests.test_slurm import OFTEN, PRESET, longer_text, until
from tests.test_sweep import rows_of

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def environment():
    """The environment of commands that find Ray."""
    paths = [os.environ.get("PYTHONPATH", "")]
    if importlib.util.find_spec("ray") is None:
        paths.append(installed("ray", "ray>=2.40", proof="ray/__init__.py"))
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def holder(lock):
    """The process that works on a group, as its lock says; nothing if there is none yet."""
    words = lock.read_text().split() if lock.exists() else []
    return int(words[1]) if words[:1] == ["process"] else None


def test_a_worker_that_is_killed_is_replaced(environment, tmp_path):
    text = longer_text()
    alone = rows_of(rnne.run_sweep(text, runs=tmp_path / "alone", quiet=True))
    (tmp_path / "sweep.toml").write_text(text)
    command = [sys.executable, "-m", "rnnensemble", "sweep", tmp_path / "sweep.toml"]
    command += ["--runs", tmp_path, "--engine", "ray", *OFTEN]
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    folder = tmp_path / "tiny"
    first, second = groups_of(read_sweep(text))
    locks = [folder / "groups" / f"{group.name}.lock" for group in (first, second)]
    workers = [until(lambda lock=lock: holder(lock)) for lock in locks]
    manifest = folder / "conditions" / second.conditions[0].digest / "manifest.json"
    until(manifest.exists)
    assert '"interrupted"' in manifest.read_text()
    os.kill(workers[1], signal.SIGKILL)
    said = started.communicate(timeout=400)[0]
    assert started.returncode == 0
    assert "2 of 2 groups done" in said
    assert "failed, try" not in said  # Ray itself has called the task again
    assert workers[0] != workers[1]
    assert holder(locks[1]) not in workers
    assert rows_of(folder) == alone


def test_a_worker_that_is_killed_amid_a_shard_is_replaced(environment, tmp_path):
    preset = tmp_path / "three.toml"
    preset.write_text(PRESET)
    words = "train", str(preset), "--runs"
    cli.main([*words, f"{tmp_path}/alone", "--quiet"])
    command = [sys.executable, "-m", "rnnensemble", *words, tmp_path, "--shards", "2"]
    command += ["--engine", "ray", *OFTEN]
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    place = tmp_path / "three-shards"
    (manifest,) = until(lambda: list((place / "shards").glob("*-2-of-2/manifest.json")))
    assert '"interrupted"' in manifest.read_text()
    (lock,) = (place / "groups").glob("*-2-of-2.lock")
    os.kill(holder(lock), signal.SIGKILL)
    said = started.communicate(timeout=400)[0]
    assert started.returncode == 0
    assert "2 of 2 shards done" in said
    assert "failed, try" not in said
    found, alone = (rnne.load(root / "three") for root in (tmp_path, tmp_path / "alone"))
    assert found.population == alone.population
    assert found.degeneracy.table() == alone.degeneracy.table()
