"""What raters download gives nothing away: equal sizes, equal chunks, no metadata."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from study_server.errors import StimulusError
from study_server.studies.images.stimuli import encode, encode_equal, mosaic, padding, resample

pixels = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


def chunks(png: bytes) -> list[tuple[bytes, int]]:
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        found.append((png[at + 4 : at + 8], length))
        at += 12 + length
    return found


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.slow
@given(pixels)
def test_pixels_survive(image: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    first, second = encode_equal([image, noise])
    assert (decode(first) == image).all()
    assert (decode(second) == noise).all()


def test_photo_and_output_have_the_same_size_and_the_same_three_chunks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    flat = np.full((64, 64, 3), 90, np.uint8)
    first, second = encode_equal([noise, flat])
    assert len(first) == len(second)
    assert chunks(first) == chunks(second)
    assert [name for name, _ in chunks(first)] == [b"IHDR", b"IDAT", b"IEND"]


def test_without_padding_the_sizes_tell() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    first, second = encode_equal([noise, noise // 64 * 64], pad=False)
    assert len(first) > 1.5 * len(second)


@pytest.mark.slow
@given(st.integers(20, 5000))
def test_padding_is_any_number_of_bytes_and_decodes_to_nothing(size: int) -> None:
    filler = padding(size)
    assert len(filler) == size
    assert zlib.decompress(filler + b"\x01\x00\x00\xff\xff", wbits=-15) == b""


@pytest.mark.parametrize("size", [-1, 1, 4, 7, 9, 13, 14, 19])
def test_impossible_padding_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="cannot pad"):
        padding(size)


def test_unequal_dimensions_are_refused() -> None:
    images = [np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    with pytest.raises(StimulusError, match="5x4 and 6x4"):
        encode_equal(images)


def test_the_encoder_is_about_as_good_as_pillows() -> None:
    ramp = np.indices((64, 64)).sum(0)[..., None].repeat(3, 2).astype(np.uint8)
    theirs = io.BytesIO()
    Image.fromarray(ramp).save(theirs, "PNG")
    assert len(encode(ramp).unpadded()) < 1.2 * len(theirs.getvalue())


def test_a_mosaic_is_the_mean_of_each_square() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    squares = mosaic(image, 4)
    assert (squares[:4, :4] == np.rint(image[:4, :4].mean((0, 1)))).all()
    assert (squares[4:, 8:] == np.rint(image[4:, 8:].mean((0, 1)))).all()


def test_a_mosaic_of_an_odd_size_reaches_the_border() -> None:
    image = np.random.default_rng(0).integers(0, 256, (10, 7, 3), dtype=np.uint8)
    squares = mosaic(image, 4)
    assert squares.shape == image.shape
    assert (squares[8:, 4:] == np.rint(image[8:, 4:].mean((0, 1)))).all()


def test_resampling_to_the_same_size_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    assert resample(image, (12, 8), "lanczos") is image
