"""A request is handed to a thread when all of it has arrived, whatever way it comes in."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
from gunicorn.workers.gthread import TConn, ThreadWorker
from hypothesis import given
from hypothesis import strategies as st

from study_server.web.app import MAX_FORM
from study_server.web.process.exchange import MOST_BODY, MOST_HEAD, MOST_UPLOAD, Exchange, Waiting
from study_server.web.process.worker import SiteWorker

HEAD = b"POST /r/x/open HTTP/1.1\r\nHost: h\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
REQUESTS = [
    b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    HEAD + b"Content-Length: 5\r\n\r\nabcde",
    HEAD + b"content-length:0\r\n\r\n",
    HEAD + b"CONTENT-LENGTH:  12 \r\nX: y\r\n\r\n\r\n\r\nGET / HT",
    CHUNKS + b"5\r\nabcde\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    CHUNKS + b"2\r\n\r\n\r\n0\r\nTrailer: 1\r\n\r\n",
    CHUNKS + b"0\r\n\r\n",
]


class Pair:
    """An exchange and its client."""

    def __init__(self) -> None:
        self.client, near = socket.socketpair()
        self.exchange = Exchange(near)

    def arrives(self, data: bytes) -> bool:
        """Send, receive all of it, and return whether a request is whole then."""
        while data:
            sent = self.client.send(data[:65_536])
            self.exchange.receive()
            data = data[sent:]
        return self.exchange.whole()

    def taken(self) -> bytes:
        """Return what gunicorn would read."""
        return b"".join(iter(lambda: self.exchange.recv(7), b""))

    def close(self) -> None:
        self.client.close()
        self.exchange.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 600), max_size=12),
)
def test_requests_come_out_one_by_one_however_they_are_cut(
    requests: list[bytes], cuts: list[int]
) -> None:
    """Any requests one after another, in pieces of any size."""
    pair, stream, out = Pair(), b"".join(requests), []
    places = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
    for start, end in pairwise(places):
        whole = pair.arrives(stream[start:end])
        while whole:
            out.append(pair.taken())
            pair.exchange.next_request()
            whole = pair.exchange.whole()
    assert out == requests
    assert not pair.exchange.cut
    pair.close()


@pytest.mark.parametrize("request_", REQUESTS)
def test_no_part_of_a_request_is_whole(pair: Pair, request_: bytes) -> None:
    for byte in range(len(request_) - 1):
        assert not pair.arrives(request_[byte : byte + 1])
    assert pair.arrives(request_[-1:])


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nX: " + MOST_HEAD * b"a",
        HEAD + b"Content-Length: %d\r\n\r\n" % (MOST_BODY + 1),
        HEAD + b"Content-Length: 999999999999999\r\n\r\n",
        HEAD.replace(b"/r/x/open", b"/admin/x") + b"Content-Length: %d\r\n\r\n" % (MOST_UPLOAD + 1),
        CHUNKS + b"zz\r\n",
        CHUNKS + b"20000\r\n" + (MOST_BODY + MOST_HEAD) * b"a",
        CHUNKS + 80_000 * b"1\r\na\r\n",
    ],
)
def test_what_is_too_much_is_handed_over_to_be_refused(pair: Pair, begin: bytes) -> None:
    assert pair.arrives(begin)
    assert pair.exchange.cut


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: x",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
    ],
)
def test_what_cannot_be_understood_is_left_to_gunicorn(pair: Pair, lines: str) -> None:
    assert pair.arrives(HEAD + lines.encode() + b"\r\n\r\n")


def test_an_upload_is_received_below_admin_only(pair: Pair) -> None:
    head = HEAD.replace(b"/r/x/open", b"/admin/x") + b"Content-Length: 100000\r\n\r\n"
    assert not pair.arrives(head + 99_999 * b"a")
    assert pair.exchange.upload == 100_000
    assert pair.arrives(b"a")
    assert not pair.exchange.cut
    assert MAX_FORM == MOST_BODY


def test_who_expects_to_be_told_to_go_on_is_told_once(pair: Pair) -> None:
    head = HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    assert not pair.arrives(head)
    assert pair.client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert pair.arrives(b"abcde")


def test_what_the_client_does_not_take_is_sent_later(pair: Pair) -> None:
    reply = bytes(range(256)) * 20_000  # 5 MB
    pair.exchange.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    pair.exchange.sendall(reply)
    assert pair.exchange.sending
    assert not pair.exchange.send_on()
    got = bytearray()
    while pair.exchange.sending:
        got += pair.client.recv(1_000_000)
        pair.exchange.send_on()
    pair.exchange.close()
    while more := pair.client.recv(1_000_000):
        got += more
    assert got == b"HTTP/1.1 200 OK\r\n\r\n" + reply


def test_a_client_that_is_gone_gets_nothing_and_costs_nothing(pair: Pair) -> None:
    pair.client.close()
    pair.exchange.sendall(b"a" * 10_000_000)
    pair.exchange.send_on()
    assert pair.exchange.broken
    assert not pair.exchange.sending


def test_whoever_waits_too_long_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("study_server.web.process.exchange.time.monotonic", lambda: now[0])
    waiting = Waiting(30)
    waiting.add("first")
    now[0] = 110.0
    waiting.add("second")
    assert waiting.longest(1) == ["first"]
    now[0] = 130.0
    assert waiting.overdue() == ["first"]
    assert waiting.remove("first")
    assert not waiting.remove("first")
    waiting.shorten(0)
    assert waiting.overdue() == ["second"]


def test_gunicorn_has_what_the_worker_overrides() -> None:
    """A new version of gunicorn may change these: then the worker has to be read again."""
    methods = {
        "accept": ["self", "listener"],
        "enqueue_req": ["self", "conn"],
        "finish_request": ["self", "conn", "fs"],
        "get_thread_pool": ["self"],
        "handle": ["self", "conn"],
        "handle_exit": ["self", "sig", "frame"],
        "murder_keepalived": ["self"],
        "set_accept_enabled": ["self", "enabled"],
        "wait_for_and_dispatch_events": ["self", "timeout"],
    }
    for name, parameters in methods.items():
        assert list(inspect.signature(getattr(ThreadWorker, name)).parameters) == parameters
    assert list(inspect.signature(TConn).parameters) == ["cfg", "sock", "client", "server"]
    own = {name for name in vars(SiteWorker) if not name.startswith("_")}
    assert own <= {*methods, "alive"}
