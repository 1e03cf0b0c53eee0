"""Clients that send or read as slowly as they can, to see what they cost everybody else.

Each kind stops in another place: before the first byte, within the header, within a body, or
before reading the reply. Those that have something left to send go on by one byte every second.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_REST = b"\r\nHost: h\r\nConnection: keep-alive\r\n"
_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
_JSON = b"Content-Type: application/json\r\n"
_PAGE = b"GET /static/rater/rater.css HTTP/1.1" + _REST + b"\r\n"

# What is sent at once; and what is sent on, byte by byte.
KINDS: dict[str, tuple[bytes, bytes]] = {
    "no byte": (b"", b""),
    "header": (b"GET /healthz HTTP/1.1" + _REST + b"X-Slow: ", b"a"),
    "form": (b"POST /s/none/ HTTP/1.1" + _REST + _FORM + b"Content-Length: 1000\r\n\r\na", b"a"),
    "JSON": (b"POST /r/x/open HTTP/1.1" + _REST + _JSON + b"Content-Length: 1000\r\n\r\n{", b" "),
    "body of a GET": (b"GET /healthz HTTP/1.1" + _REST + b"Content-Length: 1000\r\n\r\na", b"a"),
    "chunks": (
        b"POST /r/x/open HTTP/1.1" + _REST + _JSON + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{",
        b" ",
    ),
    "upload": (
        b"POST /admin/studies/1/reconcile HTTP/1.1"
        + _REST
        + _FORM
        + b"Content-Length: 8000000\r\n\r\n"
        + b"a" * 200_000,
        b"a",
    ),
    "nothing read": (60 * _PAGE, b""),
    "left open": (b"GET /healthz HTTP/1.0\r\nHost: h\r\n\r\n", b""),
}


@contextmanager
def slow_clients(host: str, port: int, kind: str, count: int) -> Iterator[list[socket.socket]]:
    """Yield that many open connections of one kind of slowness; they are closed at the end."""
    begin, more = KINDS[kind]
    clients = [_connected(host, port, begin) for _ in range(count)]
    over = threading.Event()
    thread = threading.Thread(target=_drip, args=(clients, more, over), daemon=True)
    thread.start()
    try:
        yield clients
    finally:
        over.set()
        thread.join()
        for client in clients:
            client.close()


def _connected(host: str, port: int, begin: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before connecting
    client.settimeout(10)
    client.connect((host, port))
    client.setblocking(False)
    with suppress(OSError):  # what does not fit is not sent
        client.send(begin)
    return client


def _drip(clients: list[socket.socket], more: bytes, over: threading.Event) -> None:
    while not over.wait(1.0):
        for client in clients:
            with suppress(OSError):
                client.send(more)
