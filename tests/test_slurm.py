"""Work on real SLURM: what comes out is what one process makes, whatever happens to its jobs."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble._core import process
from tests.test_sweep import FILE, rows_of
from tests.tiny import TINY

pytestmark = pytest.mark.long

CORES = process.core_count()
SCRIPT = Path(__file__).with_name("slurm.sh")
LONGER = {"max_epochs = 30": "max_epochs = 200", "patience = 2": "patience = 200"} | {
    "threshold = 0.9": "threshold = 5.0"
}
"""What has the tiny sweep train for seconds, where each epoch is followed by a checkpoint."""
PRESET = TINY.replace(
    "max_epochs = 3\nthreshold = 10.0\npatience = 2",
    "max_epochs = 200\nthreshold = 5.0\npatience = 200",
)
"""A population of three networks that does the same."""
OFTEN = "--checkpoint-seconds", "0"
QUICK = """
from rnnensemble import cli
from rnnensemble.cli import driver, engines
driver.POLL, engines.LOOK, engines.LOST = 0.1, 0.3, 3.0
cli.main()
"""
"""The command line, whose drivers look at their tasks more often, and wait less for lost ones."""


def longer_text(changes=LONGER):
    """The tiny sweep's file with these changes."""
    text = FILE.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def missing():
    """Why there can be no SLURM here; nothing if there can be."""
    if getattr(os, "geteuid", lambda: 1)() != 0:
        return "SLURM is started as root alone"
    tools = "slurmctld", "slurmd", "munged", "sbatch", "runuser"
    absent = [each for each in tools if not shutil.which(each, path=f"{os.environ['PATH']}:/sbin")]
    if absent:
        return f"there is no {absent[0]}: apt-get install slurm-wlm munge"
    return "" if importlib.util.find_spec("submitit") else "submitit is not installed"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment of commands that use a SLURM cluster of this machine alone."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    environment["PATH"] = f"{environment['PATH']}:/usr/sbin:/sbin"
    start, stop = (["bash", SCRIPT, word, folder] for word in ("start", "stop"))
    with (folder / "started").open("w") as log:
        began = subprocess.run(start, stderr=log, timeout=120, env=environment, check=False)
    if began.returncode == 0:
        yield environment
    subprocess.run(stop, check=True, timeout=60, env=environment)
    if began.returncode:
        pytest.skip(f"SLURM does not start here: {(folder / 'started').read_text()[-300:]}")


def driver(environment, file, runs, *flags):
    return on_slurm(environment, ["sweep", file, "--runs", runs], *flags)


def on_slurm(environment, words, *flags):
    command = [sys.executable, "-c", QUICK, *words]
    # each job takes the whole node, so that one runs at a time
    command += ["--engine", "slurm", "--engine-setting", "partition=low", f"cpus={CORES}", *flags]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def jobs(environment, state=""):
    """Numbers of jobs that wait or run."""
    command = ["squeue", "--noheader", "--format=%i", *([f"--states={state}"] if state else [])]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return shown.stdout.split()


