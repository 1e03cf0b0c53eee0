"""Image and trial tokens: what the browser is told in place of numbers and names.

A token is one AES block over (session, position, panel, stimulus) and an authentication tag. To
anybody who lacks the key it is random, different for every session, trial and side, and cannot be
made up; to the server it needs no look-up.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from study_server.storage.identity import derive

LEFT, RIGHT, INPUT, TRIAL = range(4)  # the panels, and the token of the trial itself
_TAG_BYTES = 12
_KEPT_TOKENS = 16_384
_LAYOUT = struct.Struct(">QHHI")  # session, position, panel, stimulus: one AES block


class Seen(NamedTuple):
    """What a token stands for."""

    session_id: int
    position: int
    panel: int
    stimulus_id: int


class Tokens:
    """Makes and reads the opaque tokens of images and trials."""

    def __init__(self, secret: bytes) -> None:
        """Derive the two keys from the installation's secret."""
        key = derive(secret, "image tokens")
        self.make = lru_cache(_KEPT_TOKENS)(self._make)  # each is told the browser three times
        self._cipher = Cipher(algorithms.AES(key[:16]), modes.ECB())
        self._tag_key = key[16:]

    def _make(self, session_id: int, position: int, panel: int, stimulus_id: int = 0) -> str:
        """Return the token of one panel of one trial of one session."""
        block = _LAYOUT.pack(session_id, position, panel, stimulus_id)
        hidden = self._cipher.encryptor().update(block)
        tag = hmac.digest(self._tag_key, hidden, "sha256")[:_TAG_BYTES]
        return base64.urlsafe_b64encode(hidden + tag).rstrip(b"=").decode()

    def read(self, token: str) -> Seen | None:
        """Return what a token stands for, or None for one that we did not make."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (binascii.Error, UnicodeEncodeError, ValueError):
            return None
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
            return None  # another spelling: + for -, bits that mean nothing in the last character
        hidden, tag = raw[:16], raw[16:]
        expected = hmac.digest(self._tag_key, hidden, "sha256")[:_TAG_BYTES]
        if len(hidden) != 16 or not hmac.compare_digest(tag, expected):
            return None
        return Seen(*_LAYOUT.unpack(self._cipher.decryptor().update(hidden)))
