"""Numbers as text: digits by the interval, words where digits say nothing."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnensemble.figures import learning, maps
from rnnensemble.stats.digits import number, value_and_interval, with_interval
from rnnensemble.study import tables
from rnnensemble.study.pages import measured

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        ((0.27134, 0.25912, 0.28321), "0.271 [0.259, 0.283]"),
        ((12.345, 9, 16), "12.3 [9, 16]"),
        ((0.173, 0.0672, 0.563), "0.17 [0.067, 0.56]"),
        ((1234.5, 1120.2, 1350.7), "1230 [1120, 1350]"),
        ((0.999950, 0.999932, 0.999968), "0.999950 [0.999932, 0.999968]"),
        ((1.234e-7, 1.231e-7, 1.237e-7), "1.2340e-07 [1.2310e-07, 1.2370e-07]"),
        ((-0.02, -0.05, 0.01), "-0.020 [-0.050, 0.010]"),
        ((0.2, 0.0, INF), "0.20 [0, unbounded]"),
        ((0.2, 1e-90, 8.78e186), "0.20 [0, unbounded]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((0.3, NAN, NAN), "0.3"),
        ((NAN, NAN, NAN), ""),
    ],
)
def test_digits_come_from_the_interval(estimate, text):
    assert with_interval(estimate) == text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        ((1.0713, 1.0491, 1.0958), "1.071 [1.049, 1.096]"),
        ((2.33e-74, 0.0, 8.78e186), "under 0.001 [under 0.001, over 1,000]"),
        ((3.2, 0.0, INF), "3.2 [under 0.001, unbounded]"),
        ((40.0, 0.5, 1e4), "40 [0.50, over 1,000]"),
        ((1e30, NAN, NAN), "over 1,000"),
    ],
)
def test_ratios_beyond_use_are_named(estimate, text):
    assert with_interval(estimate, ratio=True) == text


def test_one_formatter_for_tables_and_figures():
    for module in (maps, learning, tables, measured):
        assert module.with_interval is with_interval
    assert value_and_interval((0.481, 0.414, 0.558)) == ("0.48", "0.41 to 0.56")
    assert value_and_interval((0.481, NAN, NAN)) == ("0.481", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.123"), (12345.6, "12300"), (0.25, "0.25"), (1e-4, "0.0001"), (NAN, "")],
)
def test_numbers_alone_have_three_digits(value, text):
    assert number(value) == text


@settings(max_examples=300, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1e-4, 2.0))
def test_low_is_told_from_high(value, reach):
    low, high = value * math.exp(-reach), value * math.exp(reach)
    for ratio in (False, True):
        first, last = value_and_interval((value, low, high), ratio=ratio)[1].split(" to ")
        assert first != last
        if not {first, last} & {"unbounded", "over 1,000", "under 0.001"}:
            apart = float(last) - float(first)
            assert abs(apart - (high - low)) <= 0.1 * (high - low)
