"""Disagreement of outputs: its definition in NumPy, its axioms and every raise."""

import numpy as np
import pytest

from rnnensemble import distance_matrix
from rnnensemble.metrics import Disagreement
from tests.samples import distance

RNG = np.random.default_rng(0)


def test_disagreement_is_a_root_mean_square_over_what_counts():
    a, b, c = RNG.normal(size=(3, 6, 10, 2))
    mask = (RNG.random((6, 10)) < 0.4) * 1.0
    assert distance(Disagreement(), a, b) == pytest.approx(np.sqrt(np.mean((a - b) ** 2)), rel=1e-5)
    masked = [{"outputs": y, "mask": mask} for y in (a, b)]
    expected = np.sqrt(np.mean((a - b)[mask > 0] ** 2))
    assert distance(Disagreement(), *masked) == pytest.approx(expected, rel=1e-5)
    assert distance(Disagreement(), a, a) == 0
    assert distance(Disagreement(), a, b) == distance(Disagreement(), b, a)
    assert distance(Disagreement(), a, a + 0.5) == pytest.approx(0.5, rel=1e-5)
    detour = distance(Disagreement(), a, b) + distance(Disagreement(), b, c)
    assert distance(Disagreement(), a, c) <= detour


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 9), r"`outputs` must be \[K, B, T, O\]"),
        ({"outputs": (5, 9, 2)}, "hold 'outputs' and 'mask'"),
        ({"outputs": (5, 9, 2), "mask": (5, 8)}, "`mask` must be"),
    ],
)
def test_check(shape, message):
    with pytest.raises(ValueError, match=message):
        Disagreement().check(shape)


def test_matrix_over_devices_equals_pairs():
    outputs = RNG.normal(size=(4, 6, 10, 2))
    matrix = distance_matrix("disagreement", outputs)
    expected = np.sqrt(np.mean((outputs[:, None] - outputs) ** 2, axis=(2, 3, 4)))
    np.testing.assert_allclose(matrix, expected, rtol=1e-5)
