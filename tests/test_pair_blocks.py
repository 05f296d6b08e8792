"""Blocks of pairs: tasks that write what they found, joined to the matrix of one piece."""

import contextlib
import re

import numpy as np
import pytest

from rnnensemble import cli, distance_matrix, distance_matrix_in_blocks
from rnnensemble.cli import distances, driver, engines, pairs
from rnnensemble.files import arrays, block_files, locks, stages
from rnnensemble.metrics import CKA, LinearPredictivity
from rnnensemble.metrics.pair_blocks import compare_block, pair_blocks
from tests.test_cli import failure
from tests.test_engines import Here

RNG = np.random.default_rng(0)
ACTIVITY = RNG.normal(size=(7, 2, 6, 4)).astype(np.float32)
METRICS = ["--metrics", "cka", "predictivity"]
BLOCKS = ["0-2x0-2", "0-2x3-5", "0-2x6-6", "3-5x3-5", "3-5x6-6"]
"""Of a symmetric metric, 7 networks and 3 on each side; network 6 has no pair with itself."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(driver, "POLL", 0.01)
    monkeypatch.setattr(distances, "DRAWN", 0)
    monkeypatch.chdir(tmp_path)
    np.save("A.npy", ACTIVITY)


def analyse(*arguments):
    cli.main(["analyse", "--activity", "A.npy", *map(str, arguments)])


def matrices(name="A"):
    with np.load(f"runs/{name}/matrices.npz", allow_pickle=False) as stored:
        return {each: stored[each] for each in stored.files}


def require_whole(found, data=ACTIVITY):
    assert set(found) == {"cka", "predictivity"}
    for name, matrix in found.items():
        np.testing.assert_array_equal(matrix, distance_matrix(name, data))


def test_blocks_make_the_matrix_of_one_piece(capsys):
    analyse(*METRICS, "--block", 3)
    assert "cka, block 2 of 14: 9 pairs compared" in capsys.readouterr().out
    require_whole(matrices())
    assert stages.read_manifest("runs/A")["status"] == arrays.COMPARED


@pytest.mark.long
def test_networks_of_unlike_widths_are_padded_as_in_one_piece(tmp_path):
    data = [RNG.normal(size=(2, 6, 3 + k % 3)).astype(np.float32) for k in range(7)]
    np.savez(tmp_path / "A.npz", *data)
    cli.main(["analyse", "--activity", "A.npz", *METRICS, "--block", "1", "--quiet"])
    require_whole(matrices(), data)


def test_blocks_of_all_pairs_and_of_half_of_them():
    assert [block.name for block in pair_blocks(CKA(), 7, 3)] == BLOCKS
    assert len(pair_blocks(LinearPredictivity(), 7, 3)) == 9
    for metric, expected in ((CKA(), 21), (LinearPredictivity(), 49)):
        found = [block.pairs(metric) for block in pair_blocks(metric, 7, 3)]
        numbers = {pair for i, j in found for pair in zip(i.tolist(), j.tolist(), strict=True)}
        assert len(numbers) == sum(len(i) for i, _ in found) == expected
    for edge in (0, 1.5, True):
        with pytest.raises(ValueError, match="`block` must be a whole number of at least 1; got"):
            pair_blocks(CKA(), 7, edge)


def test_an_engine_compares_what_is_not_there(monkeypatch, capsys):
    """A block that fails again and again, one that another process has, one that is damaged."""
    said = []

    class Engine(Here):
        def submit(self, function, task):
            said.append(task.name)
            return super().submit(function, task)

    def before(task):
        if task.name == "cka 0-2x3-5" and len(said) < 9:
            raise RuntimeError("broken")
        return task

    engine = Engine(before)
    monkeypatch.setattr(engines, "engine_of", lambda *_: engine)
    how = "--metrics", "cka", "--block", 3, "--engine", "ray"
    error = failure(capsys, "analyse", "--activity", "A.npy", *how)
    assert "`analyse` has 1 blocks that failed 3 times each, cka 0-2x3-5 the first" in error
    assert said == [f"cka {name}" for name in BLOCKS] + 2 * ["cka 0-2x3-5"]
    file = block_files.block_file(distances.Path("runs/A"), "cka", "3-5x3-5")
    file.write_bytes(file.read_bytes()[:-40])
    said += 2 * [""]
    analyse(*how)
    assert said[9:] == ["cka 0-2x3-5", "cka 3-5x3-5"]
    shown = capsys.readouterr().out
    assert "5 of 5 blocks of pairs done, 0 running, 0 waiting, 0 failed; about 0:00 left" in shown
    np.testing.assert_array_equal(matrices()["cka"], distance_matrix("cka", ACTIVITY))


@pytest.mark.parametrize("edge", [3, 2])
def test_an_interrupted_matrix_goes_on(edge, monkeypatch, capsys):
    """Blocks of another size begin anew, and those of before are in nobody's way."""
    made = []

    def stop(metric, networks, block, **options):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(block.name)
        return compare_block(metric, networks, block, **options)

    monkeypatch.setattr(pairs, "compare_block", stop)
    with pytest.raises(SystemExit):
        analyse("--metrics", "cka", "--block", 3)
    command = re.search(r"go on with: rnnensemble (.*)\n", capsys.readouterr().err)[1]
    made += [""]
    cli.main(command.replace("--block 3", f"--block {edge}").split())
    anew = [block.name for block in pair_blocks(CKA(), 7, edge)]
    assert made == [*BLOCKS[:2], "", *(name for name in anew if name not in BLOCKS[:2])]
    np.testing.assert_array_equal(matrices()["cka"], distance_matrix("cka", ACTIVITY))


