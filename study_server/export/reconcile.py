"""The panel's list of submissions against the database: who agrees, who does not, what to do.

Pure rules: rows of the panel's CSV and the study's sessions in, one suggestion for each out.
Nothing is sent to the panel and nothing in the database changes; a person decides.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from generators.foreign_text import inert
from study_server.errors import StudyError

# Header names, in lower case, of the panels we know; `columns` names others.
PARTICIPANT = ("participant id", "participant_id", "prolific_pid", "prolific id", "rater", "id")
SUBMISSION = ("submission id", "submission_id", "session_id", "session id")
STATUS = ("status", "submission status")
CODE = ("completion code", "completion_code", "entered code", "code")

STATUSES = {
    "approved": "approved",
    "awaiting review": "waiting",
    "awaiting_review": "waiting",
    "submitted": "waiting",
    "returned": "returned",
    "timed-out": "timed out",
    "timed out": "timed out",
    "timed_out": "timed out",
    "rejected": "rejected",
    "active": "active",
    "reserved": "active",
    "screened out": "screened out",
    "screened_out": "screened out",
    "screened-out": "screened out",
    "partially approved": "partly approved",
    "partially_approved": "partly approved",
    "partially-approved": "partly approved",
    "processing": "active",  # Prolific is about to change it
}
# What the panel has ended without pay, so that nothing is left to do for who did not finish.
ENDED = ("returned", "timed out", "rejected", "screened out")


@dataclass(frozen=True)
class Submission:
    """One row of the panel's list."""

    participant: str
    submission: str
    status: str  # a value of STATUSES, or the panel's own word where we know none
    code: str
    line: int  # of the CSV, or the place in the panel's list
    bonus_cents: int = 0  # paid so far
    return_requested: bool = False


@dataclass(frozen=True)
class LocalSession:
    """What the database knows about one rater's session."""

    rater: str  # as in the export
    panel_hash: str | None
    outcome: str | None  # None: still running, or left
    answered: int
    surplus: bool = False
    broken_pay_rules: tuple[str, ...] = ()  # of the study file, by name


@dataclass(frozen=True)
class Suggestion:
    """What to do about one submission or one session, and why."""

    action: str  # approve | pay by bonus | ask to return | screen out | look | wait | nothing
    reason: str
    participant: str = ""
    rater: str = ""
    status: str = ""
    outcome: str = ""
    agrees: bool = False
    submission: str = ""


@dataclass(frozen=True)
class Promise:
    """What the study promises its raters, where the suggestions depend on it."""

    reward_cents: int | None = None  # None: not known
    pays_screened_out: bool = False


