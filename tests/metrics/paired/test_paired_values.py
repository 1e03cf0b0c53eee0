"""PSNR, SSIM, MS-SSIM and consistency against scikit-image, Pillow and closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from generators.dataset.import_photos import Preparation, import_photos
from metrics.errors import InputError
from metrics.intervals import mean_interval
from metrics.paired.consistency import consistency
from metrics.paired.psnr import crop, luma, psnr, psnr_y
from metrics.paired.ssim import ms_ssim, ssim, ssim_y

Pixels = NDArray[np.uint8]


def keys_downsample(pixels: Pixels, factor: int) -> NDArray[np.float64]:
    """Keys, 1981, equation 15, a = -1/2, stretched by the factor: in float64, not rounded."""

    def weights(length: int) -> NDArray[np.float64]:
        centre = (np.arange(length // factor) + 0.5) * factor
        x = np.abs((np.arange(length)[None] + 0.5 - centre[:, None]) / factor)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        raw = np.where(x < 1, near, np.where(x < 2, far, 0))
        return raw / raw.sum(1, keepdims=True)

    rows, columns = (weights(length) for length in pixels.shape[:2])
    return np.einsum("iy,yxc,jx->ijc", rows, pixels.astype(float), columns)


SHAPES = [(11, 11), (12, 40), (35, 34), (64, 64), (131, 97)]


def noisy_camera() -> tuple[Pixels, Pixels]:
    """Return scikit-image's camera and a noisy copy, as three equal channels."""
    camera = data.camera()
    noise = 20 * np.random.RandomState(5).randn(512, 512)
    noisy = np.clip(camera + noise, 0, 255).astype(np.uint8)
    return np.stack([camera] * 3, axis=2), np.stack([noisy] * 3, axis=2)


def contents(shape: tuple[int, int], name: str) -> tuple[Pixels, Pixels]:
    """Return a pair of images of one shape."""
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, shape[1]), (3, *shape)).transpose(1, 2, 0)
    photo = data.astronaut()[100 : 100 + shape[0], 100 : 100 + shape[1]]
    black, white = np.zeros_like(noise), np.full_like(noise, 255)
    return {
        "noise": (noise, noise[::-1].copy()),
        "flat": (black, white),
        "nearly flat": (white - np.uint8(1), white - (noise % 2).astype(np.uint8)),
        "ramp": (ramp.astype(np.uint8), (255 - ramp).astype(np.uint8)),
        "photo": (photo, np.clip(photo.astype(int) + noise % 16, 0, 255).astype(np.uint8)),
    }[name]


KINDS = ["noise", "flat", "nearly flat", "ramp", "photo"]


