"""Degeneracy along training is that of each snapshot; classes are told where they are planted."""

import dataclasses
import itertools

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble import stats
from rnnensemble.cli.commands import main
from rnnensemble.files import folders, stages
from tests.test_population import compilations
from tests.tiny import ANALYSIS, NETWORK, TASK, TINY

TRAINING = rnne.Training(
    batch=8, epoch_steps=4, max_epochs=3, patience=2, threshold=10.0, snapshots=(0, 1, 3)
)


FEATURES = rnne.FeatureAnalysis(trials=4, step_stride=4)


@pytest.fixture(scope="module")
def population():
    return rnne.train_population(TASK, network=NETWORK, training=TRAINING, size=3)


@pytest.fixture(scope="module")
def last(population):
    return rnne.measure_degeneracy(population, analysis=ANALYSIS)


@pytest.fixture(scope="module")
def moved(population):
    return rnne.measure_feature_learning(population, analysis=FEATURES)


@pytest.fixture(scope="module")
def found(population, last, moved):
    seen = compilations()
    levels = []
    found = rnne.measure_over_training(
        population,
        analysis=ANALYSIS,
        features=FEATURES,
        progress=lambda level, *_: levels.append(level),
    )
    assert seen == []  # the programs of one epoch are those of all
    assert {"epoch 0, dynamics", "epoch 2, weights"} <= set(levels)
    return found


@pytest.mark.long
def test_each_epoch_is_what_its_networks_alone_have(population, last, found):
    assert found.epochs == (0, 1, 2)  # all have stopped after two: 3 would be the same
    np.testing.assert_array_equal(found.stop_epochs, [2, 2, 2])
    assert found.degeneracy[-1].table() == last.table()
    first = rnne.measure_degeneracy(population.at_epoch(0), analysis=ANALYSIS)
    assert found.degeneracy[0].table() == first.table()
    rows = found.table()
    assert [row["epoch"] for row in rows if row["measure"] == "pif"] == [0, 1, 2]
    assert len(rows) == 3 * (len(first.table()) + 3)  # and of feature learning
    np.testing.assert_array_equal(found.matrices("weights")[0], first.weights.matrix)
    assert found.matrices("disagreement").shape == (3, 3, 3)
    assert found.to_dict()["degeneracy"][2] == last.to_dict()
    assert "3 networks after epochs 0, 1, 2" in repr(found)


def test_networks_move_away_from_their_start(population, moved, found):
    start, middle, end = found.features
    for name in ("weight_change", "kernel_alignment", "representation_alignment"):
        np.testing.assert_array_equal(getattr(end, name), getattr(moved, name))
        values = [row["value"] for row in found.table() if row["measure"] == name]
        assert values[1:] == pytest.approx([getattr(each, name).mean() for each in (middle, end)])
    np.testing.assert_array_equal(start.weight_change, 0)
    np.testing.assert_allclose(start.kernel_alignment, 1, atol=1e-6)
    weights = [population.at_epoch(epoch).params.recurrent_weights for epoch in (0, 1)]
    change = np.linalg.norm(weights[1] - weights[0], axis=(1, 2))
    np.testing.assert_allclose(middle.weight_change, change, rtol=1e-5)
    assert found.to_dict()["features"][2] == moved.table()
    without = dataclasses.replace(found, features=None)
    assert "features" not in without.to_dict()
    assert not any(row["level"] == "features" for row in without.table())


@pytest.mark.long
def test_who_converges_only_later_counts_from_the_start(population, found):
    late = dataclasses.replace(population, converged=np.array([True, False, True]))
    early = rnne.measure_over_training(late, analysis=ANALYSIS).degeneracy[0]
    np.testing.assert_array_equal(early.networks, [0, 2])
    assert early.size == 3


def planted(found, matrices):
    """What was measured, with other distances of dynamics."""
    degeneracy = [
        dataclasses.replace(
            each,
            networks=np.arange(len(matrix)),
            distances=each.distances | {"dynamics": each.dynamics._replace(matrix=matrix)},
        )
        for each, matrix in zip(found.degeneracy, matrices, strict=True)
    ]
    return dataclasses.replace(found, degeneracy=tuple(degeneracy))


def between(places):
    return np.linalg.norm(places[:, None] - places[None], axis=-1)


def test_classes_are_told_from_when_networks_lie_by_class(found):
    rng = np.random.default_rng(0)
    ends = np.repeat([0, 1], [12, 8])
    noise = rng.normal(size=(3, 20, 2))
    moved = [between(each + size * ends[:, None]) for each, size in zip(noise, (0, 9, 9))]  # noqa: B905
    told = rnne.predict_classes(planted(found, moved), permutations=999)
    np.testing.assert_array_equal(told.classes, ends)
    assert told.told_from == 1
    assert [each.accuracy.value for each in told.accuracy[1:]] == [1.0, 1.0]
    assert told.accuracy[0].p_value > 0.05
    assert [row["epoch"] for row in told.table()] == [0, 1, 2]
    names = np.where(ends, "ring", "point")
    by_name = rnne.predict_classes(planted(found, moved), classes=names, permutations=999)
    assert by_name.table() == told.table()
    never = rnne.predict_classes(planted(found, moved[::-1]), classes=names, permutations=99)
    assert never.told_from is None  # at the end they cannot be told
    missing = [np.where(np.eye(20, k=0)[3] + np.eye(20)[3][:, None] > 0, np.nan, moved[1])] * 3
    without = rnne.predict_classes(planted(found, missing), permutations=99)
    assert 3 not in without.networks
    figure = rnne.figures.over_training_figure(found, told, title="$ of a user")
    assert [axes.get_xlabel() for axes in figure.axes] == ["epochs trained (0: start)"] * 8
    figure.draw_without_rendering()


