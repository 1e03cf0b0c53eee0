"""A study for Prolific, its raters here and there, and the person who runs `decide`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from fake_prolific import TOKEN, FakeProlific
from small_study import SECRET
from sqlalchemy import select, update

from study_server.recruit import panel_study
from study_server.recruit.client import Prolific
from study_server.recruit.decide import Desk, decisions, pay_again, send
from study_server.recruit.token import Token
from study_server.sessions.entering.arrivals import Arrival, arrive
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.identity import panel_hash
from study_server.storage.models import Event, RaterSession, Study
from study_server.studies.states import find_study

SITE = "https://study.example.org"
PANEL = (
    "[practice]",
    '[provider]\nkind = "prolific"\n[recruit]\nreward = 2.50\n'
    'description = "You look at pairs of images."\n[practice]',
)
HOURS = 2 * 60 * 60_000


@dataclass
class Laboratory:
    """A study on both sides: `database` here, `fake` there."""

    database: Database
    fake: FakeProlific
    waited: list[float]

    @property
    def study(self) -> Study:
        """Return the study as stored."""
        with self.database.reading() as db_session:
            return find_study(db_session, "small")

    def panel(self) -> Prolific:
        """Return a client of the fake that does not sleep."""
        transport = self.fake.transport()
        return Prolific(Token(TOKEN), transport=transport, sleep=self.waited.append)

    def desk(self, later_ms: int = 0) -> Desk:
        """Return a desk in a new process, so to say, some time later."""
        return Desk(self.database, self.panel(), self.study, SECRET, lambda: now_ms() + later_ms)

    def published(self) -> str:
        """Draft and publish the study; return the panel's id of it."""
        panel_id, _ = panel_study.draft(self.database, self.panel(), self.study, SITE)
        panel_study.transition(self.database, self.panel(), self.study, "PUBLISH")
        return panel_id

    def takes(self, participant: str, outcome: str | None = "completed") -> None:
        """Let a participant take the study here, as far as this outcome."""
        take(self.database, self.study, [(participant, outcome)])

    def decide(self, later_ms: int = 0) -> list[str]:
        """Run `decide --yes` and return what did not go through."""
        desk = self.desk(later_ms)
        return send(desk, decisions(desk))

    def actions(self, later_ms: int = 0) -> dict[str, str]:
        """Return participant -> what `decide` would do."""
        return {one.what.participant: one.what.action for one in decisions(self.desk(later_ms))}

    def doubts(self) -> dict[str, str]:
        """Return rater -> participant of the bonuses that a person has to look for."""
        found = decisions(self.desk(HOURS))
        return {
            one.what.rater: one.what.participant
            for one in found
            if "--pay-again" in one.what.reason
        }

    def look_and_pay_again(self) -> int:
        """Do what a person does: look on the panel, pay those again who are not there."""
        unpaid = [who for who, panel in self.doubts().items() if not self.fake.payments[panel]]
        if unpaid:
            pay_again(self.desk(HOURS), unpaid)
        return len(unpaid)

    def events(self) -> list[dict[str, object]]:
        """Return what the study's log says of the panel."""
        with self.database.read() as connection:
            rows = connection.execute(select(Event.detail).where(Event.kind == "panel"))
            return [json.loads(row.detail) for row in rows]


def take(database: Database, study: Study, raters: Iterable[tuple[str, str | None]]) -> None:
    """Let participants take the study here: each has a session that ended with the outcome."""
    for participant, outcome in raters:
        hashed = panel_hash(SECRET, study.slug, participant)
        arrive(
            database,
            SECRET,
            Arrival(study.id, True, "prolific", "en", 60_000, participant, hashed),
        )
        with database.write() as connection:
            connection.execute(
                update(RaterSession)
                .where(RaterSession.panel_hash == hashed)
                .values(outcome=outcome, stage="end" if outcome else "run")
            )
