"""Parts of populations and joined ones are populations, whose recipes train just their networks."""

import dataclasses

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.training.recipe import Recipe, counted_from
from tests.tiny import ANALYSIS, TASK

TRAINING = rnne.Training(
    learning_rate=(1e-3, 2e-3, 3e-3, 4e-3, 5e-3),
    threshold=(1e9, 1e-9, 1e9, 1e-9, 1e9),
    batch=8,
    epoch_steps=2,
    max_epochs=2,
    patience=1,
)
NETWORK = rnne.VanillaRNN(width=4, gain=(0.5, 0.75, 1.0, 1.25, 1.5))


def train(recipe):
    return rnne.train_populations([recipe], devices=1)[0]


@pytest.fixture(scope="module")
def five():
    return train(Recipe(TASK, NETWORK, TRAINING, size=5, seed=3))


PARTS = {
    "first": (slice(3), [0, 1, 2]),
    "stepped": (slice(None, None, 2), [0, 2, 4]),  # all of them converged
    "indices": ([4, -4], [4, 1]),
    "array": (np.array([3, 0]), [3, 0]),
    "mask": (np.array([False, True, False, True, False]), [1, 3]),
    "one": (3, [3]),
    "one, by NumPy": (np.int64(0), [0]),
}


@pytest.mark.parametrize(("which", "indices"), PARTS.values(), ids=PARTS)
def test_the_recipe_of_a_part_trains_just_it(five, which, indices):
    part = five[which]
    assert (part.size, len(part)) == (len(indices), len(indices))
    np.testing.assert_array_equal(part.params.bias, five.params.bias[indices])
    assert part.recipe.own_starts == tuple((3, k) for k in indices)
    assert part.training.learning_rate == tuple(TRAINING.learning_rate[k] for k in indices)
    np.testing.assert_array_equal(part.thresholds, five.thresholds[indices])
    assert train(part.recipe) == part


def test_the_first_networks_are_a_smaller_population(five):
    assert five[:3].recipe.starts is None
    assert five[:] == five
    assert five[::-1][::-1] == five
    assert five[::-1][[4, 3]] == five[:2]
    assert five[2:][1] == five[3]
    assert [each.recipe.own_starts[0][1] for each in five] == [0, 1, 2, 3, 4]


def test_parts_join_to_what_they_were(five):
    assert rnne.concatenate([five[:2], five[2:]]) == five
    assert rnne.concatenate(five) == five
    assert rnne.concatenate([five[::2], five[1::2]]) == five[[0, 2, 4, 1, 3]]


def shard(numbers, **how):
    """Networks of seed 3 alone, with their own values."""
    rows = slice(numbers[0], numbers[-1] + 1)
    training = dataclasses.replace(
        TRAINING,
        learning_rate=TRAINING.learning_rate[rows],
        threshold=TRAINING.threshold[rows],
    )
    network = dataclasses.replace(NETWORK, gain=NETWORK.gain[rows])
    given = {"network": network, "training": training, "first": numbers[0]} | how
    return rnne.train_population(TASK, size=len(numbers), seed=3, devices=1, **given)


def test_shards_are_rows_of_the_population_and_join_to_it(five):
    parts = [shard(range(2)), shard(range(2, 3)), shard(range(3, 5))]
    assert parts == [five[:2], five[2:3], five[3:]]
    assert parts[0].recipe.starts is None
    assert parts[2].recipe.starts == ((3, 3), (3, 4))
    both = rnne.concatenate(parts)
    assert both == five
    assert both.recipe == five.recipe
    assert both.recipe.starts is None
    assert rnne.concatenate(parts[1:]).recipe == five[2:].recipe
    assert shard(range(2, 3), first=np.int64(2)) == parts[1]


@pytest.mark.parametrize("first", [-1, 1.0, 1.5, True, None, "2", 2**32, 2**32 - 1])
def test_numbers_of_networks_that_are_none_are_refused(first):
    with pytest.raises(ValueError, match="`first` must be a whole number of at least 0, and"):
        rnne.train_population(TASK, size=2, first=first)


def test_a_shard_that_is_too_large_is_refused_before_its_networks_are_listed(monkeypatch):
    monkeypatch.setattr("rnnensemble.training.train.counted_from", None)
    with pytest.raises(ValueError, match=r"`size` of 1,000,000,000 networks of `width` .* GB"):
        rnne.train_population(TASK, size=10**9, first=5)


def test_the_last_networks_of_a_seed_have_numbers_below_two_to_the_32():
    recipe = counted_from(Recipe(TASK, size=2, seed=1), 2**32 - 2)
    assert recipe.starts == ((1, 2**32 - 2), (1, 2**32 - 1))


def test_seeds_join_and_their_recipe_trains_them(five):
    other = train(
        Recipe(
            TASK,
            rnne.VanillaRNN(width=4),
            dataclasses.replace(TRAINING, learning_rate=1e-2, threshold=None),
            size=2,
            seed=8,
        )
    )
    both = rnne.concatenate([other, five[:1]])
    assert both.recipe.starts == ((8, 0), (8, 1), (3, 0))
    assert both.training.learning_rate == (1e-2, 1e-2, 1e-3)
    assert both.training.threshold == (TASK.threshold, TASK.threshold, 1e9)
    assert both.history.loss.shape == (3, 2)
    assert np.isnan(both.history.loss[2, 1])  # stopped before the others
    assert train(both.recipe) == both
    assert rnne.resume(both, max_epochs=3, devices=1) == train(
        dataclasses.replace(both.recipe, training=dataclasses.replace(both.training, max_epochs=3))
    )
    assert both[:2].recipe == dataclasses.replace(
        other.recipe,
        training=dataclasses.replace(
            other.training, learning_rate=(1e-2,) * 2, threshold=(TASK.threshold,) * 2
        ),
        network=dataclasses.replace(other.network, gain=(1.0, 1.0)),
    )


