"""Image files of every kind that people have, each with the pixels that it means or a refusal.

The expected pixels are computed here, from the definition of each format and not by the product:
EXIF's table of corners, ICC's matrix and curves, PNG's bit depths.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Array = NDArray[np.uint8]
SIDE = 32


@dataclass(frozen=True)
class Case:
    """A file: its name, how it is put into a folder, and what every command makes of it."""

    id: str
    name: str
    make: bytes | Callable[[Path], None]
    pixels: Array | None = None  # None: refused
    refusal: str = ""
    near: int = 0  # levels that the pixels may be off: lossy formats, colour conversion
    note: str = ""  # what has to be said

    def write(self, folder: Path) -> None:
        """Put the file into a folder."""
        if isinstance(self.make, bytes):
            (folder / self.name).write_bytes(self.make)
        else:
            self.make(folder / self.name)


def photo() -> Array:
    """Return a smooth colour image without symmetry, ``(32, 32, 3)``, that JPEG hardly changes."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    planes = (40 + 180 * x, 220 - 150 * y, 60 + 120 * x * y)
    return np.stack(planes, axis=-1).round().astype(np.uint8)


def grey() -> Array:
    """Return a smooth grey image ``(32, 32)``."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return (30 + 150 * x + 60 * y).round().astype(np.uint8)


def in_rgb(plane: Array) -> Array:
    """Return a grey image with three equal channels."""
    return np.stack([plane] * 3, axis=-1)


def encoded(pixels: Array, kind: str = "PNG", **options: object) -> bytes:
    """Return pixels as a file of a format, by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(pixels: Array, **options: object) -> bytes:
    """Return a JPEG that is nearly lossless."""
    return encoded(pixels, "JPEG", **({"quality": 100, "subsampling": 0} | options))


def webp(pixels: Array, **options: object) -> bytes:
    """Return a lossless WebP."""
    return encoded(pixels, "WEBP", lossless=True, **options)


# EXIF 2.32, tag 0x0112: where the stored row 0 and the stored column 0 are, seen upright.
CORNERS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored(upright: Array, orientation: int) -> Array:
    """Return the pixels as a camera stores them that writes this orientation."""
    height, width = upright.shape[:2]
    row_edge, column_edge = CORNERS[orientation]
    ways: dict[str, Callable[[int], int]] = {
        "top": lambda n: n,
        "bottom": lambda n: height - 1 - n,
        "left": lambda n: n,
        "right": lambda n: width - 1 - n,
    }
    rows_are_rows = row_edge in ("top", "bottom")
    shape = (height, width) if rows_are_rows else (width, height)
    made = np.empty((*shape, *upright.shape[2:]), np.uint8)
    for row in range(shape[0]):
        for column in range(shape[1]):
            along, across = ways[row_edge](row), ways[column_edge](column)
            y, x = (along, across) if rows_are_rows else (across, along)
            made[row, column] = upright[y, x]
    return made


def upright_6(pixels: Array) -> Array:
    """Return pixels turned by a quarter to the right, which orientation 6 asks for."""
    return np.ascontiguousarray(np.rot90(pixels, -1))


def by_pillow(data: bytes) -> Array:
    """Return a file's pixels as stored: neither turned nor converted."""
    return np.asarray(Image.open(io.BytesIO(data)))


def exif(orientation: int) -> Image.Exif:
    """Return EXIF data with an orientation."""
    made = Image.Exif()
    made[0x0112] = orientation
    return made


# Colour: XYZ of the primaries relative to D50, as in ICC profiles (columns R, G, B).
SRGB_D50 = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
P3_D50 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return an ICC profile, version 2.1 (ICC.1:2001-04, 6.1 and 6.2)."""
    tags = {b"desc": _description("test profile"), b"wtpt": _xyz(0.9642, 1, 0.8249)} | tags
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    size = start + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02100000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += _fixed(0.9642) + _fixed(1) + _fixed(0.8249) + bytes(48)
    return header + struct.pack(">I", len(tags)) + table + data


def _description(text: str) -> bytes:
    words = text.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(8 + 3 + 67)


def _xyz(x: float, y: float, z: float) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(x) + _fixed(y) + _fixed(z)


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def rgb_profile(primaries: NDArray[np.float64], gamma: float) -> bytes:
    """Return the profile of a colour space with these primaries and a plain gamma."""
    columns = {name: _xyz(*primaries[:, n]) for n, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    return icc(b"RGB ", columns | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma)))


def grey_profile(gamma: float) -> bytes:
    """Return the profile of grey with a plain gamma."""
    return icc(b"GRAY", {b"kTRC": _gamma(gamma)})


def as_srgb(values: NDArray[np.float64]) -> Array:
    """Return linear light 0..1 as sRGB's 8 bits (IEC 61966-2-1)."""
    values = values.clip(0, 1)
    curve = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    return (255 * curve).round().astype(np.uint8)


