"""Each pixel probe sees the mark it is named for, and little else."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from study_server.audit import probes
from study_server.audit.probes import PROBES, measure


@pytest.fixture(scope="module")
def photo():
    """Return a 128 x 128 crop of scikit-image's own colour photograph of a cat."""
    return np.ascontiguousarray(data.chelsea()[60:188, 120:248])


def jpeg(pixels, quality, subsampling):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(stream).convert("RGB"))


def test_jpeg_grid_shows_at_low_quality(photo):
    assert probes.jpeg_grid(jpeg(photo, 20, 0)) > probes.jpeg_grid(photo) + 0.2


def test_chroma_subsampling_lowers_colour_detail(photo):
    assert probes.chroma_detail(jpeg(photo, 90, 2)) < probes.chroma_detail(jpeg(photo, 90, 0))


def test_upsampling_by_repetition_shows_its_grid(photo):
    coarse = photo[::4, ::4]
    blocky = np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)
    assert probes.upsampling_grid(blocky) > probes.upsampling_grid(photo) + 1


def test_checkerboard_shows(photo):
    marked = photo.astype(int)
    marked[:, ::2] += 6
    marked[::2] += 6
    moved = marked.clip(0, 255).astype(np.uint8)
    assert probes.checkerboard(np.repeat(np.repeat(photo[::2, ::2], 2, 0), 2, 1)) > 1
    assert probes.noise(moved) > probes.noise(photo)


def test_a_dark_frame_shows_in_both_border_probes(photo):
    framed = photo.copy()
    framed[[0, -1]] = 0
    framed[:, [0, -1]] = 0
    assert probes.border(framed) > probes.border(photo) + 1
    assert probes.border_brightness(framed) < probes.border_brightness(photo) - 50


def test_colour_casts_are_signed(photo):
    warm = photo.astype(int) + np.array([5, 0, -5])
    warm = warm.clip(0, 255).astype(np.uint8)
    assert probes.red_cast(warm) - probes.red_cast(photo) == pytest.approx(5, abs=0.5)
    assert probes.blue_cast(warm) - probes.blue_cast(photo) == pytest.approx(-5, abs=0.5)


def test_quantised_levels_are_missed(photo):
    coarse = (photo // 4) * 4
    assert probes.missing_levels(coarse) > 0.6
    assert probes.missing_levels(photo) < 0.1
    assert probes.odd_levels(coarse) == 0


def test_clipping_counts_both_ends(photo):
    stretched = ((photo.astype(int) - 60) * 2).clip(0, 255).astype(np.uint8)
    assert probes.clipping(stretched) > probes.clipping(photo) + 0.02


def test_blur_lowers_sharpness_noise_and_contrast(photo):
    small = Image.fromarray(photo).reduce(2)
    blurred = np.asarray(small.resize((128, 128), Image.Resampling.BICUBIC))
    assert probes.sharpness(blurred) < probes.sharpness(photo)
    assert probes.noise(blurred) < probes.noise(photo)
    assert probes.contrast(blurred) < probes.contrast(photo)


@pytest.mark.parametrize("shape", [(8, 8, 3), (9, 33, 3)])
def test_every_probe_is_finite_on_flat_and_tiny_images(shape):
    for level in (0, 128, 255):
        values = measure(np.full(shape, level, np.uint8))
        assert values.shape == (len(PROBES),)
        assert np.isfinite(values).all()
