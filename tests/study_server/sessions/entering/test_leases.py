"""Blocks and leases: never more raters than blocks, each block counted once, nobody unpaid."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from actors import Rater
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import SECRET, MakeStudy, app_on
from sqlalchemy import Select, func, select, update

from study_server.sessions.entering.arrivals import Arrival, arrive
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.models import Block, Event, Item, Judgment, RaterSession, Trial

ARRIVAL = Arrival(study_id=1, agrees=True, provider="open", language="en", lease_ms=60_000)


def expire(rater: Rater) -> None:
    """Let a rater's lease run out."""
    with rater.app.extensions["foolrate"].database.session() as db_session:
        past = now_ms() - 1
        db_session.execute(
            update(RaterSession).where(RaterSession.id == rater.row().id).values(lease_until=past)
        )


def fill(app: Flask, count: int) -> list[Rater]:
    raters = [Rater(app) for _ in range(count)]
    for rater in raters:
        rater.begin()
    return raters


@pytest.mark.slow
def test_an_expired_lease_gives_the_block_to_the_next_rater(app: Flask) -> None:
    raters = fill(app, 6)
    expire(raters[2])
    late = Rater(app).begin()
    assert late.row().block_id == raters[2].row().block_id
    with app.extensions["foolrate"].database.session() as db_session:
        lost = db_session.scalars(select(Event).where(Event.kind == "lease lost")).all()
    assert [event.rater_number for event in lost] == [3]


@pytest.mark.slow
def test_who_returns_late_finishes_is_paid_and_is_surplus(app: Flask) -> None:
    raters = fill(app, 6)
    expire(raters[0])
    successor = Rater(app).begin()
    raters[0].answer_all()
    successor.answer_all()
    assert raters[0].row().outcome == successor.row().outcome == "completed"
    assert (raters[0].row().surplus, successor.row().surplus) == (True, False)
    assert raters[0].finish().status_code == 200


@pytest.mark.slow
def test_who_returns_before_anybody_else_came_keeps_the_block(app: Flask) -> None:
    rater = fill(app, 1)[0]
    expire(rater)
    rater.answer_all()
    assert rater.row().surplus is False


@pytest.mark.slow
def test_a_heartbeat_keeps_the_block(app: Flask) -> None:
    raters = fill(app, 6)
    raters[1].answer()
    expire(raters[1])
    assert raters[1].post("heartbeat", {"page": raters[1].page}).status_code == 200
    newcomer = Rater(app)
    newcomer.arrive()
    assert newcomer.row().outcome == "full"


@pytest.mark.slow
def test_being_there_without_a_first_answer_does_not_keep_the_block(app: Flask) -> None:
    raters = fill(app, 6)
    expire(raters[1])
    assert raters[1].post("heartbeat", {"page": raters[1].page}).status_code == 200
    raters[1].open()
    newcomer = Rater(app)
    newcomer.arrive()
    assert newcomer.row().block_id == raters[1].row().block_id


@pytest.mark.slow
def test_blocks_that_nobody_holds_go_before_those_of_the_silent(app: Flask) -> None:
    silent = fill(app, 1)[0]
    expire(silent)
    newcomer = Rater(app)
    newcomer.arrive()
    assert newcomer.row().block_id != silent.row().block_id
    silent.answer_all()
    assert silent.row().surplus is False


@pytest.mark.slow
def test_who_loses_the_block_before_the_first_answer_gets_another(app: Flask) -> None:
    """Nothing was answered, so nothing is lost: the rater counts like everybody."""
    raters = fill(app, 6)
    expire(raters[0])
    successor = Rater(app).begin()
    lost = raters[0].row().block_id
    assert successor.row().block_id == lost
    raters[5].form(f"/r/{raters[5].token}/withdraw", confirm="yes")
    raters[0].open()
    assert raters[0].row().block_id != lost
    raters[0].answer_all()
    successor.answer_all()
    assert (raters[0].row().surplus, successor.row().surplus) == (False, False)


@pytest.mark.slow
def test_who_has_answered_keeps_the_lost_block(app: Flask) -> None:
    raters = fill(app, 6)
    raters[0].answer()
    expire(raters[0])
    Rater(app).begin()
    raters[5].form(f"/r/{raters[5].token}/withdraw", confirm="yes")
    before = raters[0].row().block_id
    raters[0].open()
    assert raters[0].row().block_id == before


def test_a_finished_block_is_never_given_again(app: Flask) -> None:
    raters = fill(app, 6)
    raters[0].answer_all()
    expire(raters[0])
    newcomer = Rater(app)
    newcomer.arrive()
    assert newcomer.row().outcome == "full"


def test_the_same_panel_rater_arriving_twice_at_once_gets_one_session(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database)
    arrival = Arrival(
        1, True, "prolific", "en", lease_ms=60_000, panel_hash="f" * 64, browser_hash="b" * 64
    )
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda: tokens.append(arrive(database, SECRET, arrival)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 6
    assert len(set(tokens)) == 1


@pytest.mark.slow
@pytest.mark.integration
def test_64_raters_at_once_for_50_slots_never_more_than_the_quota(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database, ("raters = 3", "raters = 25"))
    tokens: list[str] = []
    barrier = threading.Barrier(16)

    def come() -> None:
        barrier.wait()
        for _ in range(4):
            tokens.append(arrive(database, SECRET, ARRIVAL))

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tokens)) == 64
    with database.session() as db_session:
        outcomes = db_session.execute(
            select(RaterSession.outcome, func.count()).group_by(RaterSession.outcome)
        ).all()
        held = db_session.scalar(select(func.count(Block.session_id.distinct())))
    assert dict(outcomes) == {None: 50, "full": 14}
    assert held == 50


@pytest.mark.integration
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(leavers=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=8))
def test_whoever_drops_out_wherever_every_items_count_is_exact_at_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    another: Callable[[Path], Database],
    make_study: MakeStudy,
    leavers: list[tuple[int, int]],
) -> None:
    database = another(tmp_path_factory.mktemp("dropouts") / "s.sqlite3")
    make_study(database)
    app = app_on(database)
    active = fill(app, 6)
    for who, answered in leavers:
        leaver = active[who]
        for _ in range(min(answered, len(leaver.state["trials"]))):
            leaver.answer()
        if leaver.row().outcome:
            continue
        expire(leaver)
        active[who] = Rater(app).begin()
    for rater in active:
        rater.answer_all()
    with database.session() as db_session:
        assert db_session.scalar(select(func.count()).select_from(Block.__table__)) == 6
        counts = db_session.execute(_counted()).all()
        assert db_session.scalar(
            select(func.count()).select_from(Block).where(Block.done_at.is_not(None))
        ) == len(active)
    # 3 raters x 4 trials over 6 items in each of 2 conditions: each pair exactly twice.
    assert [count for *_, count in counts] == [2] * 12


def _counted() -> Select[str, int, int]:
    return (
        select(Item.name, Trial.condition_id, func.count())
        .join(Trial, Trial.item_id == Item.id)
        .join(RaterSession, RaterSession.block_id == Trial.block_id)
        .join(
            Judgment,
            (Judgment.session_id == RaterSession.id) & (Judgment.position == Trial.position),
        )
        .where(
            Trial.kind == "main",
            RaterSession.outcome == "completed",
            RaterSession.surplus.is_(False),
        )
        .group_by(Item.name, Trial.condition_id)
    )
