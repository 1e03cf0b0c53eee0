"""A PostgreSQL cluster of one's own, for the tests and the benchmark: started, used, removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study_server.web.serve import free_port

SERVER_USER = "postgres"  # PostgreSQL refuses to run as root


def find_programs() -> Path | None:
    """Return the folder of the server's programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _as_server(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    user = ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--clear-groups"]
    return [*user, *command]


@contextmanager
def cluster(*, durable: bool) -> Iterator[str]:
    """Yield the URL of a fresh cluster; `durable=False` is for tests only."""
    programs = find_programs()
    if programs is None:
        raise RuntimeError("no PostgreSQL server here: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="foolrate-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER, SERVER_USER)
    data, port = folder / "data", free_port()
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    options += " -c max_connections=60" + (
        "" if durable else " -c fsync=off -c full_page_writes=off"
    )
    control = str(programs / "pg_ctl")
    initdb = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "foolrate",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    start = [control, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"]
    stop = [control, "-D", str(data), "-m", "immediate", "-w", "stop"]
    try:
        _run(_as_server([*initdb, "--no-sync", "--locale=C"]), folder)
        _run(_as_server(start), folder)
        yield f"postgresql://foolrate@127.0.0.1:{port}"
    finally:
        subprocess.run(_as_server(stop), cwd=folder, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], folder: Path) -> None:
    # The server's output goes to its log: a pipe would keep the caller waiting for the daemon.
    with (folder / "setup.log").open("ab") as log:
        subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=True)


def new_database(url: str, name: str, template: str = "template1") -> str:
    """Return the URL of a new database in a cluster: empty, or a copy of another there."""
    import psycopg

    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"{url}/{name}"
