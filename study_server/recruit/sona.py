"""Credit in SONA for raters who finished, by its server's API: WebstudyCredit.

The participant's code is kept encrypted only, and goes to the SONA site of the study file and
nowhere else. SONA marks a sign-up as credited: asked again, it gives nothing a second time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from study_server.errors import PanelError
from study_server.recruit import journal
from study_server.recruit.journal import Change
from study_server.recruit.token import Token
from study_server.sessions.entering.payment_ids import finished_ids
from study_server.storage.database import Database
from study_server.storage.models import Study
from study_server.studies.states import study_file

VARIABLE = "FOOLRATE_SONA_TOKEN"
_GIVEN = re.compile(r"<(?:\w+:)?credit_status>\s*G\s*<")
_ERROR = re.compile(r"<(?:\w+:)?(?:ErrorMsg|errors?)>\s*([^<]{1,200})", re.IGNORECASE)

Ask = Callable[[str, dict[str, str]], httpx.Response]


def owed(database: Database, secret: bytes, study: Study) -> dict[str, str]:
    """Return rater -> SONA's code of everybody who finished and has no credit yet.

    Raises `PanelError` for a study of another panel, or without its SONA site.
    """
    file = study_file(study)
    if file.provider.kind != "sona":
        raise PanelError(f"provider.kind is {file.provider.kind!r}, expected 'sona'")
    if not file.recruit.sona_site or not file.recruit.sona_experiment:
        raise PanelError("the study file needs recruit.sona_site and recruit.sona_experiment")
    known = journal.changes(database, study)
    rows = {
        f"r{number:04d}": code for number, code in finished_ids(database, secret, study).items()
    }
    return {
        rater: code
        for rater, code in rows.items()
        if (change := known.get(f"pay:{rater}")) is None or change.state != "done"
    }


def give_credit(
    database: Database, study: Study, token: Token, codes: dict[str, str], ask: Ask | None = None
) -> list[str]:
    """Give credit to raters and return a line for each who did not get it."""
    known = journal.changes(database, study)
    wanted = [Change(f"pay:{rater}", "credit", "intended", journal.new_claim()) for rater in codes]
    problems = []
    for change in journal.take(database, study, wanted, known):
        rater = change.key.removeprefix("pay:")
        why = _credit(study, token, codes[rater], ask or _ask)
        journal.move(database, study, [change], "failed" if why else "done")
        problems += [f"{rater}: {why}"] if why else []
    return problems


def _ask(url: str, query: dict[str, str]) -> httpx.Response:
    return httpx.get(url, params=query, timeout=30, follow_redirects=False, trust_env=False)


def _credit(study: Study, token: Token, code: str, ask: Ask) -> str | None:
    """Return why a rater got no credit, None where they did; neither names token or code."""
    asked = study_file(study).recruit
    query = {
        "experiment_id": str(asked.sona_experiment),
        "credit_token": token.header().removeprefix("Token "),
        "survey_code": code,
    }
    url = f"{(asked.sona_site or '').rstrip('/')}/services/SonaAPI.svc/WebstudyCredit"
    try:
        answer = ask(url, query)
    except httpx.HTTPError as error:
        return f"SONA did not answer ({type(error).__name__}), run this again"
    if answer.is_success and _GIVEN.search(answer.text):
        return None
    said: Any = _ERROR.search(answer.text)
    words = " ".join(said[1].split()) if said else f"answered {answer.status_code}"
    return token.removed_from(words.replace(code, "…"))
