"""Systems that lack something: output, a home, locks, room on the disk, what Linux alone has."""

import errno
import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble._core import process
from rnnensemble.cli.console import Output, Reporter
from rnnensemble.files import folders, storage, trees
from tests.test_cli import failure
from tests.tiny import TINY
from tests.wrong_inputs import BASE, FACTOR

ROOT = Path(__file__).parent.parent


def run(*arguments, **options):
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "rnnensemble", *arguments],
        cwd=ROOT,
        timeout=120,
        check=False,
        **options,
    )


def refusing(number, path=None):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), path)

    return refuse


def test_cores_are_counted_where_the_system_does_not_say_which_are_ours(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert process.core_count() == os.cpu_count()
    rnne.use_all_cores()


def test_output_that_is_closed_costs_nothing():
    command = f'exec "{sys.executable}" -m rnnensemble tasks >&-'
    done = subprocess.run(
        ["sh", "-c", command], stderr=subprocess.PIPE, cwd=ROOT, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_has_ended_costs_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    done = run("tasks", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_to_a_full_disk_is_one_line():
    with Path("/dev/full").open("wb") as full:
        done = run("tasks", stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "the output cannot be written (No space left on device)" in line


def test_characters_that_a_terminal_lacks_are_replaced():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("--help", capture_output=True, env=environment)
    assert done.returncode == 0
    assert b"?" in done.stdout


def test_what_files_say_does_not_steer_a_terminal(monkeypatch, capsys):
    hostile = "a\x1b]0;title\x07\x9b31m\u202eb[red]c[/red]"
    harmless = "a?]0;title??31m?b[red]c[/red]"
    monkeypatch.setenv("TERM", "xterm")
    for live in (False, True):
        reporter = Reporter(quiet=False)
        reporter.console._force_terminal = live
        reporter.line(hostile)
        reporter.table(hostile, [hostile], [[hostile]])
        printed = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)  # the table's own styles
        assert printed.count(harmless) == 4
        assert not set(printed) & set("\x1b\x07\x9b\u202e")
    with pytest.raises(SystemExit):
        cli.main(["show", hostile])
    assert "\x1b" not in capsys.readouterr().err


def test_no_home():
    environment = {**os.environ, "HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = run("show", "nowhere", capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_progress_that_cannot_be_shown_does_not_stop_work(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    shown = Output(Broken())
    monkeypatch.setattr(sys, "stdout", shown)
    Reporter(quiet=False).line("lost")
    assert shown.lost
    assert shown.error is None


@pytest.fixture
def sweep(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text("name = 'x'\n" + BASE + FACTOR)
    return path


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "`runs` cannot be written (no space left on the disk)"),
        (errno.EDQUOT, "`runs` cannot be written (no space left on the disk)"),
        (errno.EACCES, "the system refused the use of `a.txt` (Permission denied)"),
        (errno.EIO, "the system refused the use of `a.txt` (Input/output error)"),
    ],
)
def test_errors_of_the_system_are_told_as_what_they_are(number, said, capsys, monkeypatch):
    monkeypatch.setattr("rnnensemble.cli.show.show", refusing(number, "a.txt"))
    error = failure(capsys, "show")
    assert said in error
    assert ("Free some space" in error) == (number in (errno.ENOSPC, errno.EDQUOT))


def test_a_disk_that_fills_while_arrays_are_written(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        logging.getLogger("absl").error("a traceback of orbax")
        raise ValueError("RESOURCE_EXHAUSTED: Error writing [OS error 28: ENOSPC]")

    monkeypatch.setattr("orbax.checkpoint.PyTreeCheckpointHandler.save", full)
    monkeypatch.setattr(trees, "SMALL", 0)
    (tmp_path / "tiny.toml").write_text(TINY)
    runs = tmp_path / "runs"
    error = failure(capsys, "train", tmp_path / "tiny.toml", "--runs", runs, "--quiet")
    assert "`runs` cannot be written (no space left on the disk)" in error
    assert not runs.exists()  # nothing came of it


@pytest.mark.parametrize(("late", "heard"), [("Event loop is closed", 0), ("something else", 1)])
def test_late_answers_of_a_write_that_failed_are_not_shown(tmp_path, monkeypatch, late, heard):
    """TensorStore gives them while orbax ends, and afterwards."""
    lines = []

    def answer():
        sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError(late)))

    def full(*_, **__):
        answer()
        raise ValueError("RESOURCE_EXHAUSTED")

    monkeypatch.setattr(sys, "unraisablehook", lines.append)
    monkeypatch.setattr("orbax.checkpoint.PyTreeCheckpointHandler.save", full)
    with pytest.raises(OSError, match="RESOURCE"):
        trees.store(tmp_path, "x", {"large": np.zeros(trees.SMALL)})
    answer()
    assert len(lines) == 2 * heard


def test_an_unexpected_error_is_one_line_too(capsys, monkeypatch):
    def fail(**_):
        raise TypeError("unsupported\noperand")

    monkeypatch.setattr("rnnensemble.cli.show.show", fail)
    with pytest.raises(SystemExit) as stop:
        cli.main(["show"])
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "TypeError: unsupported operand (a fault of this program" in line
    monkeypatch.setenv("RNNENSEMBLE_TRACEBACK", "1")
    with pytest.raises(TypeError):
        cli.main(["show"])


def test_a_mark_at_the_start_of_a_file_is_read_over(tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(TINY, encoding="utf-8-sig")
    error = failure(capsys, "train", tmp_path / "tiny.toml", "--size", "1")
    assert "`size` must be at least 2" in error


def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path, capsys):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    for command, name in (("train", "preset"), ("sweep", "sweep"), ("deflate", "plan")):
        assert f"`{name}` file" in failure(capsys, command, tmp_path / "x.toml")


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far", target_is_directory=True)
    with folders.whole_folder(tmp_path / "near") as partial:
        partial.mkdir()
        (partial / "new").write_text("x")
    assert (tmp_path / "near").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["new"]


def test_a_command_that_is_no_command_says_which_there_are(capsys):
    error = failure(capsys, "zzzz")
    assert "`zzzz` is not a command; commands are quickstart, train" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--size", "3"], "see `rnnensemble show --help`"),
        (["tasks", "--size"], "see `rnnensemble tasks --help`"),
        (["report", "--per", "3"], "see `rnnensemble report --help`"),
        (["report", "--permutation", "3"], "did you mean `--permutations`?"),
    ],
)
def test_suggestions_are_like_what_was_said(arguments, said, capsys):
    assert said in failure(capsys, *arguments)


def test_a_name_is_that_of_one_folder(tmp_path):
    for name in ("", " ", ".", "..", "a/b", "a\\b", "/a", ".a", "a\n", "x" * 300, "\0"):
        with pytest.raises(ValueError, match="`name` must be"):
            folders.named_folder(tmp_path, name)
    for name in ("a", "a b", "a.b", "netze-ü", "x" * 200):
        assert folders.named_folder(tmp_path, name) == tmp_path / name
    assert not list(tmp_path.iterdir())
    assert storage  # reads what stands there
