"""Colour profiles: numbers meant for another colour space become the sRGB that screens assume."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from generators.errors import ImageError, cause

_NEAR = 2  # of 255; a profile that moves no colour further is another edition of sRGB's
_SPACES = {"RGB": "RGB", "GRAY": "L"}
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC


def foreign_profile(profile: bytes | None, mode: str, name: object) -> bytes | None:
    """Return the ICC profile an image has to be converted from; None if its numbers are sRGB.

    sRGB has many profiles, so it is known by what it does and not by its name. Raises `ImageError`
    for a profile that cannot be read, or that is not for an image of this Pillow `mode`.
    """
    if profile is None:
        return None
    try:
        space, near = _examined(profile)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ImageError(
            f"{name}: has a colour profile that cannot be read ({cause(error)})"
        ) from None
    if space not in _SPACES or (space == "GRAY" and mode != "L"):
        raise ImageError(f"{name}: has a colour profile for {space}, expected one for {mode}")
    return None if near else profile


@lru_cache(maxsize=256)
def profile_name(profile: bytes) -> str:
    """Return the name that a readable ICC profile gives itself."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = " ".join(ImageCms.getProfileDescription(opened).split())
    except (ImageCms.PyCMSError, OSError, ValueError):
        name = ""  # letters that are none, in the name only
    return name or "without a name"


def to_srgb(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Return ``(H, W)`` or ``(H, W, 3)`` uint8 pixels as ``(H, W, 3)`` in sRGB.

    Relative colorimetric, by LittleCMS, in 8 bits.
    """
    space = _SPACES[_space(profile)]
    if space == "RGB" and pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    transform = _transform(profile, "RGB" if space == "RGB" else "L")
    made = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    return np.array(made, dtype=np.uint8)


def _space(profile: bytes) -> str:
    return str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space).strip()


@lru_cache(maxsize=256)
def _examined(profile: bytes) -> tuple[str, bool]:
    """Return the profile's colour space, and whether it moves no colour that matters."""
    space = _space(profile)
    if space not in _SPACES:
        return space, False
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    if space == "GRAY":
        probe = levels[None]
        wanted = np.repeat(probe[..., None], 3, axis=2)
    else:
        grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
        probe = wanted = grid.reshape(18, -1, 3)
    moved = np.abs(to_srgb(probe, profile).astype(int) - wanted).max()
    return space, bool(moved <= _NEAR)


@lru_cache(maxsize=256)
def _transform(profile: bytes, mode: Literal["RGB", "L"]) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, _srgb(), mode, "RGB", renderingIntent=_INTENT)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
