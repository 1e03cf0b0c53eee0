"""gunicorn's threaded worker: threads for whole requests only, images last, no end in mid-request.

A thread is given a request once all of it has arrived, and is done with it when the reply is
handed over (`exchange`); the main loop waits for clients that send or read slowly, and for no
longer than a limit. When a worker has no place for another connection, those that have waited
longest for their client go.

Where requests wait for a thread, images wait for everything else: an answer gates a rater's next
trial and costs a commit, while images are fetched three trials ahead. (In one queue, raters who
started together stay together, and an answer waits for 150 others: p50 230 ms but p99 713 ms.)

Workers accept from one common socket, and the one that happens to be awake gets the connection.
With connections that are kept for minutes, one worker then carries two thirds of the raters, and
its queue makes their answers slow while the other idles (measured: 114 to 46 connections, 12.7 to
7.3 s of processor time). So a worker that has more than another leaves a new connection to it, for
a moment.

Told to stop, it says so on ``/readyz``, goes on for `LAME_DUCK_S` so that a balancer can notice,
and then closes the socket, finishes what has begun and lets idle connections go.

The methods overridden here are gunicorn's own affair and change with its versions: pyproject.toml
names the ones that were tried, and tests/study_server/web/test_exchange.py fails where one is gone.
"""

from __future__ import annotations

import errno
import mmap
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from study_server.web.process.exchange import Exchange, Waiting

LAME_DUCK_S = 1.0
RECEIVE_S = 30.0  # from the first byte of a request to its last
STALLED_S = 30.0  # that a client takes nothing of a reply
PARTING_S = 2.0
LAST_REPLY_S = 5.0  # that a client takes nothing of a reply while the worker stops
UPLOADS_AT_ONCE = 32 * 2**20  # bytes of bodies that only the admin site takes
_SLOTS = 256  # more than the workers that live at a time; one each, by its number
_WAIT_S = 0.05  # for another worker to take a connection; it may be stuck
_NAP_S = 0.001
# `image_gate.PREFIX`, which imports prometheus_client: that must be new in every worker.
_IMAGE = b"GET /i/"

# Shared by all workers: they are forked from the process that imports this. One more than the
# number of a worker's connections, 0 where there is no worker.
_shared = memoryview(mmap.mmap(-1, 4 * _SLOTS)).cast("i")


def forget(worker: Any) -> None:
    """Note that a worker is gone: nobody leaves connections to it any more."""
    _shared[worker.age % _SLOTS] = 0


# A future, and the function and connection that it waits for.
_Task = tuple[Future[Any], Callable[[Any], Any], Any]


class ImagesLast:
    """A pool of threads with two queues, the second of which waits for the first."""

    def __init__(self, threads: int) -> None:
        """Start the threads."""
        self._queues: tuple[deque[_Task], deque[_Task]] = (deque(), deque())
        self._condition = Condition()
        self._open = True
        for _ in range(threads):
            Thread(target=self._work, daemon=True).start()

    def submit(self, function: Callable[[Any], Any], connection: Any) -> Future[Any]:
        """Run `function(connection)` when it is its turn."""
        future: Future[Any] = Future()
        queue = self._queues[_can_wait(connection)]
        with self._condition:
            queue.append((future, function, connection))
            self._condition.notify()
        return future

    def shutdown(self, wait: bool = True) -> None:  # noqa: ARG002 - gunicorn never waits
        """Let the threads end once nothing waits."""
        with self._condition:
            self._open = False
            self._condition.notify_all()

    def _work(self) -> None:
        while task := self._next():
            future, function, connection = task
            try:
                future.set_result(function(connection))
            except BaseException as error:
                future.set_exception(error)

    def _next(self) -> _Task | None:
        first, second = self._queues
        with self._condition:
            while not (first or second):
                if not self._open:
                    return None
                self._condition.wait()
            return (first or second).popleft()


def _can_wait(connection: Any) -> bool:
    """Return whether the request on a connection is for an image."""
    return bool(connection.sock.inbox.startswith(_IMAGE))


class SiteWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that waits for no client, takes its share of connections, and drains."""

    alive: bool

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Start without connections."""
        super().__init__(*arguments, **options)
        self._slot = self.age % _SLOTS
        self._left_since: float | None = None  # a connection was left to others from then on
        self._stop_at: float | None = None
        self._idle = Waiting(self.cfg.keepalive)
        self._receiving = Waiting(RECEIVE_S)
        self._sending = Waiting(STALLED_S)  # since the client took something
        self._parting = Waiting(PARTING_S)
        self._uploads: set[Any] = set()

    def get_thread_pool(self) -> ImagesLast:
        """Return the threads that answer."""
        return ImagesLast(self.cfg.threads)

    # ── accepting ────────────────────────────────────────────────────────────────────────────────

    def accept(self, listener: Any) -> None:
        """Take a connection, unless another worker has fewer and takes it soon."""
        if self.alive and self._another_should():
            time.sleep(_NAP_S)
            return
        self._left_since = None
        self._take(listener)
        self._publish()

    def _take(self, listener: Any) -> bool:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            return False
        connection = TConn(self.cfg, Exchange(client), address, listener.getsockname())
        connection.data_ready = True  # it comes to a thread when it is
        self.nr_conns += 1
        connection.sock.receive()  # the request has mostly come with the connection
        self._wait_for_request(connection)
        return True

    def _another_should(self) -> bool:
        self._publish()
        if min(filter(None, _shared), default=0) >= _shared[self._slot]:
            return False
        now = time.monotonic()
        self._left_since = self._left_since or now
        return now - self._left_since < _WAIT_S

    def _publish(self) -> None:
        _shared[self._slot] = self.nr_conns + 1

    # ── waiting for clients ──────────────────────────────────────────────────────────────────────

    def _wait_for_request(self, connection: Any) -> None:
        connection.sock.next_request()
        if self._dispatch(connection):
            return
        if connection.sock.ended:
            self._drop(connection)
            return
        (self._receiving if connection.sock.inbox else self._idle).add(connection)
        self._watch(connection, selectors.EVENT_READ, self._on_request)

    def _watch(self, connection: Any, event: int, action: Callable[[Any], None]) -> None:
        self.poller.register(connection.sock, event, lambda _file: action(connection))

    def _on_request(self, connection: Any) -> None:
        exchange = connection.sock
        exchange.receive()
        if self._idle.remove(connection):
            self._receiving.add(connection)
        if exchange.ended or exchange.whole():
            self._leave(connection)
            if not self._dispatch(connection):
                self._drop(connection)
        elif exchange.upload:
            self._uploads.add(connection)
            if sum(each.sock.upload for each in self._uploads) > UPLOADS_AT_ONCE:
                self._leave(connection)
                self._drop(connection)

    def _dispatch(self, connection: Any) -> bool:
        if not connection.sock.whole():
            return False
        self.enqueue_req(connection)
        return True

    def finish_request(self, connection: Any, done: Future[Any]) -> None:
        """Send what is left of a reply, then wait for the next request or close."""
        exchange = connection.sock
        again = done.exception() is None and bool(done.result())
        connection.kept = again and not (exchange.cut or exchange.broken)
        if exchange.sending:
            self._sending.add(connection)
            self._watch(connection, selectors.EVENT_WRITE, self._on_room)
        else:
            self._after_reply(connection)

    def _on_room(self, connection: Any) -> None:
        if connection.sock.send_on():
            self._sending.add(connection)
        if not connection.sock.sending:
            self._leave(connection)
            self._after_reply(connection)

    def _after_reply(self, connection: Any) -> None:
        exchange = connection.sock
        if connection.kept and self.alive:
            self._wait_for_request(connection)
        elif exchange.cut and not exchange.broken:
            # Closed with bytes unread, the client would be told of a broken connection instead.
            exchange.shutdown(socket.SHUT_WR)
            self._parting.add(connection)
            self._watch(connection, selectors.EVENT_READ, self._on_parting)
        else:
            self._drop(connection)

    def _on_parting(self, connection: Any) -> None:
        connection.sock.receive()
        connection.sock.inbox.clear()
        if connection.sock.ended:
            self._leave(connection)
            self._drop(connection)

    def _leave(self, connection: Any) -> None:
        """Wait for this client no more."""
        for waiting in (self._idle, self._receiving, self._sending, self._parting):
            waiting.remove(connection)
        self._uploads.discard(connection)
        self.poller.unregister(connection.sock)

    def _drop(self, connection: Any) -> None:
        self.nr_conns -= 1
        connection.sock.close()

    def murder_keepalived(self) -> None:
        """Close the connections whose clients have been waited for too long."""
        for waiting in (self._idle, self._receiving, self._sending, self._parting):
            for connection in waiting.overdue():
                self._leave(connection)
                self._drop(connection)

    def _make_room(self) -> None:
        """Close the connections that have waited longest, one in twenty."""
        count = 1 + self.nr_conns // 20
        for connection in [*self._receiving.longest(count), *self._idle.longest(count)][:count]:
            self._leave(connection)
            self._drop(connection)

    # ── the loop, and its end ────────────────────────────────────────────────────────────────────

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Serve what has come in; wake up in time to stop."""
        if self._stop_at is not None:
            timeout = min(timeout, 0.1)
        super().wait_for_and_dispatch_events(timeout)
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        self._publish()
        if self._stop_at is None and not self.is_parent_alive():
            self._stop_at = time.monotonic()
        if self.alive and self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.alive = False

    def handle_exit(self, _signal: int, _frame: Any) -> None:
        """Begin to stop: answers now close their connections, and soon no new ones are taken."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + LAME_DUCK_S
            self.max_keepalived = 0
            self.method_queue.defer(lambda: None)  # wakes the loop

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting; the last time, close the socket and the idle connections."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            self._let_go()

    def _let_go(self) -> None:
        for listener in self.sockets:
            while self._take(listener):  # those who are through already are served still
                pass
            listener.close()
        self._idle.shorten(0.0)
        self._receiving.shorten(PARTING_S)
        self._sending.shorten(LAST_REPLY_S)
        self.murder_keepalived()