def from_profile(pixels: Array, primaries: NDArray[np.float64], gamma: float) -> Array:
    """Return what pixels of such a profile are in sRGB."""
    light = (pixels / 255.0) ** gamma
    return as_srgb(light @ (np.linalg.inv(SRGB_D50) @ primaries).T)


# PNG by hand (ISO/IEC 15948): what Pillow does not write.
def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int], depth: int, colour: int, rows: bytes, *more: bytes, interlaced: int = 0
) -> bytes:
    """Return a PNG from its raw rows (each after its filter byte), with more chunks before them."""
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + data + chunk(b"IEND", b"")


def rows_of(pixels: Array) -> bytes:
    """Return an image's rows without filter."""
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def rgb_png(*more: bytes) -> bytes:
    """Return the photo as an 8-bit PNG with more chunks."""
    return png((SIDE, SIDE), 8, 2, rows_of(photo()), *more)


def adam7() -> bytes:
    """Return the photo as an interlaced PNG: seven passes (8.2)."""
    starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    passes = (*starts, (0, 1, 1, 2))  # x, y, step in x, step in y
    rows = b"".join(rows_of(photo()[y::dy, x::dx]) for x, y, dx, dy in passes)
    return png((SIDE, SIDE), 8, 2, rows, interlaced=1)


def two_bits() -> tuple[bytes, Array]:
    """Return a grey PNG of 2 bits a pixel, and its pixels: levels 0, 85, 170, 255."""
    levels = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) // 5 % 4).astype(np.uint8)
    packed = levels[:, 0::4] << 6 | levels[:, 1::4] << 4 | levels[:, 2::4] << 2 | levels[:, 3::4]
    return png((SIDE, SIDE), 2, 0, rows_of(packed.astype(np.uint8))), in_rgb(levels * 85)


def palette() -> tuple[bytes, Array]:
    """Return an opaque palette PNG and its pixels."""
    colours = np.random.default_rng(2).integers(0, 256, (16, 3), dtype=np.uint8)
    indices = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) // 7 % 16).astype(np.uint8)
    plte = chunk(b"PLTE", colours.tobytes())
    return png((SIDE, SIDE), 8, 3, rows_of(indices), plte), colours[indices]


def idat_cut(pixels: Array, colour: int, *more: bytes) -> bytes:
    """Return a PNG of whole chunks whose stream of pixels ends after half of the rows."""
    rows = rows_of(pixels)
    return png((SIDE, SIDE), 8, colour, rows[: len(rows) // 2], *more)


def before_pixels(data: bytes, *more: bytes) -> bytes:
    """Return a PNG with more chunks before its pixels."""
    at = data.index(b"IDAT") - 4
    return data[:at] + b"".join(more) + data[at:]


def before_last(data: bytes, *more: bytes) -> bytes:
    """Return a PNG with more chunks after its pixels."""
    return data[:-12] + b"".join(more) + data[-12:]


def iccp(profile: bytes, packed: bytes | None = None) -> bytes:
    """Return a PNG's chunk of a colour profile; `packed` in place of the compressed profile."""
    return chunk(b"iCCP", b"p\0\0" + (packed if packed is not None else zlib.compress(profile)))


def exif_text(block: bytes) -> bytes:
    """Return EXIF as ImageMagick put it into PNGs before there was an eXIf chunk."""
    data = b"Exif\0\0" + block
    digits = data.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    text = "\n".join(["", "exif", f"{len(data):8d}", *lines, ""])
    return chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text.encode()))


