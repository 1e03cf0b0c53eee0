"""Paying bonuses once. Prolific's call that pays is not idempotent: sent twice, it pays twice.

A list of bonuses is set up first, which pays nobody. Then its rows are marked as `sent`, together
and only while this process still holds them, and only after that the list is paid. An answer that
is lost leaves them `sent`: no run sends them again until a person says so.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from study_server.errors import LostAnswerError, PanelError
from study_server.recruit import journal
from study_server.recruit.client import Prolific
from study_server.recruit.journal import Change
from study_server.recruit.panel_study import panel_id_of
from study_server.storage.database import Database
from study_server.storage.models import Study

MOST = 200  # rows that Prolific takes in one list

Held = tuple[Change, str]  # a change that this process holds, and the panel's id of the rater


def pay_bonuses(
    database: Database, panel: Prolific, study: Study, held: Sequence[Held]
) -> list[str]:
    """Pay bonuses and return a line for each list that did not go through."""
    problems = []
    for start in range(0, len(held), MOST):
        problems += _pay(database, panel, study, held[start : start + MOST])
    return problems


def _pay(database: Database, panel: Prolific, study: Study, held: Sequence[Held]) -> list[str]:
    raters = ", ".join(change.key.removeprefix("pay:") for change, _ in held)
    body = {"study_id": panel_id_of(database, study), "csv_bonuses": _csv(held)}
    mine = [change for change, _ in held]
    try:
        made = panel.post("/submissions/bonus-payments/", body, repeat=True)
    except PanelError as error:  # nobody was paid: the next run begins again
        return [f"bonuses of {raters}: {error}"]
    if not journal.move(database, study, mine, "sent", list=str(made["id"])):
        return [f"bonuses of {raters}: another process has taken them over"]
    sent = [_as_sent(change, str(made["id"])) for change in mine]
    try:
        panel.post(f"/bulk-bonus-payments/{made['id']}/pay/", {}, repeat=False)
    except LostAnswerError as error:
        return [f"bonuses of {raters}: {error}"]
    except PanelError as error:
        journal.move(database, study, sent, "failed", reason=str(error.status))
        return [f"bonuses of {raters}: {error}"]
    journal.move(database, study, sent, "accepted")
    return []


def _as_sent(change: Change, list_id: str) -> Change:
    detail = change.detail | {"list": list_id}
    return Change(change.key, change.kind, "sent", change.claim, detail)


def _csv(held: Sequence[Held]) -> str:
    text = io.StringIO()
    rows = ([who, f"{change.detail['cents'] / 100:.2f}"] for change, who in held)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
