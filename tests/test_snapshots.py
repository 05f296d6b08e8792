"""Snapshots: parameters after named epochs, of networks that train as they do without."""

import dataclasses

import jax
import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble._core import runtime
from rnnensemble.files import stages
from rnnensemble.training.memory import require_host_room
from rnnensemble.training.recipe import group_key, with_epochs
from rnnensemble.training.snapshots import log_spaced
from tests.test_population import compilations
from tests.tiny import NETWORK, TASK

PLAIN = rnne.Training(
    batch=8,
    epoch_steps=4,
    max_epochs=4,
    patience=2,
    learning_rate=(1e-3, 1e38, 1e-2),
    threshold=(1e-9, 1.0, 1e9),
)
"""The first network goes on, the second diverges in the first epoch, the third stops after two."""
EPOCHS = (0, 1, 3, 4)
NAMED = dataclasses.replace(PLAIN, snapshots=EPOCHS)


def train(training=NAMED, **options):
    how = {"size": 3, "devices": 1} | options
    return rnne.train_population(TASK, network=NETWORK, training=training, **how)


@pytest.fixture(scope="module")
def plain():
    return train(PLAIN)


@pytest.fixture(scope="module")
def named():
    return train()


def same(first, second):
    for x, y in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(x, y)


def test_networks_are_the_same_with_and_without_to_the_last_bit(plain, named):
    assert dataclasses.replace(named, recipe=plain.recipe, snapshots=None) == plain
    np.testing.assert_array_equal(named.stop_epoch, [4, 1, 2])
    assert group_key(plain.recipe) == group_key(named.recipe)
    seen = compilations()
    train(dataclasses.replace(NAMED, snapshots=(2,)))
    assert not [name for name in seen if "epoch" in name]


def test_a_snapshot_is_what_training_up_to_it_gives(named):
    same(named.at_epoch(0).params, named.initial_params)
    same(named.at_epoch(4).params, named.params)
    for epoch in (1, 3):
        shorter = train(dataclasses.replace(PLAIN, max_epochs=epoch))
        same(named.at_epoch(epoch).params, shorter.params)
    last = jax.tree.map(lambda x: x[2, 3], named.snapshots)  # it stopped before: its last ones
    same(last, jax.tree.map(lambda x: x[2], named.params))
    assert named.at_epoch(1).converged.tolist() == [False, False, True]
    for x in jax.tree.leaves(named.snapshots):
        assert x.shape[:2] == (3, 4)
        assert x.dtype == np.float32


def test_what_goes_on_comes_to_the_same_snapshots(named):
    kept = []
    train(checkpoint=kept.append, checkpoint_seconds=0.0)
    for each in kept[:2]:
        assert rnne.resume(each, devices=1) == named
    first = kept[0]  # after an epoch: what is not reached yet has the parameters of now
    same(jax.tree.map(lambda x: x[:, 3], first.snapshots), first.params)
    longer = rnne.resume(named, max_epochs=6, devices=1)
    assert longer == train(with_epochs(named.recipe, 6).training)
    same(longer.snapshots, named.snapshots)  # `resume` has not written into what it was given


def test_parts_and_groups_have_theirs(named):
    assert rnne.concatenate([named[:2], named[2:]]) == named
    same(named[[2, 0]].snapshots, jax.tree.map(lambda x: x[[2, 0]], named.snapshots))
    first, rest = named[:1].recipe, named[1:].recipe
    rest = dataclasses.replace(rest, training=dataclasses.replace(rest.training, snapshots=(2,)))
    both = rnne.train_populations([first, rest], devices=1)
    assert both[0] == named[:1]
    shorter = train(dataclasses.replace(PLAIN, max_epochs=2))
    same(both[1].at_epoch(2).params, shorter[1:].params)
    none = dataclasses.replace(rest, training=dataclasses.replace(rest.training, snapshots=()))
    assert rnne.train_populations([first, none], devices=1)[1].snapshots is None
    with pytest.raises(ValueError, match="`populations` must share the training"):
        rnne.concatenate(both)


def test_run_folders_keep_them(named, plain, tmp_path):
    folder = rnne.save(tmp_path / "named", named)
    assert rnne.load(folder).population == named
    assert not list(rnne.save(tmp_path / "plain", plain).glob("snapshots*"))
    (tree,) = folder.glob("snapshots*")
    tree.unlink()
    with pytest.raises(ValueError, match=r"snapshots.msgpack is missing or damaged"):
        rnne.load(folder)
    assert stages.read_manifest(folder)["size"] == 3


def test_epochs_spaced_evenly_on_a_logarithmic_axis():
    assert log_spaced(4096, 5) == (0, 1, 16, 256, 4096)
    assert log_spaced(7, 8) == tuple(range(8))
    for last in range(1, 60):
        for count in range(2, last + 2):
            found = log_spaced(last, count)
            assert (len(found), found[0], found[-1]) == (count, 0, last)
            assert min(np.diff(found)) >= 1
    for count in (1, 12, 2.0, True):
        with pytest.raises(ValueError, match="`count` must be a whole number of at least 2"):
            log_spaced(10, count)


def test_bad_input(named, plain, monkeypatch):
    for wrong in ((3, 1), (1, 1), (-1, 2), (0.5,), 3, "log"):
        with pytest.raises(ValueError, match="`snapshots` must be epochs, whole numbers"):
            rnne.Training(snapshots=wrong)
    with pytest.raises(ValueError, match="last epoch, `max_epochs` 4; got 5"):
        dataclasses.replace(NAMED, snapshots=(0, 5))
    with pytest.raises(ValueError, match=r"has a snapshot \(0, 1, 3, 4\); got 2"):
        named.at_epoch(2)
    with pytest.raises(ValueError, match=r"has a snapshot \(none; train with"):
        plain.at_epoch(0)
    with pytest.raises(ValueError, match="`resume` must have the same training"):
        rnne.train_populations([plain.recipe], resume=[named])
    each = 4 * sum(x.size for x in jax.tree.leaves(named.params))  # a snapshot of all
    monkeypatch.setattr(runtime, "host_bytes", lambda: 10.0 * each)
    require_host_room([plain.recipe])
    many = dataclasses.replace(NAMED, max_epochs=8, snapshots=tuple(range(9)))
    with pytest.raises(ValueError, match=r"with 9 `snapshots` needs at least .* GB of memory"):
        train(many)
