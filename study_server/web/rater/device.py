"""The device check: what a browser reports, and who cannot take part."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache

INPUTS = ("keyboard", "touch", "mouse")
LEAST_CSS_PIXELS = 0.5  # to an image pixel: with fewer the images are too small to be judged
LEAST_VIEWPORT = 180  # CSS and device pixels a side of a part of an image
_MOST = 100_000.0
# As JavaScript writes one. float() reads more: 1_000, nan, full-width digits.
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Room:
    """The CSS pixels that the trial page has for images, beside question, labels and margins."""

    row_width: float
    row_height: float
    column_width: float
    column_height: float
    pixel_ratio: float

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Room | None:
        """Return the form's values, None where they are missing or no numbers."""
        numbers = [_number(form, field.name) for field in fields(cls)]
        given = [number for number in numbers if number is not None]
        return cls(*given) if len(given) == len(numbers) else None


@dataclass(frozen=True)
class Device:
    """What the device check measured. Rounded before it is stored, so that it identifies nobody."""

    width: float
    height: float
    pixel_ratio: float
    refresh_hz: float
    input: str
    decode_ok: bool

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Device | None:
        """Return the form's values, None where they are missing or no numbers."""
        numbers = [_number(form, name) for name in ("width", "height", "pixel_ratio", "refresh_hz")]
        given = [number for number in numbers if number is not None]
        if len(given) < len(numbers) or form.get("input") not in INPUTS:
            return None
        if min(given) < 0:
            return None
        width, height, ratio, refresh = given
        return cls(width, height, ratio, refresh, form["input"], form.get("decode_ok") == "1")

    def stored(self) -> dict[str, float | str | bool]:
        """Return the values that are kept: sizes to 50 pixels, rates to 1 Hz."""
        values = asdict(self)
        values["width"], values["height"] = (
            50 * round(side / 50) for side in (self.width, self.height)
        )
        values["refresh_hz"] = round(self.refresh_hz)
        values["pixel_ratio"] = round(self.pixel_ratio, 2)
        return values


FIELDS = ("width", "height", "refresh_hz", "input", "decode_ok", *Room.__dataclass_fields__)


def _number(form: Mapping[str, str], name: str) -> float | None:
    text = form.get(name) or "0"
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if -_MOST <= number <= _MOST else None


@dataclass(frozen=True)
class Panels:
    """What has to fit on the screen: two images, or three with the low-resolution input.

    Of images that raters zoom it is a part, at least 180 CSS pixels a side.
    """

    count: int
    width: int
    height: int
    zoom: bool = False


def fits(room: Room, panels: Panels) -> bool:
    """Return whether the images can be shown, side by side or stacked.

    An image pixel needs a whole number of device pixels and at least half a CSS pixel. The trial
    page lays out by the same rule (fit.js).
    """
    ratio = room.pixel_ratio
    if panels.zoom:
        side = LEAST_VIEWPORT * max(1.0, 1 / ratio) if ratio > 0 else math.inf
        panels, ratio, least = Panels(panels.count, 1, 1), 1.0, side - 1e-6
    else:
        least = max(1, math.ceil(LEAST_CSS_PIXELS * ratio)) - 1e-6
    row, column = (
        (room.row_width / panels.count, room.row_height),
        (room.column_width, room.column_height / panels.count),
    )
    return ratio > 0 and any(
        width * ratio >= panels.width * least and height * ratio >= panels.height * least
        for width, height in (row, column)
    )


@cache
def chequers() -> bytes:
    """Return a chequered PNG, 64 x 64."""
    import numpy as np

    from study_server.studies.images.stimuli import encode

    squares = (np.indices((64, 64)) // 8).sum(0) % 2
    pixels = np.where(squares[..., None] == 1, 200, 90).astype(np.uint8).repeat(3, 2)
    return encode(pixels).unpadded()
