"""What NumPy would swallow in silence: masks, units, imaginary parts, text, objects, digits."""

import decimal

import jax.numpy as jnp
import numpy as np
import pytest

from rnnensemble import distance_matrix, stats

RATES = np.random.default_rng(0).normal(size=(2, 6, 10, 5))


class Millivolts(np.ndarray):
    """An array with a unit, as those of astropy and pint have."""

    unit = "mV"


class Unreadable:
    """A tensor that is elsewhere."""

    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse .cpu() first.")


REFUSED = [
    (np.ma.masked_greater(RATES, 2), r"`data` must hold no masked entries"),
    ([np.ma.masked_greater(x, 2) for x in RATES], r"`data\[0\]` must hold no masked entries"),
    ([[np.ma.masked_greater(y, 1) for y in x] for x in RATES], r"`data\[0\]` must hold no masked"),
    (RATES.view(Millivolts), "`data` must be plain numbers; got some in mV"),
    (RATES + 0j, "`data` must hold real numbers; got complex128"),
    (RATES.astype(str), "`data` must hold real numbers; got <U"),
    ([*RATES.tolist(), [["1"]]], r"`data\[2\]` must hold real numbers; got <U1"),
    (RATES.astype(object), "`data` must hold real numbers; got object"),
    ([[[[decimal.Decimal(1)]]], RATES[0]], r"`data\[0\]` must hold real numbers; got object"),
    ([[[1.0, 2.0], [3.0]], RATES[0]], r"`data\[0\]` must be .*; got lists of unlike lengths"),
    (RATES.astype("datetime64[s]"), "`data` must hold real numbers; got datetime64"),
    ("rates.npy", "`data` must hold real numbers; got <U9"),
    (None, "`data` must hold real numbers; got object"),
    (Unreadable(), "`data` must be an array of numbers; got TypeError: can't convert cuda:0"),
    (RATES * 1e-40, r"`data\[0\]` must lie between 1e-30 and 1e\+37 in size"),
    (RATES * 1e39, r"`data\[0\]` must lie between 1e-30 and 1e\+37 in size"),
    (1e6 + 1e-3 * RATES, r"`data\[0\]` must vary by more than float32 rounds"),
    (2**40 + (9 * RATES).astype(np.int64), r"`data\[0\]` must vary by more than float32 rounds"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED)
def test_refused_in_one_line(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        distance_matrix("cka", data)
    assert "\n" not in str(caught.value)


def test_in_dictionaries_too():
    data = {"activity": RATES, "inputs": RATES + 1j}
    with pytest.raises(ValueError, match=r"`data\['inputs'\]` must hold real numbers"):
        distance_matrix("input_dsa", data)


@pytest.mark.parametrize(
    "data",
    [
        RATES.tolist(),
        list(RATES),
        np.ma.masked_array(RATES, mask=False),
        jnp.asarray(RATES),
        RATES.astype(np.longdouble),
        1e3 + RATES,
    ],
    ids=["lists", "arrays", "nothing masked", "jax", "longdouble", "a large mean"],
)
def test_understood(data):
    wanted = distance_matrix("cka", RATES)
    np.testing.assert_allclose(distance_matrix("cka", data), wanted, atol=2e-4)


def test_spikes_are_zeros_and_ones():
    spikes = RATES > 0
    np.testing.assert_array_equal(
        distance_matrix("cka", spikes), distance_matrix("cka", spikes.astype(float))
    )


@pytest.mark.parametrize("of", [stats.mean_value, stats.spread])
def test_statistics_refuse_them_as_well(of):
    for wrong in (["1", "2", "3"], np.array([1, 2j]), np.ma.masked_equal([1, 2, 3], 2)):
        with pytest.raises(ValueError, match="`values` must hold"):
            of(wrong)
    with pytest.raises(ValueError, match="`matrix` must hold real numbers"):
        stats.mean_distance(np.eye(3) * 1j)