def in_parts(profile: bytes, order: tuple[int, ...]) -> bytes:
    """Return the photo as JPEG with these of the three parts of its profile (ICC.1, annex B.4)."""
    size = -(-len(profile) // 3)
    data, made = jpeg(photo()), b""
    for part in order:
        content = b"ICC_PROFILE\0" + bytes((part + 1, 3)) + profile[part * size :][:size]
        made += b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
    return data[:2] + made + data[2:]


def subsampled(factors: tuple[int, int]) -> bytes:
    """Return the photo as JPEG whose luma has these sampling factors, and each chroma 1 x 1.

    Three JPEGs in grey, one scan each (ITU-T T.81, A.2.2), because libjpeg's encoder writes only
    the usual factors.
    """
    planes = [np.asarray(plane) for plane in Image.fromarray(photo()).convert("YCbCr").split()]
    across, down = factors
    small = [plane[::down, ::across] for plane in planes[1:]]
    parts = [jpeg(plane) for plane in (planes[0], *small)]
    tables = [parts[0][parts[0].index(b"\xff\xdb") : parts[0].index(b"\xff\xc0")]]
    tables.append(parts[0][parts[0].index(b"\xff\xc4") : parts[0].index(b"\xff\xda")])
    frame = struct.pack(">BHHB", 8, SIDE, SIDE, 3)
    frame += bytes((1, across << 4 | down, 0, 2, 0x11, 0, 3, 0x11, 0))
    made = b"\xff\xd8" + tables[0] + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame
    made += tables[1]
    for number, part in enumerate(parts, 1):
        at = part.index(b"\xff\xda")
        made += part[at : at + 5] + bytes((number,)) + part[at + 6 : -2]
    return made + b"\xff\xd9"


def before_end(data: bytes, spare: bytes) -> bytes:
    """Return a JPEG with spare bytes before its end marker."""
    assert data.endswith(b"\xff\xd9")
    return data[:-2] + spare + data[-2:]


def odd_revision() -> bytes:
    """Return a JPEG whose JFIF header claims revision 0.00 (Kaggle's cats and dogs)."""
    data = jpeg(photo())
    at = data.index(b"JFIF\0") + 5
    return data[:at] + b"\0\0" + data[at + 2 :]


def huge_webp() -> bytes:
    """Return a WebP that claims a canvas of 16,000 x 16,000 in a VP8X header."""
    side = struct.pack("<I", 15_999)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + side + side
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_jpeg() -> bytes:
    """Return a JPEG whose frame header claims 20,000 x 20,000."""
    data = bytearray(jpeg(photo()))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 20_000, 20_000)
    return bytes(data)


def animated(kind: str) -> bytes:
    """Return an animation of two frames."""
    frames = [Image.fromarray(photo()), Image.fromarray(255 - photo())]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


def phone() -> bytes:
    """Return an MPO: a phone's JPEG with a second picture behind it."""
    buffer = io.BytesIO()
    options = {"quality": 100, "subsampling": 0}
    black = Image.new("RGB", (SIDE, SIDE))
    first = Image.fromarray(photo())
    first.save(buffer, "MPO", save_all=True, append_images=[black], **options)
    return buffer.getvalue()


def link_to(target: str, content: bytes | None = None) -> Callable[[Path], None]:
    """Return a function that writes a link, and outside the folder the file it names."""

    def make(path: Path) -> None:
        if content is not None:
            (path.parent.parent / target).write_bytes(content)
        path.symlink_to(target if target.startswith("/") else path.parent.parent / target)

    return make


def adobe(mode: str) -> bytes:
    """Return a JPEG in another colour mode of Pillow's."""
    buffer = io.BytesIO()
    Image.fromarray(photo()).convert(mode).save(buffer, "JPEG")
    return buffer.getvalue()


def _in_mode(mode: str, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo()).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def cases() -> list[Case]:
    """Return every case of the table."""
    return [*_plain(), *_turned(), *_coloured(), *_transparent(), *_damaged(), *_strange()]


