"""A database that is full or busy: what a person is told, what the log says, what /readyz says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from actors import Rater
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from researchers import logged_in
from small_study import MakeStudy, app_on
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from study_server.storage.database import Database
from study_server.storage.schema import open_database
from study_server.storage.upkeep.probe import FRESH_S
from study_server.web import image_gate


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 4 MB, where this user may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs a file system of its own (root)")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    """Write until the file system is full."""
    with suppress(OSError), file.open("wb", buffering=0) as rest:
        while rest.write(bytes(4096)):
            pass


def test_a_full_disk_is_said_everywhere(
    small_disk: Path, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a page for people, in the log, on /readyz; and all is well once there is room."""
    database = open_database(f"sqlite:///{small_disk}/study.sqlite3", create=True)
    make_study(database)
    app = app_on(database)
    rater = Rater(app)
    assert app.test_client().get("/readyz").status_code == 200
    filler = small_disk / "filler"
    fill(filler)
    with capture_logs() as logged:
        page = rater.form("/s/small/", agree="yes")
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert "The site is busy" in page.text
    assert page.headers["Retry-After"] == "1"
    assert {
        "event": "database",
        "reason": "database or disk is full",
        "log_level": "error",
    } in logged
    later = app.extensions["foolrate"].write_probe._tried_at + FRESH_S + 1
    monkeypatch.setattr("study_server.storage.upkeep.probe.time.monotonic", lambda: later)
    reply = app.test_client().get("/readyz")
    assert (reply.status_code, reply.text) == (
        503,
        "the database takes no answers: database or disk is full\n",
    )
    filler.unlink()
    probe = "study_server.storage.upkeep.probe"
    monkeypatch.setattr(f"{probe}.time.monotonic", lambda: later + FRESH_S + 1)
    assert app.test_client().get("/readyz").text == "ready\n"
    assert rater.form("/s/small/", agree="yes").status_code == 303
    database.dispose()


@pytest.mark.slow
def test_people_are_told_in_their_language_and_programs_in_json(
    sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    rater = Rater(sqlite_app).begin()
    researcher = logged_in(sqlite_app)
    body = rater.body()
    dashboard = "/admin/studies/1/"

    def full(*_: object) -> None:
        raise OperationalError(None, None, Exception("database or disk is full"))

    for name in ("read", "reading", "write", "session"):
        monkeypatch.setattr(Database, name, full)
    monkeypatch.setattr("study_server.sessions.answering.answers.read_session", full)
    answer = rater.post("answer", body)
    assert (answer.status_code, answer.json) == (503, {"error": "busy"})
    page = rater.client.get(f"/r/{rater.token}/run?lang=zh")
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert "网站繁忙" in page.text
    admin = researcher.client.get(dashboard)
    assert (admin.status_code, admin.mimetype) == (503, "text/html")
    assert "The database is busy" in admin.text
    assert {reply.headers["Retry-After"] for reply in (answer, page, admin)} == {"1"}


def test_an_image_that_cannot_be_read_is_busy_not_broken(
    sqlite: Database, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(sqlite)
    app = app_on(sqlite)
    image = image_gate.PREFIX + app.extensions["foolrate"].tokens.make(1, 0, 0, 1)

    def locked(*_: object) -> None:
        raise OperationalError(None, None, Exception("database is locked"))

    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(Database, "read", locked)
        reply = app.test_client().get(image)
    assert (reply.status_code, reply.json) == (503, {"error": "busy"})
    assert reply.headers["Retry-After"] == "1"
    assert [line["reason"] for line in logged] == ["database is locked"]
    assert app.test_client().get(image).status_code == 200


def test_no_series_is_there_twice(app: Flask) -> None:
    """A rater finished less than a lease ago: their block is done, and no longer held."""
    rater = Rater(app).begin()
    rater.answer_all()
    Rater(app).arrive()
    text = app.test_client().get("/metrics").text
    seen = [
        (sample.name, json.dumps(sample.labels, sort_keys=True))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert len(seen) == len(set(seen))
    for state, count in {"done": 1, "held": 1, "free": 4}.items():
        assert f'foolrate_blocks{{state="{state}",study="small"}} {count}.0' in text
