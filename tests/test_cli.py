"""Every command, and one line with status 2 for every mistake."""

import dataclasses
import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnensemble import cli
from rnnensemble._core import programs
from rnnensemble.cli.commands import COMMANDS
from rnnensemble.cli.flags import parse
from rnnensemble.cli.options import Sweep
from rnnensemble.files import stages, storage
from tests.tiny import TINY

ROOT = Path(__file__).parent.parent


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def failure(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def test_train_analyse_show(preset, tmp_path, capsys):
    runs = tmp_path / "runs"
    cli.main(["train", str(preset), "--runs", str(runs), "--seed", "4"])
    printed = capsys.readouterr().out
    assert "3 of 3 networks converged" in printed
    assert "mean PIF distance" in printed
    folder = runs / "tiny"
    assert (folder / "figures" / "overview.png").exists()
    assert storage.load_run(folder).population.seed == 4
    cli.main(["analyse", str(folder), "--analysis.seed", "5"])
    assert storage.load_run(folder).condition.analysis.seed == 5
    assert capsys.readouterr().out != printed
    cli.main(["show", str(folder)])
    assert "mean DSA distance (euclidean, rank 2, delays 1)" in capsys.readouterr().out
    cli.main(["show", "--runs", str(runs)])
    assert "analysed" in capsys.readouterr().out
    assert "`name` 'tiny' is taken" in failure(capsys, "train", preset, "--runs", runs)


def test_quiet_prints_nothing(preset, tmp_path, capsys):
    cli.main(["train", str(preset), "--runs", str(tmp_path / "runs"), "--quiet"])
    assert capsys.readouterr().out == ""


def test_tasks_lists_knobs_and_thresholds(capsys):
    cli.main(["tasks"])
    printed = capsys.readouterr().out
    for word in ("flipflop", "n_bits", "Threshold 0.001", "temporal", "delay", "mean_speed"):
        assert word in printed


def helped(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_says_in_one_line_what_each_command_does(arguments, capsys):
    printed = helped(capsys, *arguments)
    for name, (kind, _) in COMMANDS.items():
        (line,) = re.findall(rf"• {name} +(.*?)[ │|]*$", printed, re.MULTILINE)
        assert line == kind.__doc__.strip().splitlines()[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_lists_its_flags(name, capsys):
    printed, (kind, _) = helped(capsys, name, "--help"), COMMANDS[name]
    for field in dataclasses.fields(kind):
        if field.name != "condition":
            shown = field.name.replace("_", "-")
            assert f"--{shown}" in printed or f"[{shown.upper()}]" in printed


def test_help_shows_the_values_of_what_is_named(preset, capsys):
    printed = helped(capsys, "train", str(preset), "--help")
    assert re.search(r"--training.threshold \S+\s.*?\(default:\s+10.0\)", printed, re.DOTALL)
    assert "--features" not in printed
    assert "--imports" not in printed
    assert "--deflation" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "did you mean `train`"),
        (["train"], "`preset` is missing"),
        (["train", "nothing.toml"], "nothing.toml does not exist"),
        (["train", "PRESET", "--size", "0"], "`size` must be a whole number of at least 1"),
        (["train", "PRESET", "--training.l1", "-1"], "`l1` must be a number of at least 0"),
        (["train", "PRESET", "--size", "1"], "`size` must be at least 2"),
        (["train", "PRESET", "--network.widht", "8"], "did you mean `--network.width`"),
        (["train", "PRESET", "--size", "many"], "`--size` must be INT; got 'many'"),
        (["train", "PRESET", "--network.activation=x"], "must be {tanh,relu}; got 'x'"),
        (["train", "PRESET", "--size"], "`--size` lacks its value, INT; see"),
        (["train", "PRESET", "more"], "`more` is one argument too many; see `rnnensemble train"),
        (["train", "PRESET", "--features.trials", "3"], "`--features.trials` is not a setting"),
        (["train", "--size", "3"], "`preset` is missing: rnnensemble train PRESET [flags]"),
        (["train", "PRESET", "--training.learning-rate", "nan"], "`learning_rate` must be"),
        (
            ["train", "PRESET", "--analysis.dsa.rank", "0"],
            "`rank` must be a whole number of at least 1",
        ),
        (["train", "PRESET", "--network.width", "1"], "`rank` must be at most 1"),
        (["analyse"], "`run` or `activity` is missing"),
        (["analyse", "nowhere"], "`run` must be a run folder"),
        (["analyse", "--activity", "nowhere.npy"], "nowhere.npy does not exist"),
        (["analyse", "--activty", "nowhere.npy"], "did you mean `--activity`"),
        (["analyse", "--dsa.rank", "x"], "`--dsa.rank` must be {None}|INT; got 'x'"),
        (["show", "--foo"], "`--foo` is not a setting"),
        (["report", "--foo"], "`--foo` is not a setting"),
        (["sweep", "--dryrun", "file.toml"], "did you mean `--dry-run`"),
        (["battery"], "`folder` is missing"),
        (["show", "nowhere"], "`run` must be a run folder"),
        (["show", "--runs", "nowhere"], "holds no runs"),
    ],
)
def test_mistakes_are_one_line(preset, tmp_path, capsys, arguments, message):
    runs = tmp_path / "runs"
    arguments = [str(preset) if a == "PRESET" else a for a in arguments]
    if arguments[0] == "train" and len(arguments) > 2 and arguments[-1] != "--size":
        arguments += ["--runs", str(runs)]
    assert message in failure(capsys, *arguments)
    assert not runs.exists()


