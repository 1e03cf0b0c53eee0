"""A study's counterpart on Prolific: making it, moving it between its states, looking at it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from study_server.errors import LostAnswerError, PanelError
from study_server.export.panel_list import completion_codes
from study_server.recruit.client import PAGE, Prolific, number
from study_server.recruit.draft import draft_of
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit, record
from study_server.storage.models import Block, PanelStudy, RaterSession, Study
from study_server.studies.states import find_study, study_file

ACTOR = "command line"
COUNTED = ("RESERVED", "ACTIVE", "AWAITING REVIEW", "APPROVED", "PARTIALLY APPROVED",
           "SCREENED OUT", "RETURNED", "TIMED-OUT", "REJECTED")  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A study as the panel shows it."""

    panel_id: str
    status: str
    places: int
    taken: int
    reward_cents: int
    counts: dict[str, int]  # submissions by the panel's status

    def lines(self) -> list[str]:
        """Return what `study recruit status` prints."""
        counts = ", ".join(f"{n} {name.lower()}" for name, n in self.counts.items() if n)
        return [
            f"Prolific {self.panel_id}: {self.status}, {self.taken} of {self.places} places taken,"
            f" reward {self.reward_cents / 100:.2f}",
            f"  submissions: {counts or 'none yet'}",
        ]


def find(database: Database, name: str) -> Study:
    """Return a study. Raises `StateError`, or `PanelError` for one with simulated raters."""
    with database.reading() as db_session:
        study = find_study(db_session, name)
        simulated = db_session.scalar(
            select(func.count(RaterSession.id)).where(
                RaterSession.study_id == study.id, RaterSession.simulated
            )
        )
    if simulated:
        raise PanelError(
            f"study {study.slug} has {simulated} simulated raters, expected people only:"
            " create a version for the panel"
        )
    return study


def panel_id_of(database: Database, study: Study) -> str:
    """Return the panel's id of a study. Raises `PanelError` for one that was not drafted."""
    row = _row(database, study)
    if row is None or row.panel_id is None:
        raise PanelError(
            f"study {study.slug} has no draft on Prolific: `study recruit draft` first"
        )
    return str(row.panel_id)


def draft(database: Database, panel: Prolific, study: Study, site: str) -> tuple[str, bool]:
    """Make the study's draft on Prolific and return its id, and whether it was made now.

    A draft of before is found again by its internal name, even if the answer to its making was
    lost. Raises `PanelError` before anything is sent for what the panel would refuse.
    """
    row = _row(database, study)
    if row is not None and row.panel_id is not None:
        return str(row.panel_id), False
    currency = str(panel.get("/users/me/").get("currency_code") or "")
    mark = row.mark if row is not None else secrets.token_hex(8)
    internal = f"foolrate {study.slug}@{study.version} {mark}"
    body = draft_of(
        study_file(study),
        completion_codes(database, study),
        site=site,
        places=_blocks(database, study),
        internal_name=internal,
        currency=currency,
    )
    if row is None:
        _remember(database, study, mark)
    there = None if row is None else _made_before(panel, internal)
    made = panel.post("/studies/", body, repeat=False) if there is None else there
    with database.session() as db_session:
        kept = update(PanelStudy).where(PanelStudy.study_id == study.id)
        db_session.execute(kept.values(panel_id=made["id"]))
        record(db_session, "panel", study.id, change="draft", places=body["total_available_places"])
        audit(db_session, ACTOR, "panel draft", study.id, reward=body["reward"])
    return str(made["id"]), there is None


def _made_before(panel: Prolific, internal_name: str) -> dict[str, Any] | None:
    found = panel.pages(f"/studies/?page_size={PAGE}")
    return next((each for each in found if each.get("internal_name") == internal_name), None)


def _remember(database: Database, study: Study, mark: str) -> None:
    with database.write() as connection:
        there = select(PanelStudy.study_id).where(PanelStudy.study_id == study.id)
        if connection.execute(there).first() is not None:
            raise PanelError(f"study {study.slug}: another process is drafting it, try again")
        connection.execute(insert(PanelStudy).values(study_id=study.id, mark=mark, seen="{}"))


