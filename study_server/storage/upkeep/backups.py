"""Copies of a database that can be made while it is in use."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect

from generators.files import create_file
from study_server.errors import DatabaseError
from study_server.storage.database import Database, connect_or_explain, sqlite_path
from study_server.storage.schema import open_database


def backup(database: Database, file: Path) -> None:
    """Write a consistent copy, whole or not at all. Raises `DatabaseError` if the file exists.

    SQLite copies itself page by page; PostgreSQL by pg_dump (custom format).
    """
    if file.exists():
        raise DatabaseError(f"{file}: exists, a backup never overwrites")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.close(create_file(part, private=True))  # others never get to read it, nor its beginning
        if database.sqlite:
            _copy(sqlite_path(database.url), part)
        else:
            _run(["pg_dump", "--format=custom", "--no-owner", f"--file={part}"], database)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def restore(file: Path, url: str) -> None:
    """Make a database out of a backup. Raises `DatabaseError` if there is one already."""
    if not file.is_file():
        raise DatabaseError(f"{file}: no such backup")
    database = Database(url)
    if database.sqlite:
        target = sqlite_path(database.url)
        if target.exists():
            raise DatabaseError(f"{target}: exists, a restore never overwrites")
        if not _is_sqlite(file):
            raise DatabaseError(f"{file}: is no SQLite file, expected a backup of one")
        os.close(create_file(target, private=True))
        shutil.copyfile(file, target)
    else:
        _require_empty(database)
        _run(["pg_restore", "--no-owner", "--exit-on-error", str(file)], database)
    open_database(url).dispose()


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(15) == b"SQLite format 3"


def _require_empty(database: Database) -> None:
    try:
        connect_or_explain(database)
        with database.read() as connection:
            tables = inspect(connection).get_table_names()
    finally:
        database.dispose()
    if tables:
        shown = database.url.render_as_string(hide_password=True)
        raise DatabaseError(f"{shown}: holds tables already, a restore never overwrites")


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        # The copy must not need a second file beside it.
        new.execute("PRAGMA journal_mode = DELETE")


def _run(command: list[str], database: Database) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise DatabaseError(f"{command[0]}: not found, expected PostgreSQL's client programs")
    # Everybody on the machine can read a command line, so the password goes by the environment.
    url = database.url.set(drivername="postgresql")
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    address = f"--dbname={url._replace(password=None).render_as_string(hide_password=False)}"
    done = subprocess.run(
        [program, address, *command[1:]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise DatabaseError(f"{command[0]} failed: {reason[0]}")
