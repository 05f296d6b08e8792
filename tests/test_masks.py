"""Masks of valid steps: distances are those of the data without the other steps."""

import json

import jax
import numpy as np
import pytest
import safetensors.numpy
from scipy.optimize import linear_sum_assignment

from rnnensemble import cli, compare_networks, distance_matrix
from rnnensemble._core import runtime
from rnnensemble.cli import distances as commanded
from rnnensemble.cli.console import Reporter
from rnnensemble.files import arrays, stages
from rnnensemble.metrics import (
    CKA,
    DSA,
    RSA,
    SVCCA,
    Autocovariance,
    Disagreement,
    InputDSA,
    LinearPredictivity,
    Procrustes,
    masks,
)
from rnnensemble.metrics.base import distance_of
from rnnensemble.metrics.data import networks_of
from rnnensemble.metrics.preparation import prepare_networks
from tests.test_cli import failure
from tests.test_foreign import found
from tests.test_pairwise import Power

K, B, T, N, CHANNELS = 3, 6, 16, 4, 2
RNG = np.random.default_rng(0)
LENGTHS = np.array([16, 3, 11, 1, 7, 16])
UNEQUAL = np.arange(T) < LENGTHS[:, None]
HOLES = UNEQUAL.copy()
HOLES[0, 5] = HOLES[2, [0, 6, 7]] = False
SEARCH = {"starts": 4, "early_steps": 4, "late_steps": 8}
EIGENVALUES = {"score": "wasserstein"}  # which are compared without a search, by short programs
METRICS = [
    DSA(rank=4, regression_rank=2, explained_variance=0.99, **EIGENVALUES),
    DSA(rank=4, n_delays=3, delay_interval=2, components=3, threshold=0.1, **EIGENVALUES),
    Autocovariance(lags=(0, 3), **SEARCH),
    InputDSA(rank=4, n_delays=2, delay_interval=2),
    SVCCA(),
    CKA(),
    Procrustes(),
    RSA(),
    LinearPredictivity(),
    LinearPredictivity(held_out=True),
    LinearPredictivity(null_space=True),
    Disagreement(),
]
every_metric = pytest.mark.parametrize("metric", METRICS, ids=str)


def driven_networks():
    """Rates of random networks on the same inputs `[B, T, I]`, and these."""
    weights = RNG.normal(size=(K, N, N)) / N**0.5
    drive = RNG.normal(size=(K, N, CHANNELS))
    inputs, state, rates = RNG.normal(size=(B, T, CHANNELS)), np.zeros((K, B, N)), []
    for step in range(T):
        state = np.tanh(
            state @ weights.swapaxes(1, 2) + np.einsum("kni,bi->kbn", drive, inputs[:, step])
        )
        rates.append(state)
    return np.stack(rates, axis=2), np.broadcast_to(inputs, (K, B, T, CHANNELS))


RATES, INPUTS = driven_networks()
READOUT = RNG.normal(size=(K, 1, N))


def data_for(metric, change=lambda x: x):
    """What the metric takes, with the steps of every array changed."""
    if isinstance(metric, InputDSA):
        return {"activity": change(RATES), "inputs": change(INPUTS)}
    if isinstance(metric, LinearPredictivity) and metric.null_space:
        return {"activity": change(RATES), "readout_weights": READOUT}
    return change(RATES)


def spoiled(mask, *values):
    """A change that writes these values at invalid steps, one network and unit after another."""

    def change(x):
        x = x.copy()
        x[:, ~mask] = np.resize(values, x[:, ~mask].shape)
        return x

    return change


def padded(x):
    """Five more steps in every trial, of no numbers and of huge ones."""
    more = np.resize([np.nan, np.inf, 1e300, -3.0, 0.0], (*x.shape[:2], 5, x.shape[3]))
    return np.concatenate([x, more], axis=2)


def features(metric, data, mask):
    """What is kept of each network, which decides all distances."""
    networks = networks_of(metric, data, "data", mask)
    return prepare_networks(metric, networks, mesh=runtime.network_mesh())


