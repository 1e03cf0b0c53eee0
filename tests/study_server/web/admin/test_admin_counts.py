"""The dashboard's numbers, counted in memory, are those that SQL counts, whatever has happened."""

from __future__ import annotations

import random

import counted_by_sql as by_sql
import pytest
from actors import DEVICE, Rater
from flask import Flask
from sqlalchemy import Connection, update

from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.models import RaterSession
from study_server.web.admin.dashboard import counts, queries
from study_server.web.admin.dashboard.judged import Judged


def compare(connection: Connection, judged: Judged) -> None:
    """Assert that both ways of counting agree on everything."""
    now = now_ms() + 1
    judged.refresh(connection)
    assert counts.coverage(judged) == by_sql.coverage(connection, 1)
    assert counts.rater_means(judged) == by_sql.rater_means(connection, 1)
    found = counts.raters(judged, queries.recent_raters(connection, 1))
    assert found == by_sql.raters(connection, 1)
    facts = counts.facts(judged, (row.number for row in found))
    assert facts == by_sql.finished_facts(connection, 1)
    assert counts.recent_times(judged) == by_sql.recent_times(connection, 1)
    assert counts.per_hour(judged, now) == by_sql.per_hour(connection, 1, now)
    assert len(judged.rows) == by_sql.judgments_total(connection, 1)


@pytest.mark.slow
def test_counts_are_those_of_sql_at_every_moment(app: Flask, database: Database) -> None:
    """Raters answer, skip, lose their block, come back, finish and withdraw, in any order."""
    chance, judged = random.Random(1), Judged(1)
    raters: list[Rater] = []
    happened = set()
    for _ in range(45):
        act = chance.choice(["arrive", "answer", "answer", "answer", "lose", "withdraw", "look"])
        under_way = [rater for rater in raters if rater.state["trials"]]
        if act == "arrive" and len(raters) < 14:
            newcomer = Rater(app)
            newcomer.arrive()
            if newcomer.step() == "device":  # else there was no place
                newcomer.form(f"/r/{newcomer.token}/device", **DEVICE)
                newcomer.form(f"/r/{newcomer.token}/instructions")
                newcomer.open()
                raters.append(newcomer)
        elif act == "answer" and under_way:
            rater = chance.choice(under_way)
            for _ in range(chance.randint(1, len(rater.truth()))):
                if rater.state["trials"]:
                    rt_ms = chance.choice([None, chance.randint(10**5, 9 * 10**6) / 1000])
                    choice = chance.choice(["left", "right", None])
                    rater.answer(choice, rt_ms=rt_ms, hidden_count=chance.choice([None, 2]))
        elif act == "lose" and under_way:
            lost = chance.choice(under_way).row()
            with database.write() as connection:
                past = update(RaterSession).where(RaterSession.id == lost.id)
                connection.execute(past.values(lease_until=0))
        elif act == "withdraw" and raters and chance.random() < 0.5:
            gone = raters.pop(chance.randrange(len(raters)))
            with database.session() as db_session:
                withdraw_session(db_session, gone.row().id, "test")
        else:
            continue
        happened.add(act)
        if chance.random() < 0.6:
            with database.reading() as db_session:
                compare(db_session.connection(), judged)
    with database.reading() as db_session:
        compare(db_session.connection(), judged)
        compare(db_session.connection(), Judged(1))  # and read in one go
    assert happened >= {"arrive", "answer", "lose", "withdraw"}
    assert len(judged.rows)


def test_a_refresh_reads_only_what_is_new(app: Flask, database: Database) -> None:
    rater, judged = Rater(app).begin(), Judged(1)
    rater.answer()
    with database.reading() as db_session:
        judged.refresh(db_session.connection())
    before = judged.rows
    rater.answer()
    with database.reading() as db_session:
        judged.refresh(db_session.connection())
    assert len(judged.rows) == len(before) + 1
    assert (judged.rows[:1] == before).all()
    with database.reading() as db_session:
        judged.refresh(db_session.connection())
    assert len(judged.rows) == 2
