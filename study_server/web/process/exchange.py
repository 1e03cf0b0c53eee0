"""A client's connection that never holds up a thread.

gunicorn reads a request in the thread that answers it, and waits there for every byte; eight
clients that send slowly, or do not read what they are sent, would then stop a site of eight
threads. Here the worker's main loop receives: a thread is given a request once all of it has
arrived, and what the client does not take at once is left to the loop to send.
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from contextlib import suppress
from itertools import islice, takewhile
from typing import Any

MOST_HEAD = 32 * 1024  # bytes of request line and headers
MOST_BODY = 64 * 1024  # of what anybody may send; `app.MAX_FORM` is as much
MOST_UPLOAD = 9 * 2**20  # below UPLOADS: the panel's list
UPLOADS = b"/admin/"
SENT_AHEAD = 256 * 1024  # an image; the system would keep megabytes for who does not read
_RECEIVED_AT_ONCE = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*(?=\r\n)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)")
_CHUNK = re.compile(rb"([0-9a-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n", re.IGNORECASE)


class Exchange:
    """What gunicorn takes for a socket: reading gives what has arrived, writing never waits."""

    def __init__(self, client: socket.socket) -> None:
        """Take over an accepted socket."""
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD)
        self._socket = client
        self.inbox = bytearray()
        self.ended = False  # the client sends nothing more
        self.broken = False  # and takes nothing more
        self.cut = False  # the request is handed over without all of its body, to be refused
        self._left = 0  # bytes of the request at hand that gunicorn has not read
        self._unsent: deque[memoryview] = deque()
        self._forget_request()

    # ── for the main loop ────────────────────────────────────────────────────────────────────────

    def receive(self) -> None:
        """Take what has arrived."""
        try:
            data = self._socket.recv(_RECEIVED_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, self.broken = b"", True
        self.ended = not data
        self.inbox += data

    def whole(self) -> bool:
        """Return whether the next request has arrived, or enough of it to refuse it."""
        if self._head is None and not self._read_head():
            return self._refuse() if len(self.inbox) > MOST_HEAD else False
        if self._body is None:
            return self._whole_chunks()
        if self._body > self._most_body:
            return self._refuse()
        return self._hand_over(len(self._head or b"") + self._body)

    @property
    def upload(self) -> int:
        """Return how large the body is that is being received, 0 for what anybody may send."""
        size = len(self.inbox) if self._body is None else self._body
        return size if size > MOST_BODY and not self._left else 0

    @property
    def sending(self) -> bool:
        """Return whether some of the reply is still to be sent."""
        return bool(self._unsent)

    def send_on(self) -> bool:
        """Send what the client takes now; return whether it took anything."""
        taken = False
        while self._unsent:
            count = self._send(self._unsent[0])
            if not count:
                return taken
            taken = True
            rest = self._unsent[0][count:]
            if rest:
                self._unsent[0] = rest
            else:
                self._unsent.popleft()
        return taken

    def next_request(self) -> None:
        """Begin to receive another request on this connection."""
        del self.inbox[: self._left]
        self._forget_request()

    def _forget_request(self) -> None:
        self._head: bytes | None = None
        self._body: int | None = 0  # None: chunked
        self._most_body = MOST_BODY
        self._scanned = 0
        self._left = 0

    def _read_head(self) -> bool:
        end = self.inbox.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._scanned = max(0, len(self.inbox) - 3)
            return False
        self._head = bytes(self.inbox[: end + 4])
        self._scanned = end + 4
        if self._head.partition(b" ")[2].startswith(UPLOADS):
            self._most_body = MOST_UPLOAD
        fields = self._head[:-2].lower()
        lengths = _LENGTH.findall(fields)
        chunked = _CHUNKED.search(fields) is not None
        # Both, two lengths or another encoding are refused by gunicorn, without reading on.
        self._body = int(lengths[0]) if len(lengths) == 1 and not chunked else 0
        if chunked and not lengths:
            self._body = None
        if b"\r\nexpect: 100-continue\r\n" in fields + b"\r\n":
            self._send(memoryview(b"HTTP/1.1 100 Continue\r\n\r\n"))
        return True

    def _whole_chunks(self) -> bool:
        while found := _CHUNK.match(self.inbox, self._scanned):
            size = int(found[1], 16)
            if size == 0:
                end = self.inbox.find(b"\r\n\r\n", found.end() - 2)
                return self._hand_over(end + 4) if end >= 0 else self._too_long()
            if found.end() + size + 2 > len(self.inbox):
                break
            self._scanned = found.end() + size + 2
        if self.inbox.find(b"\n", self._scanned, self._scanned + 64) >= 0 and not found:
            return self._refuse()  # no chunk: gunicorn says so
        return self._too_long()

    def _too_long(self) -> bool:
        return self._refuse() if len(self.inbox) > self._most_body + MOST_HEAD else False

    def _refuse(self) -> bool:
        self.cut = True
        return self._hand_over(len(self.inbox))

    def _hand_over(self, length: int) -> bool:
        if length > len(self.inbox):
            return False
        self._left = length
        return True

    # ── for gunicorn, in the thread that answers ─────────────────────────────────────────────────

    def recv(self, size: int, _flags: int = 0) -> bytes:
        """Return bytes of the request at hand, none after its end."""
        count = min(size, self._left)
        data = bytes(self.inbox[:count])
        del self.inbox[:count]
        self._left -= count
        return data

    def sendall(self, data: bytes) -> None:
        """Send what the client takes now, and keep the rest for the main loop."""
        if self.broken:
            return
        rest = memoryview(data)
        if not self._unsent:
            rest = rest[self._send(rest) :]
        if rest:
            self._unsent.append(rest)

    def send(self, data: bytes) -> int:
        """Send as `sendall`."""
        self.sendall(data)
        return len(data)

    def _send(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self.broken = True
            self._unsent.clear()
            return 0

    def setblocking(self, _flag: bool) -> None:
        """Do nothing: neither reading nor writing ever waits."""

    def settimeout(self, _seconds: float | None) -> None:
        """Do nothing, likewise."""

    def gettimeout(self) -> float | None:
        """Return that nothing waits."""
        return 0.0

    def fileno(self) -> int:
        """Return the socket's number, for the poller."""
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        """Say that nothing more is sent."""
        with suppress(OSError):
            self._socket.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self.ended = self.broken = True
        self._unsent.clear()
        self._socket.close()


class Waiting:
    """Connections that wait for their client, each for at most some seconds."""

    def __init__(self, seconds: float) -> None:
        """Start with none."""
        self._seconds = seconds
        self._since: dict[Any, float] = {}  # the longest waiting first

    def add(self, connection: Any) -> None:
        """Let a connection wait from now on."""
        self._since.pop(connection, None)
        self._since[connection] = time.monotonic()

    def remove(self, connection: Any) -> bool:
        """Let a connection wait no more; return whether it did."""
        return self._since.pop(connection, None) is not None

    def overdue(self) -> list[Any]:
        """Return those that have waited too long."""
        limit = time.monotonic() - self._seconds
        return list(takewhile(lambda each: self._since[each] <= limit, self._since))

    def longest(self, count: int) -> list[Any]:
        """Return those that have waited longest."""
        return list(islice(self._since, count))

    def shorten(self, seconds: float) -> None:
        """Let nobody wait longer than that."""
        self._seconds = min(self._seconds, seconds)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._since)
