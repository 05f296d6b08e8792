"""Enough trials: sums over batches, doubling until the null is small, reliability."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import (
    DSA,
    Analysis,
    DSAGrid,
    Training,
    distance_matrix,
    measure_degeneracy,
    train_population,
)
from rnnensemble._core import runtime
from rnnensemble.analysis import degeneracy
from rnnensemble.analysis.distances import distances
from rnnensemble.metrics import Autocovariance, operators
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.stats import reliability
from rnnensemble.training import evaluation
from rnnensemble.training.evaluation import Draw, batch_key, evaluation_key, subject_of
from tests import tiny

RNG = np.random.default_rng(0)
SMALL = tiny.ANALYSIS.dsa
ANALYSIS = dataclasses.replace(
    tiny.ANALYSIS,
    fixed_trials=False,
    most_trials=64,
    grid=DSAGrid(ranks=(2, 3), delays=(1, 2)),
)


def flat(count, trials=40, steps=30, units=5):
    """Trials of a noisy rotation whose directions carry very different shares of the variance."""
    turn = 0.9 * np.linalg.qr(np.random.default_rng(count).normal(size=(units, units)))[0]
    x = RNG.normal(size=(trials, units))
    rows = []
    for _ in range(steps):
        x = x @ turn.T + 0.1 * RNG.normal(size=x.shape)
        rows.append(x)
    return np.stack(rows, axis=1).astype(np.float32) * 10.0 ** -np.arange(units)


def same_operator(first, second, atol):
    """Equal up to the signs of the coordinates."""
    np.testing.assert_allclose(np.abs(first), np.abs(second), atol=atol)


@pytest.mark.parametrize("settings", [{}, {"n_delays": 3}, {"components": 4}])
def test_sums_over_batches_are_those_of_all_trials(settings):
    dsa = DSA(rank=4, **settings)
    data = flat(0)
    if "components" in settings:  # found from the first batch alone
        data = np.concatenate([data[:8]] * 5)
    running = jax.jit(dsa.begin)(data[:8])
    add = jax.jit(dsa.add)
    for start in range(0, 40, 8):
        running = add(running, data[start : start + 8])
    found = jax.jit(partial(operators.finished, rank=4))(running.sums)
    matrix, used = jax.jit(dsa.operator_from)(found)
    whole = jax.jit(lambda axes, x: dsa.operator_from(operators.moments(dsa.embed(axes, x), 4))[0])(
        running.axes, data
    )
    same_operator(matrix, whole, 2e-4)
    assert used == 4
    every = np.linalg.svd(
        np.asarray(dsa.embed(running.axes, jnp.asarray(data)), float).reshape(
            -1, running.sums.basis.shape[0]
        ),
        compute_uv=False,
    )
    np.testing.assert_allclose(found.scale, every[:4], rtol=1e-4)
    assert float(found.square * found.unit**2) == pytest.approx(np.sum(every**2), rel=1e-4)


def test_sums_in_fewer_coordinates_than_the_embedding_has(monkeypatch):
    """An embedding of 12 units and 4 delays, summed in 12 of its 48 coordinates."""
    data = np.concatenate([flat(0), flat(1), 0.01 * flat(2)], axis=-1)[:, :, :12]
    dsa = DSA(rank=3, n_delays=4)
    whole = jax.jit(dsa.fit)(data)
    monkeypatch.setattr(operators, "COORDINATES", 1)
    running = jax.jit(dsa.begin)(data[:10])
    add = jax.jit(dsa.add)
    assert running.sums.basis.shape == (48, 12)
    for start in range(0, 40, 10):
        running = add(running, data[start : start + 10])
    summed = jax.jit(lambda sums: dsa.operator_from(operators.finished(sums, 3))[0])
    same_operator(summed(running.sums), whole, 5e-3)


def test_directions_within_rounding_are_left_out():
    """A network of exactly 3 dimensions and its renumbered and rotated copies (PyDMD#176)."""
    turn = 0.97 * np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    latent = RNG.normal(size=(16, 1, 3))
    steps = [latent]
    for _ in range(39):
        steps.append(steps[-1] @ turn.T)
    x = np.concatenate(steps, axis=1) @ RNG.normal(size=(3, 24))
    mixed = np.linalg.qr(RNG.normal(size=(24, 24)))[0]
    same = np.stack([x, x[..., RNG.permutation(24)], x @ mixed])
    for settings in (
        {"rank": 5},
        {"rank": 10, "score": "wasserstein"},
        {"rank": 5, "n_delays": 2},
    ):
        assert distance_matrix("dsa", same, settings=settings).max() < 1e-3
    assert jax.jit(DSA(rank=10).prepare)(x.astype(np.float32)).rank == 3


@pytest.fixture(scope="module")
def population():
    return train_population(
        tiny.TASK,
        network=tiny.NETWORK,
        training=Training(batch=8, epoch_steps=4, max_epochs=3, threshold=1e9, patience=1),
        size=4,
    )


def test_batches_are_drawn_once_each(population):
    """The sums of a draw are those of its batches, whose trials differ."""
    subject = subject_of(population, np.arange(4), None, None)
    key = evaluation_key(0, 0)
    draw = Draw(subject, population.task, SMALL, batch=8, key=key)
    draw.extend(8)
    draw.extend(24)
    assert draw.trials == 24
    sample = jax.jit(partial(population.task.sample, batch=8))
    inputs = [sample(batch_key(key, number)).inputs for number in range(3)]
    assert not np.array_equal(inputs[0], inputs[1])
    found = draw.finished(SMALL)

    @jax.jit
    def alone(params, inputs):
        return SMALL.prepare(population.network.respond(params, inputs)[0]).matrix

    for k in range(4):
        params = jax.tree.map(lambda x, k=k: x[k], population.params)
        same_operator(found.matrix[k], alone(params, np.concatenate(inputs)), 1e-3)


def test_dsa_and_its_grid_take_the_same_sums(population):
    """A setting of the grid that is the main one has its distances."""
    exact = DSA(rank=3, score="wasserstein")
    found = measure_degeneracy(population, analysis=Analysis(**{**vars(ANALYSIS), "dsa": exact}))
    place = ANALYSIS.grid.ranks.index(3), 0
    np.testing.assert_allclose(found.grid.matrices[place], found.dynamics.matrix, atol=1e-5)


def test_trials_are_doubled_until_the_null_is_small(population):
    found = measure_degeneracy(population, analysis=ANALYSIS)
    fixed = measure_degeneracy(
        population,
        analysis=Analysis(**{**vars(ANALYSIS), "fixed_trials": True}),
    )
    assert fixed.dynamics.trials == 8
    assert fixed.behavior.trials == {"in_distribution": 8, "temporal": 8, "noise": 8}
    assert found.dynamics.trials in (16, 32, 64)
    reached = max(found.dynamics.null_share, found.autocovariance.null_share)
    assert found.dynamics.trials == 64 or reached <= 0.1
    assert found.autocovariance.trials == found.dynamics.trials
    assert found.dynamics.null_share < fixed.dynamics.null_share
    for name in ("temporal", "noise"):
        share = found.behavior.nulls[name] / found.behavior.sigmas[name].value
        assert found.behavior.trials[name] == 64 or share <= 0.1
    first, second = reliability.repeated_pairs(4)
    repeated = np.zeros((4, 4), bool)
    repeated[first, second] = repeated[second, first] = True
    np.testing.assert_array_equal(np.isfinite(found.dynamics.again), repeated)
    np.testing.assert_array_equal(np.isfinite(found.grid.again[0, 0]), repeated)
    assert np.isnan(found.weights.again).all()
    np.testing.assert_array_equal(np.isfinite(found.dynamics.across), repeated)
    assert np.isnan(found.weights.corrected)
    assert (found.dynamics.ranks == 2).all()


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.05], 64),
        ([0.2, 0.1], 256),  # a null of twice the share asks for four times the trials
        ([0.2, 0.11, 0.09], 512),
        ([5.0, 5.0], 4096),
        ([0.1], 64),
        ([math.nan], 64),
        ([math.inf], 4096),
    ],
)
def test_enough_trials_by_the_shares_that_are_seen(shares, expected):
    seen = iter(shares)
    assert Analysis().enough_trials(64, lambda trials: next(seen)) == expected
    assert next(seen, None) is None or expected == 4096