def test_the_noisy_camera_has_scikit_images_values() -> None:
    # Values from scikit-image.
    clean, noisy = noisy_camera()
    assert psnr(noisy, clean) == pytest.approx(22.409353363576034, abs=1e-4)
    assert ssim(noisy, clean) == pytest.approx(0.357959091663361, abs=1e-3)
    default = structural_similarity(clean[..., 0], noisy[..., 0])
    assert default == pytest.approx(0.3674518327910367, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_and_ssim_equal_scikit_image(shape: tuple[int, int], kind: str) -> None:
    x, y = contents(shape, kind)
    assert psnr(x, y) == pytest.approx(peak_signal_noise_ratio(y, x), abs=1e-9)
    expected = structural_similarity(
        x,
        y,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert ssim(x, y) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_luma_equal_scikit_images_of_its_luma(kind: str, border: int) -> None:
    # As BasicSR scores super-resolution: crop, luma not rounded, peak 255.
    x, y = contents((64, 97), kind)
    lumas = [rgb2ycbcr(each)[border : 64 - border, border : 97 - border, 0] for each in (x, y)]
    expected = structural_similarity(
        *lumas, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    cropped = crop(x, border), crop(y, border)
    assert ssim_y(*cropped) == pytest.approx(expected, abs=1e-6)
    expected = peak_signal_noise_ratio(*lumas, data_range=255)
    assert psnr_y(*cropped) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("difference", [1, 7, 255])
def test_psnr_of_a_constant_difference(difference: int) -> None:
    x = np.zeros((9, 13, 3), np.uint8)
    assert psnr(x, x + np.uint8(difference)) == pytest.approx(20 * math.log10(255 / difference))


def test_psnr_of_equal_images_is_infinite() -> None:
    x = contents((12, 40), "noise")[0]
    assert psnr(x, x) == math.inf
    assert ssim(x, x) == 1.0


def test_luma_has_bt601_studio_swing() -> None:
    # ITU-R BT.601: black 16, white 235, green (0, 255, 0) 16 + 128.553.
    colours = np.array([[[0, 0, 0], [255, 255, 255], [0, 255, 0]]], np.uint8)
    assert luma(colours)[0] == pytest.approx([16.0, 235.0, 144.553], abs=1e-9)
    assert psnr_y(colours, colours) == math.inf


def test_a_border_is_left_out_on_every_side() -> None:
    x = np.zeros((20, 20, 3), np.uint8)
    y = x.copy()
    y[:2] = y[-2:] = 9
    y[:, :2] = y[:, -2:] = 9
    assert psnr(crop(x, 2), crop(y, 2)) == math.inf
    with pytest.raises(InputError, match="leaves nothing"):
        crop(x, 10)


def test_ms_ssim_is_the_weighted_product_over_five_halvings() -> None:
    # The definition (Wang et al. 2003) written out with scikit-image's full maps at each scale.
    from skimage.filters import gaussian

    x, y = data.astronaut()[:192, :192], data.astronaut()[4:196, :192]
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    channels = []
    for channel in range(3):
        a, b = x[..., channel].astype(float), y[..., channel].astype(float)
        product = 1.0
        for scale, weight in enumerate(weights):
            mean = [
                gaussian(v, 1.5, truncate=3.5, preserve_range=True)[5:-5, 5:-5]
                for v in (a, b, a * a, b * b, a * b)
            ]
            top = 2 * (mean[4] - mean[0] * mean[1]) + (0.03 * 255) ** 2
            below = mean[2] - mean[0] ** 2 + mean[3] - mean[1] ** 2 + (0.03 * 255) ** 2
            light = (2 * mean[0] * mean[1] + (0.01 * 255) ** 2) / (
                mean[0] ** 2 + mean[1] ** 2 + (0.01 * 255) ** 2
            )
            last = scale == 4
            product *= np.mean(top / below * (light if last else 1)) ** weight
            side = a.shape[0] // 2
            a, b = (v.reshape(side, 2, side, 2).mean((1, 3)) for v in (a, b))
        channels.append(product)
    assert ms_ssim(x, y) == pytest.approx(np.mean(channels), abs=1e-9)


@pytest.mark.parametrize(
    "factor", [4, *(pytest.param(factor, marks=pytest.mark.slow) for factor in (2, 8))]
)
def test_consistency_of_a_photo_with_its_own_input_is_0(tmp_path: Path, factor: int) -> None:
    # The product's own way from a photo to its input: files, not arrays.
    for number, photo in enumerate((data.astronaut(), data.chelsea(), data.coffee())):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(photo).save(tmp_path / "in" / f"{number}.png")
    how = Preparation(size=64, factor=factor)
    import_photos(tmp_path / "in", tmp_path / "hr", inputs_out=tmp_path / "lr", preparation=how)
    for number in range(3):
        high, low = (
            np.asarray(Image.open(tmp_path / run / f"{number}.png")) for run in ("hr", "lr")
        )
        assert consistency(high, low) == 0


def test_consistency_is_the_error_of_keys_cubic_from_its_definition() -> None:
    output, low = data.astronaut()[:96, :128], data.astronaut()[:24, :32]
    reduced = np.rint(keys_downsample(output, 4)).clip(0, 255)
    expected = np.mean((reduced - low.astype(float)) ** 2) / 255**2
    assert consistency(output, low) == pytest.approx(expected, rel=1e-12)


def test_consistency_of_a_constant_difference() -> None:
    output, low = np.zeros((128, 128, 3), np.uint8), np.full((32, 32, 3), 7, np.uint8)
    assert consistency(output, low) == pytest.approx((7 / 255) ** 2)


def test_consistency_refuses_a_broken_factor() -> None:
    low = np.zeros((32, 32, 3), np.uint8)
    for output in (np.zeros((128, 100, 3), np.uint8), low):
        with pytest.raises(InputError, match=r"x\d+ is not 2, 3, … times as large as its 32x32"):
            consistency(output, low)


@pytest.mark.slow
def test_the_interval_of_a_mean_covers_it_95_times_in_100() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(30):
        low, high = mean_interval(random.normal(3.0, 1.0, 80)) or (0.0, 0.0)
        covered += low <= 3.0 <= high
    assert 25 <= covered <= 30  # 28.5 expected; fewer than 25 has probability 0.003
    assert mean_interval(np.array([1.0])) is None