def test_too_few_converged(preset, tmp_path, capsys):
    runs = tmp_path / "runs"
    error = failure(
        capsys, "train", preset, "--runs", runs, "--training.threshold", "1e-9", "--quiet"
    )
    assert "at least 2 converged networks; got 0 of 3" in error
    command = re.search(r"To go on with: rnnensemble (train .* --training.max-epochs \d+)$", error)
    assert "--resume" in command[1]
    assert "at least 2 converged networks" in failure(capsys, *command[1].split(), "--quiet")
    run = storage.load_run(runs / preset.stem)
    assert run.population.training.max_epochs == int(command[1].split()[-1])
    assert not programs._threads.cache_info().currsize  # nothing that the end would wait for


def test_no_disk_space(preset, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "_manifest", full)
    runs = tmp_path / "runs"
    error = failure(capsys, "train", preset, "--runs", runs, "--quiet")
    assert (
        "cannot be written (no space left on the disk); what was there before is as it was" in error
    )
    assert not list(runs.glob("*"))


@pytest.mark.long
def test_ctrl_c_saves_and_resume_goes_on(preset, tmp_path):
    endless = TINY.replace("= 10.0", "= 1e-9").replace("max_epochs = 3", "max_epochs = 100000")
    preset.write_text(endless)
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "rnnensemble", "train", str(preset), "--runs", str(runs)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if "epoch 5" in line:
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(timeout=60) == 130
    process.stdout.close()
    assert "--resume" in rest
    run = storage.load_run(runs / "tiny")
    assert run.manifest["status"] == stages.INTERRUPTED
    done = int(run.population.stop_epoch.max())
    arguments = rest[rest.index("rnnensemble train") :].split()[1:]
    resumed = subprocess.Popen(
        [sys.executable, "-m", "rnnensemble", *arguments], stdout=subprocess.PIPE, text=True
    )
    for line in resumed.stdout:
        if "converged; epoch" in line:
            break
    resumed.send_signal(signal.SIGINT)
    resumed.communicate(timeout=60)
    assert int(storage.load_run(runs / "tiny").population.stop_epoch.max()) > done


@pytest.mark.long
def test_compiled_programs_are_kept(preset, tmp_path):
    own = {"XDG_CACHE_HOME": str(tmp_path / "caches")}
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"} | own
    command = [sys.executable, "-m", "rnnensemble", "train", str(preset), "--quiet"]
    command += ["--shard", "1/2"]  # trains, and measures nothing: few programs
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=300)
    assert list((tmp_path / "caches" / "rnnensemble").iterdir())


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_platform_that_is_not_there_is_one_line(platform, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", "rnnensemble", "quickstart", "--runs", str(tmp_path)]
    done = subprocess.run(
        command,
        env={**environment, "JAX_PLATFORMS": platform},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"`JAX_PLATFORMS` asks for '{platform}', which JAX cannot start here" in line


def test_too_little_memory_is_one_line(preset, tmp_path, capsys, monkeypatch):
    def exhausted(*_, **__):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes.")

    monkeypatch.setattr("rnnensemble.cli.train.train_and_analyse", exhausted)
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", str(preset), "--runs", str(tmp_path)])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a device has too little memory (RESOURCE_EXHAUSTED" in line
    assert "choose a smaller `tile`" in line


def test_texts_of_a_flag_that_is_given_twice_all_count():
    given = ["--only", "a", "b", "--quiet", "--engine-setting=gpus=1", "sweep.toml"]
    given += ["--only", "c", "--tile", "2", "--engine_setting", "partition=gpu", "cpus=2"]
    read = parse(Sweep, "sweep", given)
    assert read.only == ("a", "b", "c")
    assert read.engine_setting == ("gpus=1", "partition=gpu", "cpus=2")
    assert (read.sweep, read.tile, read.quiet) == (Path("sweep.toml"), 2, True)
    with pytest.raises(ValueError, match="`--only` lacks its value"):
        parse(Sweep, "sweep", ["--only", "--quiet"])
    with pytest.raises(ValueError, match="`--onyl` is not a setting; did you mean `--only`"):
        parse(Sweep, "sweep", ["sweep.toml", "--only", "a", "--onyl", "b"])
