"""Backups made while the site is in use, and what restoring refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from actors import Rater
from flask import Flask
from small_study import MakeStudy, app_on
from sqlalchemy import func, make_url, select

from benchmarks.support.postgres_cluster import new_database
from study_server.errors import DatabaseError
from study_server.storage.identity import load_secret, secret_path
from study_server.storage.models import Judgment
from study_server.storage.schema import open_database
from study_server.storage.upkeep import backups
from study_server.storage.upkeep.backups import backup, restore


def test_a_backup_is_whole_and_can_be_gone_on_with(sqlite_app: Flask, tmp_path: Path) -> None:
    rater = Rater(sqlite_app).begin()
    rater.answer()
    backup(sqlite_app.extensions["foolrate"].database, tmp_path / "copy")
    rater.answer()
    url = f"sqlite:///{tmp_path}/restored.sqlite3"
    restore(tmp_path / "copy", url)
    restored = open_database(url)
    with restored.session() as db_session:
        assert db_session.scalar(select(func.count()).select_from(Judgment)) == 1
    rater.client = app_on(restored).test_client()
    rater.open()
    rater.answer_all()
    restored.dispose()


def test_nothing_is_overwritten(sqlite_app: Flask, tmp_path: Path) -> None:
    database = sqlite_app.extensions["foolrate"].database
    backup(database, tmp_path / "copy")
    with pytest.raises(DatabaseError, match="never overwrites"):
        backup(database, tmp_path / "copy")
    with pytest.raises(DatabaseError, match="never overwrites"):
        restore(tmp_path / "copy", database.url.render_as_string())
    (tmp_path / "junk").write_text("no database")
    with pytest.raises(DatabaseError, match="no SQLite file"):
        restore(tmp_path / "junk", f"sqlite:///{tmp_path}/new.sqlite3")
    with pytest.raises(DatabaseError, match="no such backup"):
        restore(tmp_path / "nothing", f"sqlite:///{tmp_path}/new.sqlite3")


def test_a_copy_is_its_owners_before_the_first_byte(
    sqlite_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    for module, name in ((backups, "_copy"), (backups.shutil, "copyfile")):
        copy = getattr(module, name)

        def watched(source: Path, target: Path, copy: Callable[..., None] = copy) -> None:
            modes.append((target.stat().st_mode & 0o777, target.stat().st_size))
            copy(source, target)

        monkeypatch.setattr(module, name, watched)
    before = os.umask(0)
    try:
        backup(sqlite_app.extensions["foolrate"].database, tmp_path / "copy")
        restore(tmp_path / "copy", f"sqlite:///{tmp_path}/restored.sqlite3")
    finally:
        os.umask(before)
    assert modes == [(0o600, 0), (0o600, 0)]


@pytest.mark.postgres
def test_postgresql_is_backed_up_and_restored_into_an_empty_database(
    postgres: str, make_study: MakeStudy, tmp_path: Path
) -> None:
    source, target = (new_database(postgres, f"backup_{name}") for name in ("source", "target"))
    database = open_database(source, create=True)
    make_study(database)
    rater = Rater(app_on(database)).begin()
    rater.answer()
    backup(database, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    restore(tmp_path / "copy", target)
    restored = open_database(target)
    rater.client = app_on(restored).test_client()
    rater.open()
    rater.answer_all()
    with pytest.raises(DatabaseError, match="holds tables already, a restore never overwrites"):
        restore(tmp_path / "copy", target)
    (tmp_path / "junk").write_text("no archive")
    empty = new_database(postgres, "backup_empty")
    with pytest.raises(DatabaseError, match=r"pg_restore failed: .*error: .*archive"):
        restore(tmp_path / "junk", empty)
    for each in (database, restored):
        each.dispose()


@pytest.mark.slow
def test_others_cannot_read_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    open_database(f"sqlite:///{path}", create=True).dispose()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DatabaseError, match="nowhere/x: cannot be made"):
        open_database(f"sqlite:///{tmp_path}/nowhere/x", create=True)


def test_the_secret_is_made_once_and_kept_from_others(sqlite_app: Flask) -> None:
    url = sqlite_app.extensions["foolrate"].database.url
    first = load_secret(url, {})
    assert load_secret(url, {}) == first
    assert len(first) == 32
    path = secret_path(url)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(Exception, match="others can read the secret"):
        load_secret(url, {})


POOR_SECRETS = [
    ("ab", "has 2 digits"),
    ("xyz", "not hexadecimal"),
    ("0" * 64, "has 1 different bytes, expected 16 or more"),
    ("deadbeef" * 8, "has 4 different bytes"),
    ("0123456789abcdef" * 4, "has 8 different bytes"),
]


def test_a_poor_secret_in_the_environment_is_refused(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/study.sqlite3")
    for value, words in POOR_SECRETS:
        with pytest.raises(Exception, match=words):
            load_secret(url, {"FOOLRATE_SECRET": value})
