"""The --database option and what the commands do with it. Imports only click at module level."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from study_server.web.settings import DATABASE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study_server.storage.database import Database

database_option = click.option(
    "--database",
    metavar="URL",
    envvar=DATABASE_VARIABLE,
    default="sqlite:///foolrate.sqlite3",
    show_default=True,
    help=f"sqlite:///file.sqlite3 or postgresql://… (or {DATABASE_VARIABLE}).",
)


@contextmanager
def opened_database(url: str, *, create: bool = False) -> Iterator[Database]:
    """Yield the database, closed at the end; a file made for it goes again if the command fails.

    Raises `DatabaseError` where the database is locked, full or gone.
    """
    from sqlalchemy.exc import OperationalError

    from study_server.errors import DatabaseError
    from study_server.storage.database import parse_url
    from study_server.storage.schema import new_sqlite_file, open_database, remove_without_study
    from study_server.storage.upkeep.probe import reason_of

    new = new_sqlite_file(url) if create else None
    shown = parse_url(url).render_as_string(hide_password=True)
    try:
        database = open_database(url, create=create)
    except OperationalError as error:
        raise DatabaseError(f"{shown}: {reason_of(error)}") from None
    try:
        yield database
    except BaseException as error:
        if new is not None:
            remove_without_study(database, new)
        if isinstance(error, OperationalError):
            raise DatabaseError(f"{shown}: {reason_of(error)}") from None
        raise
    finally:
        database.dispose()


def secret_of(database: Database) -> bytes:
    from study_server.storage.identity import load_secret

    return load_secret(database.url)
