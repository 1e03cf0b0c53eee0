"""Progress of long work on stderr: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from generators.foreign_text import one_line

QUIET_SECONDS = 10.0


def say(notes: Iterable[str]) -> None:
    """Print what a person should know on stderr, a line each."""
    for note in notes:
        print(f"note: {one_line(note)}", file=sys.stderr, flush=True)


class Display:
    """What is shown of a long work; `done` of `total` items."""

    def __init__(self, what: str, total: int, done: int) -> None:
        self.what, self.total, self.done, self.last = what, total, done, time.monotonic()

    def advance(self, count: int) -> None:
        """Count so many more items; speaks at most every ten seconds."""
        self.done += count
        if time.monotonic() - self.last >= QUIET_SECONDS:
            self.show(self.done)

    def show(self, done: int, text: str = "") -> None:
        """Say where the work stands, and `text`."""
        self.done, self.last = done, time.monotonic()
        self.note(f"{self.what}: {done}/{self.total}" + f"  {text}" * bool(text))

    def note(self, line: str) -> None:
        """Say a line."""
        print(line, file=sys.stderr, flush=True)


class Silent(Display):
    """Shows nothing: for processes of which another one speaks."""

    def __init__(self) -> None:
        super().__init__("", 0, 0)

    def note(self, line: str) -> None:
        """Say nothing."""


class Bar(Display):
    """A bar on a terminal."""

    def __init__(self, bar: Any, what: str, total: int, done: int) -> None:
        super().__init__(what, total, done)
        self.bar, self.task = bar, bar.add_task(what, total=total, completed=done, text="")

    def advance(self, count: int) -> None:
        """Move the bar."""
        self.done += count
        self.bar.update(self.task, completed=self.done)

    def show(self, done: int, text: str = "") -> None:
        """Move the bar, and write `text` beside it."""
        self.done = done
        self.bar.update(self.task, completed=done, text=text)

    def note(self, line: str) -> None:
        """Write a line above the bar."""
        self.bar.console.print(line)


@contextmanager
def display(what: str, total: int, done: int = 0) -> Iterator[Display]:
    """Give a display of `total` items on stderr: a bar on a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Display(what, total, done)
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
    text = rich.TextColumn("{task.fields[text]}")
    with rich.Progress("{task.description}", *columns, text, console=Console(stderr=True)) as bar:
        yield Bar(bar, what, total, done)


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Give a function that advances a display by so many items of `total`."""
    with display(what, total, done) as shown:
        yield shown.advance
