"""How much a zip claims to hold, looked up before its list of members takes any memory."""

from __future__ import annotations

import struct
from pathlib import Path

from generators.errors import RunError

MEMBERS = 2_000_000  # ImageNet's 1,431,167 images fit; the list then takes about 1 GB

# End of central directory, APPNOTE.TXT 4.3.16, and its zip64 edition, 4.3.14 and 4.3.15.
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_SMALLEST = 46  # bytes of a member's entry


def check_zip(path: Path) -> None:
    """Refuse a zip of too many members. Raises `RunError`.

    The number it states may be a lie, so the size of its list is looked at, too.
    """
    members, length = _claimed(path)
    found = max(members, length // (4 * _SMALLEST))
    if found > MEMBERS:
        raise RunError(f"{path}: has {found} members or more, expected at most {MEMBERS}")


def _claimed(path: Path) -> tuple[int, int]:
    """Return the number of members and the bytes of their list that a zip's end states."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        start = max(0, size - _END.size - 0xFFFF - _LOCATOR.size)
        stream.seek(start)
        tail = stream.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + _END.size > len(tail):
            return 0, 0  # no end: opening it says so
        _, _, _, _, members, length, _, _ = _END.unpack_from(tail, at)
        locator = at - _LOCATOR.size
        if locator >= 0 and tail[locator : locator + 4] == b"PK\6\7":
            stream.seek(_LOCATOR.unpack_from(tail, locator)[2])
            record = stream.read(_END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\6\6":
                _, _, _, _, _, _, _, members, length, _ = _END64.unpack(record)
        return int(members), int(length)
