"""Connections cut and processes killed at every call: everybody is paid once, nobody twice."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fake_prolific import FakeProlific
from panel_raters import HOURS, PANEL, Laboratory
from small_study import MakeStudy

from study_server.errors import PanelError
from study_server.storage.database import Database
from study_server.storage.schema import open_database

# participant -> what happens here, status there
CAST = {
    "finished": ("completed", "AWAITING REVIEW"),
    "returned": ("completed", "RETURNED"),
    "timed-out": ("completed", "TIMED-OUT"),
    "left": (None, "AWAITING REVIEW"),
}
OWED = {"finished", "returned", "timed-out"}


class CrashError(BaseException):
    """The process is killed."""


def at_call(number: int, failure: type[BaseException]) -> Callable[[str, str], None]:
    """Return what fails once, at the call of this number."""
    count = iter(range(1_000_000))

    def fail(method: str, path: str) -> None:
        if next(count) == number:
            raise failure("cut")

    return fail


def with_its_cast(sqlite: Database, make_study: MakeStudy) -> Laboratory:
    """Return a published study whose raters are waiting for their pay."""
    make_study(sqlite, PANEL)
    laboratory = Laboratory(sqlite, FakeProlific(), [])
    laboratory.published()
    for participant, (outcome, status) in CAST.items():
        laboratory.takes(participant, outcome)
        laboratory.fake.rater(participant, status)
    return laboratory


def run_until_settled(laboratory: Laboratory, most: int = 12) -> int:
    """Run `decide --yes` as a person would until nothing is left; return how often they looked."""
    looked = 0
    for _ in range(most):
        try:
            laboratory.decide(HOURS)
            laboratory.fake.settle()
            looked += laboratory.look_and_pay_again()
            left = set(laboratory.actions(HOURS).values()) - {"nothing", "wait"}
            if not left and not laboratory.doubts():
                return looked
        except (CrashError, PanelError):
            continue
    raise AssertionError(f"not settled: {laboratory.actions(HOURS)}")


@pytest.mark.slow
@pytest.mark.parametrize("failure", [httpx.ReadError, CrashError])
@pytest.mark.parametrize("side", ["on_call", "on_answer"])
def test_one_failure_at_any_call_pays_everybody_once(
    tmp_path: Path, sqlite: Database, make_study: MakeStudy, side: str, failure: type[BaseException]
) -> None:
    laboratory = with_its_cast(sqlite, make_study)
    start = Path(str(sqlite.url.database))
    sqlite.dispose()
    first = laboratory.fake
    number = 0
    while True:
        path = tmp_path / f"case-{number}.sqlite3"
        shutil.copy(start, path)
        opened = open_database(f"sqlite:///{path}")
        fake = FakeProlific(
            studies={name: dict(row) for name, row in first.studies.items()},
            submissions={
                name: row | {"bonus_payments": []} for name, row in first.submissions.items()
            },
        )
        case = Laboratory(opened, fake, [])
        setattr(fake, side, at_call(number, failure))
        run_until_settled(case)
        opened.dispose()
        assert fake.payments == dict.fromkeys(OWED, 1), number
        assert fake.paid == dict.fromkeys(OWED, 250), number
        number += 1
        if number >= len(fake.calls):
            break
    assert number >= 8  # the failure was at every call of a whole run


@pytest.mark.slow
def test_five_hundred_submissions_with_connections_cut_at_random(
    sqlite: Database, make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(sqlite, PANEL, ("raters = 3", "raters = 250"))
    rng = random.Random(16)
    laboratory = Laboratory(sqlite, FakeProlific(), [])
    laboratory.published()
    finished = set()
    for number in range(500):
        who = f"{number:024x}"
        outcome = rng.choices(["completed", None, "screened_out"], [8, 1, 1])[0]
        there = rng.choices(["AWAITING REVIEW", "RETURNED", "TIMED-OUT"], [8, 1, 1])[0]
        laboratory.takes(who, outcome)
        laboratory.fake.rater(who, there)
        finished |= {who} if outcome == "completed" else set()

    cuts: Counter[str] = Counter()

    def cut(side: str) -> Callable[[str, str], None]:
        def fail(method: str, path: str) -> None:
            if rng.random() < 0.1:
                cuts[side] += 1
                raise rng.choice([httpx.ReadError, httpx.ConnectError, CrashError])("cut")

        return fail

    laboratory.fake.on_call, laboratory.fake.on_answer = cut("before"), cut("after")
    for _ in range(40):
        try:
            laboratory.decide(HOURS)
        except (CrashError, PanelError):
            continue
    laboratory.fake.on_call = laboratory.fake.on_answer = None
    looked = run_until_settled(laboratory)
    paid = laboratory.fake.payments
    forgotten = [who for who in finished if not paid[who]]
    twice = [who for who, times in paid.items() if times > 1]
    with capsys.disabled():
        print(
            f"\n500 submissions, {len(finished)} finished: {sum(paid.values())} payments,"
            f" {len(twice)} twice, {len(forgotten)} forgotten; {cuts['before']} calls and"
            f" {cuts['after']} answers cut of {len(laboratory.fake.calls)}; {looked} bonuses sent"
            " again by a person"
        )
    assert (twice, forgotten) == ([], [])
    assert set(paid) == finished
    assert set(laboratory.fake.paid.values()) == {250}
