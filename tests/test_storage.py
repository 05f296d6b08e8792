"""Run folders: whole or not at all, readable anywhere, and never a half-written one."""

import dataclasses
import errno
import json

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

import rnnensemble as rnne
from rnnensemble import (
    DSAGrid,
    Training,
    measure_degeneracy,
    resume,
    train_population,
)
from rnnensemble.figures import learning_figure
from rnnensemble.files import manifests, pictures, records, stages, storage, trees
from rnnensemble.study import conditions
from rnnensemble.study.conditions import Condition
from tests.tiny import ANALYSIS, NETWORK, TASK

CONDITION = Condition(
    task=TASK,
    network=NETWORK,
    training=Training(batch=8, epoch_steps=4, max_epochs=3, threshold=1e9, patience=2),
    analysis=dataclasses.replace(ANALYSIS, grid=DSAGrid(ranks=(2, 3), delays=(1,), shares=(0.9,))),
    size=3,
)


def train(**options):
    return train_population(
        CONDITION.task, network=CONDITION.network, training=CONDITION.training, size=3, **options
    )


@pytest.fixture(scope="module")
def whole():
    population = train()
    return population, measure_degeneracy(population, analysis=CONDITION.analysis)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_topology_is_part_of_a_run_that_asks_for_it(tmp_path, whole):
    """Without it, settings and files are as they were."""
    assert "fixed_points" not in conditions.to_toml(CONDITION)
    analysis = dataclasses.replace(CONDITION.analysis, fixed_points=40)
    condition = dataclasses.replace(CONDITION, analysis=analysis)
    assert condition.digest != CONDITION.digest
    population, plain = whole
    found = measure_degeneracy(population, analysis=analysis)
    np.testing.assert_array_equal(found.weights.matrix, plain.weights.matrix)
    assert plain.topology is None
    assert found.topology.counts[:, 0].min() >= 1
    storage.save_run(tmp_path / "run", condition, population, degeneracy=found)
    loaded = storage.load_run(tmp_path / "run").degeneracy.topology
    same(loaded, found.topology._replace(found=()))
    header, row = (tmp_path / "run" / "summary.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(values["topology"]) == found.topology.mean.value
    assert float(values["topology_agreement"]) == found.topology.agreement
    with pytest.raises(ValueError, match="`starts` must be a whole number of at least 1; got 0"):
        dataclasses.replace(analysis, fixed_points=0)


def test_round_trip(tmp_path, whole):
    population, degeneracy = whole
    figure = learning_figure(population)
    folder = storage.save_run(tmp_path / "a", CONDITION, population, degeneracy=degeneracy)
    pictures.replace_figures(folder, {"x": figure})
    run = storage.load_run(folder)
    assert run.condition == CONDITION
    same(run.population.params, population.params)
    same(run.population.history, population.history)
    assert type(run.population.params) is type(population.params)
    np.testing.assert_array_equal(run.population.converged, population.converged)
    assert run.degeneracy.dynamics.mean == degeneracy.dynamics.mean
    np.testing.assert_array_equal(run.degeneracy.weights.matrix, degeneracy.weights.matrix)
    assert run.degeneracy.behavior.sigmas == degeneracy.behavior.sigmas
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"x.{kind}" for kind in ("png", "svg", "pdf", "csv", "txt")
    }
    assert (folder / "summary.csv").read_text().count("\n") == 2
    assert run.manifest["status"] == stages.ANALYSED
    assert list(stages.list_runs(tmp_path)) == [tmp_path / "a"]
    size = sum(path.stat().st_size for path in folder.glob("*.msgpack"))
    assert size < 100_000  # parameters, history, matrices; no rates


