"""Commands in processes of their own: killed at random moments, and several at once on one name."""

import contextlib
import multiprocessing
import random
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from rnnensemble.files import stages
from tests.test_damage import equal
from tests.writers import WRITERS, copied, quick_figures, write_inputs

pytestmark = pytest.mark.long

KILLS = 1
"""Of each command, beside those at changes of the disk (test_disk) and of sweeps
(test_sweep_kill)."""
LOADED = "orbax.checkpoint", "scipy.linalg", "rnnensemble.cli.commands", "rnnensemble.cli.sweep"
"""What commands load when they first need it."""
TOGETHER = [(name, 3 if name in ("train", "sweep") else 2) for name in WRITERS]


def command(arguments, said):
    """A command as the command line runs it, but for figures, which are empty."""
    import jax

    from rnnensemble import cli
    from rnnensemble._core import runtime

    jax.config.update("jax_num_cpu_devices", 2)
    quick_figures(pytest.MonkeyPatch())
    kept = runtime.use_compilation_cache

    def keep():
        kept()
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # starts are quick

    runtime.use_compilation_cache = keep
    with said.open("w") as file, contextlib.redirect_stderr(file):
        cli.main(arguments)


@pytest.fixture(scope="module")
def server():
    """Starts processes that have the package loaded, but nothing compiled and no device."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.writers", *LOADED])
    return context


def start(server, writer, root, number=0):
    process = server.Process(target=command, args=(writer.arguments(root), said(root, number)))
    process.start()
    return process


def said(root, number=0):
    return root / f"said{number}.txt"


def ends(process):
    """How a process ends."""
    process.join(200)
    status = process.exitcode
    process.close()
    return status


class Made(NamedTuple):
    """What a command finds, what it leaves, and the seconds that it has taken."""

    start: Path
    end: Path
    numbers: object
    seconds: float


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """Of each command, made when it is needed."""
    found = {}

    def make(name):
        if name not in found:
            writer, root = WRITERS[name], tmp_path_factory.mktemp(name)
            if writer.needs:
                shutil.copytree(make(writer.needs).end, root, dirs_exist_ok=True)
            else:
                write_inputs(root)
            end = Path(shutil.copytree(root, tmp_path_factory.mktemp(name) / "x"))
            began = time.monotonic()
            assert ends(start(server, writer, end)) == 0
            seconds, numbers = time.monotonic() - began, writer.found(end)
            found[name] = Made(root, end, numbers, seconds)
        return found[name]

    return make


@pytest.mark.parametrize("name", WRITERS)
def test_killed_at_random_moments(name, server, made, tmp_path):
    """Again and again, then left alone: what comes out is what one undisturbed process makes."""
    writer, known, moments = WRITERS[name], made(name), random.Random(name)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        with copied(known.start, tmp_path / "x") as root:
            while kills < KILLS:
                process = start(server, writer, root)
                process.join(moments.uniform(0.0, 1.0) * known.seconds)
                if not process.is_alive():
                    break
                process.kill()
                ends(process)
                kills += 1
            else:
                process = start(server, writer, root)
            status = ends(process)
            assert status == 0 or "is taken by" in said(root).read_text()
            equal(writer.found(root), known.numbers)
            assert list(stages.list_runs(root / "runs")) == [root / "runs" / writer.folder]


@pytest.mark.parametrize(("name", "count"), TOGETHER)
def test_several_at_once(name, count, server, made, tmp_path):
    """Each ends well, or says in one line who has the name; what is there is one process's."""
    writer, known = WRITERS[name], made(name)
    with copied(known.start, tmp_path / "x") as root:
        processes = [start(server, writer, root, number) for number in range(count)]
        statuses = [ends(each) for each in processes]
        assert 0 in statuses
        for number, status in enumerate(statuses):
            text = said(root, number).read_text()
            if status:
                assert (status, text.count("\n")) == (2, 1), text
                assert "is in use: " in text or "is taken by" in text
        equal(writer.found(root), known.numbers)
        assert list(stages.list_runs(root / "runs")) == [root / "runs" / writer.folder]
