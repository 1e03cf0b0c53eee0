"""Progress on stderr: a bar with rate and time left, or off a terminal a line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from generators.foreign_text import one_line

Advance = Callable[[int], None]
Stage = Callable[[str, int], AbstractContextManager[Advance]]

_SECONDS = 10.0


def say(notes: Iterable[str]) -> None:
    """Print what a person should know on stderr, a line each."""
    for note in notes:
        print(f"note: {one_line(note)}", file=sys.stderr, flush=True)


def unseen(count: int) -> None:
    """Show nothing."""
    del count


@contextmanager
def silent(title: str, total: int) -> Iterator[Advance]:
    """Yield an `advance(count)` that shows nothing; for callers that are not a command line."""
    del title, total
    yield unseen


@contextmanager
def on_stderr(title: str, total: int) -> Iterator[Advance]:
    """Yield an `advance(count)` that moves a bar of `total` steps with its rate and time left."""
    if not sys.stderr.isatty():
        yield _plain(title, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        started, task = time.monotonic(), bar.add_task(title, total=total, rate="")
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            rate = done / max(time.monotonic() - started, 1e-3)
            bar.update(task, advance=count, rate=f"{rate:.1f}/s")

        yield advance


def _plain(title: str, total: int) -> Advance:
    started = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= _SECONDS:
            last = now
            rate = done / (now - started)
            left = f", {(total - done) / rate:.0f} s left" if rate and total else ""
            of = f"/{total}" if total else ""
            print(f"{title}: {done}{of}, {rate:.2g}/s{left}", file=sys.stderr)

    return advance
