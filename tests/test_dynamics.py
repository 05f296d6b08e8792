"""DSA by ranks and delays, trends over settings, held-out prediction, populations by any metric."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from rnnensemble import (
    DSA,
    DSAGrid,
    Training,
    VanillaRNN,
    compare_populations,
    distance_matrix,
    dsa_grid,
    prediction_errors,
    tasks,
    train_population,
)
from rnnensemble._core import runtime
from rnnensemble.analysis.dsa_grid import GridDistances, compare_grid
from rnnensemble.metrics.operators import delay_embedding
from rnnensemble.metrics.preparation import prepare_networks
from rnnensemble.study.dsa_trends import trend_over_settings
from rnnensemble.training.evaluation import evaluation_key
from tests import compiled

RNG = np.random.default_rng(0)
UNITS = 6
DSA_QUICK = DSA(starts=16)


def rotations(count, trials=12, steps=30):
    """Activity of linear systems x <- 0.9 Q x + noise, two draws of trials of each."""
    turns = [0.9 * np.linalg.qr(RNG.normal(size=(UNITS, UNITS)))[0] for _ in range(count)]

    def run(turn):
        x = RNG.normal(size=(trials, UNITS))
        rows = [x]
        for _ in range(steps - 1):
            x = x @ turn.T + 0.1 * RNG.normal(size=x.shape)
            rows.append(x)
        return np.stack(rows, axis=1)

    return [np.array([run(turn) for turn in turns]) for _ in range(2)]


def test_grid_equals_one_matrix_a_setting():
    first, second = rotations(3)
    grid = DSAGrid(ranks=(2, 3), delays=(1, 3))
    found = dsa_grid(first, second, grid=grid, dsa=DSA_QUICK)
    assert found.matrices.shape == (2, 2, 3, 3)
    for i, rank in enumerate(grid.ranks):
        for j, delays in enumerate(grid.delays):
            dsa = dataclasses.replace(DSA_QUICK, rank=rank, n_delays=delays)
            alone = distance_matrix(dsa, first)
            np.testing.assert_allclose(found.matrices[i, j], alone, atol=1e-3)
            null = distance_matrix(dsa, first, second).diagonal()
            np.testing.assert_allclose(found.nulls[i, j], null, atol=1e-3)
            upper = found.matrices[i, j][np.triu_indices(3, 1)]
            assert found.means[i, j] == pytest.approx(upper.mean(), rel=1e-5)
            ratio = upper.mean() / found.nulls[i, j].mean()
            assert found.null_ratios[i, j] == pytest.approx(ratio, rel=1e-5)
    assert np.isnan(dsa_grid(first[:2], grid=grid, dsa=DSA_QUICK).nulls).all()


@pytest.mark.long
def test_what_is_measured_already_is_taken_as_it_is():
    first, second = rotations(3)
    mesh, seen = runtime.network_mesh(1), []
    for grid in (DSAGrid(ranks=(2, 3), delays=(1, 3)), DSAGrid(ranks=(3,), delays=(1,))):

        def prepared(how):
            return [prepare_networks(how, list(each), mesh=mesh) for each in (first, second)]

        ask = {"dsa": dataclasses.replace(DSA_QUICK, rank=3), "grid": grid, "mesh": mesh}
        alone = compare_grid(prepared, **ask)
        known = np.full((3, 3), 7.0), np.full(3, 8.0), np.full((3, 3), 9.0)
        found = compare_grid(prepared, known=known, progress=lambda *x: seen.append(x), **ask)
        own = grid.ranks.index(3), grid.delays.index(1)
        for name, value in zip(("matrices", "nulls", "again"), known, strict=True):
            np.testing.assert_array_equal(getattr(found, name)[own], value)
            kept, before = (np.array(getattr(x, name)) for x in (found, alone))
            kept[own] = before[own] = 0
            np.testing.assert_array_equal(kept, before)
    assert seen == [(2, 3), (3, 3)]  # pairs of networks; nothing is left of the second grid


@pytest.mark.long
def test_a_share_of_variance_is_one_rank_for_all_networks():
    """Planes of variances 1, 1/4 and 1/100 need 2, 4 or 6 coordinates."""
    scale = np.repeat([1.0, 0.5, 0.1], 2)
    first, second = (each[..., :6] * scale for each in rotations(3))
    squares = [np.linalg.svd(x.reshape(-1, 6), compute_uv=False) ** 2 for x in (*first, *second)]
    explained = [np.cumsum(x) / np.sum(x) for x in squares]
    needed = [[1 + np.sum(x < share) for x in explained] for share in (0.6, 0.95)]
    wanted = [int(np.ceil(np.median(each))) for each in needed]
    assert wanted[0] < wanted[1] < 6
    grid = DSAGrid(ranks=(2, 6), delays=(1, 3), shares=(0.6, 0.95))
    found = dsa_grid(first, second, grid=grid, dsa=DSA_QUICK)
    assert found.matrices.shape == (4, 2, 3, 3)
    np.testing.assert_array_equal(found.ranks, [2, 6, *wanted])
    for row, rank in zip((2, 3), wanted, strict=True):
        for j, delays in enumerate(grid.delays):
            dsa = dataclasses.replace(DSA_QUICK, rank=rank, n_delays=delays)
            np.testing.assert_allclose(
                found.matrices[row, j], distance_matrix(dsa, first), atol=1e-3
            )
    for shares in ((0.0,), (1.0,), (0.5, 0.5)):
        with pytest.raises(ValueError, match="`shares` must be different numbers within"):
            DSAGrid(shares=shares)
    for cut in ({"explained_variance": 0.9}, {"threshold": 0.0}):
        with pytest.raises(ValueError, match="`shares` give all networks one rank"):
            dsa_grid(np.ones((2, 4, 30, 5)), grid=DSAGrid(shares=(0.9,)), dsa=DSA(rank=3, **cut))


def test_grid_keeps_what_the_data_allow():
    within = DSAGrid().within(DSA(), (4, 9, 8))
    assert (within.ranks, within.delays) == ((3, 5), (1, 3))
    with pytest.raises(ValueError, match="`rank` must be at most 2"):
        DSAGrid().within(DSA(), (4, 2, 2))


def test_trend_over_settings_counts_directions():
    grid = DSAGrid(ranks=(2, 3), delays=(1,))

    def level(mean):
        """Distances that rise with the level at rank 2 and only fluctuate at rank 3."""
        points = [scale * RNG.normal(size=(12, 3)) for scale in (mean, 1.0)]
        matrices = np.array([[np.linalg.norm(x[:, None] - x[None], axis=-1)] for x in points])
        return GridDistances(
            grid,
            np.array(grid.ranks),
            matrices,
            np.zeros((2, 1, 12)),
            again=matrices,
        )

    found = trend_over_settings([1, 2, 3], [level(m) for m in (1.0, 2.0, 4.0)])
    assert found.trends[2, 1].direction == "up"
    assert found.trends[2, 1].change.value == pytest.approx(2, rel=0.3)
    assert found.trends[3, 1].direction == "none"
    assert (found.share_up, found.share_down) == (0.5, 0.0)
    # a share of variance counts where it came to one rank that is none of the others
    by_share = DSAGrid(ranks=(2,), delays=(1,), shares=(0.5,))
    for ranks, settings in (((3, 3), [(2, 1), (0.5, 1)]), ((3, 4), [(2, 1)]), ((2, 2), [(2, 1)])):
        each = [level(1.0)._replace(grid=by_share, ranks=np.array([2, rank])) for rank in ranks]
        assert trend_over_settings([1, 2], each).measurable == settings
    other = level(1.0)._replace(grid=DSAGrid(ranks=(2,), delays=(1,)))
    with pytest.raises(ValueError, match="`found` must have one grid"):
        trend_over_settings([1, 2], [level(1.0), other])


def numpy_error(x, rank, n_delays, latest):
    """The definition in float64: fit on the first half, predict the second."""
    half = len(x) // 2
    embedded = np.asarray(delay_embedding(np.asarray(x), n_delays, 1), float)
    _, s, vt = np.linalg.svd(embedded[:half].reshape(-1, embedded.shape[-1]), full_matrices=False)
    white = embedded @ (vt[:rank].T / s[:rank])
    before, after = (w.reshape(-1, rank) for w in (white[:half, :-1], white[:half, 1:]))
    matrix = np.linalg.lstsq(before, after, rcond=None)[0]
    ahead = (white[half:, :-1] @ matrix * s[:rank]) @ vt[:rank, : x.shape[-1]]
    skip = latest - n_delays  # earlier steps are not predicted by every setting
    target = x[half:, latest:]
    rest = target - target.mean(axis=(0, 1))
    return np.sum((target - ahead[:, skip:]) ** 2) / np.sum(rest**2)


def test_prediction_errors_equal_their_definition():
    first, _ = rotations(2)
    grid = DSAGrid(ranks=(2, 6), delays=(1, 2))
    found = prediction_errors(first, grid=grid)
    for k in range(2):
        for i, rank in enumerate(grid.ranks):
            for j, delays in enumerate(grid.delays):
                expected = numpy_error(first[k], rank, delays, 2)
                assert found.errors[k, i, j] == pytest.approx(expected, rel=1e-3)
        target, last = first[k][6:, 2:], first[k][6:, 1:-1]
        rest = target - target.mean(axis=(0, 1))
        expected = np.sum((target - last) ** 2) / np.sum(rest**2)
        assert found.persistence[k] == pytest.approx(expected, rel=1e-4)
    assert found.recommended() == (6, 1)  # what made the data


def numpy_errors_of_unequal(trials, half, rank, n_delays, latest):
    """The definition in float64 for trials `[T_b, N]` of unequal length, and of persistence."""
    embedded = [
        np.concatenate([x[n_delays - 1 - d : len(x) - d] for d in range(n_delays)], axis=1)
        for x in trials
    ]
    _, s, vt = np.linalg.svd(np.concatenate(embedded[:half]), full_matrices=False)
    white = [x @ (vt[:rank].T / s[:rank]) for x in embedded]
    before, after = (np.concatenate([x[part] for x in white[:half]]) for part in PAIRS)
    matrix = np.linalg.lstsq(before, after, rcond=None)[0]
    ahead = [(x[:-1] @ matrix * s[:rank]) @ vt[:rank, : trials[0].shape[1]] for x in white[half:]]
    ahead = np.concatenate([x[latest - n_delays :] for x in ahead])
    target = np.concatenate([x[latest:] for x in trials[half:]])
    now = np.concatenate([x[latest - 1 : -1] for x in trials[half:]])
    rest = np.sum((target - target.mean(axis=0)) ** 2)
    return np.sum((target - ahead) ** 2) / rest, np.sum((target - now) ** 2) / rest


PAIRS = (slice(None, -1), slice(1, None))
"""Steps that another follows, and these."""


@pytest.mark.parametrize("garbage", [np.nan, 1e6])
def test_prediction_errors_leave_out_steps_after_a_trials_end(garbage):
    first, _ = rotations(2)
    lengths = np.resize([first.shape[2], 9, 15], first.shape[1])
    mask = np.arange(first.shape[2]) < lengths[:, None]
    shown = np.where(mask[..., None], first, garbage)
    grid = DSAGrid(ranks=(2, 6), delays=(1, 2))
    found = prediction_errors(shown, mask=mask, grid=grid)
    for k in range(2):
        trials = [x[:length] for x, length in zip(first[k].astype(float), lengths, strict=True)]
        for i, rank in enumerate(grid.ranks):
            for j, delays in enumerate(grid.delays):
                error, persistence = numpy_errors_of_unequal(trials, 6, rank, delays, 2)
                assert found.errors[k, i, j] == pytest.approx(error, rel=1e-3)
                assert found.persistence[k] == pytest.approx(persistence, rel=1e-4)
    # a mask of all steps leaves none out, and one on principal axes reads no others
    whole = prediction_errors(first, mask=np.ones_like(mask), grid=grid)
    np.testing.assert_allclose(whole.errors, prediction_errors(first, grid=grid).errors, rtol=1e-3)
    onto = {"mask": mask, "grid": DSAGrid(ranks=(2,), delays=(1,)), "dsa": DSA(components=3)}
    blank = np.where(mask[..., None], first, 0.0)
    np.testing.assert_array_equal(
        prediction_errors(shown, **onto).errors, prediction_errors(blank, **onto).errors
    )


def test_prediction_errors_refuse_data_and_masks_that_do_not_do():
    with pytest.raises(ValueError, match="`activity` must have at least 2 trials"):
        prediction_errors(RNG.normal(size=(2, 1, 20, 4)))
    activity, mask = RNG.normal(size=(2, 4, 20, 4)), np.ones((4, 20), bool)
    with pytest.raises(ValueError, match=r"`mask` must be \[B, T\], the trials and steps"):
        prediction_errors(activity, mask=mask[:3])
    grid = DSAGrid(ranks=(2,), delays=(3,))
    for half, message in (
        (slice(2), "`n_delays` = 3 .* got none without a gap"),
        (slice(2, None), "`mask` must leave 4 valid steps in a row in the second half"),
    ):
        gaps = mask.copy()
        gaps[half, ::3] = False
        with pytest.raises(ValueError, match=message):
            prediction_errors(activity, mask=gaps, grid=grid)


@pytest.fixture(scope="module")
def population():
    return train_population(
        tasks.FlipFlop(n_bits=1, n_steps=12),
        network=VanillaRNN(width=8),
        training=Training(batch=8, epoch_steps=4, max_epochs=3, threshold=(1e9, 1e9, 1e-9, 1e9)),
        size=4,
    )


@pytest.mark.long
def test_populations_by_any_metric(population):
    kept = [0, 1, 3]  # the converged ones
    weights = population.params.recurrent_weights[kept]
    np.testing.assert_allclose(
        compare_populations("pif", population).matrix(), distance_matrix("pif", weights), rtol=1e-5
    )
    inputs = compiled.sample(population.task, evaluation_key(0, 0), 64).inputs
    rates = population.respond(inputs).rates[kept]
    np.testing.assert_allclose(
        compare_populations("procrustes", population).matrix(),
        distance_matrix("procrustes", rates),
        atol=1e-4,
    )
    cross = compare_populations(
        "predictivity", population, population, settings={"null_space": True}
    )
    assert cross.matrix().shape == (3, 3)
    assert (np.diag(cross.matrix()) < 0.01).all()
    assert compare_populations("disagreement", population).matrix().max() > 0
    driven = compare_populations("input_dsa", population, settings={"rank": 3})
    assert driven.found.state.shape == (3,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherRule(VanillaRNN):
    """A network that would follow another update rule."""

    update_rule: ClassVar[str] = "muP"


def _with(population, **changes):
    recipe = dataclasses.replace(population.recipe, **changes)
    return dataclasses.replace(population, recipe=recipe)


def test_populations_that_cannot_stand_in_one_matrix(population):
    other = _with(population, network=OtherRule(width=8))
    with pytest.raises(ValueError, match="`other` must follow the same update rule, standard"):
        compare_populations("pif", population, other)
    other = _with(population, task=tasks.FlipFlop(n_bits=2, n_steps=12))
    with pytest.raises(ValueError, match="`other` must take the same 1 inputs"):
        compare_populations("procrustes", population, other)
