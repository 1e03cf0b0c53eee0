"""gunicorn's threaded worker: images last, connections shared evenly, and no end in mid-request.

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
"""

from __future__ import annotations

import mmap
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

LAME_DUCK_S = 1.0
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


class ImagesLast:
    """A pool of threads with two queues, the second of which waits for the first."""

    def __init__(self, threads: int) -> None:
        """Start the threads."""
        self._queues: tuple[deque[Any], deque[Any]] = (deque(), deque())
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

    def _next(self) -> Any:
        first, second = self._queues
        with self._condition:
            while not (first or second):
                if not self._open:
                    return None
                self._condition.wait()
            return (first or second).popleft()


def _can_wait(connection: Any) -> bool:
    """Return whether the request on a connection is for an image, without taking it."""
    try:
        begin: bytes = connection.sock.recv(len(_IMAGE), socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    return begin == _IMAGE


class FairWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that takes its share of the connections, and drains."""

    alive: bool
    keepalived_conns: deque[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Start without connections."""
        super().__init__(*arguments, **options)
        self._slot = self.age % _SLOTS
        self._left_since: float | None = None  # a connection was left to others from then on
        self._stop_at: float | None = None

    def get_thread_pool(self) -> ImagesLast:
        """Return the threads that answer."""
        return ImagesLast(self.cfg.threads)

    def accept(self, listener: Any) -> None:
        """Take a connection, unless another worker has fewer and takes it soon."""
        if self.alive and self._another_should():
            time.sleep(_NAP_S)
            return
        self._left_since = None
        super().accept(listener)
        self._publish()

    def _another_should(self) -> bool:
        self._publish()
        if min(filter(None, _shared), default=0) >= _shared[self._slot]:
            return False
        now = time.monotonic()
        self._left_since = self._left_since or now
        return now - self._left_since < _WAIT_S

    def _publish(self) -> None:
        _shared[self._slot] = self.nr_conns + 1

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Serve what has come in; wake up in time to stop."""
        if self._stop_at is not None:
            timeout = min(timeout, 0.1)
        super().wait_for_and_dispatch_events(timeout)
        self._publish()
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
            before = -1
            while before != self.nr_conns:  # those who are through already are served still
                before = self.nr_conns
                super().accept(listener)
            listener.close()
        idle, self.keepalived_conns = self.keepalived_conns, deque()
        for connection in idle:
            self.poller.unregister(connection.sock)
            connection.close()
        self.nr_conns -= len(idle)
