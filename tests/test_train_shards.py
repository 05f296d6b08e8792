"""`train --shards N`: a population whose shards are tasks is that of one run."""

import re
import shutil
import signal

import pytest

from rnnensemble import cli
from rnnensemble._core import process
from rnnensemble.cli import driver, engines, train, train_shards
from rnnensemble.cli.console import Reporter
from rnnensemble.files import locks, stages, storage
from rnnensemble.study.factors import groups_of
from tests.test_cli import failure
from tests.test_engines import Here
from tests.test_shards import GIVEN, run, same

pytestmark = pytest.mark.usefixtures("quick_driver")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A preset beside its run in one piece."""
    root = tmp_path_factory.mktemp("whole")
    (root / "five.toml").write_text(GIVEN)
    run("train", root / "five.toml", "--runs", root, "--name", "five")
    return root / "five"


def asked(whole, runs, *flags):
    return [*map(str, ("train", whole.with_suffix(".toml"), "--runs", runs, "--shards", 3, *flags))]


def require_joined(folder, whole):
    """Requires that a run folder holds the networks of the run in one piece, and lies alone."""
    found, expected = (storage.load_run(each) for each in (folder, whole))
    assert found.population == expected.population
    for name in ("params", "initial_params", "history", "converged", "stop_epoch", "state"):
        same(getattr(found.population, name), getattr(expected.population, name))
    assert found.condition == expected.condition
    assert (folder / "config.toml").read_bytes() == (whole / "config.toml").read_bytes()
    for name in ("digest", "recipe", "converged", "epochs", "size"):
        assert found.manifest[name] == expected.manifest[name]
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]
    return found, expected


def require_whole(folder, whole):
    """Requires that what was measured is the same as well."""
    found, expected = require_joined(folder, whole)
    assert found.degeneracy.table() == expected.degeneracy.table()
    assert (folder / "summary.csv").read_bytes() == (whole / "summary.csv").read_bytes()
    assert found.manifest["status"] == stages.ANALYSED
    assert found.manifest.keys() == expected.manifest.keys()


@pytest.fixture
def unmeasured(monkeypatch):
    """Leaves the analysis out, which takes the longest."""
    monkeypatch.setattr(train, "measure", lambda *_: None)


def on(monkeypatch, engine):
    """Has `--engine ray` stand for an engine of this process."""
    monkeypatch.setattr(engines, "engine_of", lambda *_: engine)
    return "--engine", "ray"


def test_shards_one_after_another_are_the_run_in_one_piece(whole, tmp_path, capsys):
    cli.main(asked(whole, tmp_path))
    said = capsys.readouterr().out
    for part, size in ((1, 1), (2, 2), (3, 2)):
        assert f"shard {part}/3, {size} networks" in said
    assert f"joined 3 shards, 5 networks, into {tmp_path}/five" in said
    assert "4 of 5 networks converged" in said
    require_whole(tmp_path / "five", whole)
    error = failure(capsys, *asked(whole, tmp_path))
    assert "`name` 'five' is taken by" in error


def test_shards_are_tasks_and_what_fails_is_tried_again(
    whole, tmp_path, monkeypatch, capsys, unmeasured
):
    said, dies = [], [True] * driver.TRIES

    def second(task):
        said.append((task.part, task.of))
        if task.part == 2 and dies:
            raise RuntimeError(f"killed {dies.pop()}")
        return task

    flags = on(monkeypatch, Here(second))
    error = failure(capsys, *asked(whole, tmp_path, *flags))
    assert "`train` has 1 shards that failed 3 times each, flipflop-vanilla6-" in error
    assert "the others are finished, the same command tries again" in error
    assert said == [(1, 3), (2, 3), (3, 3), (2, 3), (2, 3)]
    assert [each.name for each in tmp_path.iterdir()] == ["five-shards"]
    for flags_now, words in (
        (["--shards", 2], "`shards` must be 3, in which"),
        (["--seed", 9], "`name` 'five' has unfinished shards of other settings in"),
    ):
        assert words in failure(capsys, *asked(whole, tmp_path, *flags, *flags_now))
    cli.main(asked(whole, tmp_path, *flags))
    assert said[5:] == [(2, 3)]
    shown = capsys.readouterr().out
    assert "3 of 3 shards done, 0 running, 0 waiting, 0 failed; about 0:00 left" in shown
    require_joined(tmp_path / "five", whole)


def test_an_interrupted_shard_goes_on_by_the_same_command(
    whole, tmp_path, monkeypatch, capsys, unmeasured
):
    epochs = iter(range(100))

    def stop(*_):
        if next(epochs) == 2:  # in the second shard
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "training", stop)
        with pytest.raises(SystemExit) as ended:
            cli.main(asked(whole, tmp_path))
    assert ended.value.code == process.STOPPED
    assert "five-shards; the same command or call goes on" in capsys.readouterr().err
    found = sorted((tmp_path / "five-shards" / "shards").iterdir())
    states = [stages.read_manifest(each)["status"] for each in found]
    assert states == [stages.TRAINED, stages.INTERRUPTED]
    cli.main(asked(whole, tmp_path))
    assert "shard 1/3" not in capsys.readouterr().out
    require_joined(tmp_path / "five", whole)


def test_a_driver_killed_while_it_measures_goes_on(whole, tmp_path, monkeypatch, capsys):
    """A kill leaves the shards beside the run, which Ctrl-C does not."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "measure_degeneracy", stop)
    monkeypatch.setattr(train_shards.folders, "remove_folder", lambda _: None)
    with pytest.raises(SystemExit):
        cli.main(asked(whole, tmp_path))
    assert f"measure them with: rnnensemble analyse {tmp_path}/five" in capsys.readouterr().err
    assert storage.load_run(tmp_path / "five").manifest["status"] == stages.TRAINED
    monkeypatch.undo()
    cli.main(asked(whole, tmp_path))
    assert "shard 1/3" not in capsys.readouterr().out
    require_whole(tmp_path / "five", whole)


