"""Groups of a sweep trained in shards: the summary is that of one piece, digit for digit."""

import dataclasses
import math
import re
import signal

import pytest

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.cli import driver
from rnnensemble.cli.console import Reporter
from rnnensemble.files import locks, shard_folders, stages, sweep_folder
from rnnensemble.study.factors import Group, groups_of
from rnnensemble.study.shards import MOST, count_for, largest
from rnnensemble.study.sweep_file import read_sweep
from rnnensemble.training.train import TrainingInterrupted
from tests.test_engines import Here
from tests.test_sweep import FILE, failure, rows_of

pytestmark = pytest.mark.usefixtures("quick_driver")

ONLY = ["channels=1", "rate"]
"""One group of two recipes with 3 networks each."""
GROUP = groups_of(read_sweep(FILE.read_text()))[0]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The rows of a sweep trained in one piece."""
    runs = tmp_path_factory.mktemp("runs")
    return rows_of(rnne.run_sweep(FILE, runs=runs, only=ONLY, quiet=True))


def sharded(folder, shards=2, **options):
    return rnne.run_sweep(FILE, runs=folder, only=ONLY, shards=shards, **options)


def test_shards_make_what_one_piece_makes(alone, tmp_path, capsys):
    folder = sharded(tmp_path)
    said = capsys.readouterr().out
    assert f"group 1 of 1, {GROUP.name}: shard 1/2, 2 networks" in said
    assert f"group 1 of 1, {GROUP.name}: shard 2/2, 4 networks" in said
    assert f"group 1 of 1, {GROUP.name}: 2 conditions, 6 networks" in said
    assert rows_of(folder) == alone
    assert list((folder / "shards").iterdir()) == []  # they are joined
    for digest in (condition.digest for condition in GROUP.conditions):
        assert sweep_folder.stage(folder, digest)[1]["seconds"]["training"] > 0
    sharded(tmp_path, None)  # as it was begun
    assert f"`shards` must be 2, in which {GROUP.name} was begun" in failure(
        capsys, FILE, "--runs", tmp_path, "--shards", 3
    )


def test_shards_are_tasks_of_engines_and_the_group_waits_for_them(alone, tmp_path, capsys):
    engine = Here(lambda task: said.append((task.part, task.of)) or task)
    said = []
    assert rows_of(sharded(tmp_path, 3, engine=engine)) == alone
    assert said == [(1, 3), (2, 3), (3, 3), (0, 3)]
    shown = capsys.readouterr().out
    assert "0 of 1 groups done, 3 of 3 shards trained, 0 running, 1 waiting, 0 failed" in shown
    assert "1 of 1 groups done, 3 of 3 shards trained, 0 running, 0 waiting, 0 failed" in shown
    assert "6 of 6 networks converged" in shown


def test_what_a_worker_loses_is_its_shard(alone, tmp_path, capsys):
    """Three tries; the sweep then goes on with what is left, in the shards that it was begun in."""
    said, dies = [], [True] * driver.TRIES

    def second(task):
        said.append(task.part)
        if task.part == 2 and dies:
            raise RuntimeError(f"killed {dies.pop()}")
        return task

    with pytest.raises(ValueError, match=f"1 groups that failed 3 times each, {GROUP.name}-2-of-3"):
        sharded(tmp_path, 3, engine=Here(second))
    assert said == [1, 2, 3, 2, 2]
    shown = "0 of 1 groups done, 2 of 3 shards trained, 0 running, 0 waiting, 1 failed"
    assert shown in capsys.readouterr().out
    assert rows_of(sharded(tmp_path, None, engine=Here(second))) == alone
    assert said[5:] == [2, 0]
    assert "1 of 1 groups done, 1 of 1 shards trained" in capsys.readouterr().out


def test_shards_go_on_with_what_one_piece_has_trained(alone, tmp_path, monkeypatch):
    def interrupted(at, **options):
        epochs = iter(range(100))

        def stop(*_):
            if next(epochs) == at:
                signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(Reporter, "training", stop)
            with pytest.raises(TrainingInterrupted):
                sharded(tmp_path, quiet=True, **options)

    interrupted(1, shards=None)
    before = [sweep_folder.stage(tmp_path / "tiny", c.digest)[1] for c in GROUP.conditions]
    assert {(each["status"], each["epochs"]) for each in before} == {(stages.INTERRUPTED, 2)}
    interrupted(0)
    (folder,) = {each.parent for each in (tmp_path / "tiny").glob("shards/*-1-of-2")}
    found = [stages.read_manifest(each) for each in folder.iterdir() if each.is_dir()]
    assert {(each["epochs"], each["shard"]["part"]) for each in found} == {(3, 1)}
    assert rows_of(sharded(tmp_path, quiet=True)) == alone


def test_a_group_in_other_hands_stays_in_one_piece(tmp_path):
    with locks.held(tmp_path / "groups" / "mine.lock") as ours:
        assert ours
        assert shard_folders.begin(tmp_path, "mine", 4) == 1
    assert shard_folders.begun(tmp_path, "mine") is None
    assert shard_folders.begin(tmp_path, "mine", 4) == 4
    assert shard_folders.begin(tmp_path, "mine", 3) == shard_folders.begun(tmp_path, "mine") == 4
    (tmp_path / "groups" / "mine.shards").write_text("many")
    with pytest.raises(ValueError, match=r"`sweep` file .*mine\.shards is damaged; remove it and"):
        shard_folders.begun(tmp_path, "mine")


def test_large_groups_have_shards_by_themselves(monkeypatch):
    mesh = runtime.network_mesh(1)
    small, other = GROUP.conditions
    huge = Group("huge", (dataclasses.replace(small, size=10 * MOST + 1), other))
    assert count_for(GROUP, mesh, None) == 1
    assert count_for(huge, mesh, None) == 11
    assert count_for(huge, mesh, 3) == 3
    assert count_for(GROUP, mesh, 100) == 3  # no more than networks
    assert [each.size for each in largest(huge, 11)] == [1, 10 * MOST // 11 + 1]
    monkeypatch.setattr(runtime, "memory_bytes", lambda _: 1e6)
    thousand = Group("thousand", (dataclasses.replace(small, size=1000),))
    networks = 4 * 5 * 6 * (6 + 2 + 2) * 1000  # bytes, five copies of about 60 parameters each
    assert count_for(thousand, mesh, None) == math.ceil(2 * networks / 1e6) == 3


@pytest.mark.parametrize("count", [0, -1, 4])
def test_numbers_of_shards_that_cannot_be(tmp_path, capsys, count):
    error = failure(capsys, FILE, "--runs", tmp_path, "--shards", count)
    assert "`shards` must be a whole number from 1 to the 3 networks of the largest" in error
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_how_many_shards(tmp_path, capsys):
    sharded(tmp_path, 3, dry_run=True)
    said = capsys.readouterr().out
    assert " shards " in said
    assert re.search(rf"{GROUP.name}\D+2\D+6\D+3\D", said)
    assert list(tmp_path.iterdir()) == []