def test_bad_numbers_of_trials():
    for share in (0, 1, -0.1, 2):
        with pytest.raises(ValueError, match=r"`null_share` must lie within \(0, 1\); got"):
            Analysis(null_share=share)
    with pytest.raises(ValueError, match="`most_trials` must be at least the first number"):
        Analysis(most_trials=256)
    assert Analysis(most_trials=256, fixed_trials=True).behavior_trials == 512


def test_intraclass_correlation():
    pairs = RNG.normal(size=4000)
    agreement = partial(reliability.intraclass_correlation, pairs)
    assert agreement(pairs) == 1
    assert agreement(RNG.normal(size=4000)) == pytest.approx(0, abs=0.05)
    first, second = pairs + 0.5 * RNG.normal(size=(2, 4000))
    found = reliability.intraclass_correlation(first, second)
    assert found == pytest.approx(1 / 1.25, abs=0.03)  # share of the variance that is pairs'
    assert np.isnan(reliability.intraclass_correlation(np.ones(1), np.ones(1)))
    assert np.isnan(reliability.intraclass_correlation(np.ones(3), np.ones(3)))


def test_a_spread_has_no_null_of_what_trials_do_to_all_alike():
    """A draw of harder trials raises all losses, and no spread."""
    own, shift = 1e-3 * RNG.normal(size=(2, 4000)), 0.1
    found = degeneracy._null_of_spread(1.0 + own[0], 1.0 + shift + own[1])
    assert found == pytest.approx(1e-3, rel=0.05)


