"""Conditions of a sweep, and deflated networks, that start from trained ones."""

import dataclasses

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.study.sweep_file import read_sweep
from tests.tiny import NETWORK, TASK

NEVER = rnne.Training(batch=8, epoch_steps=4, max_epochs=2, threshold=1e-9)
SWEEP = """
name = "starts"
[tasks.flipflop]
size = 3
task = {kind = "flipflop", n_bits = 1, n_steps = 12, pulse_probability = 0.6}
network = {width = 6}
training = {batch = 8, epoch_steps = 4, max_epochs = 2, threshold = 1e-9}
[[factors]]
name = "start"
task = "flipflop"
levels = [{value = 0, label = "drawn"}, {value = 1, label = "trained", start = "START"}]
"""
"""No network converges, so that nothing is measured."""


@pytest.fixture(scope="module")
def old():
    return rnne.train_population(TASK, network=NETWORK, training=NEVER, size=3)


@pytest.fixture
def text(old, tmp_path):
    return SWEEP.replace("START", str(rnne.save(tmp_path / "first", old)))


def populations(folder):
    """Of each condition, by whether it started from trained networks."""
    runs = [rnne.load(each) for each in (folder / "conditions").iterdir()]
    return {run.condition.start is not None: run.population for run in runs}


@pytest.mark.long
def test_a_level_starts_from_a_run_folder(text, old, tmp_path):
    folder = rnne.run_sweep(text, runs=tmp_path, quiet=True)
    found = populations(folder)
    assert_equal(found[True].initial_params, old.params)
    task = dataclasses.replace(TASK, pulse_probability=0.6)
    assert found[True] == rnne.train_population(task, start=old, training=NEVER)
    assert found[False] == rnne.train_population(task, network=NETWORK, training=NEVER, size=3)
    sharded = rnne.run_sweep(text, runs=tmp_path / "sharded", shards=2, quiet=True)
    assert populations(sharded) == found
    (tmp_path / "first").rename(tmp_path / "moved")  # its networks are in the sweep's folder
    moved = text.replace("first", "moved")
    assert rnne.run_sweep(moved, runs=tmp_path, quiet=True) == folder
    sweep, outcomes = rnne.load_sweep(folder)
    assert len(outcomes) == 2
    assert rnne.run_sweep(sweep, runs=tmp_path, quiet=True) == folder
    with pytest.raises(ValueError, match="`start` of a condition on flipflop is a recipe, whose n"):
        rnne.run_sweep(sweep, runs=tmp_path / "elsewhere", quiet=True)


def test_other_networks_are_another_sweep(text, old, tmp_path):
    """What counts is which networks they are, not where they lie."""
    folder = rnne.run_sweep(text, runs=tmp_path, only=["start=0"], quiet=True)
    first = read_sweep((folder / "sweep.toml").read_text()).digest
    other = rnne.train_population(TASK, network=NETWORK, training=NEVER, size=3, seed=7)
    rnne.save(tmp_path / "first", other, replace=True)
    with pytest.raises(ValueError, match="`sweep` has changed since"):
        rnne.run_sweep(text, runs=tmp_path, quiet=True)
    rnne.save(tmp_path / "first", old, replace=True)
    rnne.run_sweep(text, runs=tmp_path, only=["start=0"], quiet=True)
    assert read_sweep((folder / "sweep.toml").read_text()).digest == first


def test_starts_that_do_not_fit_are_refused_first(text, old, tmp_path):
    def refused(changed, message):
        with pytest.raises(ValueError, match=message):
            rnne.run_sweep(changed, runs=tmp_path / "none", quiet=True)
        assert not (tmp_path / "none").exists()

    refused(text.replace("first", "nowhere"), "nowhere")
    refused(text.replace("size = 3", "size = 4"), "`size` must be that of `start`, 3")
    refused(text.replace("width = 6", "width = 7"), "`network` must be that of `start`")
    lost = dataclasses.replace(old, diverged=np.array([True, False, False]))
    rnne.save(tmp_path / "first", lost, replace=True)
    refused(text, "`start` must hold no network that diverged")


def test_networks_that_keep_away_may_start_from_trained_ones(old):
    """From the solution itself they begin as like it as can be, and drawn ones do not."""
    converged = dataclasses.replace(old, converged=np.ones(3, bool))
    first = rnne.Chosen(converged, [0])
    how = {"training": NEVER, "deflation": rnne.Deflation(strength=0.5)}
    drawn = rnne.deflate(TASK, first, size=3, **how)
    found = rnne.deflate(TASK, first, start=converged, **how)
    assert (found.size, found.recipe.start) == (3, old.recipe)
    assert_equal(found.initial_params, old.params)
    assert found.history.penalty[0, 0] > drawn.history.penalty[0, 0]
    longer = dataclasses.replace(NEVER, max_epochs=3)
    gone_on = rnne.deflate(TASK, first, resume=found, size=3, **how | {"training": longer})
    assert gone_on == rnne.deflate(TASK, first, start=converged, **how | {"training": longer})
    with pytest.raises(ValueError, match="`start` and `resume` exclude one another"):
        rnne.deflate(TASK, first, start=converged, resume=found, **how)


def assert_equal(a, b):
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)
