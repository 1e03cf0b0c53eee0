"""Numbers as text: one rule, two sets of signs."""

from __future__ import annotations

import math

import pytest

from analysis.numerals import PAGE, TERMINAL


@pytest.mark.parametrize(
    ("value", "terminal", "page"),
    [
        (-1.25, "-1.2", "\u22121.2"),  # rounds half to even, as the machine's number is
        (-0.04, "0.0", "0.0"),
        (12345.67, "12,345.7", "12,345.7"),
        (None, "-", "–"),
        (math.nan, "-", "–"),
    ],
)
def test_a_number_on_either_medium(value, terminal, page) -> None:
    assert (TERMINAL.number(value), PAGE.number(value)) == (terminal, page)


@pytest.mark.parametrize(
    ("p", "terminal", "page"),
    [(0.0, "<.001", "< 0.001"), (0.0123, "0.012", "0.012"), (None, "-", "–")],
)
def test_a_p_value_is_never_zero(p, terminal, page) -> None:
    assert (TERMINAL.p_value(p), PAGE.p_value(p)) == (terminal, page)


def test_shares_intervals_and_points() -> None:
    assert (TERMINAL.percent(0.1234), PAGE.percent(0.1234)) == ("12.3", "12.3\u202f%")
    assert TERMINAL.interval(0.1, 0.25) == PAGE.interval(0.1, 0.25) == "10.0 to 25.0"
    assert (TERMINAL.interval(None, 0.2), TERMINAL.span(-0.3, 0.92, 2)) == ("-", "-0.30 to 0.92")
    assert (PAGE.points(0.05), PAGE.points(-0.05)) == ("+5.0", "\u22125.0")
    assert (TERMINAL.points(-0.0001), PAGE.count(12345)) == ("0.0", "12,345")
