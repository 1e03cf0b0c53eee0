"""What a browser gets for one image, as numbers for the adversary.

Everything but the picture itself is read: the URL's characters, each header's name, value and
place, the status, the byte counts, the list of chunks in the file, the order of arrival and the
time taken.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOKEN_CHARACTERS = 24  # of the URL's end; longer tokens are random all along
MIN_SHARE = 0.02  # a header value rarer than this is noise to a learner


@dataclass(frozen=True)
class Delivery:
    """One image as a browser received it."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]  # in the order of the wire
    body: bytes
    milliseconds: float  # from the request to the last byte
    arrival: int  # 0 for the image of the pair that was asked for first


@dataclass(frozen=True)
class Pair:
    """Both images of one trial, and the truth that no browser gets.

    Of two models it is the first that is meant; ``contest`` says which two.
    """

    left: Delivery
    right: Delivery
    model_left: bool
    contest: str = ""


def chunks(body: bytes) -> list[tuple[str, int]]:
    """Return (name, length) of every chunk of a PNG or WebP file; one whole "file" for others."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return _walk(body, 8, ">I4s", name_first=False, extra=4)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _walk(body, 12, "<4sI", name_first=True, extra=0)
    return [("file", len(body))]


def _walk(
    body: bytes, start: int, head: str, *, name_first: bool, extra: int
) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while start + 8 <= len(body):
        first, second = struct.unpack_from(head, body, start)
        name, length = (first, second) if name_first else (second, first)
        found.append((name.decode("latin-1"), length))
        start += 8 + length + extra + (length % 2 if name_first else 0)
    if start < len(body):
        found.append(("trailing", len(body) - start))
    return found


def features(pairs: Sequence[Pair]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the features of the left and of the right images, two arrays ``(pairs, features)``."""
    deliveries = [side for pair in pairs for side in (pair.left, pair.right)]
    numbers = np.array([_numbers(one) for one in deliveries])
    words = _indicators([_words(one) for one in deliveries])
    table = np.concatenate([numbers, words], axis=1)
    return table[0::2], table[1::2]


def _numbers(one: Delivery) -> list[float]:
    parts = chunks(one.body)
    data = [length for name, length in parts if name in ("IDAT", "VP8 ", "VP8L", "file")]
    other = [length for name, length in parts if name not in ("IDAT", "VP8 ", "VP8L", "file")]
    digest = hashlib.sha256(one.url.encode()).digest()
    tail = one.url[-TOKEN_CHARACTERS:].rjust(TOKEN_CHARACTERS)
    return [
        math.log(len(one.body) + 1),
        math.log(sum(data) + 1),
        math.log(sum(other) + 1),
        float(len(data)),
        float(len(other)),
        float(len(one.headers)),
        float(sum(len(name) + len(value) for name, value in one.headers)),
        float(len(one.url)),
        math.log(one.milliseconds + 0.01),
        float(one.arrival),
        float(digest[0]),
        *[float(ord(character)) for character in tail],
    ]


def _words(one: Delivery) -> list[str]:
    """Return every categorical fact about a delivery as a word."""
    order = ",".join(name.lower() for name, _ in one.headers)
    layout = ",".join(name for name, _ in chunks(one.body))
    prefix = one.url[:-TOKEN_CHARACTERS]
    listed = [f"{name.lower()}: {value}" for name, value in one.headers]
    head = f"body: {one.body[:33].hex()}"  # PNG signature and IHDR: size, depth, colour type
    return [
        f"status: {one.status}",
        f"order: {order}",
        f"chunks: {layout}",
        f"url: {prefix}",
        head,
        *listed,
    ]


def _indicators(words: list[list[str]]) -> NDArray[np.float64]:
    counts = Counter(word for listed in words for word in set(listed))
    floor = max(2, math.ceil(MIN_SHARE * len(words)))
    kept = sorted(w for w, n in counts.items() if floor <= n < len(words))
    column = {word: index for index, word in enumerate(kept)}
    table = np.zeros((len(words), len(kept)))
    for row, listed in enumerate(words):
        for word in listed:
            if word in column:
                table[row, column[word]] = 1.0
    return table


def differing_headers(pairs: Sequence[Pair]) -> list[str]:
    """Return the names of headers whose set of values differs between references and outputs.

    ``Date`` is compared only by its presence: its value tells when, not what.
    """
    seen: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for pair in pairs:
        for one, model in ((pair.left, pair.model_left), (pair.right, not pair.model_left)):
            for name, value in one.headers:
                key = name.lower()
                counters = seen.setdefault(key, (Counter(), Counter()))
                counters[int(model)]["" if key == "date" else value] += 1
    return sorted(name for name, (real, output) in seen.items() if real != output)