def test_large_arrays_are_orbax_s(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(trees, "SMALL", 100)
    population, degeneracy = whole
    folder = storage.save_run(tmp_path / "a", CONDITION, population, degeneracy=degeneracy)
    sizes = [x.nbytes for x in jax.tree.leaves(records.population_tree(population))]
    assert len(list(folder.glob("population/*/*/.zarray"))) == sum(size > 100 for size in sizes) > 0
    run = storage.load_run(folder)
    same(run.population.params, population.params)
    same(run.population.history, population.history)
    same(run.degeneracy.grid.matrices, degeneracy.grid.matrices)


def test_the_format_before_is_read(tmp_path, whole, monkeypatch):
    """All arrays were in orbax's database."""

    def store(folder, name, tree):
        ocp.save(str(folder / "conditions" / CONDITION.digest / name), records.plain(tree))

    monkeypatch.setattr(trees, "store", store)
    monkeypatch.setattr(manifests, "FORMAT", 7)
    population, degeneracy = whole
    folder = storage.save_run(tmp_path / "a", CONDITION, population, degeneracy=degeneracy)
    monkeypatch.undo()
    run = storage.load_run(folder)
    assert run.manifest["format"] == 7
    same(run.population.params, population.params)
    same(run.degeneracy.weights.matrix, degeneracy.weights.matrix)


def test_interrupted_run_goes_on_with_another_device_count(tmp_path, whole):
    kept = []
    train(checkpoint=kept.append, checkpoint_seconds=0.0, devices=2)
    folder = storage.save_run(tmp_path / "a", CONDITION, kept[0])
    run = storage.load_run(folder)
    assert run.manifest["status"] == stages.INTERRUPTED
    finished = resume(run.population, devices=1)
    for x, y in zip(
        jax.tree.leaves(finished.params), jax.tree.leaves(whole[0].params), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=1e-5)
    with pytest.raises(FileExistsError, match=r"interrupted run .* go on with it by --resume"):
        storage.save_run(folder, CONDITION, finished)
    storage.save_run(folder, CONDITION, finished, replace=True)
    assert storage.load_run(folder).manifest["status"] == stages.TRAINED


def test_existing_folder_is_kept(tmp_path, whole):
    folder = storage.save_run(tmp_path / "a", CONDITION, whole[0])
    with pytest.raises(FileExistsError, match=r"is taken by .*choose another --name"):
        storage.save_run(folder, CONDITION, whole[0])


def test_failed_write_leaves_nothing(tmp_path, whole, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "_manifest", full)
    with pytest.raises(OSError, match="No space left"):
        storage.save_run(tmp_path / "a", CONDITION, whole[0])
    assert list(tmp_path.iterdir()) == []


def damage_manifest(folder):
    (folder / "manifest.json").write_text("{")


def remove_manifest(folder):
    (folder / "manifest.json").unlink()


def change_config(folder):
    other = dataclasses.replace(CONDITION, seed=5)
    (folder / "config.toml").write_text(storage.conditions.to_toml(other))


def damage_arrays(folder):
    for path in folder.glob("*.msgpack"):
        path.write_bytes(b"")


def later_format(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage_manifest, "manifest.json cannot be read; train it again"),
        (remove_manifest, "manifest.json is missing"),
        (change_config, "config.toml is missing or damaged"),
        (damage_arrays, "is missing or damaged"),
        (later_format, "has format 99.*update rnnensemble"),
    ],
)
def test_damaged_folders_are_named(tmp_path, whole, harm, message):
    folder = storage.save_run(tmp_path / "a", CONDITION, whole[0])
    harm(folder)
    with pytest.raises(ValueError, match=message):
        storage.load_run(folder)


def test_missing_paths(tmp_path):
    with pytest.raises(ValueError, match="`run` must be a run folder"):
        storage.load_run(tmp_path / "none")
    with pytest.raises(ValueError, match="`preset` must be a TOML file"):
        storage.read_preset(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda it: rnne.save(it, "runs/x"), "`population` must be a Population; got 'runs/x'."),
        (lambda it: rnne.save(3, it), "`folder` must be a path, such as 'runs/first'; got 3."),
        (lambda it: rnne.export("a.npz", it), "`population` must be a Population; got 'a.npz'."),
        (lambda it: rnne.export(it, it), "`path` must be a path, .* got <Population: "),
        (rnne.load, "`folder` must be a path, .* got <Population: "),
        (rnne.load_sweep, "`folder` must be a path, .* got <Population: "),
        (rnne.write_report, "`folder` must be a path, .* got <Population: "),
        (rnne.run_sweep, "`sweep` must be a path, .* got <Population: "),
        (lambda it: rnne.save("runs/x", np.zeros((3, 4))), r"`population` .* got array\(\[\[0"),
    ],
)
def test_swapped_arguments_are_said_in_one_line(call, message, whole):
    with pytest.raises(ValueError, match=message) as error:
        call(whole[0])
    assert "\n" not in str(error.value)