def test_shards_of_other_processes_are_left_to_them(
    whole, tmp_path, monkeypatch, capsys, unmeasured
):
    held, begin = [], train_shards._begin

    def hold(folder, place, sweep, of):
        begin(folder, place, sweep, of)
        (group,) = groups_of(sweep)
        held.append(locks.held(place / "groups" / f"{group.name}-2-of-3.lock"))
        assert held[-1].__enter__()

    monkeypatch.setattr(train_shards, "_begin", hold)
    error = failure(capsys, *asked(whole, tmp_path))
    assert re.search(r"`shards` 2/3 in .*five-shards are in the hands of other processes", error)
    held.pop().__exit__(None, None, None)
    monkeypatch.setattr(train_shards, "_begin", begin)
    cli.main(asked(whole, tmp_path, "--quiet"))
    require_joined(tmp_path / "five", whole)


def test_a_run_that_has_the_name_of_the_shards_stays(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "five-shards")
    error = failure(capsys, *asked(whole, tmp_path))
    assert "five-shards for its shards, which is another run; choose another --name" in error
    assert storage.load_run(tmp_path / "five-shards").population.size == 5


@pytest.mark.usefixtures("unmeasured")
def test_shards_start_from_trained_networks_too(whole, tmp_path):
    preset = whole.with_suffix(".toml")
    started = ("--start-from", whole, "--seed", 7)
    run("train", preset, "--runs", tmp_path / "one", *started)
    run("train", preset, "--runs", tmp_path / "shards", "--shards", 3, *started)
    found, expected = (
        storage.load_run(tmp_path / each / "five").population for each in ("shards", "one")
    )
    same(found.params, expected.params)
    same(found.initial_params, storage.load_run(whole).population.params)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--shards", "1"], "`shards` must be a whole number from 2 to the 5 networks of `size`"),
        (["--shards", "6"], "`shards` must be a whole number from 2 to the 5 networks of `size`"),
        (["--shards", "2", "--shard", "1/2"], "`shard` trains one of them alone"),
        (["--shards", "2", "--resume"], "with --shards the same command goes on"),
        (["--engine", "ray"], "`shards` are missing: --shards N says in how many tasks"),
        (["--shards", "2", "--engine", "rya"], "`engine` must be local, slurm, ray"),
        (["--shards", "2", "--engine-setting", "gpus=1"], "`engine_setting` must come with an"),
        (["--shards", "2", "--checkpoint-seconds", "-1"], "`checkpoint_seconds` must be a number"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    whole, tmp_path, capsys, flags, words
):
    preset = whole.with_suffix(".toml")
    assert words in failure(capsys, "train", preset, "--runs", tmp_path, *flags)
    assert list(tmp_path.iterdir()) == []
