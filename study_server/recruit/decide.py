"""What reconciliation suggests, brought together with what was sent before; and sending it.

The panel's own list is read at the beginning of every run, and what it shows settles what an
earlier run was not told the answer to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from study_server.errors import LostAnswerError, PanelError
from study_server.export.panel_list import completion_codes, promise_of, suggest
from study_server.export.reconcile import STATUSES, Submission, Suggestion
from study_server.recruit import journal
from study_server.recruit.bonuses import pay_bonuses
from study_server.recruit.client import PAGE, Prolific, number
from study_server.recruit.journal import Change
from study_server.recruit.panel_study import panel_id_of
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.identity import panel_hash
from study_server.storage.models import Study
from study_server.studies.states import study_file

SENT = ("approve", "pay by bonus", "ask to return", "screen out")
SETTLED_AFTER_MS = 60 * 60_000  # a bonus is in the panel's list long before
_KINDS = {"approve": "approve", "pay by bonus": "bonus", "screen out": "screen out"}
_RETURN_REASON = "The study was not finished here, so there is nothing to approve."


@dataclass(frozen=True)
class Decision:
    """A suggestion, and the change that would carry it out."""

    what: Suggestion
    change: Change | None = None  # None: there is nothing to send
    cents: int = 0


@dataclass(frozen=True)
class Desk:
    """What deciding needs: the study here, its counterpart there, and the secret of the ids."""

    database: Database
    panel: Prolific
    study: Study
    secret: bytes
    now: Callable[[], int] = now_ms

    def hashed(self, panel_id: str) -> str:
        """Return what stands for a panel's id in the journal."""
        return panel_hash(self.secret, self.study.slug, panel_id)


def submissions(panel: Prolific, panel_id: str) -> list[Submission]:
    """Return the panel's list of a study's submissions, page by page."""
    rows = panel.pages(f"/submissions/?study={panel_id}&page=1&page_size={PAGE}")
    return [_submission(row, place) for place, row in enumerate(rows, start=1)]


def _submission(row: dict[str, object], place: int) -> Submission:
    status = str(row.get("status") or "").strip().lower()
    paid = row.get("bonus_payments") or []
    return Submission(
        participant=str(row.get("participant_id") or row.get("participant") or ""),
        submission=str(row["id"]),
        status=STATUSES.get(status, status),
        code=str(row.get("study_code") or row.get("entered_code") or ""),
        line=place,
        bonus_cents=round(sum(number(each, "a bonus") for each in paid))
        if isinstance(paid, list)
        else 0,
        return_requested=bool(row.get("return_requested")),
    )


def decisions(desk: Desk) -> list[Decision]:
    """Return what to do about every submission, after settling what was sent before."""
    listed = submissions(desk.panel, panel_id_of(desk.database, desk.study))
    found = suggest(desk.database, desk.secret, desk.study, listed)
    by_id = {row.submission: row for row in listed}
    known = journal.changes(desk.database, desk.study)
    _settle(desk, found, by_id, known)
    known = journal.changes(desk.database, desk.study)
    return [_decision(desk, each, known) for each in found]


def _settle(
    desk: Desk,
    found: Iterable[Suggestion],
    by_id: dict[str, Submission],
    known: dict[str, Change],
) -> None:
    """Mark as done what the panel's list shows to have happened."""
    for each in found:
        row, change = by_id.get(each.submission), known.get(f"pay:{each.rater}")
        if row is None or change is None or change.state == "done":
            continue
        if change.kind == "bonus":
            happened = row.bonus_cents >= change.detail["cents"] and change.state != "intended"
        else:
            happened = (change.kind, row.status) in (
                ("approve", "approved"),
                ("screen out", "screened out"),
            )
        if happened:
            journal.move(desk.database, desk.study, [change], "done")


def _decision(desk: Desk, what: Suggestion, known: dict[str, Change]) -> Decision:
    if what.action == "ask to return":
        key = f"return:{desk.hashed(what.submission)}"
        asked = known.get(key)
        if asked is not None and asked.state == "done":
            return Decision(replace(what, action="wait", reason=f"{what.reason}; was asked to"))
        return Decision(what, Change(key, "return", "intended", journal.new_claim()))
    if what.action not in _KINDS or not what.rater:
        return Decision(what)
    return _payment(desk, what, known.get(f"pay:{what.rater}"))


def _payment(desk: Desk, what: Suggestion, before: Change | None) -> Decision:
    kind = _KINDS[what.action]
    if before is not None and before.state in ("sent", "accepted", "done"):
        return Decision(_paid_before(desk, what, before))
    promise = promise_of(study_file(desk.study))
    cents = promise.reward_cents or 0
    if kind == "bonus" and not cents:
        return Decision(replace(what, action="look", reason="no recruit.reward in the study file"))
    detail = {"cents": cents} if kind == "bonus" else {}
    change = Change(f"pay:{what.rater}", kind, "intended", journal.new_claim(), detail)
    return Decision(what, change, cents if kind == "bonus" else 0)