def read_panel_csv(
    text: str, name: str, columns: Mapping[str, str] | None = None
) -> list[Submission]:
    """Return the submissions of a panel's CSV. Raises `StudyError` naming the missing column.

    `columns` maps participant, submission, status and code to header names, for panels that are not
    known; only participant is required.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    header = [field for field in (reader.fieldnames or []) if field]
    found = _columns(header, name, dict(columns or {}))
    rows = []
    for row in reader:
        participant = _cell(row, found["participant"])
        if not participant and any(row.values()):
            raise StudyError(
                f"{name}: line {reader.line_num}: {found['participant']} is empty,"
                " expected the participant's id"
            )
        if participant:
            status = _cell(row, found["status"])
            rows.append(
                Submission(
                    participant=participant,
                    submission=_cell(row, found["submission"]),
                    status=STATUSES.get(status.lower(), status.lower()),
                    code=_cell(row, found["code"]),
                    line=reader.line_num,
                )
            )
    if not rows:
        raise StudyError(f"{name}: holds no submissions, expected one row for each")
    return rows


def _columns(header: list[str], name: str, given: dict[str, str]) -> dict[str, str | None]:
    lower = {field.strip().lower(): field for field in header}
    known = {"participant": PARTICIPANT, "submission": SUBMISSION, "status": STATUS, "code": CODE}
    found: dict[str, str | None] = {}
    for role, names in known.items():
        wanted = (given[role].lower(),) if role in given else names
        found[role] = next((lower[option] for option in wanted if option in lower), None)
        if found[role] is None and (role == "participant" or role in given):
            raise StudyError(
                f"{name}: no column {' or '.join(map(repr, wanted[:3]))} for the {role},"
                f" found {', '.join(header[:8]) or 'an empty file'}"
            )
    return found


def _cell(row: Mapping[str, str | None], column: str | None) -> str:
    return (row.get(column) or "").strip() if column else ""


def reconcile(
    submissions: Sequence[Submission],
    sessions: Iterable[LocalSession],
    codes: Mapping[str, str],
    hash_of: Callable[[str], str],
    withdrawn: int = 0,
    *,
    promise: Promise = Promise(),
) -> list[Suggestion]:
    """Return a suggestion for every submission, then for every session the panel does not list.

    `codes` maps outcome to completion code, `hash_of` a panel id to the hash the database holds,
    `withdrawn` counts the raters whose ids were deleted at their wish, `promise` is what the study
    file says of pay.
    """
    local = {session.panel_hash: session for session in sessions if session.panel_hash}
    times = Counter(row.participant for row in submissions)
    listed, suggestions = set(), []
    for row in submissions:
        digest = hash_of(row.participant)
        session = local.get(digest)
        listed.add(digest)
        suggestion = _judge(row, session, codes, withdrawn, promise)
        if times[row.participant] > 1 and row.status != "returned":
            stranger = f"no session here{_perhaps_withdrawn(withdrawn)}"
            here = "one session here: pay once" if session else stranger
            suggestion = Suggestion(
                "look", f"listed {times[row.participant]} times by the panel, {here}"
            )
        suggestions.append(_about(suggestion, row, session))
    for digest, session in local.items():
        if digest not in listed:
            suggestions.append(_unlisted(session))
    return suggestions


def _judge(
    row: Submission,
    session: LocalSession | None,
    codes: Mapping[str, str],
    withdrawn: int,
    promise: Promise,
) -> Suggestion:
    if row.status and row.status not in STATUSES.values():
        return Suggestion("look", f"the panel's status {row.status!r} is not known here: decide")
    if session is None:
        return _stranger(row, codes, withdrawn)
    if session.outcome == "completed":
        return _finished(row, session, codes, promise)
    return _unfinished(row, session, codes, promise)


def _perhaps_withdrawn(withdrawn: int) -> str:
    return f"; or one of the {withdrawn} who withdrew, whose ids are deleted" if withdrawn else ""


def _stranger(row: Submission, codes: Mapping[str, str], withdrawn: int) -> Suggestion:
    if row.status in ENDED:
        return Suggestion("nothing", "never came here, and the panel has ended it too", agrees=True)
    if row.status in ("approved", "partly approved"):
        return Suggestion("look", f"{row.status} on the panel and no session here")
    if row.status == "active":
        return Suggestion("wait", "has the place on the panel and has not come here yet")
    maybe = _perhaps_withdrawn(withdrawn)
    if row.code and row.code == codes.get("completed"):
        return Suggestion("look", f"has the completion code and no session here{maybe}")
    return Suggestion("ask to return", f"no session here under this id{maybe}")


def _finished(
    row: Submission, session: LocalSession, codes: Mapping[str, str], promise: Promise
) -> Suggestion:
    late = " (late: another rater had taken the block over; pay all the same)"
    extra = late if session.surplus else ""
    if session.broken_pay_rules:
        broken = ", ".join(f"pay.{name}" for name in session.broken_pay_rules)
        return Suggestion("look", f"finished, and breaks {broken} of the study file: decide{extra}")
    if row.status == "approved":
        return Suggestion("nothing", f"finished and approved{extra}", agrees=True)
    if row.status in ("returned", "timed out"):
        return _ended_there(row, promise, extra)
    if row.status == "rejected":
        return Suggestion("look", f"finished here and rejected on the panel: undo?{extra}")
    if row.status in ("partly approved", "screened out"):
        return Suggestion("look", f"finished here, {row.status} on the panel: pay the rest?{extra}")
    if row.status == "active":
        return Suggestion("wait", "finished here and has not gone back to the panel yet")
    if row.code and row.code != codes.get("completed"):
        return Suggestion("approve", f"finished, with another code ({row.code!r}){extra}")
    if not row.code:
        return Suggestion("approve", f"finished, without entering the code{extra}")
    return Suggestion("approve", f"finished, and the code is right{extra}", agrees=True)


def _ended_there(row: Submission, promise: Promise, extra: str) -> Suggestion:
    """Return what is owed to who finished here and whose submission has ended on the panel."""
    stand = f"finished here, {row.status} on the panel"
    if not row.bonus_cents:
        return Suggestion("pay by bonus", f"{stand}{extra}")
    bonus = f"a bonus of {row.bonus_cents / 100:.2f}"
    if promise.reward_cents is not None and row.bonus_cents < promise.reward_cents:
        return Suggestion("look", f"{stand}, with {bonus}, less than the reward{extra}")
    return Suggestion("nothing", f"{stand}, paid by {bonus}{extra}", agrees=True)


def _unfinished(
    row: Submission, session: LocalSession, codes: Mapping[str, str], promise: Promise
) -> Suggestion:
    outcome = session.outcome or "unfinished"
    stand = f"{outcome.replace('_', ' ')} here after {session.answered} trials"
    if row.status in (*ENDED, "partly approved"):
        return Suggestion("nothing", f"{stand}, {row.status} on the panel", agrees=True)
    if row.status == "active":
        return Suggestion("wait", f"{stand}, still active on the panel")
    if row.code and row.code == codes.get("completed"):
        return Suggestion("look", f"has the completion code and is {stand}")
    if row.status == "approved":
        return Suggestion("look", f"{stand}, and approved on the panel")
    if outcome == "screened_out" and promise.pays_screened_out:
        return Suggestion("screen out", f"{stand}: pay the reward for it")
    if row.return_requested:
        return Suggestion("wait", f"{stand}, and asked to return it already")
    if row.code and row.code == codes.get(outcome):
        return Suggestion(
            "ask to return",
            f"{stand}, with that outcome's code: pay what you promised",
            agrees=True,
        )
    return Suggestion("ask to return", stand)


def _unlisted(session: LocalSession) -> Suggestion:
    done = session.outcome == "completed"
    return Suggestion(
        "look" if done else "nothing",
        "came with an id that is not on this list (another batch, or a copied link)",
        rater=session.rater,
        outcome=session.outcome or "unfinished",
        agrees=not done,
    )


def _about(what: Suggestion, row: Submission, session: LocalSession | None) -> Suggestion:
    return Suggestion(
        action=what.action,
        reason=what.reason,
        participant=row.participant,
        rater=session.rater if session else "",
        status=row.status,
        outcome=(session.outcome or "unfinished") if session else "",
        agrees=what.agrees,
        submission=row.submission,
    )


def to_csv(suggestions: Sequence[Suggestion]) -> str:
    """Return the suggestions as CSV. It holds the panel's ids: treat it as personal data."""
    stream = io.StringIO()
    names = [field.name for field in fields(Suggestion)]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for suggestion in suggestions:
        writer.writerow({key: inert(value) for key, value in asdict(suggestion).items()})
    return stream.getvalue()
