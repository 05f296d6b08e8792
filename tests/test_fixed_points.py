"""Fixed points against closed forms, built networks and dense searches."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq, fsolve

import rnnensemble as rnne
from rnnensemble.analysis.fixed_points import refinement
from rnnensemble.analysis.fixed_points.attractors import find_cycle
from rnnensemble.analysis.fixed_points.points import find_fixed_points, search_from
from rnnensemble.analysis.fixed_points.search import FixedPointSearch
from rnnensemble.figures.fixed_points import fixed_points_figure
from rnnensemble.networks import MuPRNN, VanillaRNN
from rnnensemble.networks.cell import MuPParams, VanillaParams
from tests import compiled

SEARCH = FixedPointSearch()


def params_of(recurrent, *, bias=None, inputs=None, readout=None):
    """One network's weights, with leading axis 1."""
    size = len(recurrent)
    found = VanillaParams(
        input_weights=np.zeros((size, 1)) if inputs is None else np.asarray(inputs),
        recurrent_weights=np.asarray(recurrent),
        bias=np.zeros(size) if bias is None else np.asarray(bias),
        readout_weights=np.ones((1, size)) if readout is None else np.asarray(readout),
        initial_state=np.zeros(size),
    )
    return jax.tree.map(lambda x: np.asarray(x, np.float32)[None], found)


def starts(size, count=200, *, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).normal(size=(1, count, size))


