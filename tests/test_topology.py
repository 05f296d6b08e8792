"""Distances between sets of fixed points, and the level made of them."""

import dataclasses
import itertools

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.analysis.distances import renumbered
from rnnensemble.analysis.fixed_points.points import FixedPoints, find_fixed_points
from rnnensemble.analysis.fixed_points.topology import measure_topology, set_distance, topology_of


def points(outputs, unstable, fixed=None):
    """Fixed points with these outputs `[P, O]` and numbers of unstable directions."""
    outputs, count = np.asarray(outputs, float), len(unstable)
    return FixedPoints(
        points=np.zeros((count, 2)),
        speeds=np.zeros(count),
        outputs=outputs,
        spectra=np.zeros((count, 2), complex),
        unstable=np.asarray(unstable, int),
        fixed=np.ones(count, bool) if fixed is None else np.asarray(fixed),
        reached=np.ones(count, int),
        lost=0,
        lines=(),
        cycle=None,
    )


def by_hand(first, second, scale):
    """OSPA by trying all matchings."""
    small, large = sorted((first, second), key=lambda each: len(each.outputs))
    n, m = len(small.outputs), len(large.outputs)
    if not m:
        return 0.0

    def cost(i, j):
        if small.unstable[i] != large.unstable[j]:
            return 1.0
        return min(1.0, np.linalg.norm(small.outputs[i] - large.outputs[j]) / scale)

    orders = itertools.permutations(range(m), n)
    best = min(sum(cost(i, j) for i, j in enumerate(order)) for order in orders)
    return (best + m - n) / m


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    return [
        points(rng.normal(size=(count, 2)), rng.integers(0, 2, count)) for count in (0, 1, 3, 4, 5)
    ]


def test_distance_equals_all_matchings(sets):
    for first, second in itertools.product(sets, repeat=2):
        wanted = by_hand(first, second, 2.0)
        assert set_distance(first, second, scale=2.0) == pytest.approx(wanted)


def test_distance_is_a_metric(sets):
    distance = {
        (i, j): set_distance(sets[i], sets[j], scale=1.5)
        for i, j in itertools.product(range(5), repeat=2)
    }
    for i, j, k in itertools.product(range(5), repeat=3):
        assert distance[i, j] == distance[j, i]
        assert (distance[i, j] == 0) == (i == j)
        assert distance[i, k] <= distance[i, j] + distance[j, k] + 1e-12


def test_known_distances():
    two = points([[0.0], [1.0]], [0, 0])
    assert set_distance(two, points([[1.0], [0.0]], [0, 0]), scale=2.0) == 0
    assert set_distance(two, points([[0.0], [1.5]], [0, 0]), scale=2.0) == pytest.approx(0.125)
    assert set_distance(two, points([[0.0], [1.0]], [0, 1]), scale=2.0) == pytest.approx(0.5)
    assert set_distance(two, points([[0.0]], [0]), scale=2.0) == pytest.approx(0.5)
    slow = points([[0.0], [1.0], [5.0]], [0, 0, 0], [True, True, False])
    assert set_distance(two, slow, scale=2.0) == 0


def test_agreement_is_the_share_of_the_most_frequent_counts():
    same = [points([[0.0], [1.0]], [0, 1]) for _ in range(3)]
    found = topology_of([*same, points([[0.0]], [0])], scale=1.0)
    np.testing.assert_array_equal(found.counts, [[1, 1, 0]] * 3 + [[1, 0, 0]])
    assert found.agreement == 0.75
    assert found.typical == (1, 1)
    assert topology_of([points(np.zeros((0, 1)), [])] * 2, scale=1.0).typical == (0,)
    assert found.matrix[0, 3] == pytest.approx(0.5)
    assert found.mean.low <= found.mean.value <= found.mean.high


def test_one_bit_networks_agree_whatever_the_order_of_units():
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=1, n_steps=30),
        network=rnne.VanillaRNN(width=16),
        training=rnne.Training(batch=32, learning_rate=5e-3, threshold=0.003, max_epochs=60),
        size=3,
    )
    found = measure_topology(population)
    assert found.counts.shape == (3, 17)
    np.testing.assert_array_equal(found.counts[:, :3], [[2, 1, 0]] * 3)
    assert found.agreement == 1.0
    assert found.mean.value < 0.05
    parameters = population.params._asdict()
    kept = {name: parameters[name] for name in parameters if name != "initial_state"}
    mixed = renumbered(kept, seed=0, signed=True)
    params = population.params._replace(**mixed)
    other = find_fixed_points(dataclasses.replace(population, params=params))
    for mine, theirs in zip(found.found, other, strict=True):
        assert set_distance(mine, theirs, scale=2.0) < 1e-6


def test_one_network_is_refused():
    population = rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=1, n_steps=10),
        network=rnne.VanillaRNN(width=4),
        training=rnne.Training(batch=2, epoch_steps=1, max_epochs=1),
        size=2,
    )
    with pytest.raises(ValueError, match="at least 2 converged networks; 0 of 2"):
        measure_topology(population)
