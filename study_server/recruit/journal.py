"""What the panel was asked for, written down before it is sent: nobody is paid twice.

A change is `intended` when a process is about to send it, `sent` from the moment at which it may
have reached the panel, `accepted` when the panel said yes to something it does later, `done` when
it has happened, `failed` when it was refused. A process sends only what it holds the claim of.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select, update

from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import record
from study_server.storage.models import PanelChange, Study


@dataclass(frozen=True)
class Change:
    """One row of the journal."""

    key: str
    kind: str
    state: str
    claim: str
    detail: dict[str, Any] = field(default_factory=dict)
    changed_at: int = 0


def new_claim() -> str:
    """Return a random claim, of one process and one step."""
    return secrets.token_hex(8)


def changes(database: Database, study: Study) -> dict[str, Change]:
    """Return key -> change of everything that was ever sent or meant to be sent."""
    columns = (PanelChange.key, PanelChange.kind, PanelChange.state, PanelChange.claim)
    query = select(*columns, PanelChange.detail, PanelChange.changed_at)
    with database.read() as connection:
        rows = connection.execute(query.where(PanelChange.study_id == study.id)).all()
    return {
        row.key: Change(
            row.key, row.kind, row.state, row.claim, json.loads(row.detail), row.changed_at
        )
        for row in rows
    }


def take(
    database: Database, study: Study, wanted: Sequence[Change], known: dict[str, Change]
) -> list[Change]:
    """Return the changes of `wanted` that are now this process's to send, state `intended`.

    `known` is the journal as it was read: a row that another process has changed since is left to
    that process.
    """
    with database.write() as connection:
        return [each for each in wanted if _took(connection, study, each, known.get(each.key))]


def _took(connection: Connection, study: Study, wanted: Change, before: Change | None) -> bool:
    values = {
        "kind": wanted.kind,
        "state": "intended",
        "claim": wanted.claim,
        "detail": json.dumps(wanted.detail, sort_keys=True),
        "changed_at": now_ms(),
    }
    if before is not None:
        statement = update(PanelChange).where(*_still(study, before))
        return connection.execute(statement.values(**values)).rowcount == 1
    there = select(PanelChange.id).where(
        PanelChange.study_id == study.id, PanelChange.key == wanted.key
    )
    if connection.execute(there).first() is not None:
        return False
    connection.execute(insert(PanelChange).values(study_id=study.id, key=wanted.key, **values))
    return True


def _still(study: Study, before: Change) -> tuple[Any, ...]:
    return (
        PanelChange.study_id == study.id,
        PanelChange.key == before.key,
        PanelChange.state == before.state,
        PanelChange.claim == before.claim,
    )


def move(
    database: Database, study: Study, held: Sequence[Change], state: str, **detail: Any
) -> bool:
    """Bring changes to another state together, and into the study's log; False: none was moved.

    It moves none when another process has taken one of them over.
    """
    with database.write() as connection:
        for each in held:
            text = json.dumps(each.detail | detail, sort_keys=True)
            values = {"state": state, "detail": text, "changed_at": now_ms()}
            done = connection.execute(
                update(PanelChange).where(*_still(study, each)).values(**values)
            )
            if done.rowcount != 1:
                connection.rollback()
                return False
            shown = {name: value for name, value in detail.items() if name != "list"}
            record(
                connection, "panel", study.id, key=each.key, change=each.kind, state=state, **shown
            )
    return True
