"""Numbers as text, by one rule for the terminal and the page; only the signs differ.

A page is typeset: a true minus, a narrow space before the per cent sign. A terminal's output is
read by programs too: ASCII. Both part thousands by a comma, as 1,148.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def counted(value: int, noun: str) -> str:
    """Return a count with its noun in the right number.

    >>> counted(1, "rater"), counted(1200, "image")
    ('1 rater', '1,200 images')
    """
    return f"{value:,} {noun}" + ("" if value == 1 else "s")


@dataclass(frozen=True)
class Numerals:
    """The signs of one medium, and every number of it as text; ``none`` stands for no value."""

    minus: str
    none: str
    per_cent: str  # behind a percentage; a terminal's column says so in its head
    tiny_p: str

    def number(self, value: float | None, digits: int = 1) -> str:
        """Return a number with this many decimals; never a negative zero."""
        if value is None or math.isnan(value):
            return self.none
        text = f"{value:,.{digits}f}"
        text = text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
        return text.replace("-", self.minus)

    def percent(self, share: float | None, digits: int = 1) -> str:
        """Return a share in per cent."""
        if share is None or math.isnan(share):
            return self.none
        return f"{self.number(100 * share, digits)}{self.per_cent}"

    def points(self, gap: float | None, digits: int = 1) -> str:
        """Return a difference of shares in percentage points, always signed."""
        if gap is None:
            return self.none
        text = self.number(100 * gap, digits)
        return text if text.startswith(self.minus) or float(text) == 0 else f"+{text}"

    def interval(self, low: float | None, high: float | None, digits: int = 1) -> str:
        """Return an interval of shares in per cent, ``9.1 to 16.0``."""
        return self.span(_hundredfold(low), _hundredfold(high), digits)

    def span(self, low: float | None, high: float | None, digits: int = 1) -> str:
        """Return an interval of numbers, ``-0.30 to 0.92``."""
        if low is None or high is None:
            return self.none
        return f"{self.number(low, digits)} to {self.number(high, digits)}"

    def point_interval(self, low: float | None, high: float | None, digits: int = 1) -> str:
        """Return an interval of differences in signed percentage points, ``+3.5 to +11.9``."""
        if low is None or high is None:
            return self.none
        return f"{self.points(low, digits)} to {self.points(high, digits)}"

    def bounds(self, low: float | None, high: float | None, digits: int = 1) -> str:
        """Return an interval of which one end may be open, ``above 1.20``."""
        if low is None and high is not None:
            return f"below {self.number(high, digits)}"
        if high is None and low is not None:
            return f"above {self.number(low, digits)}"
        return self.span(low, high, digits)

    def ratio(self, value: float | None, digits: int = 2) -> str:
        """Return a ratio; below 0.1 with this many digits that count, as 0.0012."""
        if value is not None and 0 < value < 0.1:
            return f"{value:.{digits}g}"
        return self.number(value, digits)

    def ratios(self, low: float | None, high: float | None, digits: int = 2) -> str:
        """Return an interval of ratios, ``0.042 to 1.30``."""
        if low is None or high is None:
            return self.none
        return f"{self.ratio(low, digits)} to {self.ratio(high, digits)}"

    def p_value(self, p: float | None) -> str:
        """Return a p-value as papers print it: three digits, bounded below .001, never zero."""
        if p is None or math.isnan(p):
            return self.none
        return self.tiny_p if p < 0.001 else f"{p:.3f}"

    def count(self, value: int | None) -> str:
        """Return a count with its thousands parted."""
        return self.none if value is None else f"{value:,}"


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


TERMINAL = Numerals(minus="-", none="-", per_cent="", tiny_p="<.001")
PAGE = Numerals(minus="\u2212", none="–", per_cent="\u202f%", tiny_p="< 0.001")
