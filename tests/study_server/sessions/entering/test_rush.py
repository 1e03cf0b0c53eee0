"""64 raters arrive at once for 50 places and some leave: never too many, every count exact.

A disk that is busy may hold a commit for seconds; the site then answers 503 and the page sends the
same answer again. So do these raters.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from actors import DEVICE, Rater
from flask import Flask
from flask.testing import FlaskClient
from small_study import MakeStudy, app_on
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from study_server.storage.database import Database
from study_server.storage.models import Block, Item, Judgment, RaterSession, Trial

PLACES, RUSH, AT_ONCE = 50, 64, 16
PATIENCE_S = 60


class PatientClient(FlaskClient):
    """Sends a request again while the site is busy, as the rater's page does."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Return the first answer that is not 503, or the last one after a minute."""
        until = time.monotonic() + PATIENCE_S
        while (response := super().open(*args, **kwargs)).status_code == 503:
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        return response


def take(app: Flask, leaves_after: int | None) -> Rater:
    """Take the study, or leave without a word after so many answers; the full site is an end."""
    rater = Rater(app)
    rater.client = PatientClient(app, app.response_class)
    rater.arrive()
    if rater.step() == "end":
        return rater
    rater.form(f"/r/{rater.token}/device", **DEVICE)
    rater.form(f"/r/{rater.token}/instructions")
    rater.open()
    given = 0
    while rater.state["trials"] and given != leaves_after:
        rater.answer("left" if given % 2 else "right")
        given += 1
    if not rater.state["trials"]:
        rater.finish()
    return rater


def rush(app: Flask, chance: random.Random, leaving: float) -> list[Rater]:
    """Let 64 raters come, 16 at the same time; this share of them leaves somewhere."""
    plans = [chance.randrange(9) if chance.random() < leaving else None for _ in range(RUSH)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda plan: take(app, plan), plans))


def outcomes(database: Database) -> Counter[str | None]:
    with database.session() as db_session:
        return Counter(db_session.scalars(select(RaterSession.outcome)))


def give_up_waiting(database: Database) -> None:
    """Let every lease of the unfinished end."""
    with database.session() as db_session:
        running = RaterSession.outcome.is_(None)
        db_session.execute(update(RaterSession).where(running).values(lease_until=0))


def counted(database: Database) -> Counter[tuple[int, str, str]]:
    """Return (condition, item, model's side) -> judgments of the raters who hold the blocks."""
    query = (
        select(Trial.condition_id, Item.name, Trial.model_side)
        .join(Item, Item.id == Trial.item_id)
        .join(Block, Block.id == Trial.block_id)
        .join(
            Judgment,
            (Judgment.session_id == Block.session_id) & (Judgment.position == Trial.position),
        )
        .where(Trial.kind == "main")
    )
    with database.session() as db_session:
        return Counter(
            (condition, item, side) for condition, item, side in db_session.execute(query)
        )


@pytest.mark.slow
@pytest.mark.integration
def test_a_rush_with_dropouts_fills_every_place_once(
    database: Database, make_study: MakeStudy
) -> None:
    make_study(database, ("raters = 3", "raters = 25"), ("trials = 4", "trials = 6"))
    app, chance = app_on(database), random.Random(1)
    first = rush(app, chance, leaving=0.3)
    seen = outcomes(database)
    assert seen["completed"] + seen[None] == PLACES
    assert seen["full"] == RUSH - PLACES
    assert 0 < seen[None] < PLACES
    late = next(rater for rater in first if rater.state.get("trials"))

    give_up_waiting(database)
    rush(app, chance, leaving=0.0)
    seen_again = outcomes(database)
    assert seen_again["completed"] == PLACES
    assert seen_again["full"] == RUSH - PLACES + RUSH - seen[None]

    late.open()  # comes back after another took the block over: welcome, and outside the count
    late.answer_all()
    late.finish()
    assert late.row().surplus
    per_item: Counter[tuple[int, str]] = Counter()
    for (condition, item, _), number in counted(database).items():
        per_item[condition, item] += number
    assert set(per_item.values()) == {25}
    assert len(per_item) == 2 * 6
    assert set(counted(database).values()) <= {12, 13}
