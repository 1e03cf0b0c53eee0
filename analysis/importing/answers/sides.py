"""Answers from what was picked and where the model's output was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.meanings import Answers, lookup
from analysis.judgments.ids import MISSING, folded

LEFT_RIGHT = {
    "left": "left", "l": "left", "links": "left", "gauche": "left",
    "right": "right", "r": "right", "rechts": "right", "droite": "right",
}  # fmt: skip


PAIRS: tuple[set[str], ...] = (
    {"left", "right"}, {"a", "b"}, {"1", "2"}, {"0", "1"}, {"top", "bottom"}, {"first", "second"},
)  # fmt: skip


# What an image is, not where it was: a table of single images has such words for its truth.
NO_PLACES = frozenset(
    ("real", "fake", "photo", "generated", "synthetic", "ai", "model", "human", "true", "false")
)


def has_sides(found: pd.DataFrame) -> bool:
    """Return whether a table says what was picked and where one of the two images was."""
    return "choice" in found and ("model_side" in found or "real_side" in found)


def placed(found: pd.DataFrame, values: Mapping[str, str]) -> pd.DataFrame:
    """Return the table with choices and sides in one spelling, a skip empty.

    Raises
    ------
    TableError
        There are not two places, or choices that are neither.
    """
    side = "model_side" if "model_side" in found else "real_side"
    places = [_place(cell, {}) for cell in found[side]]
    if side == "model_side" and "real_side" in found:
        real = [_place(cell, {}) for cell in found["real_side"]]
        same = [at for at, pair in enumerate(zip(places, real, strict=True)) if pair[0] == pair[1]]
        if same:
            raise TableError(
                f"line {found.index[same[0]]}: model_side and real_side are both"
                f" {places[same[0]]!r} ({len(same)} such rows)"
            )
    meant = lookup({answer: _place(place, {}) for answer, place in values.items()}, {})
    picked = [_place(cell, meant) for cell in found["choice"]]
    _refuse_other_places(found, side, places, picked)
    return found.assign(**{"choice": picked, side: places})


def _place(cell: str, meant: Mapping[str, str]) -> str:
    word = folded(cell)
    if word in meant:
        return meant[word]
    return "" if word in MISSING else LEFT_RIGHT.get(word, word)


def _refuse_other_places(
    found: pd.DataFrame, side: str, places: Sequence[str], picked: Sequence[str]
) -> None:
    known = set(places) - {""}
    if known & NO_PLACES:
        raise TableError(
            f"{side} holds {', '.join(map(repr, sorted(known)[:5]))}, expected places (left or"
            " right); where each trial showed one image, that is a condition: give --map"
            " condition=COLUMN and --map fooled=COLUMN (called real: 1)"
        )
    if len(known) > 2 or not known:
        raise TableError(
            f"{side} holds {len(known)} different values, expected two sides (left, right);"
            " where each row names its own images, map choice, model_image and real_image"
        )
    known |= next((pair for pair in PAIRS if known < pair), set())
    neither = [cell for cell, place in zip(found["choice"], picked, strict=True)
               if place and place not in known]  # fmt: skip
    if neither:
        raise TableError(
            f"choice holds {', '.join(map(repr, sorted(set(neither))[:5]))}, {side} holds"
            f" {', '.join(map(repr, sorted(known)))}: neither side; give --value ANSWER=SIDE"
        )


def of_sides(found: pd.DataFrame, shown: Sequence[str], fake: bool) -> Answers:
    """Return answers of a `placed` table; `shown` are the choices as they were written.

    `fake`: raters were asked for the fake, so that what they picked is what they found out.
    """
    side = "model_side" if "model_side" in found else "real_side"
    fooled: list[str | None] = []
    told = []
    for choice, place, cell in zip(found["choice"], found[side], shown, strict=True):
        if choice and not place:
            fooled.append(None)
        else:
            real_picked = (choice == place) == (side == "real_side")
            fooled.append(str(int(real_picked == fake)) if choice else "")
        told.append(f"{cell or '(empty)'} with {side} {place or '(empty)'}")
    sign = "is" if (side == "model_side") != fake else "is not"
    return Answers(fooled, told, f"fooled <- choice {sign} {side}, {_asked(fake)}")


def _asked(fake: bool) -> str:
    return "raters were asked for the fake" if fake else "as raters were asked for the real one"


def of_images(found: pd.DataFrame, values: Mapping[str, str], fake: bool) -> Answers:
    """Return answers by comparing ``choice`` with the row's ``model_image`` and ``real_image``."""
    yes, no = ("0", "1") if fake else ("1", "0")
    if values:
        raise TableError("--value has no use where choice names an image (model_image, real_image)")
    fooled: list[str | None] = []
    for choice, model, real in zip(
        *(found[name].map(folded) for name in ("choice", "model_image", "real_image")), strict=True
    ):
        if choice in MISSING:
            fooled.append("")
        elif model == real:
            fooled.append(None)
        else:
            fooled.append({model: yes, real: no}.get(choice))
    words = {yes: "the model's image", no: "the real image", "": "(empty)"}
    shown = [
        words.get(answer or "", cell) if answer is not None else cell
        for cell, answer in zip(found["choice"], fooled, strict=True)
    ]
    return Answers(fooled, shown, f"fooled <- which image was picked, {_asked(fake)}")