def until(answer, seconds=300):
    """Waits for an answer that is not empty."""
    end = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_its_jobs_make_what_one_process_makes(cluster, tmp_path):
    alone = rows_of(rnne.run_sweep(FILE, runs=tmp_path / "alone", quiet=True))
    started = driver(cluster, FILE, tmp_path)
    said = started.communicate(timeout=300)[0]
    assert started.returncode == 0
    assert "2 of 2 groups done" in said
    assert rows_of(tmp_path / "tiny") == alone
    refused = driver(cluster, FILE, tmp_path / "x", "partition=nowhere")
    error = refused.communicate(timeout=120)[1]
    assert refused.returncode == 2
    assert "`engine` slurm takes no such job (invalid partition specified: nowhere" in error
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A sweep file whose networks train for some epochs, and its rows in one process."""
    root, text = tmp_path_factory.mktemp("longer"), longer_text()
    (root / "sweep.toml").write_text(text)
    folder = rnne.run_sweep(text, runs=root, only=["channels=2"], quiet=True)
    return root / "sweep.toml", rows_of(folder)


ONLY = "--only", "channels=2", *OFTEN


def checkpoint(folder):
    """What the manifest of the only condition says, once there is one."""
    found = until(lambda: list((folder / "conditions").glob("*/manifest.json")))
    return found[0].read_text()


def test_a_preempted_job_saves_and_goes_on(cluster, longer, tmp_path):
    file, alone = longer
    started = driver(cluster, file, tmp_path, *ONLY)
    assert '"interrupted"' in checkpoint(tmp_path / "tiny")
    (job,) = jobs(cluster, "RUNNING")
    other = ["sbatch", "-p", "high", f"-n{CORES}", f"-o{tmp_path}/out", "--wrap=sleep 1"]
    subprocess.run(other, env=cluster, check=True, capture_output=True)
    until(lambda: job in jobs(cluster, "PENDING"), 60)
    assert '"interrupted"' in checkpoint(tmp_path / "tiny")
    now = ["scontrol", "update", f"JobId={job}", "StartTime=now"]  # not two minutes later
    subprocess.run(now, env=cluster, check=True, capture_output=True)
    said = started.communicate(timeout=500)[0]
    assert started.returncode == 0
    assert "1 of 1 groups done" in said
    assert rows_of(tmp_path / "tiny") == alone
    log = (tmp_path / "tiny" / "logs" / job / f"{job}_0_log.err").read_text()
    assert "this job is preempted" in log


def test_a_driver_that_is_killed_is_started_again(cluster, longer, tmp_path):
    file, alone = longer
    first = driver(cluster, file, tmp_path, *ONLY)
    checkpoint(tmp_path / "tiny")
    running = jobs(cluster, "RUNNING")
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=20)
    second = driver(cluster, file, tmp_path, *ONLY)
    said = second.communicate(timeout=300)[0]
    assert second.returncode == 0
    assert "1 of 1 groups done" in said
    assert rows_of(tmp_path / "tiny") == alone
    assert len(running) == 1
    assert len(list((tmp_path / "tiny" / "logs").glob("[0-9]*"))) == 2  # the job of each driver


def test_a_job_that_is_killed_is_tried_again(cluster, longer, tmp_path):
    file, alone = longer
    started = driver(cluster, file, tmp_path, *ONLY)
    checkpoint(tmp_path / "tiny")
    kill(cluster)
    finished(started)
    assert rows_of(tmp_path / "tiny") == alone


def kill(environment):
    """Kills the processes of the one job that runs."""
    (job,) = jobs(environment, "RUNNING")
    subprocess.run(["scancel", "--signal=KILL", f"{job}.0"], env=environment, check=True)


def finished(started):
    """What a command prints that ends well, after one of its jobs was killed."""
    said, errors = started.communicate(timeout=400)
    assert started.returncode == 0, errors
    assert "failed, try 1 of 3" in said
    return said


def test_a_shard_whose_job_is_killed_is_tried_again(cluster, tmp_path):
    preset = tmp_path / "three.toml"
    preset.write_text(PRESET)
    words = ["train", preset, "--runs", tmp_path, "--shards", "2", *OFTEN]
    started = on_slurm(cluster, words)
    place = tmp_path / "three-shards"
    shard = until(lambda: list((place / "shards").glob("*-of-2/manifest.json")))[0]
    assert '"interrupted"' in shard.read_text()
    kill(cluster)
    cli.main(["train", str(preset), "--runs", f"{tmp_path}/alone", "--quiet"])
    assert "2 of 2 shards done" in finished(started)
    found, alone = (rnne.load(root / "three") for root in (tmp_path, tmp_path / "alone"))
    assert found.population == alone.population
    assert found.degeneracy.table() == alone.degeneracy.table()
    assert not place.exists()


def test_a_block_of_pairs_whose_job_is_killed_is_tried_again(cluster, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "A.npy", rng.normal(size=(6, 4, 12, 8)).astype(np.float32))
    words = [
        "analyse",
        "--activity",
        f"{tmp_path}/A.npy",
        "--metrics",
        "dsa",
        "--dsa.starts",
        "512",
    ]
    started = on_slurm(cluster, [*words, "--runs", tmp_path, "--block", "6"])
    until(lambda: list((tmp_path / "A" / "checkpoint" / "dsa").glob("*.lock")))
    kill(cluster)
    cli.main([*words, "--runs", f"{tmp_path}/alone", "--quiet"])
    assert "1 of 1 blocks of pairs done" in finished(started)
    matrices = []
    for folder in (tmp_path, tmp_path / "alone"):
        with np.load(folder / "A" / "matrices.npz", allow_pickle=False) as stored:
            matrices.append(stored["dsa"])
    np.testing.assert_array_equal(*matrices)
