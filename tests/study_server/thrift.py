"""What the site does once in a process and for the disk, done once for all sites of a test process.

A test has a database and an application of its own. Without this most of its time goes into
compiling the same statements and routes as the test before, and into waiting for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from sqlalchemy import event
from werkzeug.routing import Rule

from study_server.storage.database import Database


@contextmanager
def thrifty() -> Iterator[None]:
    """Share statements and routes, and let no commit wait for the disk, until the end of the block.

    `inspect.unwrap(Database.__init__)` prepares one that waits, as that of the site does.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "__init__", _preparing(Database.__init__))
        if build := getattr(Rule, "_compile_builder", None):  # private: may be gone one day
            patch.setattr(Rule, "_compile_builder", _building_once(build))
        yield


def _preparing(prepare: Callable[..., None]) -> Callable[..., None]:
    dialects: dict[str, Any] = {}
    statements: dict[Any, Any] = {}

    @wraps(prepare)
    def prepared(self: Database, *arguments: Any, **options: Any) -> None:
        prepare(self, *arguments, **options)
        if not self.sqlite:
            return
        for engine in (self.engine, self._reader):
            # SQLAlchemy keeps what it compiles by dialect, and each engine makes its own.
            engine.dialect = dialects.setdefault("sqlite", engine.dialect)
            engine.update_execution_options(compiled_cache=statements)
            event.listen(engine, "connect", _never_wait)

    return prepared


def _never_wait(connection: Any, _record: Any) -> None:
    """What fails in tests is the network and the process, never the power: nothing is lost."""
    connection.execute("PRAGMA synchronous = OFF")


def _building_once(build: Callable[..., Any]) -> Callable[..., Any]:
    built: dict[Any, Any] = {}

    def once(self: Any, append_unknown: bool = True) -> Any:
        key = (self.rule, str(self.defaults), tuple(self._trace), append_unknown)
        if key not in built:
            built[key] = build(self, append_unknown)
        return built[key]

    return once