@every_metric
def test_trials_padded_to_one_length_are_the_trials(metric):
    mask = np.arange(T + 5) < np.full((B, 1), T)
    found = distance_matrix(metric, data_for(metric, padded), mask=mask)
    np.testing.assert_allclose(found, distance_matrix(metric, data_for(metric)), atol=2e-5)
    assert found[0, 1] > 0.01


@every_metric
def test_a_mask_of_all_steps_is_none(metric):
    data = data_for(metric)
    whole = distance_matrix(metric, data, mask=np.ones((B, T)))
    np.testing.assert_array_equal(whole, distance_matrix(metric, data))


@every_metric
def test_invalid_steps_change_no_bit(metric):
    nothing = data_for(metric, spoiled(HOLES, np.nan, np.inf, -1e300))
    small = data_for(metric, spoiled(HOLES, 0.3, -0.1))
    first, second = (jax.tree.leaves(features(metric, x, HOLES)) for x in (nothing, small))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


@pytest.mark.parametrize(
    "metric", [m for m in METRICS if m != LinearPredictivity(held_out=True)], ids=str
)
def test_a_gap_makes_two_trials_of_one(metric):
    """Each stretch without a gap is moved to the begin of a trial of its own."""
    stretches = [(0, 0, 5), (0, 6, 16), (1, 0, 3), (2, 1, 6), (2, 8, 11), (3, 0, 1), (4, 0, 7)]
    stretches.append((5, 0, 16))
    mask = np.arange(T) < np.array([[end - start] for _, start, end in stretches])

    def cut(x):
        pieces = np.full((K, len(stretches), *x.shape[2:]), np.nan)
        for place, (trial, start, end) in enumerate(stretches):
            pieces[:, place, : end - start] = x[:, trial, start:end]
        return pieces

    whole = features(metric, data_for(metric), HOLES)
    pieces = features(metric, data_for(metric, cut), mask)
    jax.tree.map(np.testing.assert_array_equal, whole, pieces)


def test_held_out_trials_keep_their_numbers():
    """The definition in float64: M is fitted on even trials and scored on odd ones."""
    ridge = 1e-4
    matrix = distance_matrix(LinearPredictivity(held_out=True), RATES, mask=UNEQUAL)
    odd = np.arange(B) % 2 == 1
    fitted, scored = (
        [x[half][UNEQUAL[half]] - x[~odd][UNEQUAL[~odd]].mean(axis=0) for x in RATES]
        for half in (~odd, odd)
    )
    for i in range(K):
        gram = fitted[i].T @ fitted[i]
        gram += ridge * np.trace(gram) / N * np.eye(N)
        for j in range(K):
            fit = np.linalg.solve(gram, fitted[i].T @ fitted[j])
            share = np.sum((scored[i] @ fit - scored[j]) ** 2) / np.sum(scored[j] ** 2)
            assert matrix[i, j] == pytest.approx(share, rel=1e-4, abs=1e-6)


def dsa_eigenvalues(x, mask, rank, delays):
    """Of the one-step operator, trial by trial in float64."""
    trials = [trial[valid] for trial, valid in zip(x, mask, strict=True)]
    rows = [
        np.array(
            [np.concatenate(trial[t - delays + 1 : t + 1][::-1]) for t in range(delays - 1, n)]
        )
        for trial, n in zip(trials, map(len, trials), strict=True)
        if n >= delays
    ]
    _, scale, axes = np.linalg.svd(np.concatenate(rows), full_matrices=False)
    whitened = [each @ axes[:rank].T / scale[:rank] for each in rows]
    before, after = (
        np.concatenate([v[part] for v in whitened]) for part in (np.s_[:-1], np.s_[1:])
    )
    return np.linalg.eigvals(
        np.linalg.solve(before.T @ before + 1e-8 * np.eye(rank), before.T @ after)
    )


@pytest.mark.parametrize("delays", [1, 3])
def test_dsa_of_unequal_trials_is_its_definition(delays):
    rank = 4
    metric = DSA(rank=rank, n_delays=delays, score="wasserstein")
    values = features(metric, spoiled(UNEQUAL, np.nan)(RATES), UNEQUAL)
    for x, (real, imaginary) in zip(RATES, values.swapaxes(1, 2), strict=True):
        expected = dsa_eigenvalues(x, UNEQUAL, rank, delays)
        apart = np.abs((real + 1j * imaginary)[:, None] - expected)
        assert apart[linear_sum_assignment(apart)].max() < 1e-4


