"""The bytes of the stimuli, kept in each worker's memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from sqlalchemy import bindparam, select

from study_server.storage.database import Database
from study_server.storage.models import Stimulus

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
