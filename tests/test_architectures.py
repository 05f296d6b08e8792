"""Populations of several architectures in one comparison."""

import itertools

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.stats import separation
from tests import tiny

EASY = rnne.Training(threshold=9.0, patience=1, batch=8, epoch_steps=1, max_epochs=1)
NETWORKS = {"vanilla": tiny.NETWORK, "gru": rnne.GRU(width=5), "leaky": rnne.LeakyRNN(width=6)}


@pytest.fixture(scope="module")
def groups() -> dict[str, rnne.Population]:
    return {
        name: rnne.train_population(tiny.TASK, network=network, training=EASY, size=3)
        for name, network in NETWORKS.items()
    }


@pytest.mark.long
def test_groups_stand_in_one_matrix(groups) -> None:
    found = rnne.compare_groups("svcca", groups, trials=4)
    assert found.groups.tolist() == [name for name in NETWORKS for _ in range(3)]
    assert found.networks.tolist() == [0, 1, 2] * 3
    for (a, first), (b, second) in itertools.combinations_with_replacement(groups.items(), 2):
        part = found.matrix[np.ix_(found.groups == a, found.groups == b)]
        alone = rnne.compare_populations("svcca", first, None if a == b else second, trials=4)
        np.testing.assert_allclose(part, alone.matrix(), atol=1e-5)
    means = found.means()
    assert len(means) == 6
    within = found.matrix[:3, :3][np.triu_indices(3, 1)]
    assert means["vanilla", "vanilla"].value == pytest.approx(within.mean(), rel=1e-5)
    assert means["vanilla", "gru"].value == pytest.approx(found.matrix[:3, 3:6].mean(), rel=1e-5)


def test_metrics_of_several_arrays(groups) -> None:
    two = {name: groups[name][:2] for name in ("vanilla", "leaky")}
    metric = rnne.metrics.LinearPredictivity(null_space=True)
    found = rnne.compare_groups(metric, two, trials=4)
    alone = rnne.compare_populations(metric, two["vanilla"], two["leaky"], trials=4)
    np.testing.assert_allclose(found.matrix[:2, 2:], alone.matrix(), atol=1e-5)


def test_a_figure_of_groups(groups) -> None:
    found = {name: rnne.compare_groups(name, groups, trials=4) for name in ("svcca", "cka")}
    figure = rnne.figures.groups_figure(found, title="architectures")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0].startswith("svcca\n")
    assert "between groups (chance" in titles[0]
    labels = [text.get_text() for text in figure.axes[2].get_xticklabels()]
    assert labels[:3] == ["vanilla", "gru", "leaky"]
    assert set(labels[3:]) == {"vanilla, gru", "vanilla, leaky", "gru, leaky"}
    with pytest.raises(ValueError, match="`found` must hold at least one comparison; got none"):
        rnne.figures.groups_figure({})
    part = rnne.compare_groups("svcca", {"gru": groups["gru"]}, trials=4)
    with pytest.raises(ValueError, match="must hold comparisons of the same networks and groups"):
        rnne.figures.groups_figure(found | {"part": part})


def test_bad_groups(groups) -> None:
    with pytest.raises(ValueError, match="`groups` must hold at least one population; got none"):
        rnne.compare_groups("dsa", {})
    hard = rnne.Training(threshold=1e-9, patience=1, batch=8, epoch_steps=1, max_epochs=1)
    failed = rnne.train_population(tiny.TASK, network=tiny.NETWORK, training=hard, size=3)
    with pytest.raises(ValueError, match="must hold converged networks; 'failed' has none"):
        rnne.compare_groups("dsa", groups | {"failed": failed})


def test_update_rules_of_networks() -> None:
    """Architectures that learn by one rule may stand in one matrix."""
    rules = {name: each.update_rule for name, each in NETWORKS.items()}
    assert rules == dict.fromkeys(NETWORKS, "standard")
    assert rnne.LSTM(width=4).update_rule == "standard"
    assert rnne.FlaxRNN(cell="flax.nnx:GRUCell", width=4).update_rule == "standard"
    assert rnne.MuPRNN().update_rule == "mup"


def test_separation_is_that_of_permanova() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(7, 2))
    matrix = np.linalg.norm(places[:, None] - places, axis=-1)
    labels = np.array(["a", "b", "a", "b", "b", "a", "b"])

    def share(labels: np.ndarray) -> float:
        """One minus squared deviations from group means over those from the common one."""
        total = ((places - places.mean(axis=0)) ** 2).sum()
        own = [places[labels == name] for name in ("a", "b")]
        return 1 - sum(((x - x.mean(axis=0)) ** 2).sum() for x in own) / total

    found = separation(matrix, labels.tolist())
    shares = []
    for chosen in itertools.combinations(range(7), 3):
        other = np.full(7, "b")
        other[list(chosen)] = "a"
        shares.append(share(other))
    assert found.share == pytest.approx(share(labels))
    assert found.chance == pytest.approx(np.mean(shares))
    assert found.p_value == pytest.approx(np.mean(np.array(shares) >= share(labels) - 1e-12))


def test_separation_of_groups_that_differ_by_chance_alone() -> None:
    """p-values of groups drawn from one law are uniform."""
    rng, p_values = np.random.default_rng(1), []
    for _ in range(200):
        places = rng.normal(size=(12, 3))
        matrix = np.linalg.norm(places[:, None] - places, axis=-1)
        p_values.append(separation(matrix, [0] * 6 + [1] * 6, permutations=199).p_value)
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.09
    assert abs(np.mean(p_values) - 0.5) < 0.07


def test_bad_separations() -> None:
    matrix = 1 - np.eye(4)
    with pytest.raises(ValueError, match="must name a group for each of the 4 networks; got 3"):
        separation(matrix, [0, 0, 1])
    with pytest.raises(ValueError, match=r"at least two groups .* got 1 groups of 4 networks"):
        separation(matrix, [0] * 4)
    with pytest.raises(ValueError, match=r"at least two groups .* got 4 groups of 4 networks"):
        separation(matrix, [0, 1, 2, 3])
    with pytest.raises(ValueError, match="`matrix` must hold finite distances"):
        separation(np.where(matrix > 0, np.nan, 0), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="must hold a distance above 0; all are 0"):
        separation(np.zeros((4, 4)), [0, 0, 1, 1])
