"""When two ids are the same, and when they only look it."""

from __future__ import annotations

import unicodedata

import pytest

from analysis.judgments.ids import alike, folded, look_alikes, same_id, written_twice


@pytest.mark.parametrize(
    "written",
    [
        "Zoë",
        " Zoë",
        "Zoë ",
        "Zoë\u00a0",
        "Zo\u200bë",
        "\ufeffZoë",
        "Zoe\u0308",
        "Zo\u00adë",
        "\tZoë\n",
    ],
)
def test_what_nobody_can_see_makes_no_other_id(written: str) -> None:
    assert same_id(written) == unicodedata.normalize("NFC", "Zoë")


@pytest.mark.parametrize("other", ["r1", "Ｒ１", "R01", "R 1"])
def test_what_a_person_has_to_decide_is_another_id_that_looks_alike(other: str) -> None:
    assert same_id(other) != "R1"
    assert alike(other) == alike("R1")


def test_letters_of_other_alphabets_look_alike() -> None:
    # Cyrillic А Е О Р С Х, Greek Α Ο Ρ: each drawn as the Latin letter in any common font.
    for foreign, latin in zip("АЕОРСХΑΟΡ", "AEOPCXAOP", strict=True):
        assert alike(foreign) == alike(latin)


@pytest.mark.parametrize(
    ("one", "other"),
    [("sr3", "sr4"), ("x0.5", "x0.05"), ("a-b", "a+b"), ("10", "100"), ("1.5", "15")],
)
def test_different_ids_do_not_look_alike(one: str, other: str) -> None:
    assert alike(one) != alike(other)


def test_groups_and_spellings() -> None:
    assert look_alikes(["r2", "R1", "r1", "x"]) == [("R1", "r1")]
    assert written_twice(["a", "b "]) is None
    assert written_twice(["a", "a "]) == ("a", "a ")


def test_words_of_answers_are_compared_without_case_and_width() -> None:
    assert folded(" ＦＡＫＥ ") == folded("fake") == "fake"
    assert folded("1.0") == folded("1.00") == "1"
    assert folded("1.5") == "1.5"
