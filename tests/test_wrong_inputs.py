"""Every mistake is one line on standard error, status 2, at once, and nothing is written."""

import json
import os
import shlex
import shutil

import numpy as np
import pytest

from rnnensemble import cli
from rnnensemble.cli import deflate, distances, train, work
from rnnensemble.files import manifests
from rnnensemble.study.benchmarking import measure
from tests.tiny import TINY
from tests.wrong_inputs import BASE, FACTOR, PLANS, PRESETS, ROUNDS, SWEEPS, TABLE

LINES = [line.rsplit(" | ", 1) for line in TABLE.strip().split("\n")]
FILES = [("train", PRESETS), ("sweep", SWEEPS), ("deflate", PLANS)]
WORK = (
    (train, "train_populations"),
    (train, "measure_degeneracy"),
    (work, "train_populations"),
    (deflate, "train_populations"),
    (deflate, "measure_battery"),
    (distances, "distance_matrix"),
    (measure, "run_steps"),
)
"""What a mistake must not come to; each still says no to what it cannot do."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files and folders by the words of the table."""
    root = tmp_path_factory.mktemp("wrong")
    (root / "tiny.toml").write_text(TINY)
    (root / "sweep.toml").write_text("name = 'x'\n" + BASE + FACTOR)
    (root / "plan.toml").write_text(ROUNDS)
    (root / "file.txt").write_text("no settings, and no array")
    (root / "empty").mkdir()
    runs = root / "runs"
    cli.main(["train", str(root / "tiny.toml"), "--runs", str(runs), "--name", "done", "--quiet"])
    for name, change in (
        ("damaged", {"digest": "0" * 12}),
        ("future", {"format": 99}),
        ("past", {"format": 1}),
        ("swept", {"status": "sweep", "sweep": "other", "preset": ""}),
        ("planned", {"status": "rounds"}),
        ("compared", {"inputs": {}, "status": "compared"}),
    ):
        shutil.copytree(runs / "done", runs / name)
        manifest = json.loads((runs / name / "manifest.json").read_text())
        manifests._write_checked(runs / name, manifest | change)
    shutil.copytree(runs / "done", runs / "clipped")
    (runs / "clipped" / "manifest.json").write_text('{"format"')
    (runs / "planned" / "plan.toml").write_text(ROUNDS)
    (runs / "planned" / "population.msgpack").unlink()
    shutil.copytree(runs / "swept", runs / "x")
    words = {
        "PRESET": root / "tiny.toml",
        "SWEEP": root / "sweep.toml",
        "PLAN": root / "plan.toml",
        "FOLDER": root / "empty",
        "FILE": root / "file.txt",
        "BELOW": root / "file.txt" / "below",
        "RUNS": runs,
        "LONG": "x" * 300,
        "LINES": "a\nb",
        **{each.upper(): runs / each for each in ("done", "damaged", "future", "past", "swept")},
        **{each.upper(): runs / each for each in ("planned", "compared", "clipped")},
    }
    return root, words | arrays(root)


def arrays(root):
    """Files of arrays, most of them wrong."""
    rates = np.random.default_rng(0).normal(size=(3, 4, 12, 5)).astype(np.float32)
    weights = np.ones((5, 4, 4))
    found = {
        "RATES": rates,
        "COMPLEX": rates + 1j,
        "WORDS": np.array(["a", "b"]),
        "BOOL": rates > 0,
        "FLAT": rates.ravel(),
        "CUBE": rates[0],
        "NAN": np.where(rates > 2, np.nan, rates),
        "INF": np.where(rates > 2, np.inf, rates),
        "ONE": rates[:1],
        "NONE": rates[:0],
        "NOTRIALS": rates[:, :0],
        "WEIGHTS5": weights,
        "OBLONG": weights[:, :3],
        "NANWEIGHTS": weights * np.nan,
    }
    for name, each in found.items():
        np.save(root / f"{name}.npy", each)
    np.save(root / "PICKLED.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    np.savez(root / "NOTHING.npz")
    np.savez(root / "RAGGED.npz", a=rates[0], b=rates[0, :3], c=rates[0, :2])
    (root / "EMPTY.npy").write_bytes(b"")
    (root / "TEXT.npy").write_text("1 2 3")
    (root / "SHORT.npy").write_bytes((root / "RATES.npy").read_bytes()[:200])
    (root / "SHORT.npz").write_bytes((root / "RAGGED.npz").read_bytes()[:200])
    (root / "SHORT.safetensors").write_bytes(b"12")
    files = sorted(root.glob("[A-Z]*.*"))
    return {path.name: path for path in files}


def contents(root):
    """All that lies below a folder: folders, and files by the time of their last change."""
    return {
        folder: sorted((each, os.stat(os.path.join(folder, each)).st_mtime_ns) for each in files)
        for folder, _, files in os.walk(root)
    }


@pytest.fixture
def mistake(made, tmp_path, monkeypatch, capsys):
    """What the one line about a mistake says."""
    root, words = made

    def find(arguments):
        arguments = [str(words.get(each, each)) for each in arguments]
        monkeypatch.chdir(tmp_path)
        before = contents(root), contents(tmp_path)
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        shown = capsys.readouterr()
        assert stop.value.code == 2, shown.err
        assert shown.err.count("\n") == 1
        assert shown.err.startswith("rnnensemble: ")
        assert "Traceback" not in shown.err
        assert "fault of this program" not in shown.err
        assert (contents(root), contents(tmp_path)) == before
        return shown.err

    for module, name in WORK:
        monkeypatch.setattr(module, name, unexpected(name))
    return find


def unexpected(name):
    def work(*_, **__):
        raise AssertionError(f"{name} began")

    return work


@pytest.mark.parametrize(("line", "named"), LINES, ids=[line for line, _ in LINES])
def test_commands(line, named, mistake):
    said = mistake(shlex.split(line))
    assert "`" in said
    assert named in said


@pytest.mark.parametrize(
    ("command", "text", "named"),
    [(command, text, named) for command, texts in FILES for text, named in texts.items()],
)
def test_files(command, text, named, mistake, tmp_path):
    (tmp_path / "x.toml").write_text(text)
    said = mistake([command, str(tmp_path / "x.toml")])
    assert "`" in said
    assert named in said


def test_there_are_many():
    assert len(LINES) + sum(len(texts) for _, texts in FILES) >= 250
