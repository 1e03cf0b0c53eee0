"""Compiled statements run as themselves, and writers that wait together fail together."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from small_study import MakeStudy
from sqlalchemy import bindparam, literal_column, select, update
from sqlalchemy.exc import OperationalError

from study_server.storage import database as storage
from study_server.storage.database import Database
from study_server.storage.models import Study
from study_server.storage.throughput.prepared import HotPath, Operation

RETITLE = update(Study).values(title=bindparam("b_title"))


def test_a_statement_is_never_mistaken_for_one_that_is_gone(database: Database) -> None:
    """Python gives the place of an object that is gone to the next one."""
    for number in range(200):
        assert database.hot.read(select(literal_column(str(number))), {}) == (number,)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of writers at each attempt to commit."""
    made: list[int] = []
    together = HotPath._together

    def noted(hot: HotPath, operations: list[Operation]) -> list[bool]:
        made.append(len(operations))
        return together(hot, operations)

    monkeypatch.setattr(HotPath, "_together", noted)
    return made


def retitle(title: str) -> Operation:
    """Return an operation that changes the studies' title."""
    return lambda run: run(RETITLE, {"b_title": title}) == 1


def wait_together(database: Database, pool: ThreadPoolExecutor) -> list[Future[bool]]:
    """Begin three writers, and return once all of them wait; the caller has the turn."""
    writers = [pool.submit(database.hot.write, retitle(str(number))) for number in range(3)]
    turn: Any = database._turn
    until(lambda: len(database.hot._queue) == len(turn._waiting) == 3)
    return writers


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as a condition holds."""
    while not condition():
        time.sleep(0.01)


def test_writers_that_wait_together_for_a_lock_fail_together(
    sqlite: Database, make_study: MakeStudy, attempts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them waits for the other process; then none of the others does so again."""
    make_study(sqlite)
    monkeypatch.setattr(storage, "BUSY_TIMEOUT_MS", 50)
    sqlite.dispose()
    other = sqlite3.connect(str(sqlite.url.database), isolation_level=None)
    with ThreadPoolExecutor(3) as pool:
        with sqlite._turn:
            writers = wait_together(sqlite, pool)
            other.execute("BEGIN IMMEDIATE")
        for writer in writers:
            with pytest.raises(OperationalError, match="database is locked"):
                writer.result()
        assert attempts == [3]
        other.close()
        assert pool.submit(sqlite.hot.write, retitle("free")).result()
    assert attempts == [3, 1]


def test_who_has_given_up_stores_nothing_later(
    sqlite: Database, make_study: MakeStudy, attempts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer who was told that the turn does not come is not left in the queue."""
    make_study(sqlite)
    monkeypatch.setattr("study_server.storage.throughput.turns.PATIENCE_S", 0.2)
    with ThreadPoolExecutor(3) as pool, sqlite._turn:
        for writer in [pool.submit(sqlite.hot.write, retitle("late")) for _ in range(3)]:
            with pytest.raises(OperationalError, match="by another process"):
                writer.result()
    assert sqlite.hot.write(retitle("the only one"))
    assert attempts == [1]
    with sqlite.reading() as db_session:
        assert db_session.scalar(select(Study.title)) == "the only one"
