"""Distances of autocovariances: exact and planted cases, sums over batches, what is left out."""

import jax
import numpy as np
import pytest

from rnnensemble import compare_networks, distance_matrix
from rnnensemble.metrics import Autocovariance

RNG = np.random.default_rng(0)
STEPS = 21
LATER = (STEPS - 1) / STEPS
"""Share of the samples that have one a step later."""


def turning(angles, sizes=None, phases=12):
    """Rates of planes that turn by these angles a step, with every phase alike, `[B, T, 2 P]`."""
    sizes = np.ones(len(angles)) if sizes is None else np.asarray(sizes, float)
    grid = np.stack(np.meshgrid(*[np.arange(phases) * 2 * np.pi / phases] * len(angles)), -1)
    start = grid.reshape(-1, len(angles))
    now = start[:, None] + np.arange(STEPS)[:, None] * np.asarray(angles)
    both = np.stack([np.cos(now), np.sin(now)], axis=-1) * sizes[:, None]
    return both.reshape(len(start), STEPS, -1)


def driven(units=10, trials=20, seed=0):
    """Rates of a random network that inputs drive."""
    rng = np.random.default_rng(seed)
    weights = 1.3 * rng.normal(size=(units, units)) / units**0.5
    state, rows = np.zeros((trials, units)), []
    inputs = rng.normal(size=(trials, STEPS, 2)) @ rng.normal(size=(2, units))
    for step in range(STEPS):
        state = np.tanh(state @ weights.T + inputs[:, step])
        rows.append(state)
    return np.stack(rows, axis=1)


def defined(rates, lags=(0, 1)):
    """Autocovariances in float64, of unit norm together."""
    rates = np.asarray(rates, float)
    centered = rates - rates.mean(axis=(0, 1))
    whole = centered.shape[0] * centered.shape[1]
    found = [
        np.einsum("bti,btj->ij", centered[:, k:], centered[:, : centered.shape[1] - k]) / whole
        for k in lags
    ]
    return np.array(found) / np.linalg.norm(found)


def distance(first, second, **settings):
    return float(distance_matrix(Autocovariance(**settings), [first, second])[0, 1])


@pytest.mark.parametrize("lags", [(0, 1), (0, 3)])
def test_a_distance_is_the_definition_at_its_rotation(lags):
    metric = Autocovariance(lags=lags, components=10)
    data = [driven(seed=0), driven(seed=1)]
    found = compare_networks(metric, data).found
    axes = []
    for rates in data:
        gamma = defined(rates, lags)
        values, vectors = np.linalg.eigh(gamma[0])
        vectors = vectors[:, ::-1]
        vectors = vectors * np.where(
            vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(values))] < 0, -1, 1
        )
        axes.append(vectors.T @ gamma @ vectors)
    c = np.asarray(found.rotation[0], float)
    np.testing.assert_allclose(c @ c.T, np.eye(10), atol=1e-5)
    direct = np.linalg.norm(axes[0] - c @ axes[1] @ c.T)
    assert found.distance[0] == pytest.approx(direct, abs=1e-4)
    assert 0 < found.lower_bound[0] <= found.distance[0]
    assert found.left_out[0] == pytest.approx(0, abs=1e-5)


def test_two_units_equal_a_dense_scan():
    angle = np.linspace(0, 2 * np.pi, 4001)
    rotation = np.moveaxis(
        np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), 2, 0
    )
    every = np.concatenate([rotation, rotation @ np.diag([1, -1])])
    for seed in range(4):
        data = [driven(2, seed=2 * seed), driven(2, seed=2 * seed + 1)]
        a, b = (defined(rates) for rates in data)
        turned = every[:, None] @ b @ np.swapaxes(every, 1, 2)[:, None]
        scan = np.sqrt(((a - turned) ** 2).sum(axis=(1, 2, 3))).min()
        assert distance(*data) == pytest.approx(scan, abs=1e-4)


def test_copies_are_at_distance_0_and_noise_moves_them_little():
    rates = driven()
    turn = np.linalg.qr(RNG.normal(size=(10, 10)))[0]
    copy = 3 * rates @ turn + 5
    assert distance(rates, copy) < 2e-3
    assert distance(rates, rates[..., RNG.permutation(10)]) < 2e-3
    noisy = copy + 0.1 * copy.std() * RNG.normal(size=copy.shape)
    assert distance(rates, noisy) < 0.05
    assert distance(rates, driven(seed=1)) > 0.15


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_of_the_rates_do_not_matter(unit):
    """Amperes or hertz: squares of squares would leave the range of float32."""
    pair = driven(), driven(seed=1)
    assert distance(*(unit * x for x in pair)) == pytest.approx(distance(*pair), rel=1e-3)