def test_bad_input(population, found):
    with pytest.raises(ValueError, match="`population` must have snapshots, which it has not"):
        rnne.measure_over_training(dataclasses.replace(population, snapshots=None))
    lost = dataclasses.replace(population, converged=np.zeros(3, bool))
    with pytest.raises(ValueError, match="at least 2 converged networks"):
        rnne.measure_over_training(lost)
    with pytest.raises(ValueError, match=r"`measure` must be one of distances .* 'topology'"):
        found.matrices("topology")
    with pytest.raises(ValueError, match="`classes` must be at least 2; all 3 networks are of one"):
        rnne.predict_classes(found)
    with pytest.raises(ValueError, match=r"at least 2 networks each, .*; b has 1"):
        rnne.predict_classes(found, classes=["a", "a", "b"])
    with pytest.raises(ValueError, match=r"class for each of the 3 networks; got shape \[2\]"):
        rnne.predict_classes(found, classes=[0, 1])
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match="`permutations` must be a whole number of at least 1"):
            stats.class_accuracy(np.ones((4, 4)), [0, 0, 1, 1], permutations=wrong)


def test_clusters_are_the_planted_ones():
    rng = np.random.default_rng(1)
    ends = rng.permutation(np.repeat([0, 1, 2], [9, 6, 4]))
    places = rng.normal(size=(19, 3)) * 0.3 + 5 * np.eye(3)[ends]
    np.testing.assert_array_equal(stats.solution_classes(between(places)), ends)
    one = between(rng.normal(size=(40, 10)))  # a cloud: no cut stands out
    assert (stats.solution_classes(one) == 0).all()
    lone = between(np.array([[0.0], [0.1], [0.2], [0.3], [9.0]]))  # one that lies apart is no class
    assert (stats.solution_classes(lone) == 0).all()
    dead = between(places)
    dead[4] = dead[:, 4] = np.nan
    found = stats.solution_classes(dead)
    assert found[4] == -1
    np.testing.assert_array_equal(np.delete(found, 4), np.delete(ends, 4))
    assert (stats.solution_classes(np.zeros((5, 5))) == 0).all()


def test_accuracy_is_counted_and_its_null_enumerated():
    rng = np.random.default_rng(2)
    matrix, classes = between(rng.normal(size=(7, 2))), np.array([0, 0, 0, 0, 1, 1, 1])
    nearest = [min((j for j in range(7) if j != i), key=lambda j: matrix[i, j]) for i in range(7)]

    def balanced(labels):
        right = np.array([labels[i] == labels[nearest[i]] for i in range(7)])
        return (right[labels == 0].mean() + right[labels == 1].mean()) / 2

    found = stats.class_accuracy(matrix, classes, permutations=20_000)
    assert found.accuracy.value == pytest.approx(balanced(classes))
    every = [
        balanced(np.isin(np.arange(7), chosen).astype(int))
        for chosen in itertools.combinations(range(7), 3)
    ]
    assert found.null == pytest.approx(np.mean(every), abs=0.01)
    exact = np.mean(np.array(every) >= found.accuracy.value - 1e-12)
    assert found.p_value == pytest.approx(exact, abs=0.02)
    assert 0 <= found.accuracy.low <= found.accuracy.value <= found.accuracy.high <= 1


@pytest.mark.long
def test_the_command_line_measures_along_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    main(["train", "tiny.toml", "--training.snapshots", "0", "1", "--name", "mine", "--quiet"])
    folder = tmp_path / "runs" / "mine"
    main(["analyse", "runs/mine", "--over-training"])
    shown = capsys.readouterr().out
    assert "along training" in shown
    assert "is not predicted: `classes` must be at least 2" in shown
    rows = folders.read_rows(folder / "over_training.csv")
    assert {row["epoch"] for row in rows} == {"0", "1", "2"}
    assert sum(row["measure"] == "kernel_alignment" for row in rows) == 3
    assert (folder / "figures" / "over_training.svg").exists()
    manifest = stages.read_manifest(folder)
    assert "over_training.csv" in manifest["files"]
    assert not stages.broken_files(folder, manifest)
    main(["show", "runs/mine"])
    told = "snapshots after epochs 0, 1; measure at them with: rnnensemble analyse runs/mine --over"
    assert told in capsys.readouterr().out
    main(["train", "tiny.toml", "--name", "plain", "--quiet"])
    with pytest.raises(SystemExit):
        main(["analyse", "runs/plain", "--over-training"])
    assert "`population` must have snapshots" in capsys.readouterr().err
