"""Upsampling against the kernels' definitions, computed here in float64."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from generators.methods.resampling.interpolation import to_side, upsample


def triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys, 1981, equation 15, a = -1/2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def lanczos3(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def by_definition(
    pixels: np.ndarray, factor: int, kernel: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Separable interpolation, half-pixel centres; weights beyond the edge are dropped."""

    def weights(length: int) -> np.ndarray:
        places = (np.arange(length * factor) + 0.5) / factor - 0.5
        raw = kernel(places[:, None] - np.arange(length)[None])
        return raw / raw.sum(1, keepdims=True)

    rows, columns = (weights(length) for length in pixels.shape[:2])
    horizontal = np.rint(np.einsum("yxc,jx->yjc", pixels.astype(float), columns).clip(0, 255))
    return np.einsum("iy,yjc->ijc", rows, horizontal).clip(0, 255)


@pytest.mark.parametrize(
    ("name", "kernel"), [("bilinear", triangle), ("bicubic", cubic), ("lanczos", lanczos3)]
)
@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, (9, 7, 3)), st.sampled_from([2, 3, 4, 8]))
def test_the_kernels_are_what_they_are_called(name, kernel, pixels, factor) -> None:
    # Two levels: the fixed-point weights may round the first pass's ties the other way.
    found = upsample(pixels, factor, name).astype(float)
    assert np.abs(found - by_definition(pixels, factor, kernel)).max() <= 2


@given(arrays(np.uint8, (5, 4, 3)), st.integers(2, 8))
def test_nearest_repeats_pixels(pixels: np.ndarray, factor: int) -> None:
    expected = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    assert (upsample(pixels, factor, "nearest") == expected).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
@given(st.integers(0, 255), st.integers(2, 9))
def test_a_flat_image_stays_flat(name: str, level: int, factor: int) -> None:
    pixels = np.full((6, 5, 3), level, np.uint8)
    assert (upsample(pixels, factor, name) == level).all()


def stretched(length: int, target: int) -> np.ndarray:
    """Return the weights of an anti-aliased reduction: Keys' cubic, stretched by the factor."""
    factor = length / target
    places = (np.arange(target) + 0.5) * factor - 0.5
    raw = cubic((places[:, None] - np.arange(length)[None]) / factor)
    return raw / raw.sum(1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, (16, 16, 3)))
def test_a_smaller_side_is_an_anti_aliased_reduction(pixels: np.ndarray) -> None:
    weights = stretched(16, 14)
    rows = np.rint(np.einsum("yxc,jx->yjc", pixels.astype(float), weights).clip(0, 255))
    expected = np.einsum("iy,yjc->ijc", weights, rows).clip(0, 255)
    assert np.abs(to_side(pixels, 14, "bicubic").astype(float) - expected).max() <= 2


@given(arrays(np.uint8, (6, 4, 3)))
def test_a_side_four_times_larger_is_the_factor_4(pixels: np.ndarray) -> None:
    assert (to_side(pixels, 24, "bicubic") == upsample(pixels, 4, "bicubic")).all()


def test_the_longer_side_is_the_one_that_is_given() -> None:
    assert to_side(np.zeros((30, 20, 3), np.uint8), 12, "bicubic").shape == (12, 8, 3)
