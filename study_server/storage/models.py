"""The tables. Every time is an integer: milliseconds since 1970, UTC (`clock.iso` prints it).

A study's design is written once, when it is created: its blocks, and each block's trials in order
with their sides. A rater's session is bound to one block; what it adds is append-only judgments.

A block's `session_id` is who holds it now. A holder whose `lease_until` has passed keeps the
block until somebody else claims it; if they then finish all the same, their session is `surplus`.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite numbers rows by itself only in a column declared INTEGER.
RowId = BigInteger().with_variant(Integer(), "sqlite")

STATES = ("draft", "open", "paused", "closed")
TASKS = ("task1", "task2", "preference", "single")
STAGES = ("device", "instructions", "run", "comment", "end")
CHANGE_STATES = ("intended", "sent", "accepted", "done", "failed")
OUTCOMES = ("completed", "no_consent", "screened_out", "timed_out", "full")


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    quoted = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({quoted})", name=f"{column}_known")


class Base(DeclarativeBase):
    """The common base: constraints get the same names on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Study(Base):
    """One version of a study, frozen when it is created."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("slug", "version"), _one_of("state", STATES))

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    slug: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(8), default="draft")
    file_text: Mapped[str] = mapped_column(Text)  # the study file, byte for byte
    digest: Mapped[str] = mapped_column(String(64))  # of the file's content and its runs' digests
    seed: Mapped[str] = mapped_column(String(64))  # with the digest, gives blocks and sides
    provenance: Mapped[str] = mapped_column(Text)  # JSON: reference and inputs run, versions
    sessions_started: Mapped[int] = mapped_column(Integer, default=0)  # the last rater number given
    payment_salt: Mapped[str | None] = mapped_column(String(64))  # None: payment ids are lost
    created_at: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[int | None] = mapped_column(BigInteger)
    closed_at: Mapped[int | None] = mapped_column(BigInteger)


class Condition(Base):
    """A run that is judged, or the one that catch trials show."""

    __tablename__ = "condition"
    __table_args__ = (
        UniqueConstraint("study_id", "name"),
        UniqueConstraint("code"),
        _one_of("role", ("judged", "catch")),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    name: Mapped[str] = mapped_column(String(200))
    code: Mapped[str] = mapped_column(String(16))  # random; the name where raters may look
    role: Mapped[str] = mapped_column(String(8))
    run_path: Mapped[str] = mapped_column(Text)  # as the study file gives it
    run_digest: Mapped[str] = mapped_column(String(64))
    generator: Mapped[str] = mapped_column(Text)


class Item(Base):
    """One source image."""

    __tablename__ = "item"
    __table_args__ = (
        UniqueConstraint("study_id", "name"),
        _one_of("role", ("main", "practice", "catch")),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(8))
    prompt: Mapped[str | None] = mapped_column(Text)  # stands over the images
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)


class Stimulus(Base):
    """An image as it is shown: encoded and padded when the study is created."""

    __tablename__ = "stimulus"
    __table_args__ = (
        UniqueConstraint("item_id", "role", "condition_id"),
        _one_of("role", ("reference", "output", "input")),
        CheckConstraint(
            "(role = 'output') = (condition_id IS NOT NULL)", name="output_of_a_condition"
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    condition_id: Mapped[int | None] = mapped_column(ForeignKey("condition.id"))
    role: Mapped[str] = mapped_column(String(9))
    png: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class Block(Base):
    """A rater's worth of trials, held by at most one session at a time and counted at most once."""

    __tablename__ = "block"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        _one_of("task", TASKS),
        CheckConstraint("done_at IS NULL OR session_id IS NOT NULL", name="done_by_somebody"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    number: Mapped[int] = mapped_column(Integer)  # blocks are claimed in this order
    task: Mapped[str] = mapped_column(String(12))
    condition_id: Mapped[int | None] = mapped_column(
        ForeignKey("condition.id")
    )  # None: within raters
    session_id: Mapped[int | None] = mapped_column(
        ForeignKey("rater_session.id", use_alter=True), unique=True
    )
    done_at: Mapped[int | None] = mapped_column(BigInteger)


class Trial(Base):
    """One planned trial of a block: which image, judged under which condition, on which side.

    A preference trial holds the condition against the other one; `model_side` is the condition's.
    A trial of one image has it as both `left_id` and `right_id`, and `model_side` is where the
    wrong answer stands.
    """

    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("block_id", "item_id", "showing"),  # an item as often as the file says
        _one_of("kind", ("practice", "main", "catch")),
        _one_of("model_side", ("left", "right")),
    )

    block_id: Mapped[int] = mapped_column(ForeignKey("block.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)  # from 0, practice first
    kind: Mapped[str] = mapped_column(String(8))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    condition_id: Mapped[int] = mapped_column(ForeignKey("condition.id"))
    other_id: Mapped[int | None] = mapped_column(ForeignKey("condition.id"))
    showing: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # of this item
    model_side: Mapped[str] = mapped_column(String(5))
    left_id: Mapped[int] = mapped_column(ForeignKey("stimulus.id"))
    right_id: Mapped[int] = mapped_column(ForeignKey("stimulus.id"))
    input_id: Mapped[int | None] = mapped_column(ForeignKey("stimulus.id"))
    window_x: Mapped[int | None] = mapped_column(Integer)  # left edge; None: no part is shown
    window_y: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[bool] = mapped_column(default=False, server_default=false())  # is asked for


class RaterSession(Base):
    """One rater's pass through a study. A rater has one session in all versions of a study."""

    __tablename__ = "rater_session"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        UniqueConstraint("study_id", "panel_hash"),
        _one_of("stage", STAGES),
        _one_of("outcome", OUTCOMES),
        Index("ix_rater_session_lease", "study_id", "lease_until"),
        # An id is in image addresses: after a withdrawal it must not be given out again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    number: Mapped[int] = mapped_column(Integer)  # in order of arrival; exported as rater_id
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    panel_hash: Mapped[str | None] = mapped_column(String(64))  # HMAC of the panel's rater id
    submission_hash: Mapped[str | None] = mapped_column(String(64))  # of the panel's session id
    # Of a random number in the cookie of the browser that consented.
    browser_hash: Mapped[str | None] = mapped_column(String(64))
    provider: Mapped[str] = mapped_column(String(16))
    language: Mapped[str] = mapped_column(String(8), default="en")
    simulated: Mapped[bool] = mapped_column(default=False)
    # Stays, even if it is lost to another.
    block_id: Mapped[int | None] = mapped_column(ForeignKey("block.id"))
    stage: Mapped[str] = mapped_column(String(12), default="device")
    outcome: Mapped[str | None] = mapped_column(String(12))
    surplus: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(Integer, default=0)  # the next unanswered trial
    trial_count: Mapped[int] = mapped_column(Integer, default=0)
    page_token: Mapped[str] = mapped_column(String(32), default="")
    chain_head: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[int] = mapped_column(BigInteger, default=0)
    device: Mapped[str | None] = mapped_column(Text)  # JSON of the device check
    comment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[int | None] = mapped_column(BigInteger)  # the first trial was opened
    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    last_seen_at: Mapped[int] = mapped_column(BigInteger)


class Judgment(Base):
    """One answered trial. Rows are only ever added, and deleted only when a rater withdraws."""

    __tablename__ = "judgment"
    __table_args__ = (
        ForeignKeyConstraint(["session_id"], ["rater_session.id"]),
        _one_of("choice", ("left", "right")),
        CheckConstraint("(choice IS NULL) = (fooled IS NULL)", name="skipped_is_neither"),
        UniqueConstraint("session_id", "key"),
        Index("ix_judgment_answered", "answered_at"),
    )

    session_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    key: Mapped[str] = mapped_column(String(64))  # the browser's idempotency key
    body_hash: Mapped[str] = mapped_column(String(64))
    choice: Mapped[str | None] = mapped_column(String(5))  # None: skipped, or neither side
    fooled: Mapped[int | None] = mapped_column(Integer)  # 1: the answer was that on `model_side`
    rt_ms: Mapped[float | None] = mapped_column(Float(53))
    exposure_ms: Mapped[float | None] = mapped_column(Float(53))
    refresh_hz: Mapped[float | None] = mapped_column(Float(53))
    dropped_frames: Mapped[int | None] = mapped_column(Integer)
    hidden_count: Mapped[int | None] = mapped_column(Integer)
    hidden_ms: Mapped[float | None] = mapped_column(Float(53))
    input: Mapped[str | None] = mapped_column(String(8))
    answered_during_exposure: Mapped[bool | None] = mapped_column()
    scale: Mapped[float | None] = mapped_column(Float(53))
    pixel_ratio: Mapped[float | None] = mapped_column(Float(53))
    late_ms: Mapped[float | None] = mapped_column(Float(53))  # spent in the browser's outbox
    layout: Mapped[str | None] = mapped_column(String(8))  # row, or column (left is the upper one)
    views: Mapped[int | None] = mapped_column(Integer)  # 2 or more: shown again after a reload
    answers: Mapped[str | None] = mapped_column(Text)  # JSON: question -> choice, rt_ms
    viewport: Mapped[str | None] = mapped_column(Text)  # JSON: what was done with the zoom
    reason: Mapped[str | None] = mapped_column(String(64))  # digest of what was written
    answered_at: Mapped[int] = mapped_column(BigInteger)
    chain: Mapped[str] = mapped_column(String(64))  # sha256 over the link before and this row


class OutcomeCode(Base):
    """What a rater takes back to the panel, one random code per outcome."""

    __tablename__ = "outcome_code"
    __table_args__ = (_one_of("outcome", OUTCOMES),)

    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(12), primary_key=True)
    code: Mapped[str] = mapped_column(String(32))


class Invitation(Base):
    """A one-time link. Looking at it changes nothing; consenting uses it up."""

    __tablename__ = "invitation"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    session_id: Mapped[int | None] = mapped_column(ForeignKey("rater_session.id"), unique=True)
    created_at: Mapped[int] = mapped_column(BigInteger)


class PaymentId(Base):
    """The panel's id of a rater, encrypted; unreadable once the study's `payment_salt` is gone."""

    __tablename__ = "payment_id"

    session_id: Mapped[int] = mapped_column(ForeignKey("rater_session.id"), primary_key=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)


class Tombstone(Base):
    """What is left of a rater who withdrew: that there was one, and how much was deleted."""

    __tablename__ = "tombstone"
    __table_args__ = (UniqueConstraint("study_id", "number"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    number: Mapped[int] = mapped_column(Integer)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    judgments: Mapped[int] = mapped_column(Integer)
    withdrawn_at: Mapped[int] = mapped_column(BigInteger)


class Event(Base):
    """Something that happened: a state change, a conflict, a lost lease. No personal data."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_study_at", "study_id", "at"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"))
    rater_number: Mapped[int | None] = mapped_column(
        Integer
    )  # no foreign key: outlives the session
    kind: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text, default="{}")  # JSON


class PanelStudy(Base):
    """A study's counterpart on a recruitment panel, and what was last seen of it there."""

    __tablename__ = "panel_study"

    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    mark: Mapped[str] = mapped_column(String(32))  # random, in the draft's internal name
    panel_id: Mapped[str | None] = mapped_column(String(64))  # None: not drafted, as far as we know
    seen: Mapped[str] = mapped_column(Text, default="{}")  # JSON: status, places, counts; no ids
    seen_at: Mapped[int | None] = mapped_column(BigInteger)


class PanelChange(Base):
    """One change that the panel was or will be asked for, written down before it is sent.

    `pay:r0007` is the key of all that pays rater 7: nobody can be paid in two ways.
    """

    __tablename__ = "panel_change"
    __table_args__ = (
        UniqueConstraint("study_id", "key"),
        _one_of("state", CHANGE_STATES),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    key: Mapped[str] = mapped_column(String(80))  # what it is about; a panel's ids only as hashes
    kind: Mapped[str] = mapped_column(String(16))  # approve, bonus, screen out, return, reject
    state: Mapped[str] = mapped_column(String(8))
    claim: Mapped[str] = mapped_column(String(32))  # of the process that is about to send it
    detail: Mapped[str] = mapped_column(Text, default="{}")  # JSON: cents, the panel's list, reason
    changed_at: Mapped[int] = mapped_column(BigInteger)


class AdminAccount(Base):
    """A researcher who may log in to the admin site."""

    __tablename__ = "admin_account"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)  # argon2id
    created_at: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)


class AdminSession(Base):
    """A login that has not ended: its cookie counts only while this row is there."""

    __tablename__ = "admin_session"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("admin_account.id"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[int] = mapped_column(BigInteger)


class AuditEntry(Base):
    """Who did what on the admin site and the command line."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"))
    detail: Mapped[str] = mapped_column(Text, default="{}")  # JSON
