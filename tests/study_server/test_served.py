"""The server of the browser tests: a visitor who goes in mid-answer leaves nothing open behind."""

import socket
import struct
import threading
from urllib.parse import urlsplit

from served import LONG_S, in_threads

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


class Answer:
    """An answer that ends once the visitor has gone, and notes that it was closed."""

    def __init__(self) -> None:
        self.gone, self.closed = threading.Event(), threading.Event()

    def __iter__(self):
        yield b"leaves"
        assert self.gone.wait(LONG_S)

    def close(self) -> None:
        self.closed.set()


def test_the_answer_to_a_visitor_who_goes_is_closed() -> None:
    answer = Answer()

    def app(_environ, start_response):
        start_response("200 OK", [("Content-Length", "6")])
        return answer

    with in_threads(app) as address:
        visitor = socket.create_connection((urlsplit(address).hostname, urlsplit(address).port))
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert visitor.recv(1)
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        visitor.close()
        answer.gone.set()
        assert answer.closed.wait(LONG_S)
