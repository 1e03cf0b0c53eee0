"""Strict decoding: the pixels, or one line that names the file; never anything between."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from generators.errors import ImageError
from generators.pixels import check_image, decode_image, image_size, read_image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def noise(width: int = 6, height: int = 5) -> Image.Image:
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def png16() -> bytes:
    """A 2x1 PNG with 16 bits a channel, which Pillow opens as 8-bit RGB without a word."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + bytes(range(12))))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_files_come_back_as_they_were(kind: str) -> None:
    found = decode_image(encoded(noise(), kind, lossless=True), "a")
    assert (found == np.asarray(noise())).all()


def test_grey_and_palette_become_rgb() -> None:
    grey = noise().convert("L")
    assert (decode_image(encoded(grey), "a") == np.asarray(grey)[..., None]).all()
    palette = noise().quantize(8)
    assert (decode_image(encoded(palette), "a") == np.asarray(palette.convert("RGB"))).all()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (png16(), "16 bits a channel"),
        (encoded(Image.new("I;16", (4, 4))), "16 bits a channel"),
        (encoded(noise().convert("RGBA")), "an alpha channel"),
        (encoded(noise().convert("LA")), "an alpha channel"),
        (encoded(noise(), transparency=(0, 0, 0)), "a transparent colour"),
        (encoded(noise().quantize(8), transparency=0), "a transparent palette"),
        (encoded(noise().convert("1")), "1-bit pixels"),
        (encoded(noise().convert("CMYK"), "JPEG"), "CMYK colour"),
        (encoded(noise(), "WEBP", save_all=True, append_images=[noise().rotate(180)]), "2 frames"),
        (encoded(noise(), save_all=True, append_images=[noise().rotate(180)]), "2 frames"),
    ],
)
def test_what_would_change_silently_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for check in (read_image, check_image):
        with pytest.raises(ImageError, match=rf"a\.png: has {found}, expected 8-bit RGB"):
            check(path)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused_whatever_they_are_called(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(), kind))
    for check in (read_image, check_image, image_size):
        with pytest.raises(ImageError, match=r"a\.png: "):
            check(path)


def test_a_phones_photo_with_a_second_picture_is_its_first() -> None:
    black = Image.new("RGB", (6, 5))
    data = encoded(noise(), "MPO", save_all=True, append_images=[black], quality=100)
    assert decode_image(data, "a").mean() > 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_pixels_agree_on_the_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise(8, 4).save(tmp_path / "a.jpg", exif=exif)
    width, height = image_size(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").shape == (height, width, 3)
    assert (width, height) == ((4, 8) if orientation >= 5 else (8, 4))


FILES = {kind: encoded(noise(), kind) for kind in ("PNG", "JPEG", "WEBP")}


# A damaged header may claim 90 megapixels, of which Pillow warns; it refuses from 179 on.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
@example("PNG", None)
def test_a_damaged_file_is_an_image_or_an_image_error(kind: str, data: st.DataObject) -> None:
    whole = FILES[kind]
    if data is None:
        damaged = b""
    else:
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, min(len(whole), start + 8)))
        damaged = whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]
    try:
        pixels = decode_image(damaged, "damaged")
    except ImageError as error:
        assert str(error).startswith("damaged: ")  # noqa: PT017
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (33, 17), (101, 67)])
def test_the_fast_decoder_gives_pillows_pixels(
    size: tuple[int, int], sampling: str, progressive: bool
) -> None:
    options = {"subsampling": sampling, "quality": 70, "progressive": progressive}
    for image in (noise(*size), noise(*size).convert("L")):
        data = encoded(image, "JPEG", **options)
        with Image.open(io.BytesIO(data)) as opened:
            assert (decode_image(data, "a") == np.asarray(opened.convert("RGB"))).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_cut_short_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as importing WeasyPrint does
    whole = FILES[kind]
    for length in range(0, len(whole) - 16, 7):
        with pytest.raises(ImageError, match=r"cut: "):
            decode_image(whole[:length], "cut")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png: cannot be read \(No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path)
