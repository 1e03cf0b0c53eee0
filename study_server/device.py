"""The device check: what a browser reports, and who cannot take part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

_CHROME_PX = 190
INPUTS = ("keyboard", "touch", "mouse")


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
        try:
            numbers = [
                float(form.get(name) or 0)
                for name in ("width", "height", "pixel_ratio", "refresh_hz")
            ]
        except ValueError:
            return None
        if not all(math.isfinite(number) and 0 <= number <= 100_000 for number in numbers):
            return None
        if form.get("input") not in INPUTS:
            return None
        width, height, ratio, refresh = numbers
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


@dataclass(frozen=True)
class Panels:
    """What has to fit on the screen: two images, or three with the low-resolution input."""

    count: int
    width: int
    height: int


def screens_out(device: Device, panels: Panels) -> bool:
    """Return whether the images cannot be shown: no decoder, or neither a row nor a column fits.

    One image pixel needs one device pixel; question and buttons take 190 CSS pixels of height.
    """
    width, height = device.width * device.pixel_ratio, device.height * device.pixel_ratio
    height -= _CHROME_PX * device.pixel_ratio
    row = width >= panels.count * panels.width and height >= panels.height
    column = width >= panels.width and height >= panels.count * panels.height
    return not device.decode_ok or not (row or column)


@cache
def chequers() -> bytes:
    """Return a chequered PNG, 64 x 64."""
    import numpy as np

    from study_server.stimuli import encode

    squares = (np.indices((64, 64)) // 8).sum(0) % 2
    pixels = np.where(squares[..., None] == 1, 200, 90).astype(np.uint8).repeat(3, 2)
    return encode(pixels).unpadded()
