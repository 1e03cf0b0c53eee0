"""What a link may say of a rater: ids by their panel's form, placeholders, signed links."""

from __future__ import annotations

from pathlib import Path

import pytest
from actors import Rater
from click.testing import CliRunner
from small_study import MakeStudy, app_on

from study_server.cli import study
from study_server.config import Provider
from study_server.errors import StateError, StudyError
from study_server.sessions.entering.providers import PANELS, UnfilledError, identifier, panel_of
from study_server.sessions.entering.signed_links import sign_links
from study_server.storage.database import Database
from study_server.storage.identity import load_secret

SIGNED = '[provider]\nkind = "url"\nid_parameter = "pid"\nsigned_links = true\n[practice]'


@pytest.mark.parametrize(
    "value",
    [
        *("{{%PROLIFIC_PID%}}", "{{PID}}", "{pid}", "${workerId}", "%PID%", "[%MID%]", "[ID]"),
        *("<id>", "*|ID|*", "$id$", "@@ID@@", "__ID__", "undefined", "NULL", "None", "NaN"),
        *("pid", "PID", "PROLIFIC_PID", "session_id"),
    ],
)
def test_a_placeholder_is_no_id(value: str) -> None:
    with pytest.raises(UnfilledError) as raised:
        identifier({"pid": value}, "pid")
    assert raised.value.parameter == "pid"


@pytest.mark.parametrize(
    "value",
    [
        "1001",
        "5f0d1c2b3a4e5f60718293a4",
        "a@b.org",
        "Zoë",
        "A1B2-C3_d4.e5",
        "x+/=",
        "nonesuch",
        "id7",
    ],
)
def test_what_panels_use_as_ids_is_taken(value: str) -> None:
    assert identifier({"pid": f" {value} "}, "pid") == value


@pytest.mark.parametrize("value", ["", " ", "x" * 201, "a\nb", "a\0b", "a\u202eb"])
def test_what_is_no_text_is_no_id(value: str) -> None:
    assert identifier({"pid": value}, "pid") is None
    assert identifier({}, "pid") is None
    assert identifier({"pid": "7"}, None) is None


def test_ids_have_their_panels_form() -> None:
    prolific = PANELS["prolific"]
    good = "0123456789abcdef01234567"
    for value, expected in {
        good: good,
        good.upper(): None,
        good[1:]: None,
        good + "0": None,
    }.items():
        assert identifier({"p": value}, "p", prolific.id_pattern) == expected
    own = panel_of(Provider(kind="url", id_parameter="w", id_pattern="W[0-9]{4}"))
    assert identifier({"w": "W1234"}, "w", own.id_pattern) == "W1234"
    assert identifier({"w": "W12345"}, "w", own.id_pattern) is None


@pytest.mark.slow
def test_signed_links_let_their_rater_in_from_any_browser(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite, ("[practice]", SIGNED))
    app = app_on(sqlite)
    secret = app.extensions["foolrate"].settings.secret
    first, second = sign_links(sqlite, secret, "small", ["1", "2"])
    query = first.removeprefix("/s/small/")
    rater = Rater(app, query=query)
    rater.begin()
    elsewhere = Rater(app, query=query)
    assert elsewhere.client.get(elsewhere.link).location == f"/r/{rater.token}/"
    signature = second.rsplit("=", 1)[1]
    for wrong in ("?pid=1", "?pid=3", f"?pid=1&signature={signature}", "?pid=3&signature="):
        reply = Rater(app).client.get(f"/s/small/{wrong}")
        assert (reply.status_code, "signature" in reply.text) == (400, True), wrong
    assert Rater(app).client.get(second).status_code == 200


def test_a_signed_link_opens_a_session_of_any_panel(
    sqlite: Database, make_study: MakeStudy
) -> None:
    """The way back in for a rater who has lost the browser, where links need no signature."""
    make_study(sqlite, ("[practice]", SIGNED.replace("true", "false")))
    app = app_on(sqlite)
    rater = Rater(app, query="?pid=W1")
    rater.begin()
    assert Rater(app).client.get("/s/small/?pid=W1").status_code == 403
    link = sign_links(sqlite, app.extensions["foolrate"].settings.secret, "small", ["W1"])[0]
    assert Rater(app).client.get(link).location == f"/r/{rater.token}/"


def test_the_command_prints_a_link_for_each_id(
    sqlite: Database, make_study: MakeStudy, tmp_path: Path
) -> None:
    make_study(sqlite, ("[practice]", SIGNED))
    url, ids = sqlite.url.render_as_string(), tmp_path / "ids.txt"
    ids.write_text("1\n\n 2 \n")
    shown = CliRunner().invoke(study, ["links", "small", str(ids), "--database", url])
    assert shown.output.split() == sign_links(sqlite, load_secret(sqlite.url), "small", ["1", "2"])


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        (["7", "7"], "the id '7' is given twice, expected each rater's once"),
        (["{{%PID%}}"], "'{{%PID%}}' is a placeholder, expected a rater's id"),
        ([" "], "no ids were given, expected one a line"),
    ],
)
def test_ids_that_cannot_be_signed(
    sqlite: Database, make_study: MakeStudy, ids: list[str], line: str
) -> None:
    make_study(sqlite, ("[practice]", SIGNED))
    with pytest.raises(StudyError) as raised:
        sign_links(sqlite, bytes(range(32)), "small", ids)
    assert str(raised.value) == line


def test_links_without_ids_are_not_signed(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite)
    with pytest.raises(StateError, match="its links hold no id"):
        sign_links(sqlite, bytes(range(32)), "small", ["1"])
