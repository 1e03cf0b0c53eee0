"""The progress bars of the study commands: on a terminal only, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def tracked(what: str) -> Callable[[Iterable[T], int], Iterable[T]]:
    """Return a function that shows a bar named ``what`` while its items are taken."""
    from rich.console import Console
    from rich.progress import track

    def show(items: Iterable[T], total: int) -> Iterable[T]:
        if not sys.stderr.isatty():
            return items
        return track(items, what, total, console=Console(stderr=True))

    return show


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Give a function that sets how many of ``total`` are done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
