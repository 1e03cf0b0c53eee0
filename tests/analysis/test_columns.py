"""One definition of each table's columns serves the terminal and the page."""

from __future__ import annotations

import pytest

from analysis import columns
from analysis.columns import RATES, Column, field_of, of_medium, terminal_table
from analysis.numerals import PAGE, TERMINAL

TERMS = {
    "rate": "fool rate", "picked": "fooled", "around": "50 %", "level": "95 %",
    "adjusted": "adjusted p",
}  # fmt: skip
ENTRY = {
    "rate": 0.1234, "low": 0.05, "high": 0.25, "fooled": 12, "trials": 1200, "skipped": 3,
    "raters": 10, "items": 20, "n_eff": 45.6, "deff": 2.19, "d_prime": {"value": -1.5},
    "p_chance": 0.0004, "p_adjusted": 0.012, "p_equivalence": None,
}  # fmt: skip


def test_the_terminal_and_the_page_write_one_number_in_their_own_numerals() -> None:
    heads, cells = terminal_table(RATES, [ENTRY], TERMS)
    assert dict(zip(heads, cells[0], strict=True)) == {
        "fool rate %": "12.3", "95 % interval": "5.0 to 25.0", "fooled/trials": "12/1200",
        "skipped": "3", "raters": "10", "images": "20", "effective n": "46", "design effect": "2.2",
    }  # fmt: skip
    page = {each.head("page", TERMS): each.shown(ENTRY, PAGE) for each in of_medium(RATES, "page")}
    assert page == {
        "Fool rate": "12.3\u202f%", "95 % interval": "5.0 to 25.0", "Trials": "1,200",
        "Raters": "10", "Images": "20", "Effective n": "46", "Design effect": "2.2",
        "d′": "\u22121.50", "p, 50 %": "< 0.001", "Adjusted p": "0.012", "p, equivalence": "–",
    }  # fmt: skip


def test_a_page_sorts_by_the_number_and_an_interval_by_its_lower_end() -> None:
    assert Column("x", "", "interval").value(ENTRY) == 0.05
    assert Column("x", "d_prime.value", "number").value(ENTRY) == -1.5
    assert Column("x", "gone.value", "number").value({"gone": None}) is None
    assert field_of({"gone": None}, "gone.low") is None


def test_a_ranking_shows_open_ends_and_open_ranks_alike_in_both_places() -> None:
    entry = {
        "score": None, "low": 1.2, "high": None, "elo": None, "rank_low": 1, "rank_high": 3,
        "win_share": None, "wins": 1200, "losses": 0, "ties": 2,
    }  # fmt: skip
    heads, cells = terminal_table(columns.RANKED, [entry], TERMS)
    assert dict(zip(heads, cells[0], strict=True)) == {
        "score": "-", "95 % interval": "above 1.20", "rank": "1 to 3", "Elo": "-",
        "wins": "1,200", "losses": "0", "ties": "2",
    }  # fmt: skip
    shown = {c.words: c.shown(entry, PAGE) for c in of_medium(columns.RANKED, "page")[:4]}
    assert shown["rank"] == "1 to 3"
    assert Column("rank", "", "ranks").value(entry) == 1


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.0, "0.00"), (0.00123, "0.0012"), (0.1, "0.10")]
)
def test_a_small_ratio_keeps_two_digits_that_count(value: float | None, shown: str) -> None:
    assert columns.ODDS_RATIOS[0].shown({"odds_ratio": value}, TERMINAL) == shown


@pytest.mark.parametrize("p", [(0.3, True, "0.300 exact"), (0.3, False, "0.300")])
def test_a_permutation_p_says_whether_it_is_exact(p: tuple[float, bool, str]) -> None:
    column = columns.OVER_MODELS[-1]
    assert column.shown({"p": p[0], "exact": p[1]}, TERMINAL) == p[2]
