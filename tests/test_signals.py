"""What a scheduler or a terminal sends does what Ctrl-C does; a second one ends at once."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import rnnensemble as rnne
from rnnensemble import cli
from rnnensemble._core import process
from rnnensemble.cli.console import Reporter
from rnnensemble.files import stages, storage
from tests.tiny import TINY

LIKE_CTRL_C = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
SWEEP = """
name = "tiny"
[[factors]]
name = "gain"
task = "flipflop"
field = "network.gain"
values = [0.5, 1.0]
[tasks.flipflop]
"""
PLAN = """
name = "tiny"
[alternative]
size = 2
"""


def nested(text, table):
    """A preset's tables below another table."""
    first, *rest = text.replace("[", f"[{table}.").split(f"[{table}.")
    body = f"[{table}]{first}" + "".join(f"[{table}.{each}" for each in rest)
    return body.replace(f"= [{table}.", "= [")


@pytest.fixture(autouse=True)
def _signals_are_heard():
    """Also where the tests were started in the background, or by `nohup`, which ignore some."""
    usual = {"SIGINT": signal.default_int_handler}
    numbers = {getattr(signal, name): usual.get(name, signal.SIG_DFL) for name in LIKE_CTRL_C}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def files(tmp_path):
    endless = TINY.replace("= 10.0", "= 1e-9").replace("max_epochs = 3", "max_epochs = 100000")
    (tmp_path / "tiny.toml").write_text(endless)
    (tmp_path / "short.toml").write_text(TINY)
    sweep = SWEEP.replace("[tasks.flipflop]", nested(endless, "tasks.flipflop"))
    (tmp_path / "sweep.toml").write_text(sweep)
    (tmp_path / "plan.toml").write_text(PLAN + nested(endless, "standard"))
    return tmp_path


def stopped(capsys, *arguments):
    """What is said when a command is asked to stop."""
    before = [signal.getsignal(each) for each in process.STOPPING]
    with pytest.raises(SystemExit) as stop:
        cli.main([str(each) for each in arguments])
    assert stop.value.code == 130
    assert [signal.getsignal(each) for each in process.STOPPING] == before
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def sends(monkeypatch, number, method):
    """The process sends itself a signal, twice as `timeout` does, when something is shown."""

    def send(*_):
        sender = threading.Thread(target=twice)
        sender.start()
        sender.join()

    def twice():
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(process, "SAME_STOP", 1.5)  # a busy machine may lie between the two
    monkeypatch.setattr(Reporter, method, send)


@pytest.mark.parametrize("name", LIKE_CTRL_C)
def test_training_is_saved(name, files, capsys, monkeypatch):
    sends(monkeypatch, getattr(signal, name), "training")
    error = stopped(capsys, "train", files / "tiny.toml", "--runs", files / "runs", "--quiet")
    assert "saved in" in error
    assert "--resume" in error
    run = storage.load_run(files / "runs" / "tiny")
    assert run.manifest["status"] == stages.INTERRUPTED
    assert run.population.stop_epoch.tolist() == [1, 1, 1]


@pytest.mark.parametrize("command", ["sweep", "deflate"])
def test_a_sweep_and_a_plan_are_saved(command, files, capsys, monkeypatch):
    sends(monkeypatch, signal.SIGTERM, "training")
    file = files / ("plan.toml" if command == "deflate" else "sweep.toml")
    assert "saved in" in stopped(capsys, command, file, "--runs", files / "runs", "--quiet")
    found = sorted((files / "runs" / "tiny").rglob("config.toml"))
    assert len(found) == (1 if command == "deflate" else 2)
    for path in found:
        assert storage.load_run(path.parent).manifest["status"] == stages.INTERRUPTED


def test_an_analysis_leaves_the_trained_networks(files, capsys, monkeypatch):
    sends(monkeypatch, signal.SIGUSR1, "analysis")
    error = stopped(capsys, "train", files / "short.toml", "--runs", files / "runs", "--quiet")
    assert f"measure them with: rnnensemble analyse {files}/runs/short" in error
    assert storage.load_run(files / "runs" / "short").manifest["status"] == stages.TRAINED


def test_a_signal_waits_until_a_folder_is_written(files, capsys, monkeypatch):
    def send(*given):
        os.kill(os.getpid(), signal.SIGHUP)
        return manifest(*given)

    manifest = storage._manifest
    monkeypatch.setattr(storage, "_manifest", send)
    stopped(capsys, "train", files / "short.toml", "--runs", files / "runs", "--quiet")
    assert storage.load_run(files / "runs" / "short").manifest["status"] == stages.TRAINED
    assert [path.name for path in (files / "runs").iterdir()] == ["short"]


@pytest.mark.parametrize("name", LIKE_CTRL_C)
def test_a_script_gets_its_population(name):
    task, network = rnne.tasks.FlipFlop(n_bits=1, n_steps=10), rnne.VanillaRNN(width=6)
    training = rnne.Training(batch=8, epoch_steps=1, max_epochs=50)

    def send(_):
        os.kill(os.getpid(), getattr(signal, name))

    with pytest.raises(rnne.TrainingInterrupted) as stop:
        rnne.train_population(task, network=network, training=training, size=2, progress=send)
    assert stop.value.population.stop_epoch.tolist() == [1, 1]
    assert signal.getsignal(getattr(signal, name)) in process.DEFAULTS


def test_what_is_ignored_or_handled_elsewhere_stays_so(monkeypatch):
    heard = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own = signal.signal(signal.SIGUSR1, lambda *_: heard.append("own"))
    try:
        with process.deferred_interrupt() as interrupted:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGUSR1)
            assert not interrupted()
        with process.stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGUSR1, own)
    assert heard == ["own"]


def test_a_second_ctrl_c_of_a_script_interrupts_at_once():
    with process.deferred_interrupt() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.long
@pytest.mark.parametrize("deferred", ["deferred_interrupt", "contextlib.nullcontext"])
def test_a_second_one_ends_at_once_amid_a_compiled_call(deferred):
    """Minutes of compiled code, in which Python runs no handler."""
    text = f"""
import contextlib, hashlib
from rnnensemble._core.process import deferred_interrupt, stopped_by_signals
with stopped_by_signals(), {deferred}():
    print("here", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""
    child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        time.sleep(0.3)
        child.send_signal(signal.SIGTERM)
        time.sleep(2)
        assert child.poll() is None
        while child.poll() is None:  # on a busy machine two may be heard as one
            child.send_signal(signal.SIGTERM)
            time.sleep(1)
        assert child.returncode == process.STOPPED
    finally:
        child.kill()
        child.stdout.close()
