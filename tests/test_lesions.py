"""Lesions and kicks: against networks without the weights, by hand, planted; and bad input."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnensemble as rnne
from rnnensemble import Cut, Kick, Silence
from rnnensemble.networks import Perturbed, PerturbedParams
from rnnensemble.training import losses
from rnnensemble.training.evaluation import evaluation_key, sampled
from tests import own_cells
from tests.own_network import Leaky
from tests.tiny import ANALYSIS, NETWORK, TASK

EASY = rnne.Training(batch=8, epoch_steps=4, max_epochs=3, threshold=1e9, patience=1)
NETWORKS = (
    rnne.VanillaRNN(width=4, activation="relu"),
    rnne.MuPRNN(width=4),
    rnne.LeakyRNN(width=4, activation="sigmoid", density=0.7),
    rnne.LeakyRNN(width=4, activation="softplus", rank=2),
    rnne.LeakyRNN(width=4, activation="relu", excitatory=0.5),
    rnne.GRU(width=4),
    rnne.LSTM(width=4, hidden="all"),
    rnne.FlaxRNN(cell=nnx.OptimizedLSTMCell, width=4),
    Leaky(width=4),
)


@pytest.fixture(scope="module")
def population():
    return rnne.train_population(TASK, network=NETWORK, training=EASY, size=3)


def untrained(population, network):
    """The population with networks of another kind, as they start."""

    def init(key):
        own = dict.fromkeys(network.per_network, jnp.ones(()))
        return network.init(key, n_inputs=TASK.n_inputs, n_outputs=TASK.n_outputs, **own)

    params = jax.jit(jax.vmap(init))(jax.random.split(jax.random.key(0), population.size))
    params = jax.tree.map(np.asarray, params)
    recipe = dataclasses.replace(population.recipe, network=network)
    return dataclasses.replace(population, recipe=recipe, params=params, initial_params=params)


def with_params(params, **changed):
    return params | changed if isinstance(params, dict) else params._replace(**changed)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
def test_silent_units_send_nothing(network):
    kept = np.array([1.0, 0.0, 1.0, 0.0], np.float32)
    sent = np.broadcast_to(kept, (4, 4))  # row i: what unit i receives from those that are kept

    @jax.jit
    def found(key, inputs):
        own = dict.fromkeys(network.per_network, jnp.ones(()))
        params = network.init(key, n_inputs=2, n_outputs=3, **own)
        silenced = Perturbed(network=network)
        silent = PerturbedParams(params, kept)
        cut = network.cut(params, sent)
        before, after = (network.weights(x)["recurrent_weights"] for x in (params, cut))
        readout = params["readout_weights"] if isinstance(params, dict) else params.readout_weights
        deaf = with_params(cut, readout_weights=readout * kept)
        return {
            "silent": silenced.respond(silent, inputs),
            "alone": network.respond(deaf, inputs),
            "plain": silenced.respond(PerturbedParams(params), inputs),
            "intact": network.respond(params, inputs),
            "start": silenced.rates(silenced.initial_state(silent)),
            "weights": (before, after),
        }

    inputs = np.random.default_rng(0).normal(size=(5, 6, 2)).astype(np.float32)
    all_found = jax.tree.map(np.asarray, found(jax.random.key(1), inputs))
    rates, outputs = all_found["silent"]
    np.testing.assert_allclose(outputs, all_found["alone"][1], rtol=2e-5, atol=1e-6)
    assert (rates[..., [1, 3]] == 0).all()
    assert (all_found["start"][[1, 3]] == 0).all()
    np.testing.assert_allclose(
        rates[..., [0, 2]], all_found["alone"][0][..., [0, 2]], rtol=2e-5, atol=1e-6
    )
    assert np.abs(outputs - all_found["intact"][1]).max() > 1e-3
    np.testing.assert_array_equal(all_found["plain"][1], all_found["intact"][1])
    before, after = all_found["weights"]
    np.testing.assert_array_equal(after, np.where(sent != 0, before, 0))
    assert before.any()


def kept_of(population, perturbation):
    return rnne.perturb(population, perturbation).params.kept


def test_shares_are_nested_and_belong_to_the_network(population):
    few, many = (kept_of(population, Silence(share=share)) for share in (1 / 3, 0.5))
    assert ((6 - few.sum(axis=1)) == 2).all()
    assert ((6 - many.sum(axis=1)) == 3).all()
    assert (many <= few).all()
    assert len({tuple(row) for row in many}) > 1
    part = population[[2, 0]]
    np.testing.assert_array_equal(kept_of(part, Silence(share=0.5)), many[[2, 0]])
    assert (kept_of(population, Silence(share=0.01)).sum(axis=1) == 5).all()
    assert not np.array_equal(kept_of(population, Silence(share=0.5, seed=1)), many)


def test_units_are_ranked_by_rates_and_weights(population):
    inputs = sampled(TASK, evaluation_key(0, 2000), 64).inputs
    params = population.params
    sizes = {
        "rates": np.mean(population.respond(inputs).rates ** 2, axis=(1, 2)),
        "recurrent_weights": np.linalg.norm(params.recurrent_weights, axis=1),
        "readout_weights": np.linalg.norm(params.readout_weights, axis=1),
    }
    for by, size in sizes.items():
        silent = kept_of(population, Silence(share=0.5, by=by)) == 0
        largest = np.sort(size, axis=1)[:, -3:]
        np.testing.assert_allclose(np.sort(size[silent].reshape(3, 3), axis=1), largest)


def test_connections_are_cut_at_random_or_by_name(population):
    before = population.params.recurrent_weights
    after = rnne.perturb(population, Cut(share=0.25)).params.network.recurrent_weights
    assert ((after == 0).sum(axis=(1, 2)) == 9).all()
    np.testing.assert_array_equal(after[after != 0], before[after != 0])
    again = rnne.perturb(population[[1]], Cut(share=0.25)).params.network.recurrent_weights
    np.testing.assert_array_equal(again[0], after[1])
    named = rnne.perturb(population, Cut(pairs=[(0, 1), (5, 2)])).params.network
    assert np.argwhere(named.recurrent_weights[2] == 0).tolist() == [[0, 1], [5, 2]]
    network = rnne.LeakyRNN(width=4, density=0.5)
    sparse = untrained(population, network)
    there = sparse.network.weights(sparse.params)["recurrent_weights"] != 0
    cut = rnne.perturb(sparse, Cut(share=0.5))
    left = cut.network.weights(cut.params)["recurrent_weights"] != 0
    assert (left <= there).all()
    half = [round(x) for x in there.sum(axis=(1, 2)) / 2]
    assert (there.sum(axis=(1, 2)) - left.sum(axis=(1, 2))).tolist() == half


def test_a_kick_moves_states_by_their_spread(population):
    drawn = sampled(TASK, evaluation_key(0, 2000), 64)
    before = population.respond(drawn.inputs).rates
    spread = np.sqrt(np.var(before[:, :, 5], axis=1).sum(axis=-1))
    kicked = rnne.perturb(population, Kick(step=5, size=0.5))
    after = kicked.respond(drawn.inputs).rates
    np.testing.assert_allclose(after[:, :, :5], before[:, :, :5], atol=1e-6)
    moved = after[:, :, 5] - before[:, :, 5]
    np.testing.assert_allclose(
        np.linalg.norm(moved, axis=-1), 0.5 * np.broadcast_to(spread[:, None], (3, 64)), rtol=1e-4
    )
    assert np.abs(after[:, :, 6] - before[:, :, 6]).max() > 1e-3
    toward = rnne.perturb(population, Kick(step=5, direction=[0, 0, -2, 0, 0, 0])).params.kick
    np.testing.assert_allclose(toward, spread[:, None] * [0, 0, -1, 0, 0, 0], rtol=1e-5)


def test_losses_are_those_of_the_perturbed_networks(population):
    lesions = Silence(share=0.5), Silence(units=[1]), Cut(share=1.0), Kick(step=3, size=2.0)
    found = rnne.measure_lesions(population, lesions, trials=16)
    drawn = sampled(TASK, evaluation_key(0, 0), 16)
    for k, each in enumerate(lesions):
        outputs = rnne.perturb(population, each).respond(drawn.inputs).outputs
        expected = [losses.mse(x, drawn.targets, drawn.mask) for x in outputs]
        np.testing.assert_allclose(found.perturbed.loss[k], expected, rtol=1e-5)
        right = [float(TASK.accuracy(x, drawn).mean()) for x in outputs]
        np.testing.assert_allclose(found.perturbed.accuracy[k], right, rtol=1e-6)
    rows = found.table()
    assert [row["perturbation"] for row in rows[1:]] == [each.label for each in lesions]
    assert rows[1]["loss"] == pytest.approx(found.perturbed.loss[0].mean())
    assert rows[1]["ratio"] == pytest.approx(np.exp(np.log(found.ratio[0]).mean()))
    assert rows[0]["ratio"] == 1
    assert rows[2]["sigma"] == pytest.approx(found.perturbed.loss[1].std())
    assert 0 <= rows[1]["accuracy_low"] <= rows[1]["accuracy_high"] <= 1
    drawn = rnne.figures.lesions_figure(found)
    assert len(drawn.axes[0].get_xticklabels()) == 5


def test_a_loss_that_is_not_finite_has_no_mean(population):
    found = rnne.measure_lesions(population, [Silence(share=0.5)], trials=16)
    lost = found.perturbed._replace(loss=found.perturbed.loss * [1, np.inf, 1])
    row = dataclasses.replace(found, perturbed=lost).table()[1]
    assert row["loss"] is row["ratio_low"] is row["sigma"] is None
    assert rnne.figures.lesions_figure(found).axes[0].get_xlabel() == "share of units silent"


def test_units_without_a_use_have_no_importance(population):
    """Networks whose units are alone, of which one, or two alike, are read out."""
    params = jax.tree.map(np.zeros_like, population.params)
    params = params._replace(
        recurrent_weights=np.broadcast_to(np.eye(6, dtype=np.float32), (3, 6, 6)),
        input_weights=np.full((3, 6, 1), 2.0, np.float32),
        readout_weights=np.array(
            [[[1, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 1, 0]], [[0, 0, 0.5, 0.5, 0, 0]]]
        ),
    )
    planted = dataclasses.replace(population, params=params)
    found = rnne.unit_importance(planted, trials=32)
    assert np.argwhere(found.importance).tolist() == [[0, 0], [1, 4], [2, 2], [2, 3]]
    np.testing.assert_allclose(found.participation, [1, 1, 2], rtol=1e-5)
    np.testing.assert_allclose(found.matrix, [[0, 0, 0.5], [0, 0, 0.5], [0.5, 0.5, 0]], atol=1e-6)
    np.testing.assert_allclose(found.null, 0, atol=1e-6)
    assert found.mean.value == pytest.approx(1 / 3, rel=1e-5)
    assert found.alignment["readout_weights"].value == pytest.approx(1)
    assert np.isnan(found.alignment["recurrent_weights"].value)
    expected = rnne.measure_lesions(planted, [Silence(units=[4])], trials=32)
    np.testing.assert_allclose(
        found.importance[:, 4], (expected.perturbed.loss[0] - expected.intact.loss), rtol=1e-6
    )
    assert rnne.figures.importance_figure(found).axes


@pytest.mark.long
def test_lesions_are_variants_of_any_task(population, tmp_path):
    analysis = dataclasses.replace(ANALYSIS, silenced=(0.2, 0.5))
    found = rnne.measure_degeneracy(population, analysis=analysis)
    plain = rnne.measure_degeneracy(population, analysis=ANALYSIS)
    names = ["temporal", "noise", "silenced_0.2", "silenced_0.5"]
    assert list(found.behavior.sigmas) == names
    assert found.behavior.sigma == plain.behavior.sigma
    np.testing.assert_array_equal(found.dynamics.matrix, plain.dynamics.matrix)
    lesioned = rnne.perturb(population, Silence(share=0.5))
    drawn = sampled(TASK, evaluation_key(0, 14), 8)
    outputs = lesioned.respond(drawn.inputs).outputs
    expected = [losses.mse(x, drawn.targets, drawn.mask) for x in outputs]
    np.testing.assert_allclose(found.behavior.losses["silenced_0.5"], expected, rtol=1e-5)
    rnne.save(tmp_path / "run", population, degeneracy=found)
    assert rnne.load(tmp_path / "run").degeneracy.table() == found.table()
    whole = rnne.measure_degeneracy(lesioned, analysis=ANALYSIS)
    assert whole.dynamics.mean.value > 0
    np.testing.assert_array_equal(whole.weights.matrix, plain.weights.matrix)
    points = rnne.find_fixed_points(lesioned)
    assert all(
        (each.points[:, lesioned.params.kept[k] == 0] == 0).all() for k, each in enumerate(points)
    )
    assert rnne.compare_populations(rnne.DSA(rank=2, starts=4), population, lesioned)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Silence(), r"`share` or `units`, not empty, must be given, and one of them alone"),
        (lambda: Silence(units=[]), r"`share` or `units`, not empty, must be given"),
        (lambda: Silence(units=[1], share=0.5), "must be given, and one of them alone"),
        (lambda: Silence(share=0.0), "`share` must be above 0 and at most 1; got 0.0"),
        (lambda: Cut(share=1.5), "`share` must be above 0 and at most 1; got 1.5"),
        (lambda: Silence(units=[1, 1]), "`units` must be different whole numbers of at least 0"),
        (lambda: Silence(units=[-1]), "`units` must be different whole numbers of at least 0"),
        (lambda: Silence(share=0.5, by="size"), "`by` must be one of"),
        (lambda: Silence(share=0.5, seed=-1), "`seed` must be a whole number of at least 0"),
        (lambda: Cut(pairs=[(1, 2, 3)]), r"`pairs` must be pairs \(i, j\) of units; got"),
        (lambda: Cut(pairs=[(1, 0.5)]), "`pairs` must be different whole numbers of at least 0"),
        (lambda: Kick(step=-1), "`step` must be a whole number of at least 0"),
        (lambda: Kick(step=1, size=0), "`size` must be a positive number; got 0"),
        (lambda: Kick(step=1, direction=[0, 0]), "`direction` must be finite numbers, not all 0"),
        (lambda: rnne.Analysis(silenced=(0.2, 1.2)), "`silenced` must be different shares above 0"),
        (lambda: rnne.Analysis(silenced=(0.2, 0.2)), "`silenced` must be different shares above 0"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_input(population, tmp_path):
    for perturbation, message in (
        (Silence(units=[6]), "`units` must be below the 6 units; got 6"),
        (Cut(pairs=[(0, 7)]), "`pairs` must be below the 6 units; got 7"),
        (Kick(step=12), "`step` must be below the 12 of a trial; got 12"),
        (Kick(step=2, direction=[1, 2]), "`direction` must have an entry for each of the 6 of a"),
        ("silence", "`perturbation` must be a Silence, Cut or Kick; got 'silence'"),
    ):
        with pytest.raises(ValueError, match=message):
            rnne.perturb(population, perturbation)
        with pytest.raises(ValueError, match=message):
            rnne.measure_lesions(population, [perturbation], trials=16)
    with pytest.raises(ValueError, match="`trials` must be a whole number of at least 2; got 1"):
        rnne.perturb(population, Silence(share=0.5), trials=1)
    with pytest.raises(ValueError, match="`perturbations` must hold at least one"):
        rnne.measure_lesions(population, [])
    lost = dataclasses.replace(population, converged=np.zeros(3, bool))
    for measure in (rnne.unit_importance, lambda x: rnne.measure_lesions(x, [Cut(share=0.5)])):
        with pytest.raises(ValueError, match="must have at least 2 converged networks; got 0"):
            measure(lost)
    lesioned = rnne.perturb(population, Silence(units=[0]))
    with pytest.raises(ValueError, match="`population` is perturbed already; perturb the one"):
        rnne.perturb(lesioned, Cut(share=0.5))
    with pytest.raises(ValueError, match="`population` is perturbed already; measure the one"):
        rnne.unit_importance(lesioned)
    with pytest.raises(ValueError, match="`population` is perturbed, which no run folder holds"):
        rnne.save(tmp_path / "run", lesioned)
    still = jax.tree.map(np.zeros_like, population.params)
    with pytest.raises(ValueError, match="`step` must be one after which states of different"):
        rnne.perturb(dataclasses.replace(population, params=still), Kick(step=2))


def test_networks_that_cannot_be_perturbed_so(population):
    network = rnne.FlaxRNN(cell=own_cells.Traced, width=4)
    population = untrained(population, network)
    message = "`network` 'flax' has no units that can be silenced: its recurrence does not pass"
    with pytest.raises(ValueError, match=message):
        rnne.perturb(population, Silence(units=[0]))
    with pytest.raises(ValueError, match="`silenced` must be left out: `network` 'flax' has no"):
        rnne.Analysis(silenced=(0.2,)).left_out(TASK, network)
    with pytest.raises(ValueError, match="`network` 'flax' has no recurrent_weights, which a cut"):
        rnne.perturb(population, Cut(share=0.5))
    with pytest.raises(ValueError, match="does not say what its recurrent weights are; to cut"):
        network.cut(population.params, np.ones((3, 4, 4)))
    with pytest.raises(ValueError, match="`network` 'vanilla' has no parameters `recurrent_wei"):
        NETWORK.cut({"weights": np.ones((4, 4))}, np.ones((4, 4)))
    kicked = rnne.perturb(population, Kick(step=3))
    assert kicked.params.kick.shape == (3, network.n_states)
