"""What a rater's own program can send: events without end, words for numbers (finding L6)."""

from __future__ import annotations

from typing import Any

from attackers import Browser, Installation
from sqlalchemy import func, select

from study_server.storage.models import Event


def test_refusals_do_not_write_without_end(site: Installation) -> None:
    """Each event is a commit: some tell the researcher, the others are only refused."""
    with Browser(site) as rater:
        rater.begin(f"/s/{site.study()}/")
        first = rater.body("left")
        assert rater.post("answer", first).status_code == 200
        other = first | {"choice": "right"}
        assert {rater.post("answer", other).status_code for _ in range(40)} == {409}
        rater.open()
        stale = rater.body() | {"page": "stale"}
        assert {rater.post("answer", stale).status_code for _ in range(40)} == {409}
        session = rater.session()
    with site.database.reading() as db_session:
        query = select(Event.kind, func.count()).where(
            Event.study_id == session.study_id, Event.kind.in_(("conflict", "elsewhere"))
        )
        rows = db_session.execute(query.group_by(Event.kind)).all()
    assert sorted(tuple(row) for row in rows) == [("conflict", 10), ("elsewhere", 10)]


def test_numbers_are_numbers(site: Installation) -> None:
    with Browser(site) as rater:
        rater.begin(f"/s/{site.study()}/")
        wrongs: list[dict[str, Any]] = [
            *({"rt_ms": "12"}, {"rt_ms": True}, {"views": "1"}, {"views": 1.5}),
            {"answered_during_exposure": 1},
        ]
        for wrong in wrongs:
            assert rater.answer(**wrong).status_code == 400, wrong
        assert rater.answer(rt_ms=12, hidden_ms=0, views=1, dropped_frames=0).status_code == 200
