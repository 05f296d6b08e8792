"""`train --shard I/N` and `join`: a population trained in shards is that of one run."""

import dataclasses
import re
import shutil
import signal
import weakref

import jax
import numpy as np
import pytest

from rnnensemble import cli
from rnnensemble._core import process
from rnnensemble.cli import train
from rnnensemble.cli.console import Reporter
from rnnensemble.files import stages, storage
from rnnensemble.files.shard_folders import read_joined
from rnnensemble.study import conditions, shards
from tests.test_cli import failure
from tests.tiny import TINY

GIVEN = TINY.replace("size = 3", "size = 5").replace(
    "threshold = 10.0", "threshold = [10.0, 1e-9, 10.0, 10.0, 10.0]\nlearning_rate = 3e-3"
)
"""Networks 0 and 1 are a shard; of these the second one never converges."""


def run(*arguments):
    cli.main([str(each) for each in (*arguments, "--quiet")])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A preset, its run in one piece, and the runs of its three shards."""
    root = tmp_path_factory.mktemp("shards")
    (root / "five.toml").write_text(GIVEN)
    common = root / "five.toml", "--runs", root / "runs"
    run("train", *common, "--seed", 4, "--name", "whole")
    for part in (3, 1, 2):
        run("train", *common, "--seed", 4, "--shard", f"{part}/3")
    return root


@pytest.fixture
def parts(made):
    return [made / "runs" / f"five-{part}-of-3" for part in (1, 2, 3)]


def same(first, second):
    """Whether trees are equal bit for bit."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_a_shard_is_trained_and_not_measured(made, parts):
    whole = storage.load_run(made / "runs" / "whole").population
    for folder, rows in zip(parts, (slice(1), slice(1, 3), slice(3, 5)), strict=True):
        found = storage.load_run(folder)
        assert found.manifest["status"] == stages.TRAINED
        assert found.degeneracy is None
        assert found.population == whole[rows]
        assert not (folder / "figures").exists()
    assert shards.noted(found.manifest)[:2] == (3, 3)
    assert "starts = [" in (parts[1] / "config.toml").read_text()