def test_silent_units_and_directions_of_little_variance_count_little():
    rates, other = driven(), driven(seed=1)
    silent = np.concatenate([rates, np.zeros((*rates.shape[:2], 7))], axis=-1)
    assert distance(silent, other) == pytest.approx(distance(rates, other), abs=1e-3)
    little = 0.1 * rates.std() * RNG.normal(size=(*rates.shape[:2], 7))
    more = np.concatenate([rates, little], axis=-1)
    assert distance(more, rates) < 0.02


def test_one_geometry_with_other_dynamics_is_told_apart():
    slow, fast = turning([0.2]), turning([0.7])
    expected = 2 * LATER * np.sin(0.25) / (1 + LATER**2) ** 0.5
    assert distance(slow, fast) == pytest.approx(expected, abs=1e-4)


def test_the_same_dynamics_in_another_geometry_are_told_apart():
    """Two planes that turn alike, of equal size or of sizes 1 and 1/2: only the spread differs."""
    equal, unequal = turning([0.4, 0.4]), turning([0.4, 0.4], [1, 0.5])
    shares = np.array([1, 1, 1, 1]) / 2, np.array([1, 1, 0.25, 0.25]) / np.sqrt(2.125)
    expected = np.linalg.norm(shares[0] - shares[1])
    assert distance(equal, unequal) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("planes", [1, 2, pytest.param(3, marks=pytest.mark.long)])
def test_planted_distances_do_not_depend_on_the_dimension_unless_scaled_by_variance(planes):
    """Every plane of one network turns faster than those of the other: as far at any dimension."""
    pair = [turning([angle] * planes, phases=6) for angle in (0.2, 0.7)]
    by_norm = 2 * LATER * np.sin(0.25) / (1 + LATER**2) ** 0.5
    assert distance(*pair) == pytest.approx(by_norm, abs=1e-3)
    by_variance = 2 * LATER * np.sin(0.25) / (2 * planes) ** 0.5
    assert distance(*pair, scale="variance") == pytest.approx(by_variance, abs=1e-3)


def test_what_components_leave_out_bounds_the_change():
    data = [driven(seed=seed) for seed in range(4)]
    whole = compare_networks(Autocovariance(components=10), data).found
    part = compare_networks(Autocovariance(components=3), data).found
    assert (np.abs(whole.distance - part.distance) <= part.left_out + 1e-3).all()
    axes = [np.linalg.eigh(defined(x)[0])[1][:, -3:] for x in data]
    rest = [
        np.linalg.norm(g - v @ v.T @ g @ v @ v.T)
        for g, v in zip(map(defined, data), axes, strict=True)
    ]
    first, second = np.triu_indices(4, 1)
    np.testing.assert_allclose(
        part.left_out, np.array(rest)[first] + np.array(rest)[second], atol=1e-4
    )
    np.testing.assert_array_equal(part.ranks, 3)


def test_sums_over_batches_are_those_of_all_trials():
    metric = Autocovariance(components=6, lags=(0, 3))
    rates = (driven() + 40).astype(np.float32)  # a large mean costs no digits
    running, add = jax.jit(metric.begin)(rates[:4]), jax.jit(metric.add)
    for start in range(0, 20, 4):
        running = add(running, rates[start : start + 4])
    found = jax.jit(metric.autocovariances)(running)
    expected = defined(rates, (0, 3))
    np.testing.assert_allclose(found / np.linalg.norm(found), expected, atol=1e-5)
    alone, finished = jax.jit(metric.prepare)(rates), jax.jit(metric.finish)(running)
    for a, b in zip(jax.tree.leaves(finished), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_overlaps_are_convex_in_the_rotation():
    """So that padding with zeros, which allows any contraction, finds nothing closer."""
    metric = Autocovariance(lags=(0, STEPS - 2), components=3)
    prepare = jax.jit(metric.prepare)

    def found(seed):
        """Of steps that repeat at the end as they began: few products, all of them large."""
        rates = np.random.default_rng(seed).normal(size=(2, STEPS, 3))
        rates[:, 2:-2] *= 0.1
        rates[:, -2:] = rates[:, :2]
        return np.asarray(prepare(rates.astype(np.float32)).matrices, float)

    def least(a, b):
        form = sum(np.kron(x, y) for x, y in zip(a, b, strict=True))
        return np.linalg.eigvalsh(form + form.T).min()

    a, b = found(0), found(1)
    b[1] *= -1  # a sign that pairs the largest against the smallest
    assert least(a, b) > -1e-5
    own_count = np.array([1, STEPS / 2])[:, None, None]
    assert least(a * own_count, b * own_count) < -1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lags": (1,)}, "`lags` must be 0 and a whole number of steps"),
        ({"lags": (0, 1, 2)}, "`lags` must be 0 and at most one other"),
        ({"lags": (0, 1.5)}, "`lags` must be 0 and a whole number"),
        ({"components": 0}, "`components` must be a whole number of at least 1"),
        ({"scale": "trace"}, "`scale` must be one of"),
        ({"lags": (0, STEPS)}, f"need trials of at least {STEPS + 1} steps; got {STEPS}"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        distance(driven(), driven(seed=1), **settings)
