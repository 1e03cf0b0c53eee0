"""The device check: what a browser reports, and who cannot take part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache

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
        return cls(*numbers, input=form["input"], decode_ok=form.get("decode_ok") == "1")

    def stored(self) -> dict[str, float | str | bool]:
        """Return the values that are kept: sizes to 50 pixels, rates to 1 Hz."""
        values = asdict(self)
        values["width"], values["height"] = (
            50 * round(side / 50) for side in (self.width, self.height)
        )
        values["refresh_hz"] = round(self.refresh_hz)
        values["pixel_ratio"] = round(self.pixel_ratio, 2)
        return values


def screens_out(device: Device, side_needed: int) -> bool:
    """Return whether the images cannot be shown: no decoder, or no room for one image."""
    return not device.decode_ok or max(device.width, device.height) < side_needed


@cache
def chequers() -> bytes:
    """Return a chequered PNG, 64 x 64."""
    import numpy as np

    from study_server.stimuli import encode

    squares = (np.indices((64, 64)) // 8).sum(0) % 2
    pixels = np.where(squares[..., None] == 1, 200, 90).astype(np.uint8).repeat(3, 2)
    return encode(pixels).unpadded()
