"""Numbers as text: as many digits as their intervals bear, and words where none says more."""

import math

from rnnensemble.stats.intervals import Estimate

REACH = 1000.0
"""Ratios above it, or below 1 over it, are said to be so: how much so depends on rounding."""

UNBOUNDED = "unbounded"
"""An end of an interval at infinity, or so far out that no reader can use it."""


def number(value: float, digits: int = 3) -> str:
    """A number without an interval, of so many significant digits at most; nothing for NaN.

    Example:
        >>> number(0.12345), number(12345.0), number(1.0), number(2e-7)
        ('0.123', '12300', '1', '2e-07')
    """
    if not math.isfinite(value):
        return "" if math.isnan(value) else f"{value:g}"
    if not _plain(value):
        return f"{value:.{digits}g}"
    text = _fixed(value, _decimals(value, digits))
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_interval(estimate: tuple[float, float, float], *, ratio: bool = False) -> str:
    """As "0.42 [0.31, 0.57]"; the value alone where there is no interval, nothing for NaN.

    A `ratio` beyond `REACH` is named by it.

    Example:
        >>> with_interval((0.27134, 0.25912, 0.28321)), with_interval((12.345, 9.0, 16.0))
        ('0.271 [0.259, 0.283]', '12.3 [9, 16]')
        >>> with_interval((2.33e-74, 0.0, 8.78e186), ratio=True)
        'under 0.001 [under 0.001, over 1,000]'
    """
    value, low, high = texts(Estimate(*estimate), ratio=ratio)
    return f"{value} [{low}, {high}]" if low else value


def value_and_interval(
    estimate: tuple[float, float, float], *, ratio: bool = False
) -> tuple[str, str]:
    """As `with_interval`, but the value and, apart, its interval as "low to high".

    Example:
        >>> value_and_interval((0.27134, 0.25912, 0.28321))
        ('0.271', '0.259 to 0.283')
    """
    value, low, high = texts(Estimate(*estimate), ratio=ratio)
    return value, f"{low} to {high}" if low else ""


def texts(estimate: Estimate, *, ratio: bool = False) -> tuple[str, str, str]:
    """Value and ends of an interval as text; no ends where there are none.

    The width of the interval is shown to two digits, and each number to as many decimals, or to two
    digits of its own if those are more. An end more than `REACH` times the value away is unbounded,
    and one below a `REACH`-th of it is 0, as far as the interval can tell.
    """
    value, low, high = (float(each) for each in estimate)
    if math.isnan(value):
        return "", "", ""
    if math.isnan(low):
        return _text(value, 0.0, ratio), "", ""
    if ratio:
        low, high = max(low, 0.0), math.inf if math.isnan(high) else high
    else:
        far = REACH * abs(value) if value else math.inf
        high = high if abs(high) <= far else math.inf
        low = low if abs(low) <= far else -math.inf
        low = 0.0 if 0 < low < abs(value) / REACH else low
    inside = [each for each in (value, low, high) if _usable(each, ratio)]
    width = max(inside) - min(inside) if inside else 0.0
    return _text(value, width, ratio), _text(low, width, ratio), _text(high, width, ratio)


def _usable(value: float, ratio: bool) -> bool:
    """Whether a number is shown as digits."""
    return math.isfinite(value) and not (ratio and not 1 / REACH <= value <= REACH)


def _text(value: float, width: float, ratio: bool) -> str:
    """A number beside others that span so much."""
    if math.isinf(value):
        return UNBOUNDED
    if not _usable(value, ratio):
        return f"over {REACH:,.0f}" if value > REACH else f"under {1 / REACH:g}"
    if not width:
        return number(value)
    decimals = max(_decimals(width, 2), _decimals(value, 2))
    if not _plain(value):
        return f"{value:.{decimals - _decimals(value, 1)}e}"
    return _fixed(value, decimals)


def _plain(value: float) -> bool:
    """Whether a number is read more easily without a power of ten."""
    return value == 0 or 1e-4 <= abs(value) < 1e6


def _decimals(value: float, digits: int) -> int:
    """Decimals that show so many significant digits; below 0 before the point."""
    return digits - 1 - math.floor(math.log10(abs(value))) if value else -digits


def _fixed(value: float, decimals: int) -> str:
    """A number of so many decimals; whole ones have none."""
    rounded = round(value, decimals)
    return f"{rounded:.{0 if value == int(value) else max(decimals, 0)}f}"
