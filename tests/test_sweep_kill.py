"""A sweep that is killed again and again, and one that two processes share, end as any other."""

import csv
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.test_processes import LOADED

pytestmark = pytest.mark.long

TEXT = (Path(__file__).parent.parent / "experiments" / "tiny" / "sweep.toml").read_text()
# two groups that are measured by the same programs, so that starts are quick
TEXT = TEXT.replace("task.n_bits", "training.batch").replace("[1, 2]", "[8, 16]")
# eight epochs each, a checkpoint after every one
TEXT = TEXT.replace("patience = 2", "patience = 8").replace("threshold = 0.9", "threshold = 5.0")
KILLS = 5


def run(runs):
    """Runs the sweep as the command line does."""
    import jax

    from rnnensemble import run_sweep
    from rnnensemble._core import runtime

    jax.config.update("jax_num_cpu_devices", 2)
    runtime.use_compilation_cache()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # starts are quick
    run_sweep(runs.parent / "tiny.toml", runs=runs, checkpoint_seconds=0.0, quiet=True)


@pytest.fixture(scope="module")
def server():
    """Starts processes that have the package loaded, but nothing compiled and no device."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LOADED])
    return context


def start(server, runs):
    file = runs.parent / "tiny.toml"
    if not file.exists():  # another process may be reading it
        file.write_text(TEXT)
    process = server.Process(target=run, args=(runs,))
    process.start()
    return process


def finish(process):
    process.join(120)
    assert process.exitcode == 0
    process.close()


def rows_of(runs):
    """Rows of summary.csv without times."""
    with (runs / "tiny" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not k.startswith("seconds_")} for row in rows]


@pytest.fixture(scope="module")
def expected(server, tmp_path_factory):
    """The rows of an uninterrupted sweep, and the seconds that one takes once compiled."""
    runs = tmp_path_factory.mktemp("runs")
    finish(start(server, runs / "first"))
    started = time.monotonic()
    finish(start(server, runs / "second"))
    seconds = time.monotonic() - started
    assert rows_of(runs / "first") == rows_of(runs / "second")
    return rows_of(runs / "first"), seconds


def test_killed_at_random_moments(server, expected, tmp_path):
    rows, seconds = expected
    moments = random.Random(0)
    kills = sweeps = 0
    while kills < KILLS:
        process = start(server, tmp_path / str(sweeps))
        process.join(moments.uniform(0.1, 0.8) * seconds)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            process.close()
            kills += 1
        else:  # finished between two kills: once more
            finish(process)
            assert rows_of(tmp_path / str(sweeps)) == rows
            sweeps += 1
    finish(start(server, tmp_path / str(sweeps)))
    assert rows_of(tmp_path / str(sweeps)) == rows


def test_two_processes_share_a_sweep(server, expected, tmp_path):
    processes = [start(server, tmp_path / "runs") for _ in range(2)]
    for process in processes:
        finish(process)
    assert rows_of(tmp_path / "runs") == expected[0]
