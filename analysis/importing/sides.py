"""Answers from what was picked and where the model's output was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers import MISSING, Answers, lookup
from analysis.judgments.ids import folded

LEFT_RIGHT = {
    "left": "left", "l": "left", "links": "left", "gauche": "left",
    "right": "right", "r": "right", "rechts": "right", "droite": "right",
}  # fmt: skip


def of_sides(found: pd.DataFrame, values: Mapping[str, str]) -> Answers:
    """Return answers by comparing ``choice`` with ``model_side`` or ``real_side``.

    Both must name the same two places (left and right, A and B, 1 and 2, file names are for
    `of_images`). An empty choice is a skip.

    Raises
    ------
    TableError
        There are not two places, or choices that are neither.
    """
    side = "model_side" if "model_side" in found else "real_side"
    places = [_place(cell, {}) for cell in found[side]]
    meant = lookup({answer: _place(place, {}) or "" for answer, place in values.items()}, {})
    picked = [_place(cell, meant) for cell in found["choice"]]
    _refuse_other_places(found, side, places, picked)
    fooled = [
        _answer(choice, place, side == "model_side")
        for choice, place in zip(picked, places, strict=True)
    ]
    shown = [
        f"{choice or '(empty)'} with {side} {place or '(empty)'}"
        for choice, place in zip(found["choice"], found[side], strict=True)
    ]
    sign = "is" if side == "model_side" else "is not"
    return Answers(fooled, shown, f"fooled <- choice {sign} {side}")


def _place(cell: str, meant: Mapping[str, str]) -> str:
    word = folded(cell)
    if word in meant:
        return meant[word]
    return "" if word in MISSING else LEFT_RIGHT.get(word, word)


def _refuse_other_places(
    found: pd.DataFrame, side: str, places: Sequence[str], picked: Sequence[str]
) -> None:
    known = set(places) - {""}
    if len(known) > 2 or not known:
        raise TableError(
            f"{side} holds {len(known)} different values, expected two sides (left, right);"
            " where each row names its own images, map choice, model_image and real_image"
        )
    neither = sorted({cell for cell, place in zip(found["choice"], picked, strict=True)
                      if place and place not in known})  # fmt: skip
    if neither and len(known) + len({_place(cell, {}) for cell in neither}) > 2:
        raise TableError(
            f"choice holds {', '.join(map(repr, neither[:5]))}, {side} holds"
            f" {', '.join(map(repr, sorted(known)))}: neither side; give --value ANSWER=SIDE"
        )


def _answer(choice: str, place: str, model: bool) -> str | None:
    if not choice:
        return ""
    if not place:
        return None
    return str(int((choice == place) == model))


def of_images(found: pd.DataFrame, values: Mapping[str, str]) -> Answers:
    """Return answers by comparing ``choice`` with the row's ``model_image`` and ``real_image``."""
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
            fooled.append({model: "1", real: "0"}.get(choice))
    words = {"1": "the model's image", "0": "the real image", "": "(empty)"}
    shown = [
        words.get(answer or "", cell) if answer is not None else cell
        for cell, answer in zip(found["choice"], fooled, strict=True)
    ]
    return Answers(fooled, shown, "fooled <- choice is model_image, not real_image")
