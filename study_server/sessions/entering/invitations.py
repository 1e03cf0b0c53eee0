"""One-time links. A link previewer may open one freely: only consenting uses it up."""

from __future__ import annotations

from study_server.errors import StateError
from study_server.sessions.entering.providers import INVITATION_PARAMETER
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.identity import new_token, token_hash
from study_server.storage.models import Invitation
from study_server.studies.states import find_study, study_file


def invite(database: Database, name: str, count: int) -> list[str]:
    """Return new one-time links (paths). Raises `StateError` for a study without invitations."""
    tokens = [new_token() for _ in range(count)]
    with database.session() as db_session:
        study = find_study(db_session, name)
        kind = study_file(study).provider.kind
        if kind != "invitation":
            raise StateError(
                f"study {study.slug}: provider.kind is {kind!r}, expected 'invitation'"
            )
        db_session.add_all(
            Invitation(study_id=study.id, token_hash=token_hash(token), created_at=now_ms())
            for token in tokens
        )
        return [f"/s/{study.slug}/?{INVITATION_PARAMETER}={token}" for token in tokens]
