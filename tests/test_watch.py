"""Folders seen from another terminal: the list of all, and `watch`, from files alone."""

import io
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rnnensemble import cli
from rnnensemble.cli import deflate, watch
from rnnensemble.cli.console import Reporter
from rnnensemble.files import folders, live, locks, manifests, overview, stages, sweep_folder
from rnnensemble.study.deflation_plan import read_plan
from rnnensemble.study.factors import groups_of
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.training.progress import Progress

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
SWEEP = (EXPERIMENTS / "tiny" / "sweep.toml").read_text()


def run_folder(folder, status=stages.ANALYSED, *, converged=3, digest="a" * 12, **more):
    """A run folder as far as its manifest."""
    counts = {"size": 3, "converged": converged, "diverged": 0, "epochs": 7, "task": "flipflop"}
    folder.mkdir(parents=True)
    manifests.write_manifest(folder, {"status": status, "digest": digest, **counts, **more})
    return folder


def an_epoch(epoch=5, loss=0.02, left=83.0):
    values = {"size": 3, "active": 2, "converged": 1, "diverged": 0, "net_steps_per_second": 9.0}
    return Progress(epoch=epoch, loss=loss, seconds_left=left, losses=np.full(3, loss), **values)


@pytest.fixture
def training(tmp_path):
    """The name of a run that trains: reserved, with its file of progress, and no folder."""
    folder = tmp_path / "mine"
    with folders.reserved(folder), live.Live(live.beside(folder)) as told:
        told.training(an_epoch(), [1.0, 0.1, 0.02])
        yield folder


@pytest.fixture(scope="module")
def gone():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as done:
        done.wait()
    return done.pid


def said(capsys, *arguments):
    cli.main([str(each) for each in arguments])
    return capsys.readouterr().out.splitlines()


