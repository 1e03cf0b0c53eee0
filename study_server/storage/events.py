"""The log of what happened in a study. It holds rater numbers, never personal data."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, bindparam, insert
from sqlalchemy.orm import Session

from study_server.storage.clock import now_ms
from study_server.storage.models import AuditEntry, Event

_INSERT = insert(Event).values(
    at=bindparam("at"),
    study_id=bindparam("study_id"),
    rater_number=bindparam("rater_number"),
    kind=bindparam("kind"),
    detail=bindparam("detail"),
)


def record(
    connection: Connection | Session,
    kind: str,
    study_id: int | None = None,
    rater_number: int | None = None,
    **detail: Any,
) -> None:
    """Add one event, in the caller's transaction."""
    connection.execute(
        _INSERT,
        {
            "at": now_ms(),
            "study_id": study_id,
            "rater_number": rater_number,
            "kind": kind,
            "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
        },
    )


def audit(
    db_session: Session, actor: str, action: str, study_id: int | None = None, **detail: Any
) -> None:
    """Add one line to the audit log: who did what, in the caller's transaction."""
    db_session.add(
        AuditEntry(
            at=now_ms(),
            actor=actor,
            action=action,
            study_id=study_id,
            detail=json.dumps(detail, ensure_ascii=False, sort_keys=True),
        )
    )