def test_shares_of_nothing_and_of_what_is_not_finite():
    assert reliability.share(0.0, 0.0) == 0
    assert reliability.share(1.0, 0.0) == np.inf
    assert np.isnan(reliability.share(np.nan, 1.0))
    assert np.isnan(reliability.share(1.0, np.nan))
    measurable = partial(reliability.measurable, np.array([0.1, 0.4, np.nan]))
    np.testing.assert_array_equal(measurable(np.ones(3)), [True, False, False])
    np.testing.assert_array_equal(measurable(np.full(3, np.nan)), [True, False, False])
    assert not measurable(np.zeros(3)).any()


def test_sums_of_trials_that_go_where_the_first_hardly_went():
    """Two directions that the first batch barely holds, and that move together later."""
    first = RNG.normal(size=(8, 20, 4)) * np.array([1, 1, 1e-4, 1e-4])
    later = RNG.normal(size=(8, 20, 4))
    later[..., 3] = later[..., 2] + 1e-3 * later[..., 3]
    dsa = DSA(rank=4)
    running = jax.jit(dsa.begin)(first.astype(np.float32))
    add = jax.jit(dsa.add)
    for batch in (first, later):
        running = add(running, batch.astype(np.float32))
    found = jax.jit(partial(operators.finished, rank=4))(running.sums)
    both = np.concatenate([first, later]).reshape(-1, 4)
    expected = np.linalg.svd(both, compute_uv=False)
    np.testing.assert_allclose(found.scale[:3], expected[:3], rtol=1e-3)
    assert np.isfinite(dsa.operator_from(found)[0]).all()


def euclidean(first, second):
    return np.linalg.norm(first[:, None] - second[None], axis=-1)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_corrected_distances_are_those_without_the_noise_of_trials(shared):
    """Points of known distance and noise, which trials may share: on one draw it cancels then."""
    points = RNG.normal(size=(40, 300))
    common = RNG.normal(size=(2, 1, 300))
    noise = shared * common + (1 - shared) * RNG.normal(size=(2, 40, 300))
    one, other = points + noise
    plain, null = euclidean(one, one), np.linalg.norm(one - other, axis=-1)
    found = reliability.corrected(plain, null, euclidean(one, other))
    pairs = np.triu_indices(40, 1)
    truth = euclidean(points, points)[pairs].mean()
    assert found == pytest.approx(truth, rel=0.02)
    if not shared:
        assert plain[pairs].mean() > 1.3 * truth


def test_one_solution_measured_on_two_draws_is_corrected_to_nothing():
    point = RNG.normal(size=300)
    one, other = point + RNG.normal(size=(2, 12, 300))
    null = np.linalg.norm(one - other, axis=-1)
    found = reliability.corrected(euclidean(one, one), null, euclidean(one, other))
    assert found < 0.2 * null.mean()
    nothing = np.full((12, 12), np.nan)
    assert np.isnan(reliability.corrected(euclidean(one, one), null, nothing))
    assert reliability.corrected(np.zeros((12, 12)), np.zeros(12), nothing) == 0


def test_correction_brings_few_trials_nearer_to_many():
    """Noisy rotations of four networks: what few trials add to distances is mostly taken away."""
    metric = Autocovariance(components=5)
    turns = [np.linalg.qr(np.random.default_rng(k).normal(size=(5, 5)))[0] for k in range(4)]

    def rates(trials):
        x = RNG.normal(size=(4, trials, 5))
        rows = []
        for _ in range(30):
            x = 0.9 * np.einsum("kbn,kmn->kbm", x, turns) + 0.3 * RNG.normal(size=x.shape)
            rows.append(x)
        return np.stack(rows, axis=2).astype(np.float32)

    mesh = runtime.network_mesh()
    subject = evaluation.Subject(np.zeros(4), None, mesh, None)

    def measured(trials):
        both = [prepare_networks(metric, [*rates(trials)], mesh=mesh) for _ in range(2)]
        return distances(metric, *both, subject=subject, seed=0, trials=trials)

    few, many = measured(40), measured(2000)
    assert few.mean.value > 1.03 * many.mean.value
    assert abs(few.corrected - many.mean.value) < abs(few.mean.value - many.mean.value) / 2
    assert many.corrected == pytest.approx(many.mean.value, rel=0.01)


def test_repeated_pairs_hold_every_network_alike():
    for count in (2, 3, 4, 5, 12):
        first, second = reliability.repeated_pairs(count)
        assert (first < second).all()
        assert len(set(zip(first, second, strict=True))) == len(first)
        assert len(np.unique(np.bincount(np.append(first, second), minlength=count))) == 1
