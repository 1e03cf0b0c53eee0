"""SONA: links, the participant's code kept encrypted, and credit given once."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from actors import Rater
from small_study import SECRET, MakeStudy, app_on
from sqlalchemy import select

from study_server.config import parse_study_file
from study_server.errors import PanelError, StudyFileError
from study_server.recruit import sona
from study_server.recruit.token import Token
from study_server.sessions.entering.providers import panel_of, return_link
from study_server.storage.database import Database
from study_server.storage.models import PaymentId
from study_server.studies.states import find_study, forget_payment_ids

SONA = (
    "[practice]",
    '[provider]\nkind = "sona"\nkeep_ids_for_payment = true\n'
    'return_url = "https://lab.sona-systems.com/done?c={code}&p={id}"\n'
    '[recruit]\nsona_site = "https://lab.sona-systems.com"\nsona_experiment = 77\n[practice]',
)
CREDIT = "credit-token-4c1e"
# https://www.sona-systems.com/help/integration: the answer of WebstudyCredit.
GIVEN = "<WebstudyCreditResult><credit_status>G</credit_status></WebstudyCreditResult>"


class Sona:
    """SONA's server: who has credit, and every question it got."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.fails = False

    def ask(self, url: str, query: dict[str, str]) -> httpx.Response:
        """Answer one call."""
        self.asked.append((url, query))
        if self.fails:
            raise httpx.ReadTimeout("slow")
        known = query["survey_code"] == "31415" and query["credit_token"] == CREDIT
        return httpx.Response(
            200, text=GIVEN if known else f"<errors>No sign-up for {query['survey_code']}</errors>"
        )


@pytest.fixture
def finished(sqlite: Database, make_study: MakeStudy) -> Rater:
    """Return a rater who came from SONA and finished."""
    make_study(sqlite, SONA)
    rater = Rater(app_on(sqlite), query="?sona_code=31415").begin()
    rater.answer_all()
    rater.finish()
    return rater


def test_the_debrief_leads_back_with_the_participants_code(finished: Rater) -> None:
    page = finished.client.get(f"/r/{finished.token}/end").text
    assert "https://lab.sona-systems.com/done?c=" in page
    assert "&amp;p=31415" in page


def test_the_participants_code_is_nowhere_in_the_clear(
    finished: Rater, sqlite: Database, tmp_path: Path
) -> None:
    with sqlite.read() as connection:
        assert len(connection.execute(select(PaymentId.ciphertext)).all()) == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"sona_code=31415" in path.read_bytes()]


def test_credit_is_given_once(finished: Rater, sqlite: Database) -> None:
    with sqlite.reading() as db_session:
        study = find_study(db_session, "small")
    server, token = Sona(), Token(CREDIT)
    server.fails = True
    codes = sona.owed(sqlite, SECRET, study)
    (problem,) = sona.give_credit(sqlite, study, token, codes, server.ask)
    assert problem == "r0001: SONA did not answer (ReadTimeout), run this again"
    server.fails = False
    assert (
        sona.give_credit(sqlite, study, token, sona.owed(sqlite, SECRET, study), server.ask) == []
    )
    assert server.asked[-1] == (
        "https://lab.sona-systems.com/services/SonaAPI.svc/WebstudyCredit",
        {"experiment_id": "77", "credit_token": CREDIT, "survey_code": "31415"},
    )
    assert sona.owed(sqlite, SECRET, study) == {}


def test_what_sona_refuses_is_said_without_token_and_code(
    finished: Rater, sqlite: Database
) -> None:
    with sqlite.reading() as db_session:
        study = find_study(db_session, "small")
    problems = sona.give_credit(
        sqlite, study, Token("another-token"), {"r0001": "31415"}, Sona().ask
    )
    assert problems == ["r0001: No sign-up for …"]
    assert sona.owed(sqlite, SECRET, study) == {"r0001": "31415"}


@pytest.mark.slow
def test_after_the_ids_are_forgotten_nothing_leads_back(finished: Rater, sqlite: Database) -> None:
    forget_payment_ids(sqlite, "small")
    page = finished.client.get(f"/r/{finished.token}/end").text
    assert "sona-systems" not in page
    assert 'id="code"' in page
    with sqlite.reading() as db_session:
        assert sona.owed(sqlite, SECRET, find_study(db_session, "small")) == {}


def test_another_panel_has_no_credit(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite)
    with sqlite.reading() as db_session:
        study = find_study(db_session, "small")
    with pytest.raises(PanelError, match="kind is 'open', expected 'sona'"):
        sona.owed(sqlite, SECRET, study)


@pytest.mark.parametrize(
    "lines",
    [
        'kind = "sona"',
        'kind = "url"\nid_parameter = "p"\nreturn_url = "https://x.org/{id}"',
    ],
)
def test_an_id_that_goes_back_has_to_be_kept(study_text: str, lines: str) -> None:
    with pytest.raises(StudyFileError, match="needs keep_ids_for_payment = true"):
        parse_study_file(f"{study_text}[provider]\n{lines}\n", "x")


def test_code_and_id_are_quoted_in_the_link(study_text: str) -> None:
    lines = (
        'kind = "connect"\nkeep_ids_for_payment = true\nreturn_url = "https://x.org/{code}/{id}"'
    )
    panel = panel_of(parse_study_file(f"{study_text}[provider]\n{lines}\n", "x").provider)
    assert (panel.id_parameter, panel.submission_parameter) == ("participantId", "assignmentId")
    assert return_link(panel, "A B", "{code}/?&") == "https://x.org/A%20B/%7Bcode%7D%2F%3F%26"
    assert return_link(panel, "A", None) is None
