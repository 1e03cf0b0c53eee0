"""Peers of the study site, measured in the same run: oTree and Potato.

Each runs its own server in an environment of its own, on its smallest equal task: one question with
two answers, 20 times, without images. Ours is measured with the same number of raters and answers,
*with* both images' bytes of every trial and a durable commit.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.support.http_load import Measured
from benchmarks.support.timing import Result, cpu_seconds_of

FOLDER = Path("build/peers")
RATERS, ANSWERS = 50, 20


@dataclass(frozen=True)
class Peer:
    """How one peer is served, taken and counted."""

    name: str
    requests: str  # of one answer
    serve: Callable[[int], AbstractContextManager[int]]  # port -> process
    participants: Callable[[int, int], list[str]]
    take: Callable[[int, str, Measured], Coroutine[Any, Any, None]]
    stored: Callable[[], int]


def environment(name: str, package: str) -> Path:
    """Return the programs' folder of a peer's own environment, made on the first run."""
    folder = FOLDER / name
    programs = (folder / "bin").absolute()
    if (folder / "ready").exists() or _has(programs, package):
        return programs
    click.echo(f"making {folder} with {package}, once", err=True)
    install = ["install", "-q", "--disable-pip-version-check", package]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for command in ([sys.executable, "-m", "venv", str(folder)], [str(programs / "pip"), *install]):
        done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise click.ClickException(
                f"{package} could not be installed into {folder} ({reason}): install it there"
                " yourself, or leave the peers out with --no-peers"
            )
    (folder / "ready").touch()
    return programs


def _has(programs: Path, package: str) -> bool:
    if not (programs / "pip").exists():
        return False
    shown = subprocess.run([str(programs / "pip"), "show", "-q", package], check=False)
    return shown.returncode == 0


def quietly() -> dict[str, Any]:
    """Return the options of a program whose output nobody reads."""
    return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@contextmanager
def running(command: list[str], folder: Path, given: dict[str, str], url: str) -> Iterator[int]:
    """Yield the process of a server that answers at `url`; it and its children end afterwards."""
    process = subprocess.Popen(command, cwd=folder, env=given, start_new_session=True, **quietly())
    try:
        _wait(url, process)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise click.ClickException(f"{process.args!r}: did not answer at {url}")


def measure_peer(peer: Peer) -> Any:
    """Return a peer's result."""
    from study_server.web.serve import free_port

    port, measured = free_port(), Measured()

    async def all_of_them(codes: list[str]) -> float:
        start = time.perf_counter()
        await asyncio.gather(*(peer.take(port, code, measured) for code in codes))
        return time.perf_counter() - start

    with peer.serve(port) as process:
        codes = peer.participants(port, RATERS)
        server_before, load_before = cpu_seconds_of(process), time.process_time()
        seconds = asyncio.run(all_of_them(codes))
        spent = (cpu_seconds_of(process) - server_before, time.process_time() - load_before)
    done = measured.acknowledged
    each = (1000 * spent[0] / max(done, 1), 1000 * spent[1] / max(done, 1))
    what = f"{peer.name}: {RATERS} raters, no images"
    return Result(what, done, seconds, measured, peer.stored(), 0, each)


def ratio_line(ours: Any, peer: Peer, theirs: Any) -> str:
    """Return how many times as many answers a second ours stored, and what was compared."""
    ratio = (ours.judgments / ours.seconds) / (theirs.judgments / theirs.seconds)
    return (
        f"{ratio:.1f} times {peer.name}'s answers a second. One answer is, here: two GETs with the"
        f" bytes of two images, one POST; there: {peer.requests}; {RATERS} raters, {ANSWERS}"
        " answers each, one after the other"
    )
