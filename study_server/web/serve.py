"""Serving the site with gunicorn: a few processes of a few threads, on an address that is free.

`commands/operations.py` is what `study serve` runs first: it opens drafts, makes the first account
and starts itself again without tokens and passwords in its environment.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from study_server.errors import AddressError
from study_server.web.limit_store import FOLDER_VARIABLE
from study_server.web.settings import DATABASE_VARIABLE

if TYPE_CHECKING:
    from flask import Flask

WORKERS = 2
THREADS = 4  # while one waits for the disk, answers gather behind it for the next commit
KEEP_ALIVE_S = 30  # gunicorn's 2 s would cost a rater a new connection for every trial
GRACE_S = 30
SWITCH_S = 0.001  # Python's 5 ms let an answer wait so long for each of a dashboard's steps
CONNECTIONS = 2000  # of one worker; most of them wait for their client
SPARE_FILES = 200  # databases, logs, sockets of its own


def parse_address(text: str) -> tuple[str, int]:
    """Return (host, port) of "8000" or "127.0.0.1:8000". Raises `AddressError`."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise AddressError(f"--bind {text!r}: no address, expected PORT or HOST:PORT")
    return (host.strip("[]") or "127.0.0.1", int(port))


def require_free(host: str, port: int) -> None:
    """Raise `AddressError` when the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
            raise AddressError(f"{host}:{port} {what}, choose another with --bind") from None


def free_port() -> int:
    """Return a port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def serve(
    make_app: Callable[[], Flask],
    host: str,
    port: int,
    *,
    workers: int = WORKERS,
    threads: int = THREADS,
) -> None:
    """Serve until a signal; each worker makes its own application. Raises `AddressError`."""
    require_free(host, port)
    folder = Path(tempfile.mkdtemp(prefix="foolrate-"))
    metrics = folder / "metrics"
    metrics.mkdir()
    # prometheus_client reads this when it is imported, which happens in the workers.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        _server(make_app, host, port, workers, threads).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Runnable(Protocol):
    def run(self) -> None: ...


def _server(
    make_app: Callable[[], Flask], host: str, port: int, workers: int, threads: int
) -> _Runnable:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
    from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

    class Repeating(Arbiter):  # type: ignore[misc]
        """Tells the workers to stop until they do.

        A worker does not hear SIGTERM between its fork and `Worker.init_signals`: until then it
        has the handler of the process it was forked from, which only notes the signal. gunicorn
        says it once, and then waits for the whole of `graceful_timeout`.
        """

        stopping = False

        def stop(self, graceful: bool = True) -> None:
            """Stop the workers."""
            self.stopping = graceful
            super().stop(graceful)

        def reap_workers(self) -> None:
            """Note which workers are gone; gunicorn does so again and again while it stops."""
            super().reap_workers()
            if self.stopping:
                self.kill_workers(signal.SIGTERM)

    class Server(BaseApplication):  # type: ignore[misc]
        """gunicorn with our settings in place of its command line."""

        def load_config(self) -> None:
            """Take our settings."""
            shown = f"[{host}]" if ":" in host else host
            for key, value in _options(f"{shown}:{port}", workers, threads).items():
                self.cfg.set(key, value)

        def run(self) -> None:
            """Serve until a signal."""
            Repeating(self).run()

        def load(self) -> Flask:
            """Return the application of one worker."""
            return make_app()

    server: _Runnable = Server()
    return server


def _options(bind: str, workers: int, threads: int) -> dict[str, Any]:
    from study_server.web.process.server_log import ServerLog
    from study_server.web.process.worker import SiteWorker

    return {
        "bind": bind,
        "workers": workers,
        "threads": threads,
        "worker_class": SiteWorker,
        "worker_connections": _connections(),
        "sendfile": False,  # it would wait for the client
        "backlog": 2048,
        "keepalive": KEEP_ALIVE_S,
        "graceful_timeout": GRACE_S,
        "timeout": 60,
        "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,
        "limit_request_line": 2048,
        "limit_request_fields": 50,
        # What a client says of itself is not believed. The proxy's X-Forwarded headers are
        # `--proxies`' business; gunicorn would take SCRIPT_NAME and PATH_INFO from anybody.
        "forwarder_headers": "",
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "header_map": "drop",
        "loglevel": "warning",
        "logger_class": ServerLog,
        "control_socket_disable": True,
        "post_worker_init": _begin_worker,
        "child_exit": _forget,
    }


def _connections() -> int:
    """Return how many connections a worker may hold, once as many files may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return CONNECTIONS
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted - SPARE_FILES, 1)


def _begin_worker(_worker: Any) -> None:
    from study_server.web import monitoring

    sys.setswitchinterval(SWITCH_S)
    monitoring.drain_on()


def _forget(_server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    from study_server.web.process.worker import forget

    forget(worker)

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def main(arguments: list[str]) -> None:
    """Serve on HOST:PORT [WORKERS [THREADS]] [--no-limits], as a process of a test or benchmark.

    The database's URL comes from FOOLRATE_DATABASE: everybody on the machine can read a command
    line, and the URL may hold a password.
    """
    from study_server.storage.database import parse_url
    from study_server.storage.identity import load_secret
    from study_server.web.app import create_app
    from study_server.web.monitoring import configure_logs
    from study_server.web.settings import Settings

    address, *rest = arguments
    database = os.environ[DATABASE_VARIABLE]
    host, port = parse_address(address)
    numbers = [int(word) for word in rest if word.isdigit()]
    workers, threads = numbers + [WORKERS, THREADS][len(numbers) :]
    settings = Settings(
        database, load_secret(parse_url(database)), limits="--no-limits" not in rest
    )

    def make_app() -> Flask:
        configure_logs()
        return create_app(settings)

    serve(make_app, host, port, workers=workers, threads=threads)


@contextmanager
def process(
    url: str, address: str, *options: str, **popen: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that serves a database as `study serve` does; it is stopped at the end."""
    command = [sys.executable, "-m", "study_server.web.serve", address, *options]
    # The caller may be in any folder; the package is found in the checkout.
    checkout = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([checkout, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, DATABASE_VARIABLE: url}
    started = subprocess.Popen(command, env=environment, **popen)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=60)


if __name__ == "__main__":
    main(sys.argv[1:])
