"""Damage at random places of every kind of folder is refused in one line, or changes no number."""

import dataclasses
import random
import shutil

import jax
import numpy as np
import pytest

from rnnensemble import cli, measure_degeneracy
from rnnensemble.cli import deflate
from rnnensemble.files import arrays, folders, manifests, stages, storage, sweep_folder
from rnnensemble.study.factors import Factor, Level, Sweep
from rnnensemble.study.sweep_file import to_toml
from tests.test_cli import failure
from tests.test_rounds import PLAN
from tests.test_storage import CONDITION, train

KINDS = ("run", "interrupted", "sweep", "plan", "distances")
OTHER = dataclasses.replace(CONDITION, analysis=dataclasses.replace(CONDITION.analysis, seed=1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One folder of each kind, by name."""
    root, kept = tmp_path_factory.mktemp("whole"), []
    population = train(checkpoint=kept.append, checkpoint_seconds=0.0)
    degeneracy = measure_degeneracy(population, analysis=CONDITION.analysis)
    storage.save_run(root / "run", CONDITION, population, degeneracy=degeneracy)
    storage.save_run(root / "interrupted", CONDITION, kept[0])
    levels = tuple(
        Level(value=float(value), label=str(value), condition=each)
        for value, each in enumerate((CONDITION, OTHER))
    )
    factor = Factor(name="seed", task="flipflop", title="seed", unit="", levels=levels)
    sweep = Sweep(name="sweep", preset="", factors=(factor,))
    sweep_folder.open_folder(root / "sweep", sweep, to_toml(sweep))
    for digest, condition in sweep.conditions.items():
        path = sweep_folder.condition_folder(root / "sweep", digest)
        storage.save_run(path, condition, population, degeneracy=degeneracy)
    sweep_folder.write_summary(root / "sweep")
    plan = deflate.read_plan(PLAN)
    deflate._start(root / "plan", plan, PLAN)
    for name in (deflate.STANDARD, "alternative_1", "alternative_2"):
        storage.save_run(root / "plan" / name, CONDITION, population)
    for name in deflate.TABLES:
        folders.write_rows(root / "plan" / name, [{"measure": "dsa", "mean": 0.25}])
    manifests.note_files(root / "plan", stages.read_manifest(root / "plan"), deflate.TABLES)
    rows = [arrays.Row("dsa", "activity", 3, 0.25, 0.125, 0.5, "{}", "")]
    about = {"digest": "0", "size": 3, "inputs": {"activity": {"file": "a.npy"}}}
    matrices = {"dsa": degeneracy.dynamics.matrix}
    arrays.save_distances(root / "distances", about, rows=rows, matrices=matrices)
    return {kind: root / kind for kind in KINDS}


def numbers(folder, capsys):
    """What the program takes from a folder: what it shows, and all arrays."""
    cli.main(["show", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    kind = folder.name
    if kind in ("run", "interrupted"):
        run = storage.load_run(folder)
        return lines, run.damage, (run.population.history, run.population.params), run.degeneracy
    if kind == "sweep":
        return lines, "", sorted(sweep_folder.load_sweep(folder)[1].items())
    if kind == "plan":
        groups = deflate.load_rounds(folder)[1].values()
        return lines, "damaged" * any("damaged" in x for x in lines), [x.params for x in groups]
    return lines, "", arrays.read_distances(folder)


def equal(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if isinstance(x, np.ndarray | jax.Array):
            np.testing.assert_array_equal(x, y)
        elif dataclasses.is_dataclass(x):  # which is no tree for JAX
            names = [field.name for field in dataclasses.fields(x)]
            equal([getattr(x, name) for name in names], [getattr(y, name) for name in names])
        else:
            np.testing.assert_equal(x, y)


def harm(draw, folder):
    """Flips a bit, cuts off, empties or removes a file; says what."""
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    whole, how = path.read_bytes(), draw.choice(("flip", "flip", "flip", "cut", "remove"))
    if how == "remove":
        path.unlink()
    elif how == "cut" or not whole:
        path.write_bytes(whole[: draw.randrange(len(whole)) if whole else 0])
    else:
        place = draw.randrange(len(whole))
        flipped = bytes([whole[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
    return f"{how} {path.relative_to(folder)}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [12, pytest.param(80, marks=pytest.mark.long)])
def test_random_damage_changes_no_number(made, tmp_path, capsys, kind, count):
    draw, expected = random.Random(f"{kind} {count}"), numbers(made[kind], capsys)
    copy = tmp_path / kind
    for _ in range(count):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(made[kind], copy)
        what = harm(draw, copy)
        try:
            found = numbers(copy, capsys)
        except SystemExit:
            error = capsys.readouterr().err
            assert error.count("\n") == 1, what
            assert str(copy) in error, what
            continue
        except ValueError as damage:
            found = str(damage)
        if isinstance(found, str):
            assert str(copy) in found, what
            continue
        if found[1]:  # the analysis is named and left out; the networks are whole
            equal(found[2], expected[2])
        else:
            shown = [line.replace(str(tmp_path), str(made[kind].parent)) for line in found[0]]
            assert shown == expected[0], what
            equal(found[1:], expected[1:])


def break_analysis(folder, part="degeneracy"):
    path = folder / f"{part}.msgpack"
    path.write_bytes(path.read_bytes()[:-1])


def test_a_damaged_analysis_costs_no_networks(made, tmp_path, capsys):
    """`show` says how to measure again, a load leaves it out, a sweep measures that alone again."""
    run = tmp_path / "run"
    shutil.copytree(made["run"], run)
    whole = storage.load_run(run)
    break_analysis(run)
    found = storage.load_run(run)
    assert (found.degeneracy, found.manifest["status"]) == (None, stages.TRAINED)
    assert "degeneracy" in found.damage
    equal(found.population.params, whole.population.params)
    cli.main(["show", str(run)])
    assert f"measure it again: rnnensemble analyse {run}" in capsys.readouterr().out
    sweep = tmp_path / "sweep"
    shutil.copytree(made["sweep"], sweep)
    break_analysis(sweep_folder.condition_folder(sweep, CONDITION.digest), "population")
    break_analysis(sweep_folder.condition_folder(sweep, OTHER.digest))
    assert "start the sweep again" in failure(capsys, "report", str(sweep))
    sweep_folder._damage.cache_clear()
    assert sweep_folder.stage(sweep, OTHER.digest)[0] == stages.TRAINED
    assert sweep_folder.stage(sweep, CONDITION.digest)[0] == stages.ANALYSED


def test_counts_are_those_of_the_arrays(made, tmp_path):
    """A manifest that is sound in itself, but another's."""
    run = tmp_path / "run"
    shutil.copytree(made["run"], run)
    manifest = stages.read_manifest(run)
    manifests._write_checked(run, manifest | {"converged": manifest["converged"] - 1})
    with pytest.raises(ValueError, match="its manifest says converged 2, not 3"):
        storage.load_run(run)


def test_a_damaged_plan_comes_back(made, tmp_path, capsys):
    folder = tmp_path / "plan"
    shutil.copytree(made["plan"], folder)
    (folder / "plan.toml").write_text("")
    assert "plan.toml is missing or damaged; start its plan" in failure(capsys, "show", str(folder))
    deflate._start(folder, deflate.read_plan(PLAN), PLAN)
    cli.main(["show", str(folder)])
    assert "0.25" in capsys.readouterr().out


def test_damaged_findings_are_no_advice(made, tmp_path, capsys):
    folder = tmp_path / "sweep"
    shutil.copytree(made["sweep"], folder)
    folders.write_rows(folder / "findings.csv", [{"a": 1}])
    sweep_folder.note(folder, ["findings.csv"])
    (folder / "findings.csv").write_text("a\n2\n")
    assert "is not as it was written" in failure(
        capsys, "advise", "--summary", str(folder / "findings.csv")
    )


@pytest.mark.parametrize("count", [40, pytest.param(400, marks=pytest.mark.long)])
def test_damaged_unfinished_matrices_are_named(tmp_path, count):
    """Whatever the bytes of the archive suggest."""
    whole, draw = tmp_path / "whole" / "dsa.npz", random.Random(count)
    whole.parent.mkdir()
    kept = [np.arange(12.0), np.arange(12) > 5]
    arrays.MatrixCheckpoint(whole).save("0123", kept)
    for _ in range(count):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole.parent, copy)
        what = harm(draw, copy)
        try:
            found = arrays.MatrixCheckpoint(copy / "dsa.npz").load("0123")
        except ValueError as damage:
            found = str(damage)
        if isinstance(found, str):
            assert str(copy) in found, what
        elif found is not None:
            equal(found, kept)
