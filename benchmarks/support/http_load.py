"""A lean HTTP/1.1 client for load tests: one asyncio process, raw sockets, keep-alive.

The client shares the machine with the server it measures, so it does as little as it can: it writes
a request in one go, reads the header up to the blank line and then Content-Length bytes.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """One answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass
class Measured:
    """What a load run counts."""

    seconds: list[float] = field(default_factory=list)  # of each answer request
    image_seconds: list[float] = field(default_factory=list)  # of each image
    statuses: dict[int, int] = field(default_factory=dict)
    acknowledged: int = 0
    bytes: int = 0

    def count(self, reply: Reply) -> Reply:
        """Note a status and the bytes, and return the reply."""
        self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
        self.bytes += len(reply.body)
        return reply

    def percentile(self, share: float, *, images: bool = False) -> float:
        """Return a percentile of the answer times, or of the images', in milliseconds."""
        ordered = sorted(self.image_seconds if images else self.seconds)
        if not ordered:
            return float("nan")
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def errors(self) -> int:
        """Return how many replies were server errors."""
        return sum(count for status, count in self.statuses.items() if status >= 500)


class Connection:
    """One keep-alive connection, opened again when the server has closed it."""

    def __init__(self, host: str, port: int) -> None:
        """Remember the address."""
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.cookies: dict[str, str] = {}

    async def get(self, path: str) -> Reply:
        """Send a GET."""
        return await self._send("GET", path, b"", "")

    async def post_json(self, path: str, body: Any) -> Reply:
        """Send JSON."""
        return await self._send("POST", path, json.dumps(body).encode(), "application/json")

    async def post_form(self, path: str, body: str) -> Reply:
        """Send a form that is encoded already."""
        return await self._send("POST", path, body.encode(), "application/x-www-form-urlencoded")

    async def close(self) -> None:
        """Close the connection."""
        if self._writer:
            writer, self._reader, self._writer = self._writer, None, None
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _send(self, method: str, path: str, body: bytes, kind: str) -> Reply:
        try:
            return await self._once(method, path, body, kind)
        except (ConnectionError, asyncio.IncompleteReadError):
            await self.close()
            return await self._once(method, path, body, kind)

    async def _once(self, method: str, path: str, body: bytes, kind: str) -> Reply:
        if self._writer is None or self._reader is None:
            # The default limit stops and starts the reading of a 120 kB image several times.
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, limit=2**20
            )
        self._writer.write(self._request(method, path, body, kind))
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, headers = self._parse(head)
        payload = await self._body(headers)
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return Reply(status, headers, payload)

    def _request(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        if method == "POST":
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def _parse(self, head: bytes) -> tuple[int, dict[str, str]]:
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
            if name.lower() == "set-cookie":
                key, _, text = value.split(";", 1)[0].partition("=")
                self.cookies[key] = text
        return int(first.split(" ", 2)[1]), headers

    async def _body(self, headers: dict[str, str]) -> bytes:
        assert self._reader is not None
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return await self._chunks(self._reader)
        return await self._reader.readexactly(int(headers.get("content-length", 0)))

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> bytes:
        parts = []
        while size := int((await reader.readline()).strip() or b"0", 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(parts)


async def timed(measured: Measured, call: Any) -> Reply:
    """Await one answer request, noting how long it took."""
    start = time.perf_counter()
    reply: Reply = await call
    measured.seconds.append(time.perf_counter() - start)
    return measured.count(reply)
