"""Statements that are compiled once run as themselves, however many others there were."""

from __future__ import annotations

from sqlalchemy import literal_column, select

from study_server.storage.database import Database


def test_a_statement_is_never_mistaken_for_one_that_is_gone(database: Database) -> None:
    """Python gives the place of an object that is gone to the next one."""
    for number in range(200):
        assert database.hot.read(select(literal_column(str(number))), {}) == (number,)