def test_blocks_of_others(tmp_path):
    file = tmp_path / "0-2x0-2.npz"
    block_files.write_block(file, "mine", np.eye(3))
    np.testing.assert_array_equal(block_files.read_block(file, "mine"), np.eye(3))
    with pytest.raises(ValueError, match=r"`checkpoint` .* belongs to other data or settings"):
        block_files.read_block(file, "other")
    np.savez(file, digest="mine", check="x", distances=np.eye(3))
    assert block_files.read_block(file, "mine") is None
    assert block_files.read_block(tmp_path / "1-0.npz", "mine") is None


def test_ten_thousand_networks_have_a_plan(tmp_path, capsys):
    np.save("A.npy", RNG.normal(size=(10_000, 1, 6, 3)).astype(np.float32))
    analyse("--metrics", "cka", "--dry-run")
    said = capsys.readouterr().out
    assert re.search(r"cka\D+10,000\D+49,995,000\D+55\D+0\.\d+ GB\D+0\.22 GB\D+\d+:\d\d", said)
    assert "joining holds up to 3.20 GB; expected time on " in said
    assert [path.name for path in tmp_path.iterdir()] == ["A.npy"]


def test_a_block_that_is_not_there_is_said(monkeypatch, capsys):
    monkeypatch.setattr(pairs, "make_block", lambda *_: True)
    error = failure(capsys, "analyse", "--activity", "A.npy", "--metrics", "cka", "--block", 3)
    assert "0-2x0-2.npz is not there as it was written; the same command compares" in error


def test_a_block_in_other_hands_is_left_to_them(tmp_path):
    with contextlib.ExitStack() as stack:
        told = dict.fromkeys(pairs.BlockTask._fields)
        block = pair_blocks(CKA(), 7, 3)[0]
        task = pairs.BlockTask(**told | {"folder": str(tmp_path), "metric": CKA(), "block": block})
        stack.enter_context(locks.held(task.path.with_suffix(".lock")))
        assert not pairs.make_block(task, ACTIVITY)


@pytest.mark.parametrize("masked", [False, True])
def test_python_has_blocks_compared_by_an_engine(masked, tmp_path):
    data = np.array(ACTIVITY, float)
    mask = np.arange(6) < np.array([[6], [4]]) if masked else None
    if masked:
        data[:, 1, 4:] = np.nan
    said = []
    engine = Here(lambda task: said.append(task.name) or task)
    how = {"folder": tmp_path / "blocks", "block": 3, "mask": mask, "quiet": True}
    found = distance_matrix_in_blocks("cka", data, engine=engine, **how)
    np.testing.assert_array_equal(found, distance_matrix("cka", data, mask=mask))
    assert said == [f"cka {name}" for name in BLOCKS]
    again = distance_matrix_in_blocks("cka", data, engine=engine, **how)  # all is there
    np.testing.assert_array_equal(again, found)
    assert len(said) == len(BLOCKS)
    other = distance_matrix_in_blocks("cka", data[::-1], engine=engine, **how)  # beside it
    np.testing.assert_array_equal(other, distance_matrix("cka", data[::-1], mask=mask))
    assert len(list((tmp_path / "blocks").iterdir())) == 2


def test_python_compares_blocks_of_unlike_networks_here(tmp_path, capsys):
    data = [RNG.normal(size=(2, 6, 3 + k % 3)).astype(np.float32) for k in range(7)]
    found = distance_matrix_in_blocks("predictivity", data, folder=tmp_path, block=3)
    np.testing.assert_array_equal(found, distance_matrix("predictivity", data))
    assert "predictivity, block 9 of 9: 1 pairs compared" in capsys.readouterr().out


def test_blocks_from_python_that_cannot_be(tmp_path):
    def said(*data, **options):
        with pytest.raises(ValueError, match="`") as error:
            distance_matrix_in_blocks(*data, folder=tmp_path / "x", **options)
        return str(error.value)

    assert "dictionaries of arrays are compared by `distance_matrix`" in said(
        "input_dsa", {"activity": ACTIVITY, "inputs": ACTIVITY}
    )
    assert "`block` must be a whole number of at least 1" in said("cka", ACTIVITY, block=0)
    assert "`engine` must be a name or have `submit`; got 3" in said("cka", ACTIVITY, engine=3)
    assert "`data` must hold at least 2 networks" in said("cka", ACTIVITY[:1])
    assert not (tmp_path / "x").exists()