def orthogonal(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


@pytest.mark.parametrize("network", [VanillaRNN(width=7), MuPRNN(width=7, gamma=0.7, tau=0.3)])
def test_step_and_jacobian_are_those_of_the_network(network):
    """Steps from zeros give the rates of `respond`; the Jacobian that of automatic derivatives."""
    hyper = {name: jnp.float32(0.7) for name in network.per_network}
    params = compiled.init(network, jax.random.key(0), n_inputs=2, n_outputs=1, **hyper)
    params = params._replace(bias=0.1 * jnp.arange(7.0) * isinstance(params, VanillaParams))
    inputs = np.random.default_rng(1).normal(size=(3, 5, 2)).astype(np.float32)
    rates, _ = compiled.respond(network, params, inputs)
    state, advance = jnp.zeros((3, 7)), jax.jit(network.step)
    for step in range(5):
        before, state = state, advance(params, state, inputs[:, step])
        np.testing.assert_allclose(network.rates(state), rates[:, step], atol=1e-6)
    found = jax.jit(network.jacobian)(params, before, inputs[:, 4])
    automatic = jax.jit(jax.vmap(jax.jacfwd(lambda h, x: network.step(params, h, x))))
    np.testing.assert_allclose(found, automatic(before, inputs[:, 4]), atol=1e-6)


def test_points_are_refined_on_the_host_in_float64(monkeypatch):
    """Where another device is the default, as a GPU would be, the first CPU does the work."""
    network = VanillaRNN(width=5)
    params = jax.tree.map(lambda x: x[0], params_of(0.5 * orthogonal(5)))
    host, default = jax.local_devices(backend="cpu")
    seen, compute = [], refinement._step_and_slope

    def watched(*args, **options):
        found = compute(*args, **options)
        seen.extend(jax.tree.leaves((args, found)))
        return found

    monkeypatch.setattr(refinement, "_step_and_slope", watched)
    states = np.random.default_rng(0).normal(size=(3, 5))
    with jax.default_device(default):
        there = jax.tree.map(jnp.asarray, params)
        rows, gaps, _ = refinement.exact(network, there, np.zeros(1, np.float32), states)
    assert all(x.devices() == {host} for x in seen)
    assert {x.dtype for x in seen} == {np.dtype("float64")}
    expected = np.tanh(rows @ np.float64(params.recurrent_weights).T) - rows
    np.testing.assert_allclose(gaps, expected, atol=1e-12)


def test_a_linear_network_rests_at_its_closed_form():
    """h = W h + W_x x + b where relu passes all: h = (I - W)^-1 (W_x x + b)."""
    rng = np.random.default_rng(0)
    recurrent, drive = 0.2 * rng.random((6, 6)), 1 + rng.random(6)
    params = params_of(recurrent, bias=drive, inputs=np.ones((6, 1)))
    network = VanillaRNN(width=6, activation="relu")
    (found,) = search_from(network, params, np.abs(starts(6)) + 1, inputs=[0.5])
    assert found.counts() == (1,)
    wanted = np.linalg.solve(np.eye(6) - params.recurrent_weights[0], params.bias[0] + 0.5)
    np.testing.assert_allclose(found.points[0], wanted, rtol=1e-6)
    np.testing.assert_allclose(found.outputs[0], [wanted.sum()], rtol=1e-6)
    spectrum = np.linalg.eigvals(params.recurrent_weights[0].astype(float))
    np.testing.assert_allclose(
        np.sort(np.abs(found.spectra[0])), np.sort(np.abs(spectrum)), atol=1e-6
    )
    assert found.lost == 0
    assert found.reached[0] == 200


@pytest.mark.parametrize("gain", [0.3, 1.0])
def test_built_roots_are_found_with_their_types(gain):
    """Uncoupled units h = tanh(2 h) have roots -r, 0, r: all 3^3 combinations, 0 unstable.

    Any orthogonal change of coordinates would mix them; a leak (tau < 1) moves no root.
    """
    root = brentq(lambda h: np.tanh(2 * h) - h, 0.5, 1.0)
    params = params_of(2 * np.eye(3), readout=np.eye(3))
    network = VanillaRNN(width=3)
    if gain < 1:  # the muP form: potentials a = J phi(a) / N, rates phi(a)
        network = MuPRNN(width=3, tau=gain)
        weights = params.recurrent_weights * 3
        params = MuPParams(
            *params._replace(recurrent_weights=weights), gamma=np.ones(1, np.float32)
        )
    states = np.random.default_rng(1).uniform(-2.5, 2.5, size=(1, 600, 3))
    (found,) = search_from(network, params, states)
    wanted = {
        signs: sum(sign == 0 for sign in signs) for signs in itertools.product((-1, 0, 1), repeat=3)
    }
    rates = np.asarray(network.rates(jnp.asarray(found.points)))
    signs = [tuple(int(x) for x in np.round(each / root)) for each in rates]
    assert dict(zip(signs, found.unstable.tolist(), strict=True)) == wanted
    np.testing.assert_allclose(np.abs(rates[rates != 0]).max(), root, atol=1e-6)
    assert (found.speeds <= 1e-12).all()
    assert found.counts() == (8, 12, 6, 1)
    assert (found.stable, found.saddles) == (8, 19)


def test_two_units_have_the_roots_of_a_dense_search():
    recurrent, bias = np.array([[2.2, -0.8], [0.7, 1.6]]), np.array([0.1, -0.05])
    params = params_of(recurrent, bias=bias)
    exact = jax.tree.map(lambda x: x[0].astype(float), params)

    def gap(h):
        return np.tanh(exact.recurrent_weights @ h + exact.bias) - h

    roots = []
    for start in itertools.product(np.linspace(-1.2, 1.2, 25), repeat=2):
        root, _, success, _ = fsolve(gap, start, full_output=True, xtol=1e-12)
        known = any(np.linalg.norm(root - each) < 1e-4 for each in roots)
        if success == 1 and np.linalg.norm(gap(root)) < 1e-10 and not known:
            roots.append(root)
    (found,) = search_from(VanillaRNN(width=2), params, starts(2, 400))
    assert len(roots) >= 3
    assert len(found.points) == len(roots)
    for root in roots:
        index = np.argmin(np.linalg.norm(found.points - root, axis=1))
        np.testing.assert_allclose(found.points[index], root, atol=1e-7)
        slope = (1 - root**2)[:, None] * exact.recurrent_weights
        unstable = int(np.sum(np.abs(np.linalg.eigvals(slope)) > 1))
        assert found.unstable[index] == unstable


def test_a_line_attractor_is_recognized():
    """One direction with slope 1 at the origin, so weakly nonlinear that it is a line in effect."""
    rotation = orthogonal(12)
    recurrent = rotation @ np.diag([1.0] + [0.3] * 11) @ rotation.T
    params = params_of(recurrent)
    line = 0.02 * np.linspace(-1, 1, 120)[:, None] * rotation[:, 0]
    noise = 1e-6 * np.random.default_rng(0).normal(size=(120, 12))
    search = dataclasses.replace(SEARCH, distance=1e-5)
    (found,) = search_from(VanillaRNN(width=12), params, (line + noise)[None], search=search)
    assert len(found.lines) == 1
    chain = found.lines[0]
    assert chain.dimension == 1
    assert chain.alignment > 0.95
    assert chain.length == pytest.approx(0.04, rel=0.1)
    np.testing.assert_allclose(chain.nearest, 1, atol=0.01)
    along = chain.points @ rotation[:, 0]
    assert (np.diff(along) > 0).all() or (np.diff(along) < 0).all()


def test_separate_points_are_no_line():
    params = params_of(2 * np.eye(3))
    states = np.random.default_rng(1).uniform(-1, 1, size=(1, 300, 3))
    (found,) = search_from(VanillaRNN(width=3), params, states)
    assert not found.lines
    assert found.cycle is None


def test_a_limit_cycle_is_recognized():
    """Two units that turn by 2 pi / 9 a step, with a gain that tanh bounds."""
    angle = 2 * np.pi / 9
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    (found,) = search_from(VanillaRNN(width=2), params_of(1.5 * turn), starts(2, 50))
    assert found.counts() == (0, 0, 1)  # the origin, unstable in both directions
    assert found.cycle.period == 9
    assert found.cycle.share == 1.0
    assert found.cycle.returned < 0.05 * found.cycle.amplitude


def test_an_orbit_that_shrinks_is_no_cycle():
    steps = np.arange(120)
    turning = np.stack([np.cos(steps / 3), np.sin(steps / 3)], axis=1)[:, None]
    assert find_cycle(turning).period == 19  # 6 pi is 18.8 steps
    assert find_cycle(turning * 0.98 ** steps[:, None, None]) is None
    assert find_cycle(np.stack([steps, steps], axis=1)[:, None] / 10.0) is None  # moves on


def test_constant_inputs_move_the_points():
    """tanh(h / 2 + x): one root, which an input shifts."""
    params = params_of(0.5 * np.eye(1), inputs=[[1.0]])
    for x in (0.0, 0.7):
        root = brentq(lambda h, x=x: np.tanh(h / 2 + x) - h, -1, 1)
        (found,) = search_from(VanillaRNN(width=1), params, starts(1, 20), inputs=[x])
        np.testing.assert_allclose(found.points, [[root]], atol=1e-6)


def test_two_bits_have_four_stable_points(two_bits):
    found = find_fixed_points(two_bits)
    assert len(found) == two_bits.converged.sum()
    for each in found:
        assert each.stable == 4
        corners = np.sign(each.outputs[each.fixed & (each.unstable == 0)])
        assert len(np.unique(corners, axis=0)) == 4
        assert each.saddles >= 3


def test_the_figure_names_what_was_found(two_bits):
    (found,) = find_fixed_points(two_bits, networks=[0])
    params = jax.tree.map(lambda x: x[0], two_bits.params)
    inputs = compiled.sample(two_bits.task, jax.random.key(0), 6).inputs
    states = np.asarray(two_bits.network.respond(params, inputs)[0])
    figure = fixed_points_figure(found, states, title="two bits")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "4 stable"
    assert labels[1] == f"{found.counts()[1]} with 1 unstable direction"
    drawn = sum(len(each.get_offsets()) for each in figure.axes[0].collections)
    assert drawn == found.fixed.sum()


def test_devices_and_neighbors_do_not_matter(two_bits):
    whole = find_fixed_points(two_bits, networks=[0, 2])
    alone = find_fixed_points(two_bits, networks=[2], devices=1)
    np.testing.assert_allclose(whole[1].points, alone[0].points, atol=1e-7)
    np.testing.assert_array_equal(whole[1].unstable, alone[0].unstable)


@pytest.fixture(scope="module")
def two_bits():
    return rnne.train_population(
        rnne.tasks.FlipFlop(n_bits=2, n_steps=30),
        network=rnne.VanillaRNN(width=24),
        training=rnne.Training(batch=32, learning_rate=4e-3, threshold=0.003, max_epochs=60),
        size=3,
    )


def test_what_does_not_fit_is_refused(two_bits):
    network, params = VanillaRNN(width=3), params_of(np.eye(3))
    with pytest.raises(ValueError, match="at least one finite state"):
        search_from(network, params, np.zeros((1, 0, 3)))
    with pytest.raises(ValueError, match=r"must be \[K, S, N\] with K = 1 and N = 3"):
        search_from(network, params, np.zeros((1, 5, 4)))
    with pytest.raises(ValueError, match=r"must be constant, \[I\]"):
        search_from(network, params, starts(3), inputs=np.arange(8.0)[:, None])
    with pytest.raises(ValueError, match="`inputs` must be 1 finite numbers"):
        search_from(network, params, starts(3), inputs=[1.0, 2.0])
    failed = dataclasses.replace(two_bits, converged=np.zeros(3, bool))
    with pytest.raises(ValueError, match="must hold converged networks"):
        find_fixed_points(failed)
    for change, message in (
        ({"starts": 0}, "`starts` must be a whole number of at least 1"),
        ({"tolerance": 0.0}, "`tolerance` must be a positive number"),
        ({"between": 1.5}, "`between` must lie between 0 and 1; got 1.5"),
        ({"noise": -1.0}, "`noise` must be at least 0"),
        ({"slow": 1e-13}, "`slow` must be at least `tolerance`"),
    ):
        with pytest.raises(ValueError, match=message):
            FixedPointSearch(**change)
