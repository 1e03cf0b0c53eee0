"""Image and trial tokens, and the bytes behind them.

A token is one AES block over (session, position, panel, stimulus) and an authentication tag. To
anybody who lacks the key it is random, different for every session, trial and side, and cannot be
made up; to the server it needs no look-up.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import bindparam, select

from study_server.storage.database import Database
from study_server.storage.identity import derive
from study_server.storage.models import Stimulus

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
        hidden, tag = raw[:16], raw[16:]
        expected = hmac.digest(self._tag_key, hidden, "sha256")[:_TAG_BYTES]
        if len(hidden) != 16 or not hmac.compare_digest(tag, expected):
            return None
        return Seen(*_LAYOUT.unpack(self._cipher.decryptor().update(hidden)))


_ITEM_OF = select(Stimulus.item_id).where(Stimulus.id == bindparam("stimulus"))
_ALL_OF_ITEM = select(Stimulus.id, Stimulus.png).where(Stimulus.item_id == bindparam("item"))


class StimulusStore:
    """Stimuli kept in memory, read from the database an item at a time.

    A reference is asked for in every condition and an output only in its own; were they cached
    one by one, the warm one of a pair, which comes sooner, would be the real photo. So all images
    of an item come into memory, and leave it, together.
    """

    def __init__(self, database: Database, capacity: int) -> None:
        """Keep at most `capacity` bytes."""
        self._database = database
        self._capacity = capacity
        self._items: OrderedDict[int, dict[int, bytes]] = OrderedDict()
        self._item_of: dict[int, int] = {}
        self._bytes = 0
        self._lock = Lock()

    def get(self, stimulus_id: int) -> bytes | None:
        """Return a stimulus' file, None when there is none of this number."""
        with self._lock:
            item = self._item_of.get(stimulus_id)
            if item is not None and item in self._items:
                self._items.move_to_end(item)
                return self._items[item][stimulus_id]
        return self._load(stimulus_id)

    def _load(self, stimulus_id: int) -> bytes | None:
        with self._database.read() as connection:
            item = connection.execute(_ITEM_OF, {"stimulus": stimulus_id}).scalar()
            if item is None:
                return None
            rows = connection.execute(_ALL_OF_ITEM, {"item": item}).all()
        images = {identity: bytes(png) for identity, png in rows}
        with self._lock:
            self._keep(item, images)
        return images[stimulus_id]

    def _keep(self, item: int, images: Mapping[int, bytes]) -> None:
        if item in self._items:
            return
        self._items[item] = dict(images)
        self._item_of.update(dict.fromkeys(images, item))
        self._bytes += sum(map(len, images.values()))
        while self._bytes > self._capacity and len(self._items) > 1:
            _, gone = self._items.popitem(last=False)
            self._bytes -= sum(map(len, gone.values()))
            for identity in gone:
                del self._item_of[identity]