def failure(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(each) for each in arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_run_is_followed_before_its_folder_is_there(training, capsys):
    assert not training.exists()
    lines = said(capsys, "watch", training, "--once")
    assert re.fullmatch(
        rf"{training}: training, epoch 5, 1 of 3 converged, median loss 0.02 \S+, "
        r"about 1:23 left \(\d s ago\)",
        lines[0],
    )
    assert lines[1] == "nothing saved yet"
    assert lines[2].startswith("process ")
    run_folder(training, stages.INTERRUPTED, converged=0)
    lines = said(capsys, "watch", training, "--once")
    assert re.fullmatch(r"saved: interrupted, 0 of 3 converged after epoch 7, \d s ago", lines[1])
    (entry,) = overview.entries(training.parent)
    assert (entry.status, entry.converged) == ("interrupted, under way", "0/3")


@pytest.mark.parametrize(
    ("status", "converged", "next_step"),
    [
        (stages.ANALYSED, 3, None),
        (stages.TRAINED, 3, "measure it with: rnnensemble analyse"),
        (stages.TRAINED, 1, None),
        (stages.INTERRUPTED, 0, "go on with: rnnensemble train"),
    ],
)
def test_nothing_is_waited_for_where_nobody_works(tmp_path, capsys, status, converged, next_step):
    folder = run_folder(tmp_path / "mine", status, converged=converged)
    lines = said(capsys, "watch", folder)
    assert lines[0].startswith(f"{folder}: {status}, {converged} of 3 converged after epoch 7, ")
    assert lines[0].endswith("; nobody works on it")
    assert [line[: len(next_step)] for line in lines[1:]] == ([next_step] if next_step else [])


def test_a_line_for_news_and_the_end(training, capsys, monkeypatch):
    """Between looks, an epoch ends, nothing happens, and the run is analysed and over."""
    turns = iter(["epoch", "nothing", "end"])

    def sleep(seconds):
        assert seconds == 0.5
        turn = next(turns)
        file = live.beside(training)
        if turn == "epoch":
            state = json.loads(file.read_text())
            file.write_text(json.dumps(state | {"epoch": 6}))
        if turn == "end":
            file.unlink()
            run_folder(training)
            training.with_name(".mine.lock").unlink()

    monkeypatch.setattr(time, "sleep", sleep)
    lines = said(capsys, "watch", training, "--every", "0.5")
    assert [line.partition(", ")[2][:8] for line in lines] == ["epoch 5,", "epoch 6,", "3 of 3 c"]
    assert lines[-1].endswith("nobody works on it")


def test_ctrl_c_ends_it_and_nothing_else(training, capsys, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    assert len(said(capsys, "watch", training)) == 1
    assert capsys.readouterr().err == ""


def test_a_terminal_is_drawn_in_place(training, monkeypatch):
    written = io.StringIO()
    reporter = Reporter(quiet=False)
    reporter.live = True
    reporter.console = Console(file=written, width=80, force_terminal=True)
    monkeypatch.setenv("TERM", "xterm")
    look = watch._looks(training, "utf-8")
    with watch._shown(reporter, False) as show:
        show(look())
        show(look())
    assert written.getvalue().count("median loss 0.02 █▄▁") >= 2
    assert "\x1b[1A" in written.getvalue()  # up a line


def test_what_a_killed_process_left_is_no_work(training, gone, capsys):
    lock = overview.lock_of(training)
    text = lock.read_text()
    assert locks.is_alive(lock) is True
    lock.write_text(re.sub(r"process \d+", f"process {gone}", text))
    assert locks.is_alive(lock) is False
    assert overview.work_on(training) is None
    assert overview.entries(training.parent) == []
    assert "none" in failure(capsys, "watch", training)
    lock.write_text("process 1 on another-machine since 2026-01-01 00:00:00+00:00")
    assert locks.is_alive(lock) is None
    assert overview.work_on(training).holder.startswith("process 1 on another-machine")
    long_ago = time.time() - 2 * folders.DAY
    os.utime(live.beside(training), (long_ago, long_ago))
    assert overview.work_on(training) is None
    assert locks.is_alive(lock.with_name("no.lock")) is False


def test_the_file_of_progress_is_small_rare_and_never_in_the_way(tmp_path):
    path = tmp_path / ".mine.progress"
    with live.Live(path) as told:
        assert live.read(path)[0] == {"what": "starting"}
        losses = list(np.logspace(0, -3, 1000))
        told.training(an_epoch(1000, math.nan, math.inf), [*losses[:-1], math.nan])
        state, seconds = live.read(path)
        assert (state["epoch"], len(state["losses"])) == (1000, live.LOSSES - 1)
        assert not {"loss", "seconds_left"} & state.keys()
        assert 0 <= seconds < 60
        told.analysis("dynamics", 1, 2, "pairs compared")  # within `live.SECONDS`
        assert live.read(path)[0] == state
    assert list(tmp_path.iterdir()) == []
    with live.Live(tmp_path / "nowhere" / "x") as told:
        told.training(an_epoch(), [1.0])
    path.write_text("{")
    assert live.read(path) is None


@pytest.fixture
def sweep(tmp_path):
    """A sweep of three conditions, of which nothing is done, and its groups."""
    whole = read_sweep(SWEEP)
    folder = tmp_path / "tiny"
    sweep_folder.open_folder(folder, whole, SWEEP)
    return folder, list(whole.conditions), groups_of(whole)


def condition(folder, digest, status=stages.ANALYSED, **more):
    return run_folder(sweep_folder.condition_folder(folder, digest), status, digest=digest, **more)


def test_a_sweep_shows_conditions_workers_and_time_left(sweep, capsys):
    folder, digests, groups = sweep
    condition(folder, digests[0], seconds={"training": 60.0, "analysis": 30.0})
    condition(folder, digests[1], stages.INTERRUPTED, converged=0)
    lock = folder / "groups" / f"{groups[-1].name}.lock"
    with locks.held(lock), live.Live(lock.with_suffix(live.SUFFIX)) as told:
        told.analysis("dynamics", 2, 3, "pairs compared")
        lines = said(capsys, "watch", folder, "--once")
        rows = said(capsys, "show", "--runs", folder.parent)
    assert lines[0] == f"{folder}: 1 of 3 conditions finished, 1 begun, 1 not begun"
    assert lines[1] == "3 of 3 networks of these converged"
    assert re.fullmatch(rf"  {groups[-1].name}: dynamics, 2 of 3 pairs .* \(0 s ago\)", lines[2])
    assert re.fullmatch(r"  finished: channels:flipflop=1, 3 of 3 converged, \d s ago", lines[3])
    minutes, seconds = re.match(r"about (\d+):(\d+) left, as fast as so far", lines[4]).groups()
    assert 120 < 60 * int(minutes) + int(seconds) < 400  # of two like it that took 90 s
    assert re.search(r"tiny +sweep +1 of 3 finished, under way +\(3 conditions\) +3/3", rows[2])


def test_a_sweep_ends_with_its_conditions(sweep, capsys):
    folder, digests, _ = sweep
    condition(folder, digests[0])
    condition(folder, digests[1], stages.TRAINED, converged=1)
    damaged = condition(folder, digests[2])
    (damaged / "manifest.json").write_text("{}")
    lines = said(capsys, "watch", folder, "--once")
    assert lines[0] == f"{folder}: 2 of 3 conditions finished, 1 damaged"
    assert lines[1] == "4 of 6 networks of these converged; too few in 1 condition to compare any"
    assert lines[-1] == "nobody works on it; the command that began it goes on"
    assert "2 of 3 finished, 1 damaged" in said(capsys, "show", "--runs", folder.parent)[2]
    (damaged / "manifest.json").unlink()
    damaged.rmdir()
    condition(folder, digests[2])
    assert said(capsys, "watch", folder)[0] == f"{folder}: 3 of 3 conditions finished"


def test_a_sweep_that_nobody_works_on_is_given_up_but_not_an_engine(sweep, monkeypatch):
    folder, _, _ = sweep
    look = watch._looks(folder, "ascii")
    assert not look().ended  # between two groups there is a moment without work
    monkeypatch.setattr(watch, "IDLE", 0.0)
    assert look().ended
    sweep_folder.write_probe(folder)
    (folder / "logs").mkdir()
    (folder / "logs" / "1.out").write_text("first\nlast words\n\n")
    found = look()
    assert not found.ended
    assert found.lines[-1] == "no task works on it; some may wait; last said: last words"


def test_a_plan_shows_its_groups(tmp_path, capsys):
    text = (EXPERIMENTS / "deflation" / "tiny.toml").read_text()
    folder = tmp_path / "plan"
    deflate._start(folder, read_plan(text), text)
    run_folder(folder / "standard", stages.TRAINED)
    second = folder / "alternative_1"
    with folders.reserved(folder), live.Live(live.beside(second)) as told:
        told.training(an_epoch(), [1.0])
        lines = said(capsys, "watch", folder, "--once")
        (entry,) = overview.entries(tmp_path)
    assert lines[0] == f"{folder}: 1 of 3 groups trained"
    assert lines[1].startswith("  standard: trained, 3 of 3 converged after epoch 7")
    assert lines[2].startswith("  alternative_1: training, epoch 5, 1 of 3 converged")
    assert lines[3] == "  alternative_2: not begun"
    assert (entry.kind, entry.status, entry.converged) == ("plan", "1 trained, under way", "3/3")
    assert said(capsys, "watch", folder)[-1].startswith("nobody works on it")


def test_the_list_has_kinds_sizes_ages_and_what_is_half_written(tmp_path, capsys):
    run = run_folder(tmp_path / "one")
    (run / "arrays").mkdir()
    (run / "arrays" / "x").write_bytes(bytes(20_000))
    shard = {"part": 1, "of": 2, "whole": "b" * 12}
    run_folder(tmp_path / "one-1-of-2", stages.TRAINED, shard=shard)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    (tmp_path / "no-run").mkdir()
    half = tmp_path / ".one.0123456789ab.partial"
    half.mkdir()
    (half / "x").write_bytes(bytes(3000))
    lines = said(capsys, "show", "--runs", tmp_path)
    assert lines[1].split() == ["name", "kind", "status", "task", "converged", "size", "age"]
    assert re.fullmatch(r"  broken +\? +damaged +2 B +\d+ s", lines[2])
    assert re.fullmatch(r"  one +run +analysed +flipflop +3/3 +2\d.\d kB +\d+ s", lines[3])
    assert re.match(r"  one-1-of-2 +shard +trained, shard 1/2 +flipflop +3/3 ", lines[4])
    assert re.fullmatch(r"3 folders, \S+ kB, 3 kB of it half written \(1\)", lines[5])
    assert len(lines) == 6


def test_what_is_no_folder_is_one_line(tmp_path, capsys):
    assert "`folder` must be that of a run" in failure(capsys, "watch", tmp_path / "nowhere")
    assert "is none" in failure(capsys, "watch", tmp_path)
    folder = run_folder(tmp_path / "mine")
    for every in ("0", "-1", "nan", "inf"):
        assert "`every` must be" in failure(capsys, "watch", folder, "--every", every)
    (folder / "manifest.json").write_text("{}")
    assert "manifest.json is incomplete" in failure(capsys, "watch", folder)


def test_distances_of_arrays_are_followed_too(tmp_path, capsys):
    folder = tmp_path / "arrays"
    folder.mkdir()
    about = {"status": stages.INTERRUPTED, "digest": "c" * 12, "inputs": {}, "size": 6}
    manifests.write_manifest(folder, about | {"command": "rnnensemble analyse --activity A.npy"})
    with folders.reserved(folder):
        assert said(capsys, "watch", folder, "--once")[0] == f"{folder}: in use"
        with live.Live(live.beside(folder)) as told:
            told.analysis("dsa", 5, 15, "pairs compared")
            first = said(capsys, "watch", folder, "--once")[0]
    assert first == f"{folder}: dsa, 5 of 15 pairs compared (0 s ago)"
    lines = said(capsys, "watch", folder)
    assert lines[0].startswith(f"{folder}: interrupted, 6 networks, ")
    assert lines[1] == "go on with: rnnensemble analyse --activity A.npy"


def test_watching_takes_no_device(sweep):
    """Its process would take most of a GPU's memory from the one that trains."""
    code = (
        "import jax\n"
        "from rnnensemble import cli\n"
        f"cli.main(['watch', {str(sweep[0])!r}, '--once'])\n"
        f"cli.main(['show', '--runs', {str(sweep[0].parent)!r}])\n"
        "assert not jax._src.xla_bridge._backends\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