def look(database: Database, panel: Prolific, study: Study) -> Seen:
    """Return the study as the panel shows it now, and keep it for the dashboard."""
    panel_id = panel_id_of(database, study)
    there = panel.get(f"/studies/{panel_id}/")
    counts = panel.get(f"/studies/{panel_id}/submissions/counts/")
    seen = Seen(
        panel_id,
        str(there["status"]).upper(),
        int(number(there["total_available_places"], "total_available_places")),
        int(number(there.get("places_taken"), "places_taken")),
        round(number(there.get("reward"), "reward")),
        {name: int(number(counts.get(name), name)) for name in COUNTED},
    )
    kept = {
        "status": seen.status,
        "places": seen.places,
        "taken": seen.taken,
        "counts": seen.counts,
    }
    with database.write() as connection:
        connection.execute(
            update(PanelStudy)
            .where(PanelStudy.study_id == study.id)
            .values(seen=json.dumps(kept), seen_at=now_ms())
        )
    return seen


def last_seen(connection: Connection, study_id: int) -> dict[str, Any] | None:
    """Return what `look` kept of a study, None where it was never looked at."""
    query = select(PanelStudy.seen, PanelStudy.seen_at).where(PanelStudy.study_id == study_id)
    row = connection.execute(query).first()
    return (
        None if row is None or row.seen_at is None else json.loads(row.seen) | {"at": row.seen_at}
    )


def cost(panel: Prolific, panel_id: str) -> str:
    """Return what the panel says that the study will cost, in words."""
    found = panel.get(f"/studies/{panel_id}/cost/")
    total = found.get("total_cost", found.get("total"))
    if isinstance(total, dict):
        total = total.get("amount")
    if total is None:
        return "not said by the panel"
    return f"{number(total, 'total_cost') / 100:.2f} with all fees"


# action -> the states in which the panel's study may be, the state that shows it has happened
MOVES = {
    "PUBLISH": (("UNPUBLISHED",), ("PUBLISHING", "ACTIVE", "SCHEDULED")),
    "PAUSE": (("ACTIVE",), ("PAUSED",)),
    "START": (("PAUSED",), ("ACTIVE",)),
}


def transition(database: Database, panel: Prolific, study: Study, action: str) -> str:
    """Publish, pause or start the study on the panel and return its state there.

    Raises `PanelError`, before anything is sent, for one that is in another state. An answer that
    was lost is looked up: what has happened is not asked for again.
    """
    panel_id = panel_id_of(database, study)
    allowed, reached = MOVES[action]
    found = str(panel.get(f"/studies/{panel_id}/")["status"]).upper()
    if found not in allowed:
        raise PanelError(
            f"study {study.slug} is {found} on Prolific, expected {' or '.join(allowed)}"
        )
    try:
        panel.post(f"/studies/{panel_id}/transition/", {"action": action}, repeat=False)
    except LostAnswerError:
        if str(panel.get(f"/studies/{panel_id}/")["status"]).upper() not in reached:
            raise
    _log(database, study, action.lower())
    return look(database, panel, study).status


def set_places(database: Database, panel: Prolific, study: Study, places: int) -> Seen:
    """Raise the number of places on the panel. Raises `PanelError` for fewer or too many."""
    seen = look(database, panel, study)
    if places == seen.places:
        return seen
    if places < seen.places:
        raise PanelError(
            f"{places} places are fewer than the {seen.places} on Prolific, which only takes more:"
            " `study recruit pause` stops new raters"
        )
    blocks = _blocks(database, study)
    if places > blocks:
        raise PanelError(f"{places} places, expected at most the {blocks} that the study has")
    panel.patch(f"/studies/{seen.panel_id}/", {"total_available_places": places})
    _log(database, study, "places", before=seen.places, after=places)
    return look(database, panel, study)


def _log(database: Database, study: Study, change: str, **detail: Any) -> None:
    with database.session() as db_session:
        record(db_session, "panel", study.id, change=change, **detail)
        audit(db_session, ACTOR, f"panel {change}", study.id, **detail)


def _row(database: Database, study: Study) -> Row[str, str | None] | None:
    with database.read() as connection:
        query = select(PanelStudy.mark, PanelStudy.panel_id)
        return connection.execute(query.where(PanelStudy.study_id == study.id)).first()


def _blocks(database: Database, study: Study) -> int:
    with database.read() as connection:
        query = select(func.count(Block.id)).where(Block.study_id == study.id)
        return int(connection.execute(query).scalar_one())
