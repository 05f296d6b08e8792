"""PIF of networks with several recurrent matrices: one permutation for all of them."""

import itertools

import numpy as np
import pytest

import rnnensemble as rnne
from rnnensemble.metrics import PIF
from rnnensemble.metrics.pairwise import compare_networks

GATES = 3


def networks(units, count=2, seed=0):
    """All parameters of some gated networks."""
    rng = np.random.default_rng(seed)
    shapes = {
        "recurrent_weights": (GATES, units, units),
        "input_weights": (GATES, units, 2),
        "bias": (GATES, units),
        "readout_weights": (1, units),
    }
    return {name: rng.normal(size=(count, *x)).astype(np.float32) for name, x in shapes.items()}


def turned(data, order, signs):
    """The parameters with their units in another order, and with other signs."""
    order, signs = np.asarray(order), np.asarray(signs, np.float32)
    w, u, b, y = (x.copy() for x in data.values())
    w = w[..., order, :][..., order] * signs[:, None] * signs
    u, b, y = u[..., order, :] * signs[:, None], b[..., order] * signs, y[..., order] * signs
    return dict(zip(data, (w, u, b, y), strict=True))


def least(data, *, whole, signed):
    """The distance of two networks, by trying all matchings."""
    units = data["bias"].shape[-1]
    first, second = ({name: x[k] for name, x in data.items()} for k in (0, 1))
    names = list(data) if whole else ["recurrent_weights"]
    flips = itertools.product((1, -1), repeat=units) if signed else [np.ones(units)]
    return min(
        np.sqrt(sum(np.sum((first[n] - other[n]) ** 2) for n in names))
        for signs in flips
        for order in itertools.permutations(range(units))
        for other in [turned(second, order, signs)]
    )


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_few_units_are_matched_exactly(whole, signed):
    data = networks(4)
    metric = PIF(signed=signed, parameters="all" if whole else "recurrent")
    found = compare_networks(metric, data if whole else data["recurrent_weights"])
    np.testing.assert_allclose(
        found.matrix()[0, 1], least(data, whole=whole, signed=signed), rtol=1e-5
    )


@pytest.mark.parametrize("signed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_renumbered_network_is_the_same(signed):
    units, rng = 8, np.random.default_rng(1)
    data = networks(units, count=1)
    signs = rng.choice([-1, 1], size=units) if signed else np.ones(units)
    other = turned(data, rng.permutation(units), signs)
    both = {name: np.concatenate([x, other[name]]) for name, x in data.items()}
    metric = PIF(signed=signed, starts=2, parameters="all")
    assert rnne.distance_matrix(metric, both)[0, 1] < 1e-4
    # gates of which each has a renumbering of its own are another network
    for gate in range(GATES):
        order = rng.permutation(units)
        both["recurrent_weights"][1, gate] = both["recurrent_weights"][0, gate][order][:, order]
    assert rnne.distance_matrix(metric, both)[0, 1] > 1


def test_no_matching_comes_below_the_bound():
    data = networks(8, count=3)["recurrent_weights"]
    found = compare_networks(PIF(starts=2), data)
    bounds = np.asarray(found.found.lower_bound)
    assert (bounds > 0).all()
    assert (bounds <= np.asarray(found.found.distance) + 1e-4).all()


def test_a_stack_of_one_matrix_is_that_matrix():
    data = networks(4, count=3)["recurrent_weights"]
    one_gate, stacked = (rnne.distance_matrix("pif", x) for x in (data[:, 0], data[:, :1]))
    np.testing.assert_allclose(stacked, one_gate, rtol=1e-5)


def test_normalized_by_all_weights():
    data = networks(4)["recurrent_weights"]
    whole, share = (rnne.distance_matrix(PIF(normalize=x), data)[0, 1] for x in (False, True))
    np.testing.assert_allclose(share, whole / data[0].size, rtol=1e-6)


def test_what_does_not_fit_is_said_in_one_line():
    with pytest.raises(ValueError, match=r"must be \[K, N, N\], or \[K, G, N, N\] of gates; got"):
        rnne.distance_matrix("pif", np.zeros((2, 1, 3, 4, 4)))
    with pytest.raises(ValueError, match=r"must be \[K, N, N\], or \[K, G, N, N\] of gates; got"):
        rnne.distance_matrix("pif", np.zeros((2, 3, 4, 5)))
    data = networks(4)
    data["readout_weights"] = data["readout_weights"][:, None]
    with pytest.raises(ValueError, match=r"`readout_weights` must be \[O, N\] with N = 4; got"):
        rnne.distance_matrix(PIF(parameters="all"), data)
