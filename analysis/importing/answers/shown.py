"""Which image was shown on which side, where columns for left and right name what they showed."""

from __future__ import annotations

import pandas as pd

from analysis.errors import TableError
from analysis.importing.answers.sides import LEFT_RIGHT
from analysis.judgments.ids import folded, same_id

SHOWN = ("left", "right")
MAKES = ("condition", "model_side")


def names_sides(found: pd.DataFrame) -> bool:
    """Return whether columns were given that name what was shown on the left and on the right."""
    return any(name in found for name in SHOWN)


def with_sides(found: pd.DataFrame, real: str | None, said: list[str]) -> pd.DataFrame:
    """Return the table with ``condition`` and ``model_side`` in place of ``left`` and ``right``.

    A choice may be a side or one of the two names.

    Raises
    ------
    TableError
        A column is missing or made twice, nobody said which name is the real photo, or a row shows
        two models or two real photos.
    """
    lacking = next((name for name in SHOWN if name not in found), None)
    if lacking is not None:
        raise TableError(f"--map {lacking}=COLUMN is missing: what was shown on the other side")
    twice = next((name for name in (*MAKES, "real_side") if name in found), None)
    if twice is not None:
        raise TableError(f"{twice} is there already: give --map left and right, or {twice}")
    left, right = ([same_id(cell) for cell in found[name]] for name in SHOWN)
    names = sorted({*left, *right} - {""})
    if real is None or same_id(real) not in names:
        given = "nobody said" if real is None else f"--real {real!r} is none of them:"
        raise TableError(
            f"left and right hold {', '.join(map(repr, names[:5]))}: {given} which is the real"
            " photo; give --real NAME"
        )
    photo = same_id(real)
    for line, one, other in zip(found.index, left, right, strict=True):
        if (one == photo) == (other == photo):
            what = "two real photos" if one == photo else "no real photo"
            raise TableError(
                f"line {line}: left is {one!r} and right {other!r}, {what}; leave such rows out by"
                " --where, or give --duels where two models are compared"
            )
    pairs = list(zip(left, right, strict=True))
    said.append(f"condition, model_side <- what left and right showed beside {photo!r}")
    out = found.drop(columns=list(SHOWN)).assign(
        condition=[other if one == photo else one for one, other in pairs],
        model_side=["right" if one == photo else "left" for one, _ in pairs],
    )
    if "choice" in out:
        out["choice"] = [_side(cell, pair) for cell, pair in zip(out["choice"], pairs, strict=True)]
    return out


def _side(cell: str, pair: tuple[str, str]) -> str:
    """Return left or right for the name of what was shown there; any other answer as it is."""
    word = folded(cell)
    if word in LEFT_RIGHT:
        return cell
    places = {folded(pair[1]): "right", folded(pair[0]): "left"}
    return places.get(word, cell)