def test_autocovariance_of_unequal_trials_is_its_definition():
    metric = Autocovariance(lags=(0, 3))
    kept = features(metric, spoiled(UNEQUAL, np.nan)(RATES), UNEQUAL)
    for k, x in enumerate(RATES):
        trials = [trial[valid] for trial, valid in zip(x, UNEQUAL, strict=True)]
        mean, count = np.concatenate(trials).mean(axis=0), LENGTHS.sum()
        gamma = np.zeros((2, N, N))
        for trial in trials:
            for place, lag in enumerate(metric.lags):
                for t in range(len(trial) - lag):
                    gamma[place] += np.outer(trial[t + lag] - mean, trial[t] - mean) / count
        axes = np.linalg.eigh(gamma[0])[1][:, ::-1]
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(N)])
        expected = axes.T @ (gamma / np.linalg.norm(gamma)) @ axes
        np.testing.assert_allclose(kept.matrices[k], expected, atol=1e-5)


def test_successions_by_counting():
    mask = RNG.random((5, 9)) < 0.7
    place = np.cumsum(mask).reshape(mask.shape) - 1
    for steps in (1, 2, 4, 9, 60):
        counted = [
            place[b, t]
            for b in range(5)
            for t in range(9 - steps + 1)
            if mask[b, t : t + steps].all()
        ]
        np.testing.assert_array_equal(masks.successions(mask, steps), counted)


def test_two_sets_evidence_and_disagreement_with_a_mask_of_its_own():
    change = spoiled(UNEQUAL, np.nan)
    x = change(RATES)
    whole = distance_matrix("cka", x, mask=UNEQUAL.astype(int))
    across = distance_matrix("cka", x[:2], [*x[1:]], mask=UNEQUAL.tolist())
    np.testing.assert_allclose(across, whole[:2, 1:], atol=1e-3)  # arccos near 0
    evidence = compare_networks("svcca", x, mask=UNEQUAL.astype(float))
    np.testing.assert_array_equal(evidence.ranks, N)
    counted = np.broadcast_to(np.arange(T) % 3 > 0, (K, B, T))
    both = distance_matrix("disagreement", {"outputs": x, "mask": counted}, mask=UNEQUAL)
    kept = UNEQUAL & counted[0]
    expected = np.sqrt(np.mean((RATES[0][kept] - RATES[1][kept]) ** 2))
    assert both[0, 1] == pytest.approx(expected, rel=1e-5)


def test_networks_of_unlike_widths():
    silent = np.concatenate([RATES[2], np.zeros((B, T, 1))], axis=-1)
    networks = [spoiled(UNEQUAL, np.nan)(x[None])[0] for x in (RATES[0], RATES[1], silent)]
    found = distance_matrix(METRICS[0], networks, mask=UNEQUAL)
    alike = distance_matrix(METRICS[0], RATES, mask=UNEQUAL)
    np.testing.assert_allclose(found, alike, atol=2e-5)


NARROW = np.zeros((B, T), bool)
NARROW[0, :4] = NARROW[1, 3] = True
APART = np.tile(np.arange(T) % 2 == 0, (B, 1))


