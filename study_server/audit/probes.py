"""Pixel probes: numbers that a pipeline's habits change, whatever the picture shows.

`TRACES` are marks that the *pipeline* leaves (a JPEG grid in one class only, a border, a colour
cast, missing grey levels): they have to be mended before a study, since raters could learn the
mark. `QUALITIES` (sharpness, noise, contrast) differ between honest generators and photos too:
raters are meant to judge them, so they are reported and never a reason to stop.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3)
Plane = NDArray[np.float64]  # (H, W)
Probe = Callable[[Image], float]


def luminance(image: Image) -> Plane:
    """Return Rec. 601 luma, ``(H, W)`` in 0..255."""
    return np.asarray(image @ np.array([0.299, 0.587, 0.114]), dtype=np.float64)


def brightness(image: Image) -> float:
    """Return the mean luma, 0..255."""
    return float(luminance(image).mean())


def red_cast(image: Image) -> float:
    """Return mean red minus mean green, in grey levels."""
    return float(image[..., 0].mean() - image[..., 1].mean())


def blue_cast(image: Image) -> float:
    """Return mean blue minus mean green, in grey levels."""
    return float(image[..., 2].mean() - image[..., 1].mean())


def _jumps(image: Image) -> tuple[Plane, Plane]:
    plane = luminance(image)
    return np.abs(np.diff(plane, axis=1)).mean(axis=0), np.abs(np.diff(plane, axis=0)).mean(axis=1)


def _grid(image: Image, period: int) -> float:
    """Return log(jump across the lines of a grid / jump elsewhere): 0 without a grid."""
    ratios = []
    for profile in _jumps(image):
        line = np.arange(1, len(profile) + 1) % period == 0
        if line.any() and (~line).any():
            ratios.append((profile[line].mean() + 0.1) / (profile[~line].mean() + 0.1))
    return float(np.log(np.mean(ratios))) if ratios else 0.0


def jpeg_grid(image: Image) -> float:
    """Return the blockiness at multiples of 8 pixels, the grid of JPEG (0 = none)."""
    return _grid(image, 8)


def upsampling_grid(image: Image) -> float:
    """Return the blockiness at multiples of 4 pixels, the grid of a 4x decoder (0 = none)."""
    return _grid(image, 4)


def checkerboard(image: Image) -> float:
    """Return the blockiness at multiples of 2 pixels, the mark of transposed convolutions."""
    return _grid(image, 2)


def border(image: Image) -> float:
    """Return log(jump at the outermost pixels / jump a little further in): padding marks."""
    ratios = []
    for profile in _jumps(image):
        inside = np.concatenate([profile[2:6], profile[-6:-2]])
        ratios.append((profile[[0, -1]].mean() + 0.1) / (float(inside.mean()) + 0.1))
    return float(np.log(max(ratios)))


def border_brightness(image: Image) -> float:
    """Return mean luma of the outermost ring minus that of the ring 4 pixels inside."""
    plane = luminance(image)
    return _ring(plane, 0) - _ring(plane, min(4, (min(plane.shape) - 1) // 2))


def _ring(plane: Plane, depth: int) -> float:
    inner = plane[depth : plane.shape[0] - depth, depth : plane.shape[1] - depth]
    edges = [inner[0], inner[-1], inner[:, 0], inner[:, -1]]
    return float(np.concatenate(edges).mean())


def clipping(image: Image) -> float:
    """Return the share of samples at exactly 0 or 255."""
    return float(((image == 0) | (image == 255)).mean())


def missing_levels(image: Image) -> float:
    """Return the share of grey levels never used within the central 90 % of the histogram."""
    low, high = np.percentile(image, [5, 95])
    counts = np.bincount(image.ravel(), minlength=256)[int(low) : int(high) + 1]
    return float((counts == 0).mean())


def odd_levels(image: Image) -> float:
    """Return the share of odd sample values: .5 unless a conversion rounds to even."""
    return float((image & 1).mean())


def chroma_detail(image: Image) -> float:
    """Return log(fine detail in colour / fine detail in luma): low after 4:2:0 subsampling."""
    plane = luminance(image)
    colour = image[..., 0] - plane
    return float(np.log((_detail(colour) + 0.05) / (_detail(plane) + 0.05)))


def _detail(plane: Plane) -> float:
    return float(_laplacian(plane).mean())


def _laplacian(plane: Plane) -> Plane:
    around = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]
    return np.abs(plane[1:-1, 1:-1] - around / 4)


def sharpness(image: Image) -> float:
    """Return log of the mean absolute Laplacian of luma."""
    return float(np.log(_detail(luminance(image)) + 0.05))


def noise(image: Image) -> float:
    """Return log of the Laplacian's level in the smoothest quarter of the picture."""
    return float(np.log(np.percentile(_laplacian(luminance(image)), 25) + 0.05))


def contrast(image: Image) -> float:
    """Return the standard deviation of luma."""
    return float(luminance(image).std())


TRACES: dict[str, Probe] = {
    "JPEG grid (8 px)": jpeg_grid,
    "upsampling grid (4 px)": upsampling_grid,
    "checkerboard (2 px)": checkerboard,
    "border jump": border,
    "border brightness": border_brightness,
    "brightness": brightness,
    "red cast": red_cast,
    "blue cast": blue_cast,
    "clipped samples": clipping,
    "missing grey levels": missing_levels,
    "odd grey levels": odd_levels,
}
# The median difference from which a mark can be seen or learnt: a tenth of a grey level that all
# outputs share gives an area near 1 and is invisible.
MATTERS: dict[str, float] = {
    "JPEG grid (8 px)": 0.1,
    "upsampling grid (4 px)": 0.1,
    "checkerboard (2 px)": 0.1,
    "border jump": 0.2,
    "border brightness": 1.0,
    "brightness": 1.0,
    "red cast": 1.0,
    "blue cast": 1.0,
    "clipped samples": 0.01,
    "missing grey levels": 0.1,
    "odd grey levels": 0.05,
}
QUALITIES: dict[str, Probe] = {
    "sharpness": sharpness,
    "noise": noise,
    "contrast": contrast,
    "colour detail": chroma_detail,
}
PROBES: dict[str, Probe] = TRACES | QUALITIES


def measure(image: Image) -> NDArray[np.float64]:
    """Return every probe of one image, ``(probes,)`` in the order of `PROBES`."""
    return np.array([probe(image) for probe in PROBES.values()])