def _plain() -> list[Case]:
    bits, levels = two_bits()
    indexed, colours = palette()
    near = 3  # of quality 100
    return [
        Case("png", "x.png", rgb_png(), photo()),
        Case("png-by-pillow", "x.PNG", encoded(photo()), photo()),
        Case("png-interlaced", "x.png", adam7(), photo()),
        Case("png-grey", "x.png", encoded(grey()), in_rgb(grey())),
        Case("png-2-bit-grey", "x.png", bits, levels),
        Case("png-palette", "x.png", indexed, colours),
        Case("jpeg", "x.jpg", jpeg(photo()), photo(), near=near),
        Case("jpeg-420", "x.jpeg", jpeg(photo(), subsampling=2), photo(), near=6),
        Case("jpeg-411", "x.jpg", jpeg(photo(), subsampling="4:1:1"), photo(), near=9),
        Case("jpeg-progressive", "x.jpg", jpeg(photo(), progressive=True), photo(), near=near),
        Case("jpeg-grey", "x.jpg", jpeg(grey()), in_rgb(grey()), near=near),
        Case("jpeg-422-in-scans", "x.jpg", subsampled((2, 1)), photo(), near=9),
        Case("jpeg-stored-as-rgb", "x.JPG", jpeg(photo(), keep_rgb=True), photo(), near=near),
        Case("jpeg-of-a-phone", "x.jpg", phone(), photo(), near=near),
        Case("jpeg-called-png", "x.png", jpeg(photo()), photo(), near=near),
        Case("webp-lossless", "x.webp", webp(photo()), photo()),
        Case("webp-lossy", "x.webp", encoded(photo(), "WEBP", quality=100), photo(), near=9),
        Case("link-to-a-file", "x.png", link_to("elsewhere.png", rgb_png()), photo(), note="link"),
    ]


