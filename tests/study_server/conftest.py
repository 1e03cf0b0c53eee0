"""Small studies on both databases, and raters to take them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from actors import Rater
from flask import Flask
from small_study import STUDY, MakeStudy, app_on, create_once, write_images
from thrift import thrifty

from benchmarks.support.postgres_cluster import cluster, new_database
from study_server.config import StudyFile
from study_server.storage.database import Database
from study_server.storage.schema import open_database
from study_server.studies.states import find_study, set_state

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _thrift() -> Iterator[None]:
    with thrifty():
        yield


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the runs real, blurred, noisy and inputs, 9 items each."""
    names = [f"item-{number}" for number in range(9)]
    return write_images(tmp_path_factory.mktemp("images"), names)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the URL of a cluster that lives as long as this test process."""
    with cluster(durable=False) as url:
        yield url


DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file at the head version, to be copied: migrations take 0.1 s each time."""
    path = tmp_path_factory.mktemp("empty") / "study.sqlite3"
    open_database(f"sqlite:///{path}", create=True).dispose()
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres: str) -> str:
    """Return the name of a database at the head version in the cluster, to be copied."""
    open_database(new_database(postgres, "head"), create=True).dispose()
    return "head"


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, of each kind in turn.

    On PostgreSQL it is at the head version already where the test takes `database`, too.
    """
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.sqlite3"
    opened = "database" in request.fixturenames
    template = request.getfixturevalue("empty_postgres") if opened else "template1"
    return new_database(request.getfixturevalue("postgres"), f"test{next(_numbers)}", template)


@pytest.fixture
def database(database_url: str, empty_sqlite: Path) -> Iterator[Database]:
    """Yield an open database at the head version, empty."""
    if database_url.startswith("sqlite"):
        shutil.copy(empty_sqlite, database_url.removeprefix("sqlite:///"))
    opened = open_database(database_url, create=True)
    yield opened
    opened.dispose()


@pytest.fixture
def another(empty_sqlite: Path) -> Iterator[Callable[[Path], Database]]:
    """Return a function that makes and opens a further SQLite database at a path."""
    opened: list[Database] = []

    def make(path: Path) -> Database:
        shutil.copy(empty_sqlite, path)
        opened.append(open_database(f"sqlite:///{path}"))
        return opened[-1]

    yield make
    for each in opened:
        each.dispose()


@pytest.fixture
def sqlite(tmp_path: Path, empty_sqlite: Path) -> Iterator[Database]:
    """Yield an open SQLite database, for what does not depend on the kind."""
    shutil.copy(empty_sqlite, tmp_path / "study.sqlite3")
    opened = open_database(f"sqlite:///{tmp_path}/study.sqlite3")
    yield opened
    opened.dispose()


@pytest.fixture
def study_text(images: Path) -> str:
    """Return a valid study file: 2 conditions x 3 raters x 4 trials."""
    return STUDY.format(folder=images)


@pytest.fixture
def make_study(study_text: str) -> MakeStudy:
    """Return a function that makes and opens the small study, with lines of its file replaced."""

    def make(database: Database, *replacements: tuple[str, str], **options: Any) -> StudyFile:
        text = study_text
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file = create_once(database, text, **options)
        with database.session() as db_session:
            set_state(db_session, find_study(db_session, file.study.id), "open", "test")
        return file

    return make


@pytest.fixture
def app(database: Database, make_study: MakeStudy) -> Flask:
    """Return the application serving the small study, on each database in turn."""
    make_study(database)
    return app_on(database)


@pytest.fixture
def sqlite_app(sqlite: Database, make_study: MakeStudy) -> Flask:
    """Return the application serving the small study on SQLite."""
    make_study(sqlite)
    return app_on(sqlite)


@pytest.fixture
def rater(app: Flask) -> Rater:
    """Return a rater who has not arrived yet."""
    return Rater(app)
