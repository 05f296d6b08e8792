"""InputDSA: planted systems, invariances, and dsa-metric where it is installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import distance_matrix
from rnnensemble.metrics import InputDSA
from rnnensemble.metrics.input_dsa import DrivenOperator, controllability

RNG = np.random.default_rng(0)
UNITS, INPUTS = 6, 2


def driven(state, drive, trials=40, steps=50):
    """Rates and inputs of v_{t+1} = A v_t + B u_{t+1}; h_t has seen u_t, as in our networks."""
    inputs = RNG.normal(size=(trials, steps, drive.shape[1]))
    rates = np.zeros((trials, steps, len(state)))
    for t in range(1, steps):
        rates[:, t] = rates[:, t - 1] @ state.T + inputs[:, t] @ drive.T
    return {"activity": rates, "inputs": inputs}


def random_system(scale=0.8):
    state = scale * np.linalg.qr(RNG.normal(size=(UNITS, UNITS)))[0]
    return state, RNG.normal(size=(UNITS, INPUTS))


def compared(first, second, **settings):
    metric = InputDSA(rank=UNITS, **settings)
    prepare = jax.jit(metric.prepare)
    both = [prepare(jax.tree.map(jnp.float32, each)) for each in (first, second)]
    return jax.jit(metric.compare)(jax.random.key(0), *both)


def test_operators_are_those_that_made_the_data():
    state, drive = random_system()
    data = jax.tree.map(jnp.float32, driven(state, drive))
    found = jax.jit(InputDSA(rank=UNITS).prepare)(data)
    # up to the scale of A: ratios of eigenvalues survive any change of coordinates
    both = [np.linalg.eigvals(np.asarray(each, float)) for each in (found.state, state)]
    mine, planted = (each[np.argsort(np.angle(each))] for each in both)
    np.testing.assert_allclose(mine / planted / np.mean(mine / planted), 1, atol=2e-3)


def test_a_rotated_system_is_the_same_and_another_is_not():
    state, drive = random_system()
    data = driven(state, drive)
    turn = np.linalg.qr(RNG.normal(size=(UNITS, UNITS)))[0]
    turned = {**data, "activity": 3 * data["activity"] @ turn}
    same = compared(data, turned)
    assert float(same.distance) < 2e-3
    assert float(same.state) < 2e-3
    assert float(same.input) < 2e-3
    c = np.asarray(same.rotation)
    np.testing.assert_allclose(c @ c.T, np.eye(UNITS), atol=1e-4)
    other = compared(data, driven(*random_system()))
    assert float(other.distance) > 0.1


def test_state_and_input_parts_tell_what_differs():
    state, drive = random_system()
    data = driven(state, drive)
    new_inputs = driven(state, RNG.normal(size=(UNITS, INPUTS)))
    new_state = driven(random_system()[0], drive)
    assert float(compared(data, new_inputs).input) > 0.1
    assert float(compared(data, new_state).state) > 0.1


def test_rotation_is_orthogonal_and_optimal_where_inputs_reach_little():
    n = 5
    first, second = (
        DrivenOperator(
            jnp.eye(n), jnp.ones((n, 1)), jnp.asarray(x / np.linalg.norm(x), jnp.float32)
        )
        for x in (RNG.normal(size=(2, n, 2)))
    )
    found = jax.jit(InputDSA(score="euclidean").compare)(jax.random.key(0), first, second)
    c = np.asarray(found.rotation)
    np.testing.assert_allclose(c @ c.T, np.eye(n), atol=1e-3)
    nuclear = np.linalg.svd(np.asarray(first.reach) @ np.asarray(second.reach).T)[1].sum()
    assert float(found.distance) == pytest.approx(np.sqrt(2 - 2 * nuclear), abs=1e-4)


def test_angular_and_euclidean_agree():
    both = [driven(*random_system()) for _ in range(2)]
    euclidean, angular = (compared(*both, score=s) for s in ("euclidean", "angular"))
    expected = 2 * np.arcsin(float(euclidean.distance) / 2)
    assert float(angular.distance) == pytest.approx(expected, abs=1e-5)


def test_through_distance_matrix_with_shared_inputs():
    systems = [driven(*random_system(), trials=10, steps=30) for _ in range(3)]
    data = {name: np.stack([each[name] for each in systems]) for name in ("activity", "inputs")}
    found = distance_matrix("input_dsa", data, settings={"rank": UNITS})
    assert found.shape == (3, 3)
    assert found[0, 1] > 0.05


@pytest.mark.filterwarnings("ignore")
def test_never_above_dsa_metric():
    module = pytest.importorskip(
        "DSA.simdist_controllability", reason="extra `reference` is not installed"
    )
    tool = module.ControllabilitySimilarityTransformDist()
    for _ in range(3):
        (a1, b1), (a2, b2) = random_system(), random_system()
        r1, r2 = (
            np.asarray(controllability(jnp.asarray(a), jnp.asarray(b)))
            for a, b in ((a1, b1), (a2, b2))
        )
        np.testing.assert_allclose(r1, tool.get_controllability_matrix(a1, b1), atol=1e-4)
        first, second = (
            DrivenOperator(jnp.asarray(a), jnp.asarray(b), jnp.asarray(r, jnp.float32))
            for a, b, r in ((a1, b1, r1), (a2, b2, r2))
        )
        ours = InputDSA(score="euclidean").compare(jax.random.key(0), first, second)
        theirs = tool.fit_score(a1, a2, b1, b2)
        assert float(ours.distance) <= theirs + 1e-3


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 4, 5), "`input_dsa` takes a dictionary"),
        ({"activity": (3, 4, 5), "inputs": (3, 5, 1)}, "the same trials and steps"),
        ({"activity": (3, 4, 5), "inputs": (3, 4, 1)}, "`rank` must be at most 5"),
    ],
)
def test_check(shape, message):
    with pytest.raises(ValueError, match=message):
        InputDSA(rank=6).check(shape)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "`rank` must be a whole number of at least 1"),
        ({"ridge": -1.0}, "`ridge` must be at least 0"),
        ({"score": "cosine"}, "`score` must be 'angular' or 'euclidean'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        InputDSA(**settings)