def _turned() -> list[Case]:
    near = 4
    made = [
        Case(f"jpeg-exif-{n}", "x.jpg", jpeg(stored(photo(), n), exif=exif(n)), photo(), near=near)
        for n in CORNERS
    ]
    made += [
        Case(f"png-exif-{n}", "x.png", encoded(stored(photo(), n), exif=exif(n)), photo())
        for n in (3, 5, 6)
    ]
    made += [
        Case(f"webp-exif-{n}", "x.webp", webp(stored(photo(), n), exif=exif(n)), photo())
        for n in (2, 8)
    ]
    turned = jpeg(stored(grey(), 6), exif=exif(6))
    made.append(Case("jpeg-grey-exif-6", "x.jpg", turned, in_rgb(grey()), near=near))
    block = exif(6).tobytes().removeprefix(b"Exif\0\0")
    odd_places = {
        "png-long-exif": before_pixels(rgb_png(), chunk(b"eXIf", block + bytes(70_000))),
        "png-late-exif": before_last(rgb_png(), chunk(b"eXIf", block)),
        "png-exif-as-text": before_pixels(rgb_png(), exif_text(block)),
    }
    made += [Case(name, "x.png", data, upright_6(photo())) for name, data in odd_places.items()]
    odd = jpeg(photo(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    made.append(Case("jpeg-broken-exif", "x.jpg", odd, photo(), near=near))
    return made


def _coloured() -> list[Case]:
    p3, wide = rgb_profile(P3_D50, 2.2), from_profile(photo(), P3_D50, 2.2)
    soft, lighter = grey_profile(1.8), in_rgb(as_srgb((grey() / 255.0) ** 1.8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cmyk = icc(b"CMYK", {})
    nameless = p3.replace(b"test profile", b"\xa0\xff profile\0\0")
    assert len(nameless) == len(p3)
    lossy, turned = jpeg(photo(), icc_profile=p3), jpeg(stored(photo(), 6), icc_profile=p3)
    wide_lossy = from_profile(by_pillow(lossy), P3_D50, 2.2)
    wide_turned = from_profile(upright_6(by_pillow(turned)), P3_D50, 2.2)
    both = jpeg(stored(photo(), 6), exif=exif(6), icc_profile=p3)
    flat = in_rgb(from_profile(in_rgb(grey()), P3_D50, 2.2)[..., 0])
    said = "converted to sRGB"
    return [
        Case("png-p3", "x.png", encoded(photo(), icc_profile=p3), wide, near=2, note=said),
        Case(
            "png-p3-odd-name",
            "x.png",
            encoded(photo(), icc_profile=nameless),
            wide,
            near=2,
            note="without a name (1)",
        ),
        Case("jpeg-p3", "x.jpg", lossy, wide_lossy, near=2, note=said),
        Case("webp-p3", "x.webp", webp(photo(), icc_profile=p3), wide, near=2, note=said),
        Case("jpeg-p3-exif-6", "x.jpg", both, wide_turned, near=2, note=said),
        Case(
            "png-grey-1.8", "x.png", encoded(grey(), icc_profile=soft), lighter, near=2, note=said
        ),
        Case("jpeg-grey-1.8", "x.jpg", jpeg(grey(), icc_profile=soft), lighter, near=5, note=said),
        Case("grey-with-rgb-profile", "x.png", encoded(grey(), icc_profile=p3), flat, near=2),
        Case("png-srgb-profile", "x.png", encoded(photo(), icc_profile=srgb), photo()),
        Case("jpeg-srgb-profile", "x.jpg", jpeg(photo(), icc_profile=srgb), photo(), near=3),
        Case(
            "png-broken-profile",
            "x.png",
            encoded(photo(), icc_profile=b"no profile" * 20),
            refusal="colour profile that cannot be read",
        ),
        Case(
            "png-profile-not-packed",
            "x.png",
            rgb_png(iccp(p3, packed=b"not packed")),
            refusal="colour profile that cannot be read",
        ),
        Case(
            "png-late-profile",
            "x.png",
            before_last(rgb_png(), iccp(p3)),
            refusal="colour profile that cannot be read",
        ),
        Case(
            "png-two-profiles",
            "x.png",
            rgb_png(iccp(p3), iccp(rgb_profile(SRGB_D50, 1.0))),
            refusal="has two iCCP chunks",
        ),
        Case(
            "jpeg-profile-in-parts",
            "x.jpg",
            in_parts(p3, (2, 0, 1)),
            from_profile(by_pillow(jpeg(photo())), P3_D50, 2.2),
            near=2,
            note=said,
        ),
        Case("jpeg-profile-lacks-a-part", "x.jpg", in_parts(p3, (0, 2)), refusal="bad ICC marker"),
        Case(
            "jpeg-cmyk-profile",
            "x.jpg",
            jpeg(photo(), icc_profile=cmyk),
            refusal="colour profile for CMYK, expected one for RGB",
        ),
        Case(
            "png-grey-profile-in-colour",
            "x.png",
            encoded(photo(), icc_profile=soft),
            refusal="colour profile for GRAY, expected one for RGB",
        ),
        Case("png-srgb-chunk", "x.png", rgb_png(chunk(b"sRGB", b"\0")), photo()),
        Case(
            "png-gamma-of-srgb", "x.png", rgb_png(chunk(b"gAMA", bytes(2) + b"\xb1\x8f")), photo()
        ),
        Case(
            "png-linear-gamma",
            "x.png",
            rgb_png(chunk(b"gAMA", struct.pack(">I", 100_000))),
            refusal=r"a gamma of 1 \(gAMA\), expected sRGB's 0.45455",
        ),
        Case("png-cicp-srgb", "x.png", rgb_png(chunk(b"cICP", bytes((1, 13, 0, 1)))), photo()),
        Case(
            "png-cicp-hdr",
            "x.png",
            rgb_png(chunk(b"cICP", bytes((9, 16, 0, 1)))),
            refusal=r"cICP colours \(9, 16, 0, 1\)",
        ),
    ]


def _transparent() -> list[Case]:
    indexed, _ = palette()
    at = indexed.index(b"IDAT") - 4
    see_through = indexed[:at] + chunk(b"tRNS", b"\0") + indexed[at:]
    deep = png((SIDE, SIDE), 16, 2, rows_of(np.zeros((SIDE, 6 * SIDE), np.uint8)))
    deep_grey = png((SIDE, SIDE), 16, 0, rows_of(np.zeros((SIDE, 2 * SIDE), np.uint8)))
    colour = chunk(b"tRNS", struct.pack(">3H", 40, 220, 60))
    return [
        Case("png-alpha", "x.png", _in_mode("RGBA"), refusal="has an alpha channel"),
        Case("png-grey-alpha", "x.png", _in_mode("LA"), refusal="has an alpha channel"),
        Case("webp-alpha", "x.webp", _alpha_webp(), refusal="has an alpha channel"),
        Case("png-transparent-palette", "x.png", see_through, refusal="a transparent palette"),
        Case("png-transparent-colour", "x.png", rgb_png(colour), refusal="a transparent colour"),
        Case("png-16-bit", "x.png", deep, refusal="has 16 bits a channel"),
        Case("png-16-bit-grey", "x.png", deep_grey, refusal="has 16 bits a channel"),
        Case("png-1-bit", "x.png", _in_mode("1"), refusal="has 1-bit pixels"),
        Case("jpeg-cmyk", "x.jpg", adobe("CMYK"), refusal="has CMYK colour"),
        Case("png-animated", "x.png", animated("PNG"), refusal="has 2 frames"),
        Case("webp-animated", "x.webp", animated("WEBP"), refusal="has 2 frames"),
    ]


def _alpha_webp() -> bytes:
    pixels = np.dstack([photo(), grey()])
    return webp(pixels, exact=True)


def _damaged() -> list[Case]:
    whole, picture, small = rgb_png(), jpeg(photo()), webp(photo())
    middle = len(picture) * 2 // 3
    bad = bytearray(whole)
    bad[whole.index(b"IDAT") + 20] ^= 0xFF
    return [
        Case(
            "png-cut", "x.png", whole[: len(whole) // 2], refusal="cut off after|cannot be decoded"
        ),
        Case("png-without-end", "x.png", whole[:-12], refusal="is cut off after"),
        Case("png-grey-short", "x.png", idat_cut(grey(), 0), refusal="IDAT stream too short"),
        Case(
            "png-palette-short",
            "x.png",
            idat_cut(np.zeros((SIDE, SIDE), np.uint8), 3, chunk(b"PLTE", bytes(3))),
            refusal="IDAT stream too short",
        ),
        Case(
            "png-beyond-its-palette",
            "x.png",
            png((SIDE, SIDE), 8, 3, rows_of(grey()), chunk(b"PLTE", bytes(12))),
            refusal="a pixel has colour [0-9]+ of a palette of 4",
        ),
        Case(
            "png-without-its-palette",
            "x.png",
            png((SIDE, SIDE), 8, 3, rows_of(np.zeros((SIDE, SIDE), np.uint8))),
            refusal="missing PLTE",
        ),
        Case(
            "jpeg-410", "x.jpg", subsampled((4, 2)), refusal="uncommon chroma subsampling.*save it"
        ),
        Case("png-damaged", "x.png", bytes(bad), refusal="its IDAT chunk is damaged"),
        Case("png-bytes-after", "x.png", whole + b"\0" * 99, photo()),
        Case("jpeg-cut", "x.jpg", picture[:middle], refusal="cannot be decoded"),
        Case("jpeg-without-end", "x.jpg", picture[:-2], refusal="cannot be decoded"),
        Case(
            "jpeg-cut-and-ended",
            "x.jpg",
            picture[:middle] + b"\xff\xd9",
            refusal="premature end of data segment",
        ),
        Case("jpeg-spare-bytes", "x.jpg", before_end(picture, b"\x12\x13" * 50), photo(), near=3),
        Case("jpeg-bytes-after", "x.jpg", picture + b"\0" * 99, photo(), near=3),
        Case("jpeg-odd-revision", "x.jpg", odd_revision(), photo(), near=3),
        Case(
            "jpeg-odd-revision-spare",
            "x.jpg",
            before_end(odd_revision(), b"\x12\x13" * 50),
            photo(),
            near=3,
        ),
        Case(
            "jpeg-odd-revision-cut",
            "x.jpg",
            odd_revision()[:middle] + b"\xff\xd9",
            refusal="premature end of data segment",
        ),
        Case(
            "webp-cut", "x.webp", small[: len(small) // 2], refusal="cannot be decoded|not an image"
        ),
    ]


def _strange() -> list[Case]:
    large = png((8000, 8000), 8, 2, b"")
    regular = "expected a regular file"
    return [
        Case("empty", "x.png", b"", refusal="not an image file"),
        Case("text", "x.jpg", b"<html>404</html>", refusal="not an image file"),
        Case("gif-called-png", "x.png", encoded(grey(), "GIF"), refusal="not an image file"),
        Case("bmp-called-jpg", "x.jpg", encoded(photo(), "BMP"), refusal="not an image file"),
        Case("tiff-called-png", "x.png", encoded(photo(), "TIFF"), refusal="not an image file"),
        Case(
            "png-too-large",
            "x.png",
            large,
            refusal="8000x8000, 64.0 megapixels, expected at most 40",
        ),
        Case(
            "jpeg-too-large", "x.jpg", huge_jpeg(), refusal="400.0 megapixels, expected at most 40"
        ),
        Case(
            "webp-too-large", "x.webp", huge_webp(), refusal="256.0 megapixels, expected at most 40"
        ),
        Case("fifo", "x.png", os.mkfifo, refusal=f"is a FIFO, {regular}"),
        Case("endless", "x.png", link_to("/dev/zero"), refusal=f"is a device, {regular}"),
        Case(
            "broken-link", "x.png", link_to("nowhere.png"), refusal="No such file|link to nothing"
        ),
    ]
