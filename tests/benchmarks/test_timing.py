"""How the benchmarks measure time."""

from __future__ import annotations

from benchmarks.support.timing import alternate


def test_what_takes_less_than_a_tick_of_the_clock_takes_some_time() -> None:
    """A tick is 10 ms; a ratio of two times must not divide by zero on a fast machine."""
    ours, theirs = alternate(lambda: sum(range(100)), lambda: sum(range(100)), rounds=3)
    assert 0 < ours < 0.01
    assert 0 < theirs < 0.01