@pytest.mark.parametrize(
    ("metric", "mask", "message"),
    [
        (
            "cka",
            UNEQUAL[:-1],
            r"`mask` must be \[B, T\], .* `data\[0\]` of shape \(6, 16, 4\); got \(5, 16\)",
        ),
        (
            "cka",
            UNEQUAL[0],
            r"`mask` must be \[B, T\], True where a step is valid; got shape \(16,\)",
        ),
        ("cka", np.stack([UNEQUAL] * K), r"`mask` must be \[B, T\], .*; got shape \(3, 6, 16\)"),
        ("cka", 2 * UNEQUAL, "`mask` must hold bools, or zeros and ones; got 2"),
        ("cka", 0.5 * UNEQUAL, "`mask` must hold bools, or zeros and ones; got 0.5"),
        ("cka", np.where(UNEQUAL, 1, np.nan), "`mask` must hold bools, or zeros and ones; got nan"),
        ("cka", UNEQUAL.astype(str), "`mask` must hold real numbers; got <U5"),
        ("cka", np.ma.masked_array(UNEQUAL), "`mask` must hold bools, .*; got a masked array"),
        ("cka", [[True], [True, False]], "`mask` must be an array .*; got lists of unlike lengths"),
        (
            "cka",
            0 * UNEQUAL,
            "`mask` must leave at least one valid step; got none in 6 trials of 16",
        ),
        ("cka", NARROW & (np.arange(T) < 2), "at least 3 .* samples; got 2"),
        ("svcca", NARROW, r"at least N \+ 2 = 6 .* samples; got 5; take more"),
        ("dsa", APART, "needs trials of at least 2 steps; got none without a gap"),
        (DSA(n_delays=5), NARROW, "`n_delays` = 5 .* trials of at least 6 steps; got none without"),
        (
            DSA(rank=4),
            NARROW,
            "`rank` must be at most 3 for 3 pairs of rows at 5 valid steps and 4",
        ),
        (DSA(components=4), NARROW & (np.arange(T) < 3), "`components` must be at most 3 .* valid"),
        (
            Autocovariance(lags=(0, 4)),
            NARROW,
            "`lags` of 4 steps .* 5 steps; got none without a gap",
        ),
        (
            LinearPredictivity(held_out=True),
            NARROW & (np.arange(B) == 0)[:, None],
            "leaves one kind",
        ),
        ("pif", UNEQUAL, "`mask` must be left out: `pif` compares weights and takes none"),
        (Power(), UNEQUAL, "`mask` must be left out: `power` compares activity and takes none"),
    ],
)
def test_refused_in_one_line(metric, mask, message):
    with pytest.raises(ValueError, match=message) as caught:
        distance_matrix(metric, RATES, mask=mask)
    assert "\n" not in str(caught.value)


def test_more_refusals():
    with pytest.raises(ValueError, match=r"`mask` must be .*`data\[2\]` of shape \(6, 15, 4\)"):
        distance_matrix("cka", [*RATES[:2], RATES[2, :, 1:]], mask=UNEQUAL)
    with pytest.raises(ValueError, match=r"`mask` must be .*`other\[0\]` of shape \(5, 16, 4\)"):
        distance_matrix("cka", RATES, RATES[:, 1:], mask=UNEQUAL)
    data = {"activity": RATES, "inputs": INPUTS[:, :, 1:]}
    with pytest.raises(ValueError, match=r"`mask` must be .*`data\[0\]\['inputs'\]` of shape"):
        distance_matrix("input_dsa", data, mask=UNEQUAL)
    with pytest.raises(ValueError, match="`rank` must be at most 1 for 3 pairs of rows at 5 valid"):
        distance_matrix("input_dsa", data_for(InputDSA()), mask=NARROW)
    with pytest.raises(ValueError, match="`data` must be finite; networks 0, 1, 2 hold NaN"):
        distance_matrix("cka", spoiled(HOLES, np.nan)(RATES), mask=UNEQUAL)
    with pytest.raises(ValueError, match=r"masked entries, .*whole steps by `mask=`"):
        distance_matrix("cka", np.ma.masked_greater(RATES, 0.5))


