"""Links that we sign for one rater each: they open that rater's session in any browser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlencode

from study_server.errors import StateError, StudyError
from study_server.sessions.entering.providers import (
    SIGNATURE_PARAMETER,
    Panel,
    UnfilledError,
    identifier,
    panel_of,
)
from study_server.storage.database import Database
from study_server.storage.identity import link_signature
from study_server.studies.states import find_study, study_file


def sign_links(database: Database, secret: bytes, name: str, ids: Iterable[str]) -> list[str]:
    """Return a link (a path) for each of a panel's ids, in their order; empty lines are none.

    Raises `StateError` for a study whose links hold no id, `StudyError` for an id that the study
    would not let in, or one given twice.
    """
    with database.reading() as db_session:
        study = find_study(db_session, name)
    panel = panel_of(study_file(study).provider)
    if panel.id_parameter is None:
        raise StateError(
            f"study {study.slug}: its links hold no id, expected provider.id_parameter"
        )
    given = [text.strip() for text in ids if text.strip()]
    if not given:
        raise StudyError("no ids were given, expected one a line")
    twice = [each for each, count in Counter(given).items() if count > 1]
    if twice:
        raise StudyError(f"the id {twice[0]!r} is given twice, expected each rater's once")
    return [_link(secret, study.slug, panel, _checked(panel, each)) for each in given]


def _checked(panel: Panel, panel_id: str) -> str:
    name = panel.id_parameter or ""
    try:
        found = identifier({name: panel_id}, name, panel.id_pattern)
    except UnfilledError:
        raise StudyError(f"{panel_id!r} is a placeholder, expected a rater's id") from None
    if found is None:
        form = (
            f"one that matches {panel.id_pattern}" if panel.id_pattern else "printable characters"
        )
        raise StudyError(f"{panel_id!r} is no id of this panel, expected {form}")
    return found


def _link(secret: bytes, slug: str, panel: Panel, panel_id: str) -> str:
    signature = link_signature(secret, slug, panel_id)
    parameters = {panel.id_parameter or "": panel_id, SIGNATURE_PARAMETER: signature}
    return f"/s/{slug}/?{urlencode(parameters)}"