def _paid_before(desk: Desk, what: Suggestion, before: Change) -> Suggestion:
    """Return what to say of a rater whom an earlier run paid, or may have paid."""
    if before.state == "done":
        return replace(what, action="look", reason=f"was paid before ({before.kind}): look why")
    if before.state == "accepted":
        return replace(what, action="wait", reason="the panel has taken the bonus and is paying it")
    if desk.now() - before.changed_at < SETTLED_AFTER_MS:
        return replace(
            what, action="wait", reason="a bonus was sent, and its answer was lost: wait"
        )
    return replace(
        what,
        action="look",
        reason="a bonus was sent, its answer was lost, and the panel's list does not show it: look"
        f" on Prolific, and if it is not there --pay-again {what.rater}",
    )


def send(desk: Desk, found: Iterable[Decision]) -> list[str]:
    """Send what was decided and return a line for everything that did not go through."""
    wanted = {each.change.key: each for each in found if each.change is not None}
    known = journal.changes(desk.database, desk.study)
    took = journal.take(
        desk.database, desk.study, [each.change for each in wanted.values() if each.change], known
    )
    problems = [
        f"{wanted[key].what.rater or wanted[key].what.participant}: another process is at it"
        for key in wanted.keys() - {change.key for change in took}
    ]
    bonuses = []
    for change in took:
        decision = wanted[change.key]
        if change.kind == "bonus":
            bonuses.append((change, decision.what.participant))
        else:
            problems += _send_one(desk, change, decision.what)
    return problems + pay_bonuses(desk.database, desk.panel, desk.study, bonuses)


def _send_one(desk: Desk, change: Change, what: Suggestion) -> list[str]:
    path = f"/submissions/{what.submission}"
    try:
        if change.kind == "approve":
            desk.panel.post(f"{path}/transition/", {"action": "APPROVE"}, repeat=True)
        elif change.kind == "screen out":
            code = completion_codes(desk.database, desk.study)["screened_out"]
            body = {"action": "COMPLETE", "completion_code": code}
            desk.panel.post(f"{path}/transition/", body, repeat=True)
        else:
            body_of_return = {"request_return_reasons": [_RETURN_REASON]}
            desk.panel.post(f"{path}/request-return/", body_of_return, repeat=True)
    except LostAnswerError as error:
        return [f"{what.rater or what.participant}: {error}"]  # stays intended: the list will tell
    except PanelError as error:
        return _refused(desk, change, what, error)
    journal.move(desk.database, desk.study, [change], "done")
    return []


def _refused(desk: Desk, change: Change, what: Suggestion, error: PanelError) -> list[str]:
    """Return what came of a refusal: it may have happened already, or have become impossible."""
    if error.status in (401, 403, 429):
        raise error
    status = str(desk.panel.get(f"/submissions/{what.submission}/")["status"]).upper()
    if (change.kind, status) in (("approve", "APPROVED"), ("screen out", "SCREENED OUT")):
        journal.move(desk.database, desk.study, [change], "done")
        return []
    journal.move(desk.database, desk.study, [change], "failed", status=status)
    later = " (run this again)" if status in ("ACTIVE", "RESERVED", "RETURNED", "TIMED-OUT") else ""
    return [f"{what.rater or what.participant}: is {status} on Prolific{later}: {error}"]


def pay_again(desk: Desk, raters: Collection[str]) -> list[str]:
    """Send bonuses again that a person has looked for on the panel and not found.

    Raises `PanelError` for a rater whose bonus is not in doubt.
    """
    listed = submissions(desk.panel, panel_id_of(desk.database, desk.study))
    found = suggest(desk.database, desk.secret, desk.study, listed)
    known = journal.changes(desk.database, desk.study)
    _settle(desk, found, {row.submission: row for row in listed}, known)
    known = journal.changes(desk.database, desk.study)
    owed = {each.rater: each for each in found if each.action == "pay by bonus"}
    for rater in raters:
        change = known.get(f"pay:{rater}")
        if rater not in owed or change is None or change.state not in ("sent", "accepted"):
            raise PanelError(f"--pay-again {rater}: no bonus of this rater is in doubt")
        if desk.now() - change.changed_at < SETTLED_AFTER_MS:
            raise PanelError(f"--pay-again {rater}: it was sent less than an hour ago, wait")
    wanted = [
        Change(
            f"pay:{rater}", "bonus", "intended", journal.new_claim(), known[f"pay:{rater}"].detail
        )
        for rater in dict.fromkeys(raters)
    ]
    took = journal.take(desk.database, desk.study, wanted, known)
    held = [(each, owed[each.key.removeprefix("pay:")].participant) for each in took]
    return pay_bonuses(desk.database, desk.panel, desk.study, held)