QUICK = ["--metrics", "predictivity", "--name", "mine", "--quiet"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with rates, weights and two masks; no figures are drawn."""
    np.save(tmp_path / "A.npy", spoiled(UNEQUAL, np.nan, 1e300)(RATES))
    np.save(tmp_path / "W.npy", RNG.normal(size=(K, N, N)))
    np.save(tmp_path / "M.npy", UNEQUAL)
    np.savez(tmp_path / "H.npz", HOLES.astype(int))
    safetensors.numpy.save_file({"mask": UNEQUAL}, tmp_path / "M.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commanded, "draw", lambda *_: None)
    return tmp_path


def analyse(mask, *arguments):
    cli.main(["analyse", "--activity", "A.npy", "--mask", mask, *arguments])


def test_the_command_takes_a_mask_and_keeps_it_with_the_numbers(files, capsys):
    weights = ["--weights", "W.npy", "--metrics", "predictivity", "pif", "--pif.starts", "1"]
    analyse("M.npy", *weights, "--name", "mine")
    assert "predictivity" in capsys.readouterr().out
    folder = files / "runs" / "mine"
    expected = distance_matrix("predictivity", np.load("A.npy"), mask=UNEQUAL)
    np.testing.assert_array_equal(found(folder)["predictivity"], expected)
    manifest = stages.read_manifest(folder)
    assert manifest["inputs"]["mask"]["file"] == "M.npy"
    steps = {"valid_steps": int(LENGTHS.sum()), "steps": B * T}
    assert manifest["settings"]["predictivity"]["mask"] == steps
    assert "mask" not in manifest["settings"]["pif"]  # weights have no steps
    first, second = arrays.read_distances(folder)
    assert json.loads(first.settings)["mask"] == steps
    assert "mask" not in json.loads(second.settings)


def test_an_analysis_with_another_mask_is_another(files, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "analysis", stop)
        with pytest.raises(SystemExit):
            analyse("M.npy", *QUICK)
    capsys.readouterr()
    other = "`name` 'mine' is an unfinished analysis of other data or settings"
    command = ["analyse", "--activity", "A.npy", *QUICK]
    assert other in failure(capsys, *command, "--mask", "H.npz")
    np.save("A.npy", RATES)  # other data in the file
    assert other in failure(capsys, *command, "--mask", "M.npy")
    np.save("A.npy", spoiled(UNEQUAL, np.nan, 1e300)(RATES))
    analyse("M.npy", *QUICK)
    analyse("M.safetensors", *QUICK, "--name", "again")
    analyse("H.npz", *QUICK, "--name", "holes")
    one, same, holes = (found(files / "runs" / name) for name in ("mine", "again", "holes"))
    np.testing.assert_array_equal(one["predictivity"], same["predictivity"])
    assert not np.allclose(one["predictivity"], holes["predictivity"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--activity", "A.npy"], "`activity` must be finite"),
        (["--activity", "A.npy", "--mask", "none.npy"], "`mask` file none.npy does not exist"),
        (["--activity", "A.npy", "--mask", "A.npy"], "`mask` must be [B, T], True where"),
        (["--activity", "A.npy", "--mask", "TWO.npz"], "`mask` must be [B, T], True where"),
        (["--activity", "A.npy", "--mask", "SHORT.npy"], "`mask` must be [B, T], the trials and"),
        (
            ["--activity", "A.npy", "--mask", "M.npy", "--dsa.rank", "5"],
            "`rank` must be at most 4 ",
        ),
        (["--weights", "W.npy", "--mask", "M.npy"], "`mask` must be left out: `pif` compares"),
    ],
)
def test_the_command_refuses_in_one_line(files, capsys, arguments, message):
    np.savez("TWO.npz", a=UNEQUAL, b=UNEQUAL)
    np.save("SHORT.npy", UNEQUAL[:, 1:])
    assert message in failure(capsys, "analyse", *arguments)
    assert not (files / "runs").exists()


@pytest.mark.parametrize("metric", METRICS[:3], ids=str)
@pytest.mark.parametrize("mask", [UNEQUAL, HOLES], ids=["unequal", "holes"])
def test_steps_counted_by_products_are_those_picked_by_indices(metric, mask):
    rates = RATES.astype(np.float32)
    picked = prepare_networks(
        metric, networks_of(metric, rates, mask=mask), mesh=runtime.network_mesh(1)
    )
    filled = np.where(mask[..., None], rates, 7.0)  # what fills an array decides nothing

    @jax.jit
    def compared(rates, valid, other):
        data = masks.Counted(rates, valid)
        counted = metric.finish(metric.add(metric.begin(data), data))
        return distance_of(metric.compare(jax.random.key(0), counted, other))

    distances = [
        compared(one, mask.astype(np.float32), jax.tree.map(lambda x, k=k: x[k], picked))
        for k, one in enumerate(filled)
    ]
    np.testing.assert_allclose(distances, 0, atol=2e-3)