def test_a_shard_is_shown_as_one(made, parts, capsys):
    cli.main(["show", str(parts[1])])
    assert f"{parts[1]} (trained), flipflop, shard 2/3\n" in capsys.readouterr().out
    cli.main(["show", "--runs", str(made / "runs")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("shard 2/3") for line in lines if "five-2-of-3" in line] == [1]
    assert not any("shard" in line for line in lines if "whole" in line)


def test_joined_shards_are_the_run_in_one_piece(made, parts, tmp_path, capsys):
    cli.main(["join", *map(str, (parts[2], *parts[:2])), "--runs", str(tmp_path)])
    assert "joined 3 shards, 5 networks" in capsys.readouterr().out
    joined, whole = (storage.load_run(x) for x in (tmp_path / "five", made / "runs" / "whole"))
    assert joined.manifest["digest"] == whole.manifest["digest"]
    assert joined.manifest["status"] == stages.ANALYSED
    assert "shard" not in joined.manifest
    assert joined.condition == whole.condition
    assert joined.condition.starts is None
    assert joined.population == whole.population
    for name in ("params", "initial_params", "history", "converged", "stop_epoch", "state"):
        same(getattr(joined.population, name), getattr(whole.population, name))
    for name in ("dynamics", "weights"):
        one, other = (getattr(each.degeneracy, name) for each in (joined, whole))
        same(one.matrix, other.matrix)
    assert joined.degeneracy.table() == whole.degeneracy.table()
    for name in ("config.toml", "summary.csv"):
        assert (tmp_path / "five" / name).read_bytes() == (
            made / "runs" / "whole" / name
        ).read_bytes()


def test_joining_holds_one_shard_at_a_time(parts, monkeypatch):
    load, loaded, alive = storage.load_run, [], []

    def watched(folder):
        alive.append(sum(each() is not None for each in loaded))
        run = load(folder)
        loaded.extend(weakref.ref(x) for x in jax.tree.leaves(run.population.params))
        return run

    monkeypatch.setattr(storage, "load_run", watched)
    _, population = read_joined(parts)
    arrays = len(jax.tree.leaves(population.params))
    assert alive == [0, arrays, arrays]  # the one before is dropped when the next has come


def test_joined_shards_may_be_saved_alone(parts, tmp_path, capsys):
    arguments = [*map(str, parts), "--runs", str(tmp_path), "--name", "mine", "--no-analyse"]
    cli.main(["join", *arguments])
    assert f"measure them with: rnnensemble analyse {tmp_path}/mine" in capsys.readouterr().out
    assert storage.load_run(tmp_path / "mine").manifest["status"] == stages.TRAINED
    assert "`name` 'mine' is taken" in failure(capsys, "join", *arguments)


def test_what_are_not_all_shards_of_one_population_is_refused(made, parts, tmp_path, capsys):
    one, two, three = parts
    common = "--runs", tmp_path, "--quiet"

    def said(*folders):
        return failure(capsys, "join", *folders, *common)

    assert "`shards` must be all 3; missing: 2/3.\n" in said(one, three)
    assert "`shards` must be all 3; missing: 1/3, 3/3.\n" in said(two)
    assert f"{two} and {two} are both 2/3" in said(one, two, two, three)
    assert "`shards` must be run folders of `rnnensemble train" in said(one, made / "runs/whole")
    preset = made / "five.toml"
    run("train", preset, *common[:2], "--seed", 4, "--shard", "1/2")
    assert f"{one} is 1/3, {tmp_path / 'five-1-of-2'} is 1/2" in said(one, tmp_path / "five-1-of-2")
    run("train", preset, *common[:2], "--seed", 5, "--shard", "1/3")
    other = tmp_path / "five-1-of-3"
    assert f"those of {other} differ from those of {two}" in said(two, other, three)
    assert not (tmp_path / "five").exists()


@pytest.mark.long
def test_a_shard_that_changed_is_refused(parts, tmp_path, capsys):
    one, two, three = parts
    copy = shutil.copytree(two, tmp_path / "copy")
    how = "--runs", tmp_path, "--name", "copy", "--resume", "--training.max-epochs", 4
    run("train", copy / "config.toml", *how)
    longer = storage.load_run(copy)
    assert longer.population.stop_epoch.max() == 4
    assert shards.noted(longer.manifest)[:2] == (2, 3)  # it is a shard still
    error = failure(capsys, "join", one, copy, three, "--runs", tmp_path)
    assert f"`max_epochs` in {copy} differs" in error
    copy = shutil.copytree(three, tmp_path / "measured")
    run("analyse", copy, "--analysis.seed", 7)
    assert shards.noted(stages.read_manifest(copy))[:2] == (3, 3)
    error = failure(capsys, "join", one, two, copy, "--runs", tmp_path)
    assert f"`analysis` in {copy} differs" in error


def test_an_interrupted_shard_goes_on(made, parts, tmp_path, capsys, monkeypatch):
    arguments = ["train", str(made / "five.toml"), "--runs", str(tmp_path), "--seed", "4"]
    arguments += ["--shard", "1/3", "--training.threshold", *["1e-9"] * 5]

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "training", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
    assert stop.value.code == process.STOPPED
    command = re.search(r"go on with: rnnensemble (.*)\n", capsys.readouterr().err)[1]
    folder = tmp_path / "five-1-of-3"
    error = failure(capsys, "join", folder, *parts[1:], "--runs", tmp_path)
    assert f"`shards` must be trained; {folder} is not: go on with: rnnensemble {command}" in error
    run(*command.split())
    found = storage.load_run(folder)
    assert found.manifest["status"] == stages.TRAINED
    assert found.population.stop_epoch.tolist() == [3]
    run(*arguments, "--resume")  # nothing is left to do


def test_shards_are_nearly_equal_and_all_networks():
    condition = conditions.from_toml(TINY)
    for size in (2, 5, 64):
        condition = dataclasses.replace(condition, size=size)
        for of in range(1, size + 1):
            found = [shards.read_shard(f"{part + 1}/{of}", condition) for part in range(of)]
            rows = [shards.networks_of(each, size) for each in found]
            assert [k for each in rows for k in each] == list(range(size))
            assert max(map(len, rows)) - min(map(len, rows)) <= 1
    assert [str(each) for each in found][:2] == ["1/64", "2/64"]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/9", "-1/2", "1/2/3", "a/b", "1 / 2"])
def test_shards_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="`shard` must be I/N, such as 1/4, with I from 1 to N"):
        shards.read_shard(text, conditions.from_toml(TINY))


def test_many_missing_shards_are_not_all_named(tmp_path):
    with pytest.raises(ValueError, match=r"missing: 2/20, .*, 9/20, \.\.\.\."):
        shards.in_order([(shards.Shard(1, 20, "x"), tmp_path)])


def test_ctrl_c_while_joined_networks_are_measured(parts, tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "measure_degeneracy", stop)
    with pytest.raises(SystemExit) as ended:
        cli.main(["join", *map(str, parts), "--runs", str(tmp_path), "--quiet"])
    assert ended.value.code == process.STOPPED
    assert f"measure them with: rnnensemble analyse {tmp_path}/five" in capsys.readouterr().err
    assert storage.load_run(tmp_path / "five").manifest["status"] == stages.TRAINED