def test_a_part_goes_on_as_the_whole_does(five):
    longer = rnne.resume(five, max_epochs=3, devices=1)
    assert rnne.resume(five[[3, 0]], max_epochs=3, devices=1) == longer[[3, 0]]
    assert five[::2].state is None


def test_a_run_folder_holds_where_networks_started(five, tmp_path):
    for number, population in enumerate([five[[4, 1]], rnne.concatenate([five[3:], five[:1]])]):
        folder = rnne.save(tmp_path / str(number), population)
        loaded = rnne.load(folder).population
        assert loaded == population
        assert loaded.recipe.starts == population.recipe.starts
    assert "starts = [" not in (rnne.save(tmp_path / "whole", five) / "config.toml").read_text()


def test_what_was_stored_without_its_state_is_loaded_all_the_same(five, tmp_path):
    longer = dataclasses.replace(
        five, recipe=dataclasses.replace(five.recipe, training=longer_training()), state=None
    )
    assert longer.unfinished
    rnne.save(tmp_path / "run", longer)
    assert rnne.load(tmp_path / "run").population == longer
    with pytest.raises(ValueError, match="stored without what its networks go on from"):
        rnne.resume(rnne.load(tmp_path / "run").population)


def longer_training():
    return dataclasses.replace(TRAINING, max_epochs=4)


@pytest.mark.long
def test_parts_are_measured_as_any_population(five):
    part = five[[4, 3, 0]]
    both = five[[4, 0]]  # network 3 did not converge
    found, expected = (rnne.measure_degeneracy(x, analysis=ANALYSIS) for x in (part, both))
    np.testing.assert_array_equal(found.networks, [0, 2])
    assert found.table() == expected.table()
    inputs = np.ones((2, 10, 1))
    rates = five.respond(inputs).rates
    np.testing.assert_allclose(part.respond(inputs).rates, rates[[4, 3, 0]], atol=1e-6)
    search = rnne.FixedPointSearch(starts=4, trials=4, steps=10, settle=10)
    assert len(rnne.find_fixed_points(part, search=search)) == 2
    assert repr(part).startswith("<Population: 2 of 3 networks converged; vanilla, 4 units")


@pytest.mark.parametrize(
    ("which", "error", "message"),
    [
        ([], ValueError, r"`population\[...\]` must name at least one network"),
        (np.zeros(5, bool), ValueError, r"`population\[...\]` must name at least one network"),
        ([[0, 1]], ValueError, r"`population\[...\]` must name at least one network"),
        (5, IndexError, "out of bounds"),
        ([0, -6], IndexError, "out of bounds"),
        (np.ones(4, bool), IndexError, "boolean"),
    ],
)
def test_what_names_no_network_is_refused(five, which, error, message):
    with pytest.raises(error, match=message):
        five[which]


def test_populations_that_cannot_be_one_are_refused(five):
    with pytest.raises(ValueError, match="`populations` must hold at least one"):
        rnne.concatenate([])
    changes = {
        "training": dataclasses.replace(TRAINING, batch=4),
        "network": rnne.VanillaRNN(width=5),
        "task": rnne.tasks.FlipFlop(n_bits=1, n_steps=11),
        "deflation": rnne.Deflation(),
    }
    for name, value in changes.items():
        recipe = dataclasses.replace(five.recipe, **{name: value})
        other = dataclasses.replace(five, recipe=recipe)
        for pair in ([five, other], [other, five]):
            with pytest.raises(ValueError, match=f"`populations` must share the {name} but for"):
                rnne.concatenate(pair)


@pytest.mark.parametrize("starts", [((0, 0),), ((0, 0), (0, -1)), ((0, 0), (0,)), (0, 1), "ab"])
def test_starts_that_are_none_are_refused(starts):
    with pytest.raises(ValueError, match="`starts` must hold a seed and an index, each"):
        Recipe(TASK, size=2, starts=starts)


def test_seeds_that_contradict_the_starts_are_refused():
    with pytest.raises(ValueError, match="`seed` must be that of the first of `starts`, 4; got 0"):
        Recipe(TASK, size=2, starts=((4, 0), (4, 2)))
    assert Recipe(TASK, size=2, seed=4, starts=[[4, 0], [4, 2]]).starts == ((4, 0), (4, 2))


def test_a_part_of_a_deflated_population_goes_on_by_no_other_recipe(five):
    training = dataclasses.replace(TRAINING, learning_rate=1e-3, threshold=1e-9, batch=16)
    how = {"network": rnne.VanillaRNN(width=4), "training": training, "size": 2}
    population = rnne.deflate(TASK, five[::2], deflation=rnne.Deflation(), **how)
    with pytest.raises(ValueError, match="`resume` must have the same starts"):
        rnne.deflate(TASK, five[::2], resume=population[::-1], **how)
